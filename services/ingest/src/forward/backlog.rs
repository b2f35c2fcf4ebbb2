//! What waits to be forwarded, as people and metrics see it.

use super::Shared;
use pistats_core::{Offset, PartitionId};
use pistats_eventlog::file::wall_clock;
use pistats_proto::log::v1;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The backlog at one moment (each number by itself: they are not read at one instant).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    pub partitions: Vec<PartitionBacklog>,
    /// Why forwarding waits, if it does.
    pub problem: Option<String>,
    /// Bytes of the spool on disk, and its bound.
    pub spool_bytes: u64,
    pub spool_bound_bytes: u64,
    /// Since the process started: records that the stream took, and sendings that had to be repeated.
    pub forwarded_records: u64,
    pub repeated_records: u64,
    /// Times that the stream had lost what it had acknowledged.
    pub rewinds: u64,
}

/// What waits in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionBacklog {
    pub partition: PartitionId,
    /// Names the spool in this partition of the stream.
    pub writer: u64,
    /// The first offset that the stream does not have.
    pub forwarded: Offset,
    /// One past the last offset of the spool.
    pub next: Offset,
    /// After a start the backlog is counted while forwarding goes on already: until then these two are too low.
    pub events: u64,
    pub bytes: u64,
    /// Zero where nothing waits.
    pub oldest_age: Duration,
}

impl PartitionBacklog {
    /// Records that wait.
    pub fn records(&self) -> u64 {
        self.next.0.saturating_sub(self.forwarded.0)
    }
}

impl Backlog {
    pub fn records(&self) -> u64 {
        self.partitions.iter().map(PartitionBacklog::records).sum()
    }

    pub fn events(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.events).sum()
    }

    /// Bytes of payloads.
    pub fn bytes(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.bytes).sum()
    }

    /// Age of the oldest record that waits.
    pub fn oldest_age(&self) -> Duration {
        self.partitions.iter().map(|partition| partition.oldest_age).max().unwrap_or_default()
    }
}

impl From<Backlog> for v1::Forwarding {
    fn from(backlog: Backlog) -> v1::Forwarding {
        let partition = |one: &PartitionBacklog| v1::PartitionBacklog {
            partition: one.partition.0.into(),
            forwarded: one.forwarded.0,
            next: one.next.0,
            events: one.events,
            bytes: one.bytes,
            oldest_age_us: u64::try_from(one.oldest_age.as_micros()).unwrap_or(u64::MAX),
            writer: one.writer,
        };
        v1::Forwarding {
            partitions: backlog.partitions.iter().map(partition).collect(),
            problem: backlog.problem.unwrap_or_default(),
            spool_bytes: backlog.spool_bytes,
            spool_bound_bytes: backlog.spool_bound_bytes,
            forwarded_records: backlog.forwarded_records,
            repeated_records: backlog.repeated_records,
            rewinds: backlog.rewinds,
        }
    }
}

pub(super) fn of(shared: &Shared) -> Backlog {
    let now = wall_clock()();
    let places = shared.places.lock().clone();
    let partition = |(partition, place): (PartitionId, &super::Place)| {
        let tally = shared.spool.tally(partition);
        let waits = place.next < tally.next;
        let count = |number: i64| if waits { u64::try_from(number).unwrap_or(0) } else { 0 };
        let age = tally.oldest.filter(|_| waits).map_or(0, |oldest| now.since(oldest));
        PartitionBacklog {
            partition,
            writer: place.writer,
            forwarded: place.next,
            next: tally.next.max(place.next),
            events: count(tally.events),
            bytes: count(tally.bytes),
            oldest_age: Duration::from_micros(u64::try_from(age).unwrap_or(0)),
        }
    };
    let (spool_bytes, spool_bound_bytes) = (shared.spool.room)();
    Backlog {
        partitions: PartitionId::all().zip(&places).map(partition).collect(),
        problem: shared.problems.lock().iter().flatten().next().cloned(),
        spool_bytes,
        spool_bound_bytes,
        forwarded_records: shared.forwarded.load(Relaxed),
        repeated_records: shared.repeated.load(Relaxed),
        rewinds: shared.rewinds.load(Relaxed),
    }
}
