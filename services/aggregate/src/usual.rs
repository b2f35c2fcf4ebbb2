//! What is usual at this hour, read from committed history: once a site when its hour turns, a minute ahead of it, and
//! again when a commit touched those days.
//!
//! Trends compare with it (`core::report::realtime`). Until it is known a site shows no trends; it is read within half a
//! second after the first topic is folded. Never on the way of an event: this runs beside folding, one statement at a time.

use crate::epoch::Setup;
use crate::live::{Counts, USUAL_MOST, Usual};
use pistats_core::report::UsualHours;
use pistats_core::{Micros, SiteId, Zone};
use pistats_store::{Cell, Statement};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::TryRecvError;

/// How often sites are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long before its hour the next level is read.
const AHEAD_US: i64 = Micros::MINUTE;

/// Reads what is lacking, for ever, and lets sites forget what is over.
pub(crate) async fn keep(setup: &Setup) {
    let mut is_failing = false;
    let mut changes = setup.notices.subscribe();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        setup.live.tidy();
        // A read that starts from here on sees these commits.
        loop {
            match changes.try_recv() {
                Ok(notice) if notice.is_reset => setup.live.touched_all(),
                Ok(notice) => notice.sites.iter().for_each(|change| setup.live.touched(change)),
                Err(TryRecvError::Lagged(_)) => setup.live.touched_all(),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let now = setup.live.now();
        for at in [now, now.plus(AHEAD_US)] {
            match learn(setup, at).await {
                Ok(()) => is_failing = false,
                Err(error) => {
                    if !is_failing {
                        tracing::warn!(%error, "what is usual could not be read; trying again");
                    }
                    is_failing = true;
                }
            }
        }
    }
}

/// Reads the usual level of an instant for every site that lacks it.
pub(crate) async fn learn(setup: &Setup, at: Micros) -> Result<(), pistats_store::Error> {
    let directory = setup.directory.load_full();
    let zone = |site: SiteId| directory.site(site).map(|site| site.zone.name());
    for site in setup.live.lacking_usual(at, zone) {
        if let Some(of) = directory.site(site) {
            setup.live.know_usual(site, read(setup, site, &of.zone, at).await?);
        }
    }
    Ok(())
}

async fn read(setup: &Setup, site: SiteId, zone: &Zone, at: Micros) -> Result<Usual, pistats_store::Error> {
    let hours = UsualHours::of(zone, at);
    let (read_at, took) = (Instant::now(), Duration::ZERO);
    let topics = Default::default();
    let mut usual = Usual { zone: zone.name().to_owned(), hours, topics, is_cut: false, read_at, took };
    // A zone may have skipped the hour on all seven days, and a clock stood far from now.
    if usual.hours.hours.is_empty() {
        return Ok(usual);
    }
    let answer = setup.store.read(vec![statement(site, &usual.hours)]).await?;
    for row in answer.results.into_iter().flat_map(|result| result.rows) {
        if let [topic, people, bots] = &row[..] {
            if usual.topics.len() == USUAL_MOST {
                usual.is_cut = true;
                break;
            }
            let counts = Counts { people: people.int() as u64, bots: bots.int() as u64 };
            usual.topics.insert(Arc::from(topic.text()), counts);
        }
    }
    (usual.took, usual.read_at) = (read_at.elapsed(), Instant::now());
    Ok(usual)
}

/// Events by topic and bots in some hours, one topic more than is kept; an event counts once for each of its topics.
fn statement(site: SiteId, hours: &UsualHours) -> Statement {
    let mut values = vec![Cell::Int(i64::from(site.0)), Cell::Int(USUAL_MOST as i64 + 1)];
    let mut spans = Vec::with_capacity(hours.hours.len());
    for (from, to) in &hours.hours {
        spans.push(format!("time_us >= ${} AND time_us < ${}", values.len() + 1, values.len() + 2));
        values.extend([Cell::Int(from.0), Cell::Int(to.0)]);
    }
    let sql = format!(
        "SELECT topic, sum(CASE WHEN bot THEN 0 ELSE 1 END), sum(CASE WHEN bot THEN 1 ELSE 0 END) FROM ( \
           SELECT DISTINCT id, bot, unnest(topics) AS topic FROM event WHERE site = $1 AND ({})) AS talk \
         GROUP BY topic ORDER BY count(*) DESC, topic LIMIT $2",
        spans.join(" OR ")
    );
    Statement::new(sql, values)
}
