//! Where people were counted from: for tests of both paths, and for whoever wonders why a report is slow.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Days with visitors that were made of bitmaps.
    pub days_of_bitmaps: u64,
    /// Days with visitors that were read from raw rows.
    pub days_of_rows: u64,
    /// Bitmaps that the cache held, and those that were fetched.
    pub bitmaps_cached: u64,
    pub bitmaps_fetched: u64,
}

/// The counts as they grow.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    pub(crate) days_of_bitmaps: AtomicU64,
    pub(crate) days_of_rows: AtomicU64,
    pub(crate) bitmaps_cached: AtomicU64,
    pub(crate) bitmaps_fetched: AtomicU64,
}

impl Tallies {
    /// The counts now. Each by itself is right; together they may be of slightly different moments.
    pub(crate) fn now(&self) -> Tally {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Tally {
            days_of_bitmaps: get(&self.days_of_bitmaps),
            days_of_rows: get(&self.days_of_rows),
            bitmaps_cached: get(&self.bitmaps_cached),
            bitmaps_fetched: get(&self.bitmaps_fetched),
        }
    }
}

/// Adds to a count.
pub(crate) fn add(count: &AtomicU64, by: usize) {
    count.fetch_add(by as u64, Ordering::Relaxed);
}
