//! Distinct visitors of the last minutes, by a value: exact to the microsecond, and always counted up.
//!
//! ```text
//!   values   value ─▶ { (visitor, bot) ─▶ latest event }, and how many they are
//!   due      second ─▶ keys to look at when it is over: gone, or moved to the second of their latest event
//! ```
//!
//! A key stands in `due` once, so that an event costs a look-up, a view costs the values, and nothing ever walks over all
//! visitors.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use pistats_core::report::Bots;
use pistats_core::report::realtime::{CURRENT_US, Ranked};
use pistats_core::{Micros, VisitorNo};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Visitors by value that a site's list holds at most; each costs about 80 bytes.
pub(crate) const HELD_MOST: usize = 2_000_000;

/// A visitor's events by bots are apart from its others.
type Key = (VisitorNo, bool);

#[derive(Default)]
pub(crate) struct Recent {
    values: HashMap<Arc<str>, Value>,
    due: BTreeMap<i64, Vec<(Arc<str>, Key)>>,
    held: usize,
}

#[derive(Default)]
struct Value {
    latest: HashMap<Key, Micros>,
    /// Visitors by mode; those with events of both kinds count once in `all`.
    people: u64,
    bots: u64,
    all: u64,
}

impl Value {
    fn visitors(&self, bots: Bots) -> u64 {
        match bots {
            Bots::Exclude => self.people,
            Bots::Include => self.all,
            Bots::Only => self.bots,
        }
    }

    /// Counts a key that came or went.
    fn count(&mut self, (visitor, bot): Key, by: i64) {
        let own = if bot { &mut self.bots } else { &mut self.people };
        *own = own.saturating_add_signed(by);
        if !self.latest.contains_key(&(visitor, !bot)) {
            self.all = self.all.saturating_add_signed(by);
        }
    }
}

impl Recent {
    /// Notes an event, which must lie within the last [`CURRENT_US`]. False if there is no room for it.
    pub(crate) fn add(&mut self, value: &str, visitor: VisitorNo, bot: bool, time: Micros) -> bool {
        let key = (visitor, bot);
        if let Some(latest) = self.values.get_mut(value).and_then(|value| value.latest.get_mut(&key)) {
            *latest = time.max(*latest);
            return true;
        }
        if self.held == HELD_MOST {
            return false;
        }
        self.held += 1;
        let name = self.values.get_key_value(value).map_or_else(|| Arc::from(value), |(name, _)| name.clone());
        let of = self.values.entry(name.clone()).or_default();
        of.latest.insert(key, time);
        of.count(key, 1);
        self.due.entry(second(time)).or_default().push((name, key));
        true
    }

    /// Forgets who was not seen in the last [`CURRENT_US`].
    pub(crate) fn sweep(&mut self, now: Micros) {
        let since = now.plus(-CURRENT_US);
        while let Some(first) = self.due.first_entry()
            && *first.key() <= second(since)
        {
            let is_last = *first.key() == second(since);
            for (name, key) in first.remove() {
                self.look_at(name, key, since);
            }
            // Those that stay stand in a later second, or in this one again.
            if is_last {
                break;
            }
        }
    }

    fn look_at(&mut self, name: Arc<str>, key: Key, since: Micros) {
        let Entry::Occupied(mut value) = self.values.entry(name.clone()) else { return };
        let Some(latest) = value.get().latest.get(&key).copied() else { return };
        if latest > since {
            self.due.entry(second(latest)).or_default().push((name, key));
            return;
        }
        let of = value.get_mut();
        of.latest.remove(&key);
        of.count(key, -1);
        self.held -= 1;
        if of.latest.is_empty() {
            value.remove();
        } else if of.latest.capacity() > 64 && of.latest.len() * 8 < of.latest.capacity() {
            of.latest.shrink_to_fit();
        }
    }

    /// The values and their visitors, in no order.
    pub(crate) fn values(&self, bots: Bots) -> Vec<Ranked> {
        let counted = self.values.iter().map(|(name, value)| (name, value.visitors(bots)));
        counted.filter(|(_, visitors)| *visitors > 0).map(|(name, visitors)| (name.clone(), visitors)).collect()
    }
}

fn second(at: Micros) -> i64 {
    at.0.div_euclid(Micros::SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(recent: &Recent) -> [Vec<(String, u64)>; 3] {
        [Bots::Exclude, Bots::Include, Bots::Only].map(|bots| {
            let mut values: Vec<_> =
                recent.values(bots).into_iter().map(|(value, visitors)| (value.to_string(), visitors)).collect();
            values.sort();
            values
        })
    }

    #[test]
    fn a_visitor_goes_exactly_five_minutes_after_its_latest_event() {
        let mut recent = Recent::default();
        let (ada, start) = (VisitorNo(1), Micros(1_000_000_500));
        assert!(recent.add("/", ada, false, start));
        assert!(recent.add("/", ada, false, start.plus(7)));
        // An older one that comes late changes nothing.
        assert!(recent.add("/", ada, false, start.plus(3)));
        let over = start.plus(7 + CURRENT_US);
        for (now, left) in [(start.plus(CURRENT_US), 1), (over.plus(-1), 1), (over, 0)] {
            recent.sweep(now);
            assert_eq!(recent.values(Bots::Exclude).len(), left, "{now:?}");
        }
        assert!(recent.values.is_empty() && recent.due.is_empty() && recent.held == 0);
    }

    #[test]
    fn a_visitor_who_is_both_counts_in_each_mode_once() {
        let mut recent = Recent::default();
        let start = Micros(0);
        assert!(recent.add("/", VisitorNo(1), false, start));
        assert!(recent.add("/", VisitorNo(1), true, start.plus(5)));
        assert!(recent.add("/", VisitorNo(2), true, start.plus(5)));
        let one = |count| vec![("/".to_owned(), count)];
        assert_eq!(shown(&recent), [one(1), one(2), one(2)]);
        recent.sweep(start.plus(CURRENT_US));
        assert_eq!(shown(&recent), [vec![], one(2), one(2)]);
        recent.sweep(start.plus(CURRENT_US + 5));
        assert_eq!(shown(&recent), [vec![], vec![], vec![]]);
    }

    #[test]
    fn a_full_list_takes_nobody_new_until_somebody_goes() {
        let mut recent = Recent::default();
        let start = Micros(0);
        (0..HELD_MOST as u64).for_each(|visitor| assert!(recent.add("/", VisitorNo(visitor), false, start)));
        assert!(!recent.add("/", VisitorNo(HELD_MOST as u64), false, start.plus(1)));
        assert!(recent.add("/", VisitorNo(0), false, start.plus(1)), "who is there is seen again");
        recent.sweep(start.plus(CURRENT_US));
        assert_eq!(recent.values(Bots::Exclude), [("/".into(), 1)]);
        assert!(recent.add("/", VisitorNo(HELD_MOST as u64), false, start.plus(CURRENT_US)));
    }
}
