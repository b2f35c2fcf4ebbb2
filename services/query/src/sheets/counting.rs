//! How many different visitors some bitmaps hold together, and how many of those are newcomers.
//!
//! ```text
//!   bitmap of day 1   ┌ key 0 ┐ ┌ key 1 ┐ …      all containers of one key are laid over each other on one page of
//!   bitmap of day 2   └───────┘ │       │ …      65,536 bits (8 KiB, it stays in the processor's first cache), counted,
//!   bitmap of day 3             └───────┘ …      and the page is wiped for the next key
//! ```
//!
//! Only numbers come out, no set: nothing is allocated for one.

use super::Packed;
use super::packed::{Container, halves, pairs};
use std::collections::HashMap;

type Page = [u64; 1_024];

/// With fewer numbers only the words they touched are looked at: wiping and counting a whole page costs more.
const SPARSE: usize = 256;

/// A set to look others up in: its pages by key. One bit for each number below the greatest of a page, as numbers of
/// visitors are dense.
#[derive(Debug, Default)]
pub(crate) struct Pages(HashMap<u16, Box<Page>>);

impl Pages {
    pub(crate) fn union<'a>(bitmaps: impl IntoIterator<Item = &'a Packed>) -> Pages {
        let mut pages: HashMap<u16, Box<Page>> = HashMap::new();
        for (key, container) in bitmaps.into_iter().flat_map(Packed::containers) {
            lay(pages.entry(key).or_insert_with(|| Box::new([0; 1_024])), container);
        }
        Pages(pages)
    }
}

/// Counts unions; one is used for many.
pub(crate) struct Counter {
    page: Box<Page>,
}

impl Counter {
    pub(crate) fn new() -> Counter {
        Counter { page: Box::new([0; 1_024]) }
    }

    /// How many numbers are in at least one of the bitmaps, and how many of these in `others` too.
    pub(crate) fn union<'a>(&mut self, bitmaps: impl IntoIterator<Item = &'a Packed>, others: &Pages) -> (u64, u64) {
        let mut walks: Vec<_> = bitmaps.into_iter().map(|bitmap| bitmap.containers().peekable()).collect();
        let (mut all, mut shared) = (0, 0);
        let mut containers = Vec::with_capacity(walks.len());
        while let Some(key) = walks.iter_mut().filter_map(|walk| walk.peek().map(|(key, _)| *key)).min() {
            containers.clear();
            containers.extend(walks.iter_mut().filter_map(|walk| Some(walk.next_if(|(at, _)| *at == key)?.1)));
            let (here, both) = self.count(&containers, others.0.get(&key).map(|page| &**page));
            all += here;
            shared += both;
        }
        (all, shared)
    }

    /// The same for containers of one key.
    fn count(&mut self, containers: &[Container<'_>], others: Option<&Page>) -> (u64, u64) {
        for container in containers {
            lay(&mut self.page, *container);
        }
        let at_most: usize = containers.iter().map(Container::at_most).sum();
        let (mut all, mut shared) = (0, 0);
        let mut take = |at: usize, word: &mut u64| {
            all += u64::from(word.count_ones());
            shared += others.map_or(0, |others| u64::from((*word & others[at]).count_ones()));
            *word = 0;
        };
        if at_most >= SPARSE {
            self.page.iter_mut().enumerate().for_each(|(at, word)| take(at, word));
        } else {
            // A word that was taken is 0 and counts no more.
            for container in containers {
                each_word(*container, |at| take(at, &mut self.page[at]));
            }
        }
        (all, shared)
    }
}

/// Sets a container's bits.
fn lay(page: &mut Page, container: Container<'_>) {
    match container {
        Container::Array(numbers) => {
            for number in halves(numbers) {
                page[usize::from(number / 64)] |= 1 << (number % 64);
            }
        }
        Container::Bits(bits) => {
            for (word, bits) in page.iter_mut().zip(bits.as_chunks().0) {
                *word |= u64::from_le_bytes(*bits);
            }
        }
        Container::Runs(runs) => {
            for number in pairs(runs).flat_map(|(start, more)| start..=start.saturating_add(more)) {
                page[usize::from(number / 64)] |= 1 << (number % 64);
            }
        }
    }
}

/// The words that a container may touch.
fn each_word(container: Container<'_>, mut word: impl FnMut(usize)) {
    match container {
        Container::Array(numbers) => halves(numbers).for_each(|number| word(usize::from(number / 64))),
        Container::Bits(_) => (0..1_024).for_each(word),
        Container::Runs(runs) => {
            let words = pairs(runs).flat_map(|(start, more)| start / 64..=start.saturating_add(more) / 64);
            words.for_each(|at| word(usize::from(at)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use roaring::{MultiOps, RoaringBitmap};

    /// Numbers of few containers: runs, dense ones and scattered ones.
    fn set() -> impl Strategy<Value = RoaringBitmap> {
        let piece = (0u32..4, 0u32..65_536, 1u32..9_000, 1u32..40, any::<bool>());
        let pieces = prop::collection::vec(piece, 0..4);
        (pieces, any::<bool>()).prop_map(|(pieces, optimized)| {
            let numbers = pieces.into_iter().flat_map(|(key, start, count, step, far)| {
                let key = if far { 65_535 - key } else { key };
                (0..count).map(move |n| (key << 16) | ((start + n * step) % 65_536))
            });
            let mut set: RoaringBitmap = numbers.collect();
            if optimized {
                set.optimize();
            }
            set
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn unions_are_counted_as_roaring_counts_them(
            sets in prop::collection::vec(set(), 0..6), others in prop::collection::vec(set(), 0..3),
        ) {
            let packed = |sets: &[RoaringBitmap]| sets.iter().map(Packed::of_set).collect::<Vec<_>>();
            let (union, among) = (sets.iter().union(), others.iter().union());
            let mut counter = Counter::new();
            let pages = Pages::union(&packed(&others));
            // Twice: a page has to be wiped behind the first time.
            for _ in 0..2 {
                let counted = counter.union(&packed(&sets), &pages);
                prop_assert_eq!(counted, (union.len(), union.intersection_len(&among)));
            }
        }
    }

    #[test]
    fn few_numbers_are_counted_as_many_are() {
        for count in [0, 1, SPARSE as u32 - 1, SPARSE as u32, SPARSE as u32 + 1] {
            let scattered: RoaringBitmap = (0..count).map(|n| n * 61).collect();
            let mut run: RoaringBitmap = (0..count).collect();
            run.optimize();
            let pages = Pages::union([&Packed::of_set(&(0..10).collect())]);
            for set in [scattered, run] {
                let expected = (u64::from(count), set.iter().filter(|n| *n < 10).count() as u64);
                let packed = Packed::of_set(&set);
                assert_eq!(Counter::new().union([&packed, &packed], &pages), expected, "{count} numbers");
            }
        }
    }
}
