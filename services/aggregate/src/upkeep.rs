//! What is done beside folding: rollups are brought up to date, and the log is told what it may forget.
//!
//! Both are never urgent: reports read raw rows where rollups are behind, and the log only grows.

use crate::epoch::{Current, Setup};
use pistats_core::PartitionId;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Under steady load rollups are refreshed all the same this often, so that reports do not read ever more raw rows.
const REFRESH_UNDER_LOAD: Duration = Duration::from_secs(15);

pub(crate) async fn run(setup: Arc<Setup>, current: Current) {
    tokio::join!(refresh(&setup, &current), trim(&setup));
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
    loop {
        tokio::time::sleep(Duration::from_millis(setup.config.refresh_every_ms)).await;
        dirty |= commits.has_changed().unwrap_or(false);
        let is_busy = current.lock().as_ref().is_some_and(|epoch| epoch.is_busy());
        if !dirty || is_busy && last.elapsed() < REFRESH_UNDER_LOAD {
            continue;
        }
        commits.mark_unchanged();
        match setup.store.refresh(setup.config.refresh_hours).await {
            Ok(refreshed) => {
                dirty = refreshed.left > 0;
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

async fn trim(setup: &Setup) {
    if setup.config.trim_every_ms == 0 {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(Duration::from_millis(setup.config.trim_every_ms)).await;
        if *setup.commits.borrow() == 0 {
            continue;
        }
        for partition in PartitionId::all() {
            let below = setup.stats.checkpoint(partition);
            if let Err(error) = setup.log.trim(partition, below).await {
                tracing::warn!(partition = partition.0, %error, "the log could not be trimmed; trying again later");
            }
        }
    }
}
