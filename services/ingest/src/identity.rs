//! Who this process is, and the ids it makes.

use pistats_core::{EventId, Micros};
use std::sync::atomic::{AtomicU64, Ordering};

/// The system has no random numbers to give, and without one a writer of records cannot be told from others.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the system has no random numbers to give: {0}")]
pub struct NoRandomNumbers(getrandom::Error);

impl From<getrandom::Error> for NoRandomNumbers {
    fn from(error: getrandom::Error) -> NoRandomNumbers {
        NoRandomNumbers(error)
    }
}

/// The writer of records: a random number a process start, and its place in its own order. Makes ids for what has none.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) writer: u64,
    seed: u64,
    sequence: AtomicU64,
    made: AtomicU64,
}

impl Identity {
    pub(crate) fn new() -> Result<Identity, NoRandomNumbers> {
        Ok(Identity {
            writer: getrandom::u64()?,
            seed: getrandom::u64()?,
            sequence: AtomicU64::new(0),
            made: AtomicU64::new(0),
        })
    }

    /// The next place in the writer's order: 0, 1, 2 …
    pub(crate) fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// A new id. Within a process they differ for certain (the mix below is a bijection of the counter), between processes by
    /// a random seed. They are no secrets.
    pub(crate) fn new_id(&self, now: Micros) -> EventId {
        let count = self.made.fetch_add(1, Ordering::Relaxed);
        let low = mix(self.seed.wrapping_add(count));
        let high = mix(low ^ self.writer);
        EventId::from_parts((now.0.max(0) / 1_000) as u64, spread(low, high))
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Places the 64 bits of `low` where an id keeps them: version and variant take six bits of its last ten bytes.
fn spread(low: u64, high: u64) -> u128 {
    let kept = u128::from(low & ((1 << 56) - 1));
    let rest = u128::from(low >> 56);
    // Bytes 9 to 15 hold the low 56 bits, byte 7 the rest; bytes 6 and 8, with version and variant, are extra.
    kept | u128::from(high & 0xff) << 56 | rest << 64 | u128::from(high >> 56) << 72
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn made_ids_are_version_seven_of_now_and_never_the_same() {
        let identity = Identity::new().unwrap();
        let ids: HashSet<EventId> = (0..100_000).map(|_| identity.new_id(Micros(5_000))).collect();
        assert_eq!(ids.len(), 100_000);
        assert!(ids.iter().all(|id| EventId::from_slice(&id.0).is_some() && id.created_ms() == 5));
    }

    #[test]
    fn two_starts_are_two_writers() {
        assert_ne!(Identity::new().unwrap().writer, Identity::new().unwrap().writer);
    }
}
