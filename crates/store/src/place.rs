//! Which log was folded: where its records lie in time, and what they were.
//!
//! ```text
//!   a partition by minutes of append time    12:00                12:01            12:07
//!   records                                  a b c d e            f g              h i j
//!   kept of each minute                      a       e            f g              h   j     offsets and digests
//!                                                                                      ▲ the record before the checkpoint
//! ```
//!
//! Written by the commits that fold the records. It finds a position by time without a search, and it tells a log that went back,
//! or another log, from the one that was folded: both give the same offsets to other records.

use pistats_core::{Offset, PartitionId};

/// How many minutes before its newest a partition keeps: sixty days. Further back a position by time is searched.
pub const KEPT_MINUTES: i64 = 60 * 24 * 60;

/// What stored offsets are counted in: the offset in its log below, how often that log went back above (postgres/lives.rs).
pub(crate) const LIFE: i64 = 1 << 48;

/// The offset in its log that a stored offset is of (`event.log_offset`, `checkpoint.next_offset`). Of two stored offsets of a
/// partition, the greater one was folded later.
pub fn offset_of(stored: i64) -> u64 {
    (stored % LIFE).unsigned_abs()
}

/// A record, by where it lies and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub offset: Offset,
    /// [`pistats_core::ids::digest`] of its payload.
    pub digest: u64,
}

/// Of the folded records that the log took in one minute, the first and the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogMinute {
    pub partition: PartitionId,
    /// Of the append time, since 1970.
    pub minute: i64,
    pub first: Mark,
    pub last: Mark,
}

/// A checkpoint that goes back, because the log holds other records from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewind {
    pub partition: PartitionId,
    /// Must equal the stored checkpoint, as that of any commit.
    pub from: Offset,
    /// Where folding goes on; not above `from`.
    pub to: Offset,
}
