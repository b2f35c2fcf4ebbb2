//! A bounded cache of two generations: what was used lately stays, what was not goes, and nothing is ever scanned.
//!
//! ```text
//!   get: young? ── yes ─▶ hit          put: young full?  ── yes ─▶ old := young, young := {}
//!          └ no ─▶ old? ── yes ─▶ move to young
//! ```
//!
//! An entry survives if it is used once while `capacity` others come in: close to least-recently-used, at the price of a
//! plain map. The cache can be wrong about nothing: a hit compares the whole key, so the answer never depends on it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Keys longer than this are computed each time: a few absurd inputs must not fill the memory.
const LONGEST_KEY_BYTES: usize = 1024;

pub(super) struct Cache<V> {
    /// Of this process alone, so that nobody can aim at our hash table from outside.
    seed: u64,
    capacity: usize,
    young: Map<V>,
    old: Map<V>,
}

type Map<V> = HashMap<u64, (Box<str>, V), Hashed>;

impl<V> Cache<V> {
    /// Holds at most `capacity` entries in each of its two generations.
    pub(super) fn new(capacity: usize) -> Cache<V> {
        let seed = RandomState::new().hash_one(0u8);
        Cache { seed, capacity: capacity.max(1), young: Map::default(), old: Map::default() }
    }

    /// Hands the value of a key to `take`, computed if it is not here. `take` copies what it needs and no more.
    pub(super) fn with<R>(&mut self, key: &str, compute: impl FnOnce(&str) -> V, take: impl FnOnce(&V) -> R) -> R {
        if key.len() > LONGEST_KEY_BYTES {
            return take(&compute(key));
        }
        let hash = xxh3_64_with_seed(key.as_bytes(), self.seed);
        if let Some((held, value)) = self.young.get(&hash)
            && **held == *key
        {
            return take(value);
        }
        let entry = match self.old.remove(&hash) {
            Some(entry) if *entry.0 == *key => entry,
            _ => (Box::from(key), compute(key)),
        };
        if self.young.len() >= self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
        let taken = take(&entry.1);
        self.young.insert(hash, entry);
        taken
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

/// The keys are hashes already.
#[derive(Clone, Copy, Default)]
struct Hashed;

impl BuildHasher for Hashed {
    type Hasher = Same;

    fn build_hasher(&self) -> Same {
        Same(0)
    }
}

struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(cache: &mut Cache<usize>, key: &str, compute: impl FnOnce(&str) -> usize) -> usize {
        cache.with(key, compute, |value| *value)
    }

    #[test]
    fn second_question_is_answered_from_the_cache() {
        let mut cache = Cache::new(4);
        assert_eq!(get(&mut cache, "a", |key| key.len()), 1);
        assert_eq!(get(&mut cache, "a", |_| unreachable!("it is held")), 1);
    }

    #[test]
    fn cache_never_holds_more_than_two_generations() {
        let mut cache = Cache::new(10);
        for n in 0..1_000 {
            assert_eq!(get(&mut cache, &n.to_string(), |_| n), n);
            assert!(cache.len() <= 20, "{} entries", cache.len());
        }
    }

    #[test]
    fn entry_in_use_survives_and_a_forgotten_one_goes() {
        let mut cache = Cache::new(10);
        get(&mut cache, "kept", |_| 0);
        get(&mut cache, "forgotten", |_| 0);
        for n in 0..100 {
            get(&mut cache, &n.to_string(), |_| n);
            assert_eq!(get(&mut cache, "kept", |_| 99), 0);
        }
        assert_eq!(get(&mut cache, "forgotten", |_| 7), 7);
    }

    #[test]
    fn only_keys_up_to_the_limit_are_held() {
        let mut cache = Cache::new(10);
        get(&mut cache, &"x".repeat(LONGEST_KEY_BYTES + 1), |_| 1);
        assert_eq!(cache.len(), 0);
        get(&mut cache, &"x".repeat(LONGEST_KEY_BYTES), |_| 1);
        assert_eq!(cache.len(), 1);
    }
}
