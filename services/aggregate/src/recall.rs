//! The live state as the warehouse remembers it: read at the start and after a failure, before anything is folded.

use crate::Error;
use crate::epoch::Setup;
use crate::live::{Memory, Recalled, Remembered, WAITING_MOST};
use pistats_core::report::AsOf;
use pistats_core::report::realtime::{CURRENT_US, RATE_SECONDS};
use pistats_core::{Micros, SiteId, VisitorNo};
use pistats_store::{Cell, Held, Statement};

/// Events by minute. The partitions that are folded here stand in place of the word.
const MINUTES: &str = "SELECT site, bot, time_us - time_us % 60000000, count(*) FROM event \
    WHERE time_us > $1 AND time_us <= $2 AND log_partition IN (PARTITIONS) GROUP BY site, bot, time_us - time_us % 60000000";

/// Events by second of receipt.
const RECEIVED: &str = "SELECT site, bot, received_us - received_us % 1000000, count(*) FROM event \
    WHERE received_us >= $1 AND log_partition IN (PARTITIONS) GROUP BY site, bot, received_us - received_us % 1000000";

/// Who was seen where, latest.
const SEEN: &str = "SELECT site, bot, max(time_us), visitor, host || path, source, country FROM event \
    WHERE time_us > $1 AND time_us <= $2 AND log_partition IN (PARTITIONS) GROUP BY site, bot, visitor, host || path, source, country";

/// Events of topics by minute; an event counts once for each of its topics.
const TOPICS: &str = "SELECT site, bot, minute, count(*), topic FROM ( \
      SELECT DISTINCT site, id, bot, time_us - time_us % 60000000 AS minute, unnest(topics) AS topic FROM event \
      WHERE time_us > $1 AND time_us <= $2 AND log_partition IN (PARTITIONS)) AS talk \
    GROUP BY site, bot, minute, topic";

/// Events whose time is still to come, one more than may wait.
const WAITING: &str = "SELECT site, bot, time_us, visitor, host || path, source, country, topics FROM event \
    WHERE time_us > $1 AND log_partition IN (PARTITIONS) ORDER BY time_us LIMIT $2";

/// Reads the live state of all sites, of the partitions that are folded here, and how far it is folded.
pub(crate) async fn recall(setup: &Setup, held: &[Held]) -> Result<(Recalled, AsOf), Error> {
    let (since, now) = (setup.live.since().0, setup.live.now());
    let received = (now.0.div_euclid(Micros::SECOND) - RATE_SECONDS) * Micros::SECOND;
    if held.is_empty() {
        return Ok((Recalled::new(), setup.store.read(Vec::new()).await?.as_of));
    }
    let statement = |sql: &str, values: &[i64]| of_partitions(sql, values, held);
    let statements = vec![
        statement(MINUTES, &[since, now.0]),
        statement(RECEIVED, &[received]),
        statement(SEEN, &[now.plus(-CURRENT_US).0, now.0]),
        statement(TOPICS, &[since, now.0]),
        statement(WAITING, &[now.0, WAITING_MOST as i64 + 1]),
    ];
    let answer = setup.store.read(statements).await?;
    let mut recalled = Recalled::new();
    for (index, result) in answer.results.into_iter().enumerate() {
        let is_cut = index == 4 && result.rows.len() > WAITING_MOST;
        for row in result.rows {
            let Some(site) = row.first().and_then(|site| u32::try_from(site.int()).ok()) else { continue };
            let memories = recalled.entry(SiteId(site)).or_default();
            memories.extend(memory(index, &row[1..]));
        }
        if is_cut {
            // Whose events were left out is not known: from the last one read on, every site's may be.
            recalled.values_mut().for_each(|memories| memories.push(Memory::Cut { from: now }));
        }
    }
    Ok((recalled, answer.as_of))
}

/// The statement over these partitions; `PARTITIONS` in its text stands for them.
fn of_partitions(sql: &str, values: &[i64], held: &[Held]) -> Statement {
    let mut cells: Vec<Cell> = values.iter().map(|value| Cell::Int(*value)).collect();
    let mut places = Vec::with_capacity(held.len());
    for held in held {
        cells.push(Cell::Int(i64::from(held.partition.0)));
        places.push(format!("${}", cells.len()));
    }
    Statement::new(sql.replace("PARTITIONS", &places.join(", ")), cells)
}

/// A row of the statement with this number.
fn memory(index: usize, row: &[Cell]) -> Option<Memory> {
    let (bot, at, rest) = match row {
        [bot, at, rest @ ..] => (bot.int() != 0, Micros(at.int()), rest),
        _ => return None,
    };
    Some(match (index, rest) {
        (0, [events]) => Memory::Minute { start: at, bot, events: events.int() as u64 },
        (1, [events]) => Memory::Received { second: at, bot, events: events.int() as u64 },
        (2, seen) => Memory::Seen(remembered(at, bot, seen)?),
        (3, [events, topic]) => {
            Memory::Topic { topic: topic.text().to_owned(), start: at, bot, events: events.int() as u64 }
        }
        (4, waiting) => Memory::Waiting(remembered(at, bot, waiting)?),
        _ => return None,
    })
}

fn remembered(time: Micros, bot: bool, row: &[Cell]) -> Option<Remembered> {
    let [visitor, page, source, country, topics @ ..] = row else { return None };
    let topics = match topics {
        [Cell::List(topics)] => topics.clone(),
        _ => Vec::new(),
    };
    let text = |cell: &Cell| cell.text().to_owned();
    let (page, source, country) = (text(page), text(source), text(country));
    Some(Remembered { time, bot, visitor: VisitorNo(visitor.int() as u64), page, source, country, topics })
}
