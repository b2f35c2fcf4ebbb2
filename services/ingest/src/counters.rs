//! What came in, what was refused and why (P-3): plain numbers since the process started.

use pistats_core::Reason;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Shared counters; every thread adds, anyone reads.
#[derive(Debug, Default)]
pub struct IngestCounters {
    pub(crate) batches: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) failed_batches: AtomicU64,
    pub(crate) not_kept: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
}

/// The counters at one moment (each by itself: they are not read at one instant).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Batches that were answered.
    pub batches: u64,
    /// Bytes of events in them, on the wire.
    pub bytes: u64,
    /// Events that are on disk.
    pub accepted: u64,
    /// Of the accepted, those with an id seen lately.
    pub duplicates: u64,
    /// Batches that ended in an error: not one of their events was answered as accepted.
    pub failed_batches: u64,
    /// Refused events that were counted but, beyond a site's bound, not kept.
    pub not_kept: u64,
    /// Refused events by reason, in the order of [`Reason::ALL`].
    pub refused: Vec<(Reason, u64)>,
}

impl IngestCounters {
    pub(crate) fn refuse(&self, reason: Reason) {
        // Reasons are numbered from 1 in the order of ALL (a test of the contract holds the numbers).
        if let Some(counter) = self.refused.get(reason as usize - 1) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// Refused events by the reason's stable name.
    pub fn refused(&self) -> Vec<(String, u64)> {
        self.read().refused.into_iter().map(|(reason, count)| (reason.name().to_owned(), count)).collect()
    }

    /// All counters now.
    pub fn read(&self) -> Counts {
        Counts {
            batches: self.batches.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            accepted: self.accepted.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            failed_batches: self.failed_batches.load(Relaxed),
            not_kept: self.not_kept.load(Relaxed),
            refused: Reason::ALL
                .iter()
                .zip(&self.refused)
                .map(|(reason, count)| (*reason, count.load(Relaxed)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter() {
        let counters = IngestCounters::default();
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            (0..=index).for_each(|_| counters.refuse(reason));
        }
        let expected: Vec<(Reason, u64)> = Reason::ALL.into_iter().zip(1..).collect();
        assert_eq!(counters.read().refused, expected);
    }
}
