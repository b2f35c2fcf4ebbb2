//! Ids seen lately: tells a client that it repeats itself. Advisory; the exact count is taken behind the log.

use pistats_core::{EventId, SiteId};
use std::sync::atomic::{AtomicU64, Ordering};

/// 2 MiB: about what stays in a core's cache beside the work itself, and a quarter of a million ids.
const SLOTS: usize = 1 << 18;

/// A table of fingerprints where a newer id takes the place of an older one. It may forget, and it hardly ever errs: two ids
/// look the same with a chance of 2^-64.
#[derive(Debug)]
pub(crate) struct RecentIds {
    slots: Box<[AtomicU64]>,
}

impl RecentIds {
    pub(crate) fn new() -> RecentIds {
        RecentIds { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Remembers a fingerprint; whether it was remembered already.
    pub(crate) fn note(&self, fingerprint: u64) -> bool {
        let slot = &self.slots[fingerprint as usize & (SLOTS - 1)];
        slot.swap(fingerprint, Ordering::Relaxed) == fingerprint
    }
}

/// 64 bits of (site, id). An id holds 62 random bits in its lower half already; the site and the time are folded in.
#[inline]
pub(crate) fn fingerprint(site: SiteId, id: EventId) -> u64 {
    let number = id.as_u128();
    let folded = number as u64 ^ ((number >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(site.0) << 20;
    // 0 means an empty slot.
    folded.wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29) | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_id_is_known_and_the_same_id_of_another_site_is_not() {
        let recent = RecentIds::new();
        let id = EventId::from_parts(1_700_000_000_000, 42);
        assert!(!recent.note(fingerprint(SiteId(1), id)));
        assert!(recent.note(fingerprint(SiteId(1), id)));
        assert!(!recent.note(fingerprint(SiteId(2), id)));
        assert!(!recent.note(fingerprint(SiteId(1), EventId::from_parts(1_700_000_000_001, 42))));
    }

    #[test]
    fn memory_is_bounded_and_old_ids_are_forgotten() {
        let recent = RecentIds::new();
        let first = fingerprint(SiteId(1), EventId::from_parts(1, 0));
        recent.note(first);
        for entropy in 1..(8 * SLOTS as u128) {
            recent.note(fingerprint(SiteId(1), EventId::from_parts(1, entropy)));
        }
        assert!(!recent.note(first));
    }
}
