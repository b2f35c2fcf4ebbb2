//! Sets of visitors by local day.

use crate::plan::Malformed;
use pistats_core::Day;
use roaring::{MultiOps, RoaringBitmap};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Visitors by day. A day that is not there has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DaySets(BTreeMap<Day, Arc<RoaringBitmap>>);

impl DaySets {
    /// Sorts pairs of a day and a visitor, in any order, pairs given twice too.
    ///
    /// Numbers that a bitmap cannot hold (2^32 and above: half a billion visitors in one partition) are refused.
    pub(crate) fn of_pairs(days: &[i64], visitors: &[i64]) -> Result<DaySets, Malformed> {
        let mut by_day: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        if days.len() != visitors.len() {
            return Err(Malformed(format!("{} days of {} visitors", days.len(), visitors.len())));
        }
        for (day, visitor) in days.iter().zip(visitors) {
            let Ok(number) = u32::try_from(*visitor) else {
                return Err(Malformed(format!("visitor {visitor} is beyond the numbers of a bitmap")));
            };
            by_day.entry(*day).or_default().push(number);
        }
        let set = |(day, mut visitors): (i64, Vec<u32>)| {
            visitors.sort_unstable();
            visitors.dedup();
            let day = i32::try_from(day).map_err(|_| Malformed(format!("{day} as a day")))?;
            let sorted = RoaringBitmap::from_sorted_iter(visitors);
            let bitmap = sorted.map_err(|_| Malformed("sorted numbers that are not in order".into()))?;
            Ok((Day(day), Arc::new(bitmap)))
        };
        Ok(DaySets(by_day.into_iter().map(set).collect::<Result<_, Malformed>>()?))
    }

    /// Takes in the visitors of a day that is not there yet.
    pub(crate) fn insert(&mut self, day: Day, visitors: Arc<RoaringBitmap>) {
        if !visitors.is_empty() {
            self.0.insert(day, visitors);
        }
    }

    /// Days with visitors.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The days that have visitors.
    pub(crate) fn days(&self) -> impl Iterator<Item = Day> {
        self.0.keys().copied()
    }

    /// The visitors who are here on their last day of `all`.
    pub(crate) fn on_last_of(&self, all: &DaySets) -> Arc<RoaringBitmap> {
        let (mut here, mut later) = (RoaringBitmap::new(), RoaringBitmap::new());
        for (day, visitors) in all.0.iter().rev() {
            if let Some(own) = self.0.get(day) {
                here |= own.as_ref() - &later;
            }
            later |= visitors.as_ref();
        }
        Arc::new(here)
    }

    /// The visitors of at least so many days.
    pub(crate) fn in_days(&self, least: u32) -> RoaringBitmap {
        // Of those who were met n times so far, who is met again is met n + 1 times; the most first, so that a day counts once.
        let mut met = vec![RoaringBitmap::new(); least.max(1) as usize];
        for visitors in self.0.values() {
            for times in (1..met.len()).rev() {
                let again = &met[times - 1] & visitors.as_ref();
                met[times] |= again;
            }
            met[0] |= visitors.as_ref();
        }
        met.pop().unwrap_or_default()
    }

    /// The visitors of any of the days, both ends included.
    pub(crate) fn over(&self, first: Day, last: Day) -> Arc<RoaringBitmap> {
        if first > last {
            return Arc::default();
        }
        let mut days = self.0.range(first..=last).map(|(_, visitors)| visitors);
        match (days.next(), days.next()) {
            (None, _) => Arc::default(),
            (Some(only), None) => only.clone(),
            (Some(one), Some(other)) => {
                let all = [one, other].into_iter().chain(days).map(|visitors| visitors.as_ref());
                Arc::new(all.union())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_in_any_order_become_sets() {
        let sets = DaySets::of_pairs(&[2, 1, 2, 2], &[7, 7, 3, 7]).expect("sets");
        let over = |first, last| sets.over(Day(first), Day(last)).iter().collect::<Vec<u32>>();
        assert_eq!(over(1, 1), [7]);
        assert_eq!(over(2, 2), [3, 7]);
        assert_eq!(over(0, 9), [3, 7]);
        assert_eq!(over(3, 9), [0u32; 0]);
        assert_eq!(over(2, 1), [0u32; 0]);
    }

    #[test]
    fn who_is_there_on_several_days_is_counted_by_days() {
        let sets = DaySets::of_pairs(&[1, 1, 2, 2, 2, 3], &[7, 8, 7, 8, 9, 7]).expect("sets");
        let in_days = |least| sets.in_days(least).iter().collect::<Vec<u32>>();
        assert_eq!(in_days(1), [7, 8, 9]);
        assert_eq!(in_days(2), [7, 8]);
        assert_eq!(in_days(3), [7]);
        assert_eq!(in_days(4), [0u32; 0]);
    }

    #[test]
    fn a_number_beyond_32_bits_is_refused() {
        let most = i64::from(u32::MAX);
        assert_eq!(DaySets::of_pairs(&[1], &[most]).expect("fits").over(Day(1), Day(1)).max(), Some(u32::MAX));
        assert!(DaySets::of_pairs(&[1], &[most + 1]).is_err());
        assert!(DaySets::of_pairs(&[1], &[-1]).is_err());
    }
}
