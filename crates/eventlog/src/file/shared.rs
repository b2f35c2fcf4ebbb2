//! What the committer, the stock keeper and the readers share.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex, RwLock};
use pistats_core::ids::PARTITIONS;
use pistats_core::{Offset, PartitionId};
use tokio::sync::{Semaphore, watch};

use super::commit::Queue;
use super::segment::{Index, PerPartition, Segment};
use super::stock::{Spare, Stock};
use super::{Clock, Config, recover};
use crate::disk::FileSystem;
use crate::{Bounds, Error};

/// What the log takes on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Segments that hold records, the one being written included.
    pub segments: u64,
    /// Files kept ready for reuse.
    pub spares: u64,
    /// Bytes of both.
    pub bytes: u64,
}

/// How far a partition can be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    /// One past the last durable record.
    pub(super) next: u64,
    /// Nothing more will come; `Shared::ended` says why.
    pub(super) ended: bool,
}

pub(super) struct Shared {
    pub(super) disk: Arc<dyn FileSystem>,
    pub(super) clock: Clock,
    pub(super) dir: PathBuf,
    pub(super) config: Config,
    /// Oldest first; the last one is being written. The committer alone adds, `retire` alone removes.
    pub(super) segments: RwLock<VecDeque<Arc<Segment>>>,
    /// Of each partition, the highest offset given to `trim`.
    trimmed: Mutex<PerPartition<u64>>,
    /// Of each partition; readers hold the other ends.
    pub(super) tails: [watch::Sender<Tail>; PARTITIONS as usize],
    pub(super) queue: Mutex<Queue>,
    /// Told when something is queued or the log stops. The committer waits.
    pub(super) queued: Condvar,
    /// Places in the queue, in KiB.
    pub(super) room: Arc<Semaphore>,
    pub(super) stock: Stock,
    /// Why nothing more will come: `Closed` or `Failed`.
    pub(super) ended: Mutex<Option<Error>>,
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
    /// Bytes of the indexes of sealed segments.
    index_bytes: AtomicU64,
    index_uses: AtomicU64,
}

impl Shared {
    #[expect(clippy::too_many_arguments, reason = "called once, by recovery, which has made all of them")]
    pub(super) fn new(
        disk: Arc<dyn FileSystem>,
        clock: Clock,
        dir: &Path,
        config: Config,
        lock: Box<dyn Send + Sync>,
        segments: Vec<Arc<Segment>>,
        spares: Vec<Spare>,
        next: PerPartition<u64>,
    ) -> Shared {
        Shared {
            disk,
            clock,
            dir: dir.to_owned(),
            trimmed: Mutex::new(recover::firsts(&segments)),
            segments: RwLock::new(segments.into()),
            tails: next.map(|next| watch::Sender::new(Tail { next, ended: false })),
            queue: Mutex::new(Queue::default()),
            queued: Condvar::new(),
            room: Arc::new(Semaphore::new((config.queue_bytes / 1024) as usize)),
            stock: Stock::new(spares),
            ended: Mutex::new(None),
            lock: Mutex::new(Some(lock)),
            index_bytes: AtomicU64::new(0),
            index_uses: AtomicU64::new(0),
            config,
        }
    }

    pub(super) fn bounds(&self, partition: PartitionId) -> Bounds {
        // Segments first: `first` may then be too low for a moment, never above `next`.
        let first = self.segments.read().front().map_or(0, |segment| segment.header.base[partition.index()]);
        Bounds { first: Offset(first), next: Offset(self.tails[partition.index()].borrow().next) }
    }

    pub(super) fn trim(&self, partition: PartitionId, below: Offset) -> Result<(), Error> {
        let next = self.bounds(partition).next;
        if below > next {
            return Err(Error::BeyondEnd { asked: below, next });
        }
        {
            let mut trimmed = self.trimmed.lock();
            let trimmed = &mut trimmed[partition.index()];
            *trimmed = below.0.max(*trimmed);
        }
        self.stock.wake();
        Ok(())
    }

    /// Takes the oldest segments out that need not be kept; under `pressure` (of the disk bound) one that retention
    /// would still keep. Never one with a record that is not trimmed (L-6), never the one being written.
    pub(super) fn forget(&self, pressure: bool) -> Vec<Arc<Segment>> {
        let now = (self.clock)();
        let trimmed = *self.trimmed.lock();
        let mut forgotten = Vec::new();
        let mut segments = self.segments.write();
        while let (Some(oldest), Some(after)) = (segments.front(), segments.get(1)) {
            // What the oldest holds ends where the one after it begins, in offsets and in time.
            if after.header.base.iter().zip(&trimmed).any(|(end, trimmed)| end > trimmed) {
                break;
            }
            let bytes: u64 = segments.iter().map(|segment| segment.header.bytes).sum();
            let age = now.since(after.header.created_at);
            let too_old = u128::try_from(age).is_ok_and(|age| age > self.config.retain_for.as_micros());
            let too_much = bytes > self.config.retain_bytes;
            if !(too_old || too_much || (pressure && forgotten.is_empty())) {
                break;
            }
            let memory = oldest.index.read().as_ref().map_or(0, Index::memory);
            self.index_bytes.fetch_sub(memory.min(self.index_bytes.load(Ordering::Relaxed)), Ordering::Relaxed);
            forgotten.extend(segments.pop_front());
        }
        forgotten
    }

    pub(super) fn usage(&self) -> Usage {
        let (segments, bytes) = {
            let segments = self.segments.read();
            (segments.len() as u64, segments.iter().map(|segment| segment.header.bytes).sum::<u64>())
        };
        let spares = self.stock.files();
        Usage { segments, spares, bytes: bytes + spares * self.config.segment_bytes }
    }

    /// An error for an append that has no room.
    pub(super) fn full(&self) -> Error {
        Error::Full {
            used_bytes: self.usage().bytes,
            bound_bytes: self.config.max_bytes,
            free_bytes: self.disk.free_bytes(&self.dir).unwrap_or(0),
        }
    }

    /// Reads the index of a segment, making it if needed, and keeps the memory of all indexes bounded.
    pub(super) fn with_index<T>(&self, segment: &Segment, read: impl FnOnce(&Index) -> T) -> Result<T, Error> {
        let used = self.index_uses.fetch_add(1, Ordering::Relaxed);
        segment.used.store(used, Ordering::Relaxed);
        let mut made = false;
        let answer = recover::with_index(segment, read, |memory| {
            made = true;
            self.index_bytes.fetch_add(memory, Ordering::Relaxed);
        });
        if made {
            self.drop_unused_indexes(segment.number());
        }
        answer
    }

    /// Called when a segment is sealed: from now on its index counts and may be forgotten.
    pub(super) fn count_index(&self, segment: &Segment) {
        let memory = segment.index.read().as_ref().map_or(0, Index::memory);
        self.index_bytes.fetch_add(memory, Ordering::Relaxed);
        segment.used.store(self.index_uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        self.drop_unused_indexes(segment.number());
    }

    fn drop_unused_indexes(&self, keep: u32) {
        while self.index_bytes.load(Ordering::Relaxed) > self.config.index_bytes {
            let segments = self.segments.read();
            let sealed = segments.iter().take(segments.len().saturating_sub(1));
            // Never wait here: an index that is being made or read is in use.
            let idle = |segment: &&Arc<Segment>| segment.index.try_read().is_some_and(|index| index.is_some());
            let loaded = sealed.filter(|segment| segment.number() != keep).filter(idle);
            let Some(oldest) = loaded.min_by_key(|segment| segment.used.load(Ordering::Relaxed)) else { return };
            let Some(mut slot) = oldest.index.try_write() else { return };
            let memory = slot.take().map_or(0, |index| index.memory());
            self.index_bytes.fetch_sub(memory.min(self.index_bytes.load(Ordering::Relaxed)), Ordering::Relaxed);
        }
    }

    /// Nothing is taken any more; the committer writes what is queued and ends.
    pub(super) fn stop(&self) {
        self.queue.lock().stopped = true;
        self.queued.notify_all();
    }

    /// Nothing more will come: readers are told once they have read everything.
    pub(super) fn end(&self, why: Error) {
        self.ended.lock().get_or_insert(why);
        for tail in &self.tails {
            tail.send_modify(|tail| tail.ended = true);
        }
        self.stock.stop();
    }

    /// Durability cannot be promised any more.
    pub(super) fn fail(&self, why: &Error) {
        self.end(why.clone());
        self.stop();
    }

    pub(super) fn why_ended(&self) -> Error {
        self.ended.lock().clone().unwrap_or(Error::Closed)
    }

    pub(super) fn unlock(&self) {
        self.lock.lock().take();
    }
}
