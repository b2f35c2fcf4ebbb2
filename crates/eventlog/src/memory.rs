//! A log in memory, for tests and demos: the contract without a disk.
//!
//! Durable means here: while the process lives. It keeps nothing below `trim`, so `first` is always the trim point.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream;
use parking_lot::Mutex;
use pistats_core::ids::PARTITIONS;
use pistats_core::{Micros, Offset, PartitionId};
use tokio::sync::watch;

use crate::file::{Clock, wall_clock};
use crate::{Append, Bounds, Error, EventLog, Position, Record, Records};

/// An [`EventLog`] in memory.
pub struct MemoryLog {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    /// Payload bytes it may hold.
    bound_bytes: u64,
    state: Mutex<State>,
    /// `next` of each partition. Readers hold the other ends.
    tails: Vec<watch::Sender<u64>>,
}

struct State {
    partitions: Vec<Partition>,
    bytes: u64,
    last_appended_at: Micros,
}

#[derive(Default)]
struct Partition {
    first: u64,
    records: VecDeque<Record>,
}

impl Partition {
    fn next(&self) -> u64 {
        self.first + self.records.len() as u64
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        MemoryLog::new(u64::MAX, wall_clock())
    }
}

impl MemoryLog {
    /// A log of at most `bound_bytes` of payload; past it appends are refused with `Full` until trimmed.
    pub fn new(bound_bytes: u64, clock: Clock) -> MemoryLog {
        let partitions = PartitionId::all().map(|_| Partition::default()).collect();
        let state = State { partitions, bytes: 0, last_appended_at: Micros(i64::MIN) };
        let tails = PartitionId::all().map(|_| watch::Sender::new(0)).collect();
        MemoryLog { shared: Arc::new(Shared { clock, bound_bytes, state: Mutex::new(state), tails }) }
    }
}

pub(crate) fn check(partition: PartitionId) -> Result<(), Error> {
    if partition.0 < PARTITIONS { Ok(()) } else { Err(Error::NoSuchPartition(partition)) }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, records: Vec<Append>) -> Result<Vec<Offset>, Error> {
        records.iter().try_for_each(|record| check(record.partition))?;
        let bytes: u64 = records.iter().map(|record| record.payload.len() as u64).sum();
        let bound = self.shared.bound_bytes;
        if bytes > bound {
            return Err(Error::TooLarge { bytes, bound });
        }
        let mut state = self.shared.state.lock();
        if state.bytes + bytes > bound {
            return Err(Error::Full { used_bytes: state.bytes, bound_bytes: bound, free_bytes: bound - state.bytes });
        }
        state.bytes += bytes;
        let appended_at = (self.shared.clock)().max(state.last_appended_at);
        state.last_appended_at = appended_at;
        let mut offsets = Vec::with_capacity(records.len());
        for Append { partition, count, payload } in records {
            let into = &mut state.partitions[partition.index()];
            let offset = Offset(into.next());
            into.records.push_back(Record { partition, offset, appended_at, count, payload });
            offsets.push(offset);
        }
        for (partition, tail) in state.partitions.iter().zip(&self.shared.tails) {
            let next = partition.next();
            tail.send_if_modified(|tail| std::mem::replace(tail, next) != next);
        }
        Ok(offsets)
    }

    async fn read(&self, partition: PartitionId, from: Position) -> Result<Records, Error> {
        check(partition)?;
        let shared = self.shared.clone();
        let (next, not_before) = {
            let state = shared.state.lock();
            let kept = &state.partitions[partition.index()];
            let (first, next) = (Offset(kept.first), Offset(kept.next()));
            match from {
                Position::First => (first.0, None),
                Position::Latest => (next.0, None),
                Position::At(asked) if asked < first => return Err(Error::Trimmed { asked, first }),
                Position::At(asked) if asked > next => return Err(Error::BeyondEnd { asked, next }),
                Position::At(asked) => (asked.0, None),
                Position::AppendedAt(time) => {
                    (first.0 + kept.records.partition_point(|record| record.appended_at < time) as u64, Some(time))
                }
            }
        };
        let tail = shared.tails[partition.index()].subscribe();
        let cursor = Cursor { shared: Arc::downgrade(&shared), tail, partition, next, not_before, ended: false };
        Ok(stream::unfold(cursor, Cursor::step).boxed())
    }

    async fn bounds(&self, partition: PartitionId) -> Result<Bounds, Error> {
        check(partition)?;
        let state = self.shared.state.lock();
        let kept = &state.partitions[partition.index()];
        Ok(Bounds { first: Offset(kept.first), next: Offset(kept.next()) })
    }

    async fn trim(&self, partition: PartitionId, below: Offset) -> Result<(), Error> {
        check(partition)?;
        let mut state = self.shared.state.lock();
        let kept = &mut state.partitions[partition.index()];
        let next = Offset(kept.next());
        if below > next {
            return Err(Error::BeyondEnd { asked: below, next });
        }
        let mut freed = 0;
        while kept.first < below.0 {
            freed += kept.records.pop_front().map_or(0, |record| record.payload.len() as u64);
            kept.first += 1;
        }
        state.bytes -= freed;
        Ok(())
    }
}

/// A reader's place. It does not keep the log alive: when the log goes, the reader ends with `Closed`.
struct Cursor {
    shared: std::sync::Weak<Shared>,
    tail: watch::Receiver<u64>,
    partition: PartitionId,
    next: u64,
    not_before: Option<Micros>,
    ended: bool,
}

impl Cursor {
    async fn step(mut self) -> Option<(Result<Record, Error>, Cursor)> {
        if self.ended {
            return None;
        }
        let answer = loop {
            if self.tail.wait_for(|next| *next > self.next).await.is_err() {
                break Err(Error::Closed);
            }
            let Some(shared) = self.shared.upgrade() else { break Err(Error::Closed) };
            let state = shared.state.lock();
            let kept = &state.partitions[self.partition.index()];
            if self.next < kept.first {
                break Err(Error::Trimmed { asked: Offset(self.next), first: Offset(kept.first) });
            }
            let Some(record) = kept.records.get((self.next - kept.first) as usize) else { continue };
            self.next += 1;
            if self.not_before.is_none_or(|time| record.appended_at >= time) {
                break Ok(record.clone());
            }
        };
        self.ended = answer.is_err();
        Some((answer, self))
    }
}
