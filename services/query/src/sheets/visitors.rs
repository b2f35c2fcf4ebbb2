//! Visitors of dirty days, and counting them together with bitmaps of clean days. Exact for any number: bitmaps hold the first
//! 2^32, and hardly anybody has more.

use super::Packed;
use super::counting::{Counter, Pages};
use crate::plan::Malformed;
use roaring::RoaringBitmap;
use std::collections::BTreeSet;

/// Visitors by number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Visitors {
    low: Packed,
    high: BTreeSet<u64>,
}

/// Visitors to look others up in.
#[derive(Debug, Default)]
pub(crate) struct Newcomers {
    low: Pages,
    high: BTreeSet<u64>,
}

/// How many visitors, and how many of them are newcomers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct People {
    pub(crate) visitors: u64,
    pub(crate) new_visitors: u64,
}

impl Visitors {
    /// The visitors of numbers in any order.
    pub(crate) fn of_numbers(numbers: impl IntoIterator<Item = u64>) -> Visitors {
        let (mut low, mut high) = (RoaringBitmap::new(), BTreeSet::new());
        for number in numbers {
            match u32::try_from(number) {
                Ok(number) => _ = low.insert(number),
                Err(_) => _ = high.insert(number),
            }
        }
        Visitors { low: Packed::of_set(&low), high }
    }

    /// The visitors of numbers with commas between them.
    pub(crate) fn of_text(text: &str) -> Result<Visitors, Malformed> {
        let numbers = text.split(',').filter(|number| !number.is_empty()).map(str::parse);
        let numbers: Result<Vec<u64>, _> = numbers.collect();
        Ok(Visitors::of_numbers(numbers.map_err(|_| Malformed("a visitor that is no number".into()))?))
    }

    /// These visitors and those of some bitmaps, to look others up in.
    pub(crate) fn newcomers<'a>(&'a self, bitmaps: impl IntoIterator<Item = &'a Packed>) -> Newcomers {
        Newcomers { low: Pages::union(std::iter::once(&self.low).chain(bitmaps)), high: self.high.clone() }
    }

    /// How many these visitors and those of some bitmaps are.
    pub(crate) fn people<'a>(
        &'a self,
        bitmaps: impl IntoIterator<Item = &'a Packed>,
        newcomers: &Newcomers,
        counter: &mut Counter,
    ) -> People {
        let (all, new) = counter.union(std::iter::once(&self.low).chain(bitmaps), &newcomers.low);
        let new_high = self.high.intersection(&newcomers.high).count();
        People { visitors: all + self.high.len() as u64, new_visitors: new + new_high as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_past_32_bits_are_counted_too() {
        let packed = |numbers: &[u32]| Packed::of_set(&numbers.iter().copied().collect());
        let (largest, mut counter) = (u64::from(u32::MAX), Counter::new());
        let some = Visitors::of_text(&format!("5,{largest},{},7,5", largest + 1)).expect("numbers");
        assert_eq!(some.people([], &Newcomers::default(), &mut counter), People { visitors: 4, new_visitors: 0 });
        let newcomers = Visitors::of_numbers([9, largest + 1, largest + 2]).newcomers([&packed(&[6])]);
        let more = some.people([&packed(&[5, 6]), &packed(&[6, 8])], &newcomers, &mut counter);
        assert_eq!(more, People { visitors: 6, new_visitors: 2 });
        assert_eq!(Visitors::of_text("").expect("nobody"), Visitors::default());
        assert!(Visitors::of_text("1,x").is_err());
    }
}
