//! A set of visitors, exact for any number: bitmaps hold the first 2^32, and hardly anybody has more.

use crate::plan::Malformed;
use roaring::{MultiOps, RoaringBitmap};
use std::collections::BTreeSet;

/// Visitors by number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Visitors {
    low: RoaringBitmap,
    high: BTreeSet<u64>,
}

impl Visitors {
    /// The visitors of numbers in any order.
    pub(crate) fn of_numbers(numbers: impl IntoIterator<Item = u64>) -> Visitors {
        let mut visitors = Visitors::default();
        for number in numbers {
            match u32::try_from(number) {
                Ok(number) => {
                    visitors.low.insert(number);
                }
                Err(_) => {
                    visitors.high.insert(number);
                }
            }
        }
        visitors
    }

    /// The visitors of numbers with commas between them.
    pub(crate) fn of_text(text: &str) -> Result<Visitors, Malformed> {
        let numbers = text.split(',').filter(|number| !number.is_empty()).map(str::parse);
        let numbers: Result<Vec<u64>, _> = numbers.collect();
        Ok(Visitors::of_numbers(numbers.map_err(|_| Malformed("a visitor that is no number".into()))?))
    }

    /// These visitors and those of some bitmaps.
    pub(crate) fn and_of<'a>(&'a self, bitmaps: impl IntoIterator<Item = &'a RoaringBitmap>) -> Visitors {
        let low = std::iter::once(&self.low).chain(bitmaps).union();
        Visitors { low, high: self.high.clone() }
    }

    pub(crate) fn count(&self) -> u64 {
        self.low.len() + self.high.len() as u64
    }

    /// How many are in both.
    pub(crate) fn count_in(&self, others: &Visitors) -> u64 {
        self.low.intersection_len(&others.low) + self.high.intersection(&others.high).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_past_32_bits_are_counted_too() {
        let largest = u64::from(u32::MAX);
        let some = Visitors::of_text(&format!("5,{largest},{},7,5", largest + 1)).expect("numbers");
        assert_eq!(some.count(), 4);
        let more = some.and_of([&RoaringBitmap::from_iter([5, 6]), &RoaringBitmap::from_iter([6, 8])]);
        assert_eq!(more.count(), 6);
        assert_eq!(more.count_in(&Visitors::of_numbers([6, 9, largest + 1, largest + 2])), 2);
        assert_eq!(Visitors::of_text("").expect("nobody"), Visitors::default());
        assert!(Visitors::of_text("1,x").is_err());
    }
}
