//! Which event ids were ever seen: exact, for ever, in bounded memory.
//!
//! ```text
//!   id ──▶ (site, hour the id was made in) ──▶ Hour: the exact set of that hour's ids
//!                                                │ not in memory: loaded from the warehouse, once
//!                                                └ pinned while it holds an id that is not committed yet
//! ```
//!
//! One index for all partitions: the same id sent with another visitor lands in another partition and is still a
//! duplicate. Of two partitions that meet an id at the same moment the first one to claim it wins.
//!
//! Exact at 12 bytes an id: within one hour 22 bits of milliseconds and 74 of entropy tell UUIDv7s apart; the other
//! 32 bits are the same for all. Why no fingerprints: at eight bytes each hit would have to be verified in the warehouse.
//!
//! Invariant: an hour in memory holds every committed id of its hour and every claimed one. It leaves memory only
//! when nobody pins it, that is when all its ids are committed, and so it can be loaded again without loss.

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use pistats_core::{EventId, SiteId};
use pistats_store::{Error, Lookup};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

const HOUR_MS: u64 = 3_600_000;

/// Sets an hour is divided into, so that partitions seldom wait for each other and no single growth takes long.
const SETS: usize = 16;

/// What an hour costs beside its ids, counted in ids.
const HOUR_OVERHEAD_IDS: usize = 48;

/// A site, and an hour since 1970 by the ids' own time.
type HourKey = (SiteId, u64);

/// The 96 bits in which ids of one hour differ.
type Within = [u32; 3];

/// All ids, as far as memory goes.
pub(crate) struct IdIndex {
    hours: Mutex<HashMap<HourKey, Arc<Hour>>>,
    /// Ids in memory.
    held: AtomicUsize,
    bound: usize,
    clock: AtomicU64,
}

/// The ids of one hour.
pub(crate) struct Hour {
    loaded: AtomicBool,
    loading: Mutex<()>,
    used: AtomicU64,
    sets: [Mutex<HashSet<Within>>; SETS],
}

/// Hours that must stay in memory: held until the ids claimed in them are committed.
#[derive(Clone, Default)]
pub(crate) struct Pins {
    hours: HashMap<HourKey, Arc<Hour>>,
}

impl Pins {
    pub(crate) fn add(&mut self, other: &Pins) {
        for (key, hour) in &other.hours {
            self.hours.entry(*key).or_insert_with(|| hour.clone());
        }
    }
}

impl IdIndex {
    /// An index that keeps about `bound` ids in memory, and more only while they are uncommitted or of one hour.
    pub(crate) fn new(bound: usize) -> IdIndex {
        IdIndex { hours: Mutex::default(), held: AtomicUsize::new(0), bound, clock: AtomicU64::new(0) }
    }

    /// Claims an id: true if it was never seen before. Its hour is pinned from before the answer.
    pub(crate) fn claim(&self, lookup: &dyn Lookup, pins: &mut Pins, site: SiteId, id: EventId) -> Result<bool, Error> {
        let key = (site, id.created_ms() / HOUR_MS);
        let hour = match pins.hours.entry(key) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(free) => free.insert(self.hour(lookup, key)?),
        };
        let is_new = hour.insert(id);
        if is_new {
            self.held.fetch_add(1, Ordering::Relaxed);
        }
        Ok(is_new)
    }

    /// The hour, loaded.
    fn hour(&self, lookup: &dyn Lookup, key: HourKey) -> Result<Arc<Hour>, Error> {
        let hour = {
            let mut hours = self.hours.lock();
            let hour = hours.entry(key).or_insert_with(|| {
                self.held.fetch_add(HOUR_OVERHEAD_IDS, Ordering::Relaxed);
                Arc::new(Hour::empty())
            });
            hour.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
            hour.clone()
        };
        if !hour.loaded.load(Ordering::Acquire) {
            let _one_loads = hour.loading.lock();
            if !hour.loaded.load(Ordering::Acquire) {
                let ids = lookup.ids(key.0, key.1 * HOUR_MS, (key.1 + 1) * HOUR_MS)?;
                let count = ids.into_iter().filter(|id| hour.insert(*id)).count();
                self.held.fetch_add(count, Ordering::Relaxed);
                hour.loaded.store(true, Ordering::Release);
            }
        }
        Ok(hour)
    }

    /// Lets go of the hours used longest ago while more ids are held than the bound, pinned ones excepted.
    pub(crate) fn shrink(&self) {
        if self.held.load(Ordering::Relaxed) <= self.bound {
            return;
        }
        let mut hours = self.hours.lock();
        // Under the lock nobody can pin an hour that only the map holds.
        let mut free: Vec<(u64, HourKey)> = hours
            .iter()
            .filter(|(_, hour)| Arc::strong_count(hour) == 1)
            .map(|(key, hour)| (hour.used.load(Ordering::Relaxed), *key))
            .collect();
        free.sort_unstable();
        // The hour used last stays: letting go of the present one would load it again at once.
        free.pop();
        // Down to 7/8, so that this is not done for every hour.
        let enough = self.bound / 8 * 7;
        for (_, key) in free {
            if self.held.load(Ordering::Relaxed) <= enough {
                break;
            }
            if let Some(hour) = hours.remove(&key) {
                self.held.fetch_sub(hour.len() + HOUR_OVERHEAD_IDS, Ordering::Relaxed);
            }
        }
    }

    #[cfg(test)]
    fn hours_held(&self) -> usize {
        self.hours.lock().len()
    }
}

impl Hour {
    fn empty() -> Hour {
        Hour {
            loaded: AtomicBool::new(false),
            loading: Mutex::new(()),
            used: AtomicU64::new(0),
            sets: Default::default(),
        }
    }

    fn insert(&self, id: EventId) -> bool {
        let within = within_hour(id);
        self.sets[within[2] as usize % SETS].lock().insert(within)
    }

    fn len(&self) -> usize {
        self.sets.iter().map(|set| set.lock().len()).sum()
    }
}

/// Leaves out what all ids of an hour share: the hour itself, version and variant (RFC 9562, section 5.7).
fn within_hour(id: EventId) -> Within {
    let bits = id.as_u128();
    let rand_b = bits as u64 & (u64::MAX >> 2);
    let rand_a = (bits >> 64) as u64 & 0xfff;
    // Fits in 22 bits.
    let ms = id.created_ms() % HOUR_MS;
    let low = rand_b | rand_a << 62;
    let high = (ms << 10 | rand_a >> 2) as u32;
    [high, (low >> 32) as u32, low as u32]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::NoRows;

    fn id(ms: u64, entropy: u128) -> EventId {
        EventId::from_parts(ms, entropy)
    }

    #[test]
    fn every_bit_in_which_ids_of_an_hour_differ_tells_them_apart() {
        let base = id(7 * HOUR_MS, 0);
        let mut seen: HashSet<Within> = HashSet::default();
        seen.insert(within_hour(base));
        for bit in 0..74 {
            // Entropy skips version and variant: 62 bits of rand_b, then 12 of rand_a above the variant's two.
            let entropy = if bit < 62 { 1u128 << bit } else { 1u128 << (bit + 2) };
            assert!(seen.insert(within_hour(id(7 * HOUR_MS, entropy))), "bit {bit}");
        }
        for bit in 0..21 {
            assert!(seen.insert(within_hour(id(7 * HOUR_MS + (1 << bit), 0))), "millisecond bit {bit}");
        }
    }

    #[test]
    fn an_id_is_new_once_and_only_on_its_own_site() {
        let index = IdIndex::new(100);
        let mut pins = Pins::default();
        assert!(index.claim(&NoRows, &mut pins, SiteId(1), id(5, 9)).expect("claimed"));
        assert!(!index.claim(&NoRows, &mut pins, SiteId(1), id(5, 9)).expect("claimed"));
        assert!(index.claim(&NoRows, &mut pins, SiteId(2), id(5, 9)).expect("claimed"));
        assert!(!index.claim(&NoRows, &mut Pins::default(), SiteId(1), id(5, 9)).expect("claimed"));
    }

    #[test]
    fn pinned_hours_stay_beyond_the_bound_and_free_ones_go() {
        let index = IdIndex::new(10 * HOUR_OVERHEAD_IDS);
        let mut pins = Pins::default();
        for hour in 0..50 {
            index.claim(&NoRows, &mut pins, SiteId(1), id(hour * HOUR_MS, 1)).expect("claimed");
        }
        index.shrink();
        assert_eq!(index.hours_held(), 50);
        drop(pins);
        index.shrink();
        assert!(index.hours_held() <= 10, "{} hours", index.hours_held());
    }
}
