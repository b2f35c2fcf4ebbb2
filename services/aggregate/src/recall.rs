//! The live state as the warehouse remembers it: read at the start and after a failure, before anything is folded.

use crate::Error;
use crate::epoch::Setup;
use crate::live::{CURRENT_US, Touch, WAITING_MOST};
use hashbrown::HashMap;
use pistats_core::{Micros, SiteId, VisitorNo};
use pistats_store::{Cell, Statement};
use std::sync::Arc;

/// Events by minute.
const MINUTES: &str = "SELECT site, time_us - time_us % 60000000, count(*) FROM event WHERE time_us > $1 \
                       GROUP BY site, time_us - time_us % 60000000";

/// Who looked at what, latest.
const SHOWN: &str = "SELECT site, visitor, host || path, max(time_us) FROM event WHERE time_us > $1 AND time_us <= $2 \
                     GROUP BY site, visitor, host || path";

/// Events whose time is still to come.
const WAITING: &str = "SELECT site, visitor, host || path, time_us FROM event WHERE time_us > $1 LIMIT $2";

/// What is recalled of one site.
#[derive(Default)]
pub(crate) struct Recalled {
    /// Start of the minute, and its events.
    pub minutes: Vec<(Micros, u64)>,
    pub touches: Vec<Touch>,
}

/// Reads the live state of all sites.
pub(crate) async fn recall(setup: &Setup) -> Result<HashMap<SiteId, Recalled>, Error> {
    let (since, now) = (setup.live.since(), setup.live.now());
    let statement = |sql: &str, values: Vec<i64>| Statement::new(sql, values.into_iter().map(Cell::Int).collect());
    let answer = setup
        .store
        .read(vec![
            statement(MINUTES, vec![since.0]),
            statement(SHOWN, vec![now.plus(-CURRENT_US).0, now.0]),
            statement(WAITING, vec![now.0, WAITING_MOST as i64]),
        ])
        .await?;
    let mut sites: HashMap<SiteId, Recalled> = HashMap::new();
    let mut pages: HashMap<String, Arc<str>> = HashMap::new();
    for (index, result) in answer.results.into_iter().enumerate() {
        for row in result.rows {
            let Some(site) = row.first().and_then(|site| u32::try_from(site.int()).ok()) else { continue };
            let recalled = sites.entry(SiteId(site)).or_default();
            match (index, &row[1..]) {
                (0, [minute, events]) => recalled.minutes.push((Micros(minute.int()), events.int() as u64)),
                (_, [visitor, page, time]) => {
                    let page = pages.entry_ref(page.text()).or_insert_with(|| Arc::from(page.text())).clone();
                    let (time, visitor) = (Micros(time.int()), VisitorNo(visitor.int() as u64));
                    recalled.touches.push(Touch { time, visitor, page });
                }
                _ => {}
            }
        }
    }
    Ok(sites)
}
