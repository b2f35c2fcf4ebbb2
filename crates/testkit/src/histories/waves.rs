//! A history in waves: what arrives between two looks at it, with first events that are found last.

use super::{History, Sent};
use pistats_core::{EventId, Micros};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, HashMap};

impl History {
    /// Cuts the history into so many waves, in the order of arrival; some may be empty.
    ///
    /// Of two visitors in three the earliest events arrive in a later wave than the others, which moves its first seen
    /// back. All copies of an event that is sent more than once are late then. Equal seeds give equal waves.
    pub fn waves(&self, seed: u64, count: usize) -> Vec<Vec<Sent>> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut waves: Vec<Vec<Sent>> = vec![Vec::new(); count.max(1)];
        let mut of_visitor: BTreeMap<&str, Vec<(Micros, EventId)>> = BTreeMap::new();
        for event in &self.sent {
            of_visitor.entry(&event.visitor_id).or_default().push((event.time, event.id));
        }
        let mut late: HashMap<EventId, usize> = HashMap::new();
        for mut events in of_visitor.into_values() {
            events.sort();
            events.dedup();
            if rng.random_ratio(2, 3) && events.len() > 1 {
                let wave = rng.random_range(waves.len() / 2..waves.len());
                let first = rng.random_range(1..=events.len().div_ceil(2));
                late.extend(events[..first].iter().map(|(_, id)| (*id, wave)));
            }
        }
        for (position, event) in self.sent.iter().enumerate() {
            let wave = position * waves.len() / self.sent.len();
            waves[late.get(&event.id).copied().unwrap_or(wave)].push(event.clone());
        }
        waves.iter_mut().for_each(|wave| wave.shuffle(&mut rng));
        waves
    }
}
