//! Realtime under filters: the last half hour of selected events, from the warehouse.
//!
//! The live state is kept for all events of a site; filters are any. So what was committed of the last half hour is read,
//! which is one short stretch of rows, and counted as the live state counts: by the time of the events, against a clock that
//! the caller reads. All numbers come from one statement, so that they are of one moment.

use super::{Malformed, Tenant};
use crate::answer::{cell, count};
use crate::sql::{BYTEWISE, Selected, Source};
use pistats_core::Micros;
use pistats_core::report::realtime::{CURRENT_US, MINUTES, RATE_SECONDS, Ranked};
use pistats_core::report::{AsOf, Realtime, Selection};
use pistats_core::time::Range;
use pistats_proto::convert::query::RealtimeQuestion;
use pistats_store::{Rows, Statement};
use std::sync::Arc;

/// What a row of the answer tells.
const MINUTE: i64 = 0;
const CURRENT: i64 = 1;
const RECEIVED: i64 = 2;
/// The first of the lists; they follow in order.
const LISTS: i64 = 3;
const OF_LIST: [&str; 3] = ["page", "source", "country"];

/// How a moment is to be read.
pub struct RealtimePlan {
    /// One.
    pub statements: Vec<Statement>,
    now: Micros,
}

/// The start of the oldest minute shown.
fn oldest(now: Micros) -> Micros {
    Micros((now.0.div_euclid(Micros::MINUTE) - MINUTES as i64 + 1) * Micros::MINUTE)
}

/// Plans a moment.
pub fn realtime(tenant: &Tenant, question: &RealtimeQuestion, now: Micros) -> RealtimePlan {
    let mut sql = tenant.sql();
    // The oldest minute begins before the time of current visitors does.
    let range = Range::Times { from: oldest(now), to: now.plus(1) };
    let selection = Selection { range, filters: question.filters.clone(), bots: question.bots };
    let Source { from, conditions } = Selected::new(&selection, range, tenant.zone()).events_in_range(&mut sql, "");
    sql.part_first(
        "shown",
        format!(
            "SELECT e.visitor, e.time_us, e.received_us, e.host || e.path AS page, e.source, e.country \
             FROM {from} WHERE {conditions}"
        ),
    );
    let since = sql.bind(now.0 - CURRENT_US);
    sql.part("current", format!("SELECT * FROM shown WHERE time_us > {since}"));
    let second = now.0.div_euclid(Micros::SECOND);
    let (received_from, received_to) =
        (sql.bind((second - RATE_SECONDS) * Micros::SECOND), sql.bind(second * Micros::SECOND));
    let limit = sql.bind(question.limit as i64);
    let lists = OF_LIST.iter().zip(LISTS..).map(|(column, kind)| {
        format!(
            " UNION ALL SELECT {kind}, x.{column}, 0, x.visitors FROM (SELECT {column}, count(DISTINCT visitor) AS visitors \
             FROM current GROUP BY {column} ORDER BY visitors DESC, {column} {BYTEWISE} LIMIT {limit}) x"
        )
    });
    let select = format!(
        "SELECT {MINUTE} AS kind, '' AS value, minute, count(*) AS number \
         FROM (SELECT time_us - time_us % 60000000 AS minute FROM shown) m GROUP BY minute \
         UNION ALL SELECT {CURRENT}, '', 0, count(DISTINCT visitor) FROM current \
         UNION ALL SELECT {RECEIVED}, '', 0, count(*) FROM shown \
         WHERE received_us >= {received_from} AND received_us < {received_to}{}",
        lists.collect::<String>()
    );
    RealtimePlan { statements: vec![sql.finish(&select)], now }
}

impl RealtimePlan {
    /// Reads the answer of the statement.
    pub fn answer(&self, results: Vec<Rows>, as_of: AsOf) -> Result<Realtime, Malformed> {
        let mut state = Realtime {
            now: self.now,
            current_visitors: 0,
            received: 0,
            minutes: vec![0; MINUTES],
            top_pages: Vec::new(),
            top_sources: Vec::new(),
            top_countries: Vec::new(),
            trending: Vec::new(),
            as_of,
            is_cut: false,
        };
        let oldest = oldest(self.now);
        for row in results.iter().flat_map(|rows| &rows.rows) {
            let (kind, number) = (cell(row, 0)?.int(), count(row, 3)?);
            let ranked = || Ok::<Ranked, Malformed>((Arc::from(cell(row, 1)?.text()), number));
            match kind {
                MINUTE => {
                    let start = cell(row, 2)?.int();
                    let minute = usize::try_from(start.saturating_sub(oldest.0) / Micros::MINUTE).ok();
                    let events = minute.and_then(|minute| state.minutes.get_mut(minute));
                    *events.ok_or_else(|| Malformed(format!("{start} begins none of the minutes")))? = number;
                }
                CURRENT => state.current_visitors = number,
                RECEIVED => state.received = number,
                kind if kind == LISTS => state.top_pages.push(ranked()?),
                kind if kind == LISTS + 1 => state.top_sources.push(ranked()?),
                _ => state.top_countries.push(ranked()?),
            }
        }
        for list in [&mut state.top_pages, &mut state.top_sources, &mut state.top_countries] {
            list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        }
        Ok(state)
    }
}
