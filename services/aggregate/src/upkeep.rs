//! What is done beside folding: rollups and day sheets are brought up to date, the log is told what it may forget, and what
//! is usual is read (`usual`).
//!
//! The first two are never urgent: reports read raw rows where rollups and sheets are behind, and the log only grows.

use crate::epoch::{Current, Setup};
use crate::usual;
use pistats_core::PartitionId;
use pistats_core::ids::PARTITIONS;
use pistats_proto::aggregate::v1 as proto;
use pistats_store::{Refresh, Statement};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Under steady load rollups are refreshed all the same this often, so that reports do not read ever more raw rows.
const REFRESH_UNDER_LOAD: Duration = Duration::from_secs(15);

/// Whoever folds it keeps rollups and sheets up to date.
const LEADS: PartitionId = PartitionId(0);

/// How far upkeep is, as the warehouse has it.
const BEHIND: &str = "SELECT (SELECT count(*) FROM (SELECT DISTINCT site, hour FROM rollup_dirty) AS h), \
                      (SELECT count(*) FROM (SELECT DISTINCT site, day FROM sheet_dirty) AS d), \
                      count(*), coalesce(sum(bitmaps), 0), coalesce(sum(bitmap_bytes), 0) FROM sheet";

pub(crate) async fn behind(setup: &Setup) -> Result<proto::Upkeep, pistats_store::Error> {
    let answer = setup.store.read(vec![Statement::new(BEHIND, vec![]).as_numbers()]).await?;
    let columns = answer.results.into_iter().next().unwrap_or_default().numbers;
    let number = |column: usize| columns.get(column).and_then(|column| column.first()).map_or(0, |n| n.unsigned_abs());
    Ok(proto::Upkeep {
        dirty_hours: number(0),
        dirty_days: number(1),
        built_days: number(2),
        bitmaps: number(3),
        bitmap_bytes: number(4),
    })
}

pub(crate) async fn run(setup: Arc<Setup>, current: Current) {
    let (refresh, outdated) = (refresh(&setup, &current), outdated(&setup, &current));
    tokio::join!(refresh, trim(&setup), usual::keep(&setup), setup.holding.keep(), outdated);
}

async fn refresh(setup: &Setup, current: &Current) {
    if setup.config.refresh_every_ms == 0 {
        return std::future::pending().await;
    }
    let mut commits = setup.commits.subscribe();
    // What a former process left dirty is refreshed first.
    let mut dirty = true;
    let mut last = Instant::now();
    let mut is_failing = false;
    let mut calm = Calm::after(Duration::from_millis(setup.config.calm_ms));
    loop {
        tokio::time::sleep(Duration::from_millis(setup.config.refresh_every_ms)).await;
        let folded = setup.stats.folded();
        // Of several processes one refreshes: who folds the first partition.
        if !folded.contains(&LEADS) {
            continue;
        }
        dirty |= commits.has_changed().unwrap_or(false);
        // Others commit unheard.
        dirty |= folded.len() < usize::from(PARTITIONS);
        let is_busy = current.lock().as_ref().is_some_and(|epoch| epoch.is_busy());
        if !dirty || is_busy && last.elapsed() < REFRESH_UNDER_LOAD {
            continue;
        }
        commits.mark_unchanged();
        // Sheets cost more than rollups and are needed less: under load they come one at a time.
        let days = if is_busy { 1 } else { setup.config.refresh_days };
        let work = Refresh { hours: setup.config.refresh_hours, days, calm_to: calm.to(Instant::now()) };
        match setup.store.refresh(work).await {
            Ok(refreshed) => {
                calm.saw(Instant::now(), refreshed.commits);
                dirty = refreshed.hours_left > 0 || refreshed.days_left > 0;
                is_failing = false;
            }
            Err(error) => {
                if !is_failing {
                    tracing::warn!(%error, "rollups could not be refreshed; trying again");
                }
                is_failing = true;
            }
        }
        last = Instant::now();
    }
}

/// How far commits had come a while ago: marks of later ones tell of days that have not calmed down.
struct Calm {
    after: Duration,
    /// When commits had come how far, ascending.
    seen: VecDeque<(Instant, u64)>,
}

impl Calm {
    fn after(after: Duration) -> Calm {
        Calm { after, seen: VecDeque::new() }
    }

    fn saw(&mut self, at: Instant, commits: u64) {
        self.seen.push_back((at, commits));
    }

    /// The last commit that is known to be old enough; 0 if none is.
    fn to(&mut self, now: Instant) -> u64 {
        let is_old = |(at, _): &(Instant, u64)| now.saturating_duration_since(*at) >= self.after;
        while self.seen.get(1).is_some_and(is_old) {
            self.seen.pop_front();
        }
        self.seen.front().filter(|seen| is_old(seen)).map_or(0, |(_, commits)| *commits)
    }
}

/// Ends an epoch whose generation is over: where nothing is committed, no refused commit tells of it.
async fn outdated(setup: &Setup, current: &Current) {
    loop {
        tokio::time::sleep(Duration::from_millis(setup.config.heartbeat_ms.max(8))).await;
        let Some(epoch) = current.lock().clone() else { continue };
        // A store that does not answer is told of by those who need its answers.
        let Ok(answer) = setup.store.read(Vec::new()).await else { continue };
        let (stored, given) = (answer.as_of.generation, epoch.generation);
        if stored > given {
            epoch.fail(pistats_store::Error::OtherGeneration { stored, given }.into());
        }
    }
}

async fn trim(setup: &Setup) {
    if setup.config.trim_every_ms == 0 {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(Duration::from_millis(setup.config.trim_every_ms)).await;
        if *setup.commits.borrow() == 0 {
            continue;
        }
        for partition in setup.stats.folded() {
            let below = setup.stats.checkpoint(partition);
            if let Err(error) = setup.log.trim(partition, below).await {
                tracing::warn!(partition = partition.0, %error, "the log could not be trimmed; trying again later");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_old_once_it_was_seen_long_enough_ago() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut calm = Calm::after(Duration::from_millis(3_000));
        assert_eq!(calm.to(at(0)), 0);
        for (ms, commits) in [(0, 5), (1_000, 7), (2_000, 9)] {
            calm.saw(at(ms), commits);
        }
        let to: Vec<u64> = [2_999, 3_000, 3_999, 4_000, 60_000].map(|ms| calm.to(at(ms))).to_vec();
        assert_eq!(to, [0, 5, 5, 7, 9]);
        assert_eq!(calm.seen.len(), 1);
    }
}
