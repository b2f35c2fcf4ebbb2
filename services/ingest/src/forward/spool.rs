//! The spool: the collector's own log, which knows how much of it the stream does not have yet.

use async_trait::async_trait;
use futures::StreamExt;
use parking_lot::Mutex;
use pistats_core::{Micros, Offset, PartitionId};
use pistats_eventlog::{Append, Bounds, Error, EventLog, Position, Records};
use std::sync::Arc;

/// Bytes on disk, and the bound at which appends are refused.
pub type Room = Arc<dyn Fn() -> (u64, u64) + Send + Sync>;

/// The log that a collector appends to while a [`Forwarding`](super::Forwarding) ships it.
pub struct Spool {
    pub(super) log: Arc<dyn EventLog>,
    pub(super) room: Room,
    tallies: Vec<Mutex<Tally>>,
}

/// What waits in a partition. Signed: a record may be acknowledged before the one that counts has come to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Appends from here on were counted as they came.
    counted_from: Offset,
    /// One past the last record known.
    pub(super) next: Offset,
    pub(super) events: i64,
    pub(super) bytes: i64,
    /// When the oldest one that waits was appended, where that is known.
    pub(super) oldest: Option<Micros>,
}

impl Spool {
    /// A spool over a durable log, which nobody appends to but through it.
    ///
    /// # Errors
    /// The log cannot tell its bounds.
    pub async fn new(log: Arc<dyn EventLog>, room: Room) -> Result<Spool, Error> {
        let mut tallies = Vec::new();
        for partition in PartitionId::all() {
            let next = log.bounds(partition).await?.next;
            tallies.push(Mutex::new(Tally { counted_from: next, next, ..Tally::default() }));
        }
        Ok(Spool { log, room, tallies })
    }

    pub(super) fn tally(&self, partition: PartitionId) -> Tally {
        *self.tallies[partition.index()].lock()
    }

    /// A record is under way, or none.
    pub(super) fn oldest(&self, partition: PartitionId, oldest: Option<Micros>) {
        self.tallies[partition.index()].lock().oldest = oldest;
    }

    /// The stream has it.
    pub(super) fn took(&self, partition: PartitionId, events: u32, bytes: usize) {
        let mut tally = self.tallies[partition.index()].lock();
        tally.events -= i64::from(events);
        tally.bytes -= bytes as i64;
        tally.oldest = None;
    }

    /// Counts what waits already, `from` on; until it is through, the numbers are too low.
    pub(super) async fn count(&self, partition: PartitionId, from: Offset, to: Option<Offset>) -> Result<(), Error> {
        let to = to.unwrap_or(self.tally(partition).counted_from);
        if from >= to {
            return Ok(());
        }
        let mut records = self.log.read(partition, Position::At(from)).await?;
        while let Some(record) = records.next().await {
            let record = record?;
            if record.offset >= to {
                break;
            }
            {
                let mut tally = self.tallies[partition.index()].lock();
                tally.events += i64::from(record.count);
                tally.bytes += record.payload.len() as i64;
            }
            if record.offset.next() >= to {
                break;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl EventLog for Spool {
    async fn append(&self, records: Vec<Append>) -> Result<Vec<Offset>, Error> {
        let sizes: Vec<_> = records.iter().map(|r| (r.partition, r.count, r.payload.len())).collect();
        let offsets = self.log.append(records).await?;
        for ((partition, count, bytes), offset) in sizes.into_iter().zip(&offsets) {
            let mut tally = self.tallies[partition.index()].lock();
            tally.events += i64::from(count);
            tally.bytes += bytes as i64;
            tally.next = tally.next.max(offset.next());
        }
        Ok(offsets)
    }

    async fn read(&self, partition: PartitionId, from: Position) -> Result<Records, Error> {
        self.log.read(partition, from).await
    }

    async fn bounds(&self, partition: PartitionId) -> Result<Bounds, Error> {
        self.log.bounds(partition).await
    }

    async fn trim(&self, partition: PartitionId, below: Offset) -> Result<(), Error> {
        self.log.trim(partition, below).await
    }
}
