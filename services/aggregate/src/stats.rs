//! What ListPartitions tells: counters since the process started.

use parking_lot::Mutex;
use pistats_core::ids::PARTITIONS;
use pistats_core::{Micros, Offset, PartitionId};
use pistats_store::Held;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The rate is the mean of this long.
const RATE_OVER: Duration = Duration::from_secs(10);

/// What became of the events of some records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Taken into the warehouse.
    pub events: u64,
    pub duplicates: u64,
    /// Bytes that are no event, or no record.
    pub undecodable: u64,
    /// Of a site that does not exist (any more).
    pub unknown_site: u64,
    /// Records that the log had forgotten before they were folded, or that a writer sent and the log does not have.
    pub lost_records: u64,
    /// Records that came to the log more than once: each is folded once.
    pub resent_records: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Counts) {
        self.events += other.events;
        self.duplicates += other.duplicates;
        self.undecodable += other.undecodable;
        self.unknown_site += other.unknown_site;
        self.lost_records += other.lost_records;
        self.resent_records += other.resent_records;
    }
}

/// What one partition committed.
#[derive(Clone, Debug, Default)]
pub(crate) struct PartitionStats {
    pub checkpoint: Offset,
    pub counts: Counts,
    recent: VecDeque<(Instant, u64)>,
}

impl PartitionStats {
    fn rate(&mut self, now: Instant) -> f64 {
        while self.recent.front().is_some_and(|(at, _)| now.duration_since(*at) > RATE_OVER) {
            self.recent.pop_front();
        }
        let events: u64 = self.recent.iter().map(|(_, events)| events).sum();
        events as f64 / RATE_OVER.as_secs_f64()
    }
}

#[derive(Clone, Debug, Default)]
struct State {
    partitions: Vec<PartitionStats>,
    /// The partitions that are folded here.
    folded: Vec<PartitionId>,
    generation: u64,
    commits: u64,
    last_commit: Duration,
    freshness_us: u64,
    /// When the collector received the newest committed event.
    newest: Option<Micros>,
}

/// Of the whole process.
pub(crate) struct Stats {
    state: Mutex<State>,
    /// Told whenever checkpoints change: by a commit, or by reading them from the warehouse.
    moved: watch::Sender<()>,
}

/// A partition as ListPartitions shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartitionView {
    pub checkpoint: Offset,
    pub counts: Counts,
    pub events_per_second: f64,
}

/// All of it at one moment.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub partitions: Vec<PartitionView>,
    pub generation: u64,
    pub commits: u64,
    pub last_commit: Duration,
    pub freshness_us: u64,
    pub newest: Option<Micros>,
}

impl Stats {
    pub(crate) fn new() -> Stats {
        let partitions = vec![PartitionStats::default(); usize::from(PARTITIONS)];
        Stats { state: Mutex::new(State { partitions, ..State::default() }), moved: watch::Sender::new(()) }
    }

    /// The checkpoints as the warehouse has them, at the start and after a failure.
    pub(crate) fn stands_at(
        &self,
        generation: u64,
        checkpoints: impl Iterator<Item = (PartitionId, Offset)>,
        held: &[Held],
    ) {
        let mut state = self.state.lock();
        state.generation = generation;
        state.folded = held.iter().map(|held| held.partition).collect();
        for (partition, next) in checkpoints {
            state.partitions[partition.index()].checkpoint = next;
        }
        self.moved.send_replace(());
    }

    /// What one commit did: per partition the new checkpoint, if it moved, and the counts.
    pub(crate) fn committed(
        &self,
        parts: &[(PartitionId, Option<Offset>, Counts)],
        took: Duration,
        freshness_us: Option<u64>,
        newest: Option<Micros>,
    ) -> u64 {
        let now = Instant::now();
        let mut state = self.state.lock();
        for (partition, next, counts) in parts {
            let stats = &mut state.partitions[partition.index()];
            stats.checkpoint = next.unwrap_or(stats.checkpoint);
            stats.counts.add(*counts);
            stats.recent.push_back((now, counts.events));
            stats.rate(now);
        }
        state.commits += 1;
        state.last_commit = took;
        state.freshness_us = freshness_us.unwrap_or(state.freshness_us);
        state.newest = state.newest.max(newest);
        self.moved.send_replace(());
        state.commits
    }

    /// Records that the log had forgotten before they were folded.
    pub(crate) fn lost(&self, partition: PartitionId, records: u64) {
        self.state.lock().partitions[partition.index()].counts.lost_records += records;
    }

    pub(crate) fn checkpoint(&self, partition: PartitionId) -> Offset {
        self.state.lock().partitions[partition.index()].checkpoint
    }

    /// The partitions that are folded here.
    pub(crate) fn folded(&self) -> Vec<PartitionId> {
        self.state.lock().folded.clone()
    }

    /// Waits until a partition is committed up to an offset, or is no longer folded here.
    pub(crate) async fn reaches(&self, partition: PartitionId, end: Offset) {
        let mut moved = self.moved.subscribe();
        let is_behind = || {
            let state = self.state.lock();
            // Before the first start nobody knows.
            let is_here = state.generation == 0 || state.folded.contains(&partition);
            is_here && state.partitions[partition.index()].checkpoint < end
        };
        while is_behind() {
            // The sender lives as long as this: the wait cannot fail.
            let _ = moved.changed().await;
        }
    }

    pub(crate) fn view(&self) -> View {
        let now = Instant::now();
        let mut state = self.state.lock();
        let partitions = state.partitions.iter_mut().map(|stats| PartitionView {
            checkpoint: stats.checkpoint,
            counts: stats.counts,
            events_per_second: stats.rate(now),
        });
        View {
            partitions: partitions.collect(),
            generation: state.generation,
            commits: state.commits,
            last_commit: state.last_commit,
            freshness_us: state.freshness_us,
            newest: state.newest,
        }
    }
}
