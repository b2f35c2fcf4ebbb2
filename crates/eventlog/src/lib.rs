//! The event log: records go in, stay in order, and come out again from any position.
//!
//! ```text
//!   lib       the trait and its promises        error    what can go wrong, and may one retry
//!   memory    a log for tests and demos         file     the embedded log: segments, one committer, fdatasync
//!   disk      the file system, as a trait       contract the suite every backend passes   (feature `testing`)
//!   fluvio    the log on a Fluvio topic         faulty   a log that fails as remote ones do (feature `testing`)
//! ```
//!
//! # The number line of a partition
//!
//! ```text
//!        forgotten            may be forgotten            must be kept            being written
//!   ───────────────────┬─────────────────────────┬───────────────────────────┬─────────────────▶ offsets
//!                    first                    trimmed                       next
//!                      └──────── a read may start anywhere here, ────────────┘
//!                                and `next` is where `Latest` starts
//!
//!   first ≤ trimmed ≤ next        Bounds { first, next }        trimmed: the highest `below` of `trim`
//! ```
//!
//! # Promises (tests cite the numbers)
//!
//! - **L-1 Durable.** `append` MUST NOT answer `Ok` before every record of the request is on stable storage: it
//!   survives a power cut at the very next instruction. (The in-memory log promises this only while the process lives.)
//! - **L-2 Ordered and dense.** Offsets of a partition MUST be 0, 1, 2 … without gaps or repeats, also over restarts.
//!   Records of one request take consecutive offsets in input order, and offsets are returned in input order.
//!   (Where a backend had to send a record again, its copies leave holes: offsets that no record has and no call returns.)
//! - **L-3 All or nothing.** Of one request either all records come to be in the log or none. A request that was
//!   not answered (crash, dropped future) may have come either way, but never twice. (On Fluvio, which has no
//!   transactions, a crash may leave the first records of a request.)
//! - **L-4 Only durable records are read.** A read MUST NOT return a record before it is durable, and returns every
//!   durable record from its position on, once, in offset order, and follows the tail for ever.
//! - **L-5 Four positions.** `First`, `Latest`, `At` and `AppendedAt` mean the same on every backend. A position that
//!   cannot be served is a typed error (`Trimmed`, `BeyondEnd`), never another position.
//! - **L-6 Nothing above `trimmed` is ever dropped.** Below it the log forgets whole segments, by its own retention.
//! - **L-7 Never silently less.** Damage to a durable record is reported (`Corrupt`) and ends the stream; it is never skipped.
//! - **L-8 Stops when it cannot promise.** After a failed sync every append fails (`Failed`) until the log is opened
//!   again; the sync is not tried again. A full log refuses (`Full`) and takes records again once there is room.
//! - **L-9 Append time never goes back** along a partition, even if the wall clock does.
//!
//! It is not responsible for what a record means: payloads are bytes (`record.v1` is Ingest's and Aggregate's), nor
//! for duplicates: a client that retries after no answer may append twice (P-2 is kept by Aggregate).

#[cfg(feature = "testing")]
pub mod contract;
pub mod disk;
mod error;
#[cfg(feature = "testing")]
pub mod faulty;
pub mod file;
pub mod fluvio;
mod memory;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use pistats_core::{Micros, Offset, PartitionId};

pub use error::Error;
pub use file::{Config, FileLog};
pub use fluvio::FluvioLog;
pub use memory::MemoryLog;

/// What a read gives: records in offset order, endless. After an `Err` the stream ends.
pub type Records = BoxStream<'static, Result<Record, Error>>;

/// A record to append.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Append {
    pub partition: PartitionId,
    /// Events in the record. The log only carries it (for lag and rates); it is not looked at.
    pub count: u32,
    pub payload: Bytes,
}

/// A durable record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub partition: PartitionId,
    pub offset: Offset,
    /// When the log took it, by the log's clock; never decreases along a partition.
    pub appended_at: Micros,
    pub count: u32,
    pub payload: Bytes,
}

/// Where a read starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// The oldest record still kept.
    First,
    /// Only what becomes durable after the call of `read`.
    Latest,
    /// This offset; it may be `next`, which has not come yet.
    At(Offset),
    /// The first record appended at or after this time. A time to come skips what is appended before it.
    AppendedAt(Micros),
}

/// What a partition holds: `first .. next`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// The oldest record kept; equals `next` if there is none.
    pub first: Offset,
    /// One past the newest durable record.
    pub next: Offset,
}

/// A durable, ordered, partitioned log. The module's header states the promises L-1 to L-9.
///
/// Object-safe: the rest of the mesh holds an `Arc<dyn EventLog>` and does not know the backend.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Appends the records of one request and resolves when they are durable (L-1, L-2, L-3).
    ///
    /// Concurrent calls share one sync (group commit), so many calls at once are cheap and one after another are
    /// not. Returns the offsets in input order; an empty request is answered at once.
    ///
    /// Not cancellation-safe: if the future is dropped, the records may or may not have been appended.
    ///
    /// Errors: `Full` (retry later), `Failed` and `Closed` (not on this handle), `TooLarge`, `NoSuchPartition`.
    async fn append(&self, records: Vec<Append>) -> Result<Vec<Offset>, Error>;

    /// Reads a partition from a position on; the stream is endless and follows the tail (L-4, L-5).
    ///
    /// A stream ends after an error: `Trimmed` if the reader was so slow that its records were forgotten, `Corrupt`,
    /// or, once it gave every durable record, `Closed` or `Failed`. Dropping it at any time is safe.
    ///
    /// Errors: `Trimmed` and `BeyondEnd` for an offset outside the bounds, `NoSuchPartition`.
    async fn read(&self, partition: PartitionId, from: Position) -> Result<Records, Error>;

    /// What the partition holds now.
    async fn bounds(&self, partition: PartitionId) -> Result<Bounds, Error>;

    /// Allows the log to forget every record below this offset (the lowest checkpoint of all who read it) (L-6).
    ///
    /// Lasts until the log is closed; a lower offset than before changes nothing. Returns before anything is dropped.
    ///
    /// Errors: `BeyondEnd` if the offset lies past `next`, `NoSuchPartition`.
    async fn trim(&self, partition: PartitionId, below: Offset) -> Result<(), Error>;
}
