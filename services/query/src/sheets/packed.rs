//! A bitmap as it lies in the warehouse: portable Roaring, walked in place.
//!
//! ```text
//!   cookie ─ run flags? ─ (key, cardinality - 1) … ─ offsets? ─ container …
//!            key: the upper 16 bits of all numbers of a container, ascending; a container holds their lower 16 bits as
//!            an array (at most 4,096 numbers), as 65,536 bits, or as runs (start, length - 1)
//! ```
//!
//! Why not `RoaringBitmap`: a list unites thousands of bitmaps once each, and making one allocates for every container. Of
//! the time that a list with an empty cache took, the larger part was the system handing out that memory. Set arithmetic
//! that needs more than to be walked (retention, funnels) still decodes. The format: RoaringFormatSpec,
//! <https://github.com/RoaringBitmap/RoaringFormatSpec>, little-endian throughout.

use crate::plan::Malformed;
use roaring::RoaringBitmap;

const COOKIE: u16 = 12_346;
/// With a bit for each container that says whether it is of runs; the upper half is the number of containers less 1.
const COOKIE_WITH_RUNS: u16 = 12_347;
/// With run flags, offsets are left out where there are fewer containers.
const LEAST_WITH_OFFSETS: usize = 4;
const MOST_OF_ARRAY: usize = 4_096;
/// Bytes of a container of bits.
pub(crate) const BITS_BYTES: usize = 8_192;

/// A bitmap's bytes, checked once. Cheap to make: the bytes stay where they are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packed(Vec<u8>);

/// The lower halves of the numbers of one container.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Container<'a> {
    /// Two bytes a number.
    Array(&'a [u8]),
    /// 65,536 bits.
    Bits(&'a [u8]),
    /// Four bytes a run: its start, and its length less 1.
    Runs(&'a [u8]),
}

impl Default for Packed {
    /// Of no numbers.
    fn default() -> Packed {
        Packed::of_set(&RoaringBitmap::new())
    }
}

impl Packed {
    /// Takes bytes whose containers lie within them, in the order of their keys, with nothing behind.
    pub(crate) fn of(bytes: Vec<u8>) -> Result<Packed, Malformed> {
        let mut containers = Containers::of(&bytes)?;
        let mut last = None;
        for step in containers.by_ref() {
            let (key, container) = step?;
            if last.is_some_and(|last| last >= key) {
                return Err(Malformed("a bitmap whose containers are in no order".into()));
            }
            last = Some(key);
            if let Container::Runs(runs) = container
                && pairs(runs).any(|(start, more)| start.checked_add(more).is_none())
            {
                return Err(Malformed("a bitmap with a run that leaves its container".into()));
            }
        }
        if !containers.bodies.is_empty() {
            return Err(Malformed("a bitmap with bytes behind it".into()));
        }
        Ok(Packed(bytes))
    }

    /// The same bitmap, packed.
    pub(crate) fn of_set(set: &RoaringBitmap) -> Packed {
        let mut bytes = Vec::with_capacity(set.serialized_size());
        // Writing into a Vec cannot fail.
        let _ = set.serialize_into(&mut bytes);
        Packed(bytes)
    }

    /// The same bitmap, as a set to calculate with.
    pub(crate) fn to_set(&self) -> Result<RoaringBitmap, Malformed> {
        RoaringBitmap::deserialize_from(&self.0[..])
            .map_err(|error| Malformed(format!("a bitmap cannot be read: {error}")))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Its containers, keys ascending.
    pub(crate) fn containers(&self) -> impl Iterator<Item = (u16, Container<'_>)> {
        // Checked when it was taken: no step fails.
        Containers::of(&self.0).into_iter().flatten().map_while(Result::ok)
    }
}

impl Container<'_> {
    /// At least as many numbers as it holds, without counting bits.
    pub(crate) fn at_most(&self) -> usize {
        match self {
            Container::Array(numbers) => numbers.len() / 2,
            Container::Bits(bits) => bits.len() * 8,
            Container::Runs(runs) => pairs(runs).map(|(_, more)| usize::from(more) + 1).sum(),
        }
    }
}

/// Numbers of two bytes.
pub(crate) fn halves(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.as_chunks().0.iter().map(|pair| u16::from_le_bytes(*pair))
}

/// Runs: start, and length less 1.
pub(crate) fn pairs(bytes: &[u8]) -> impl Iterator<Item = (u16, u16)> {
    bytes.as_chunks().0.iter().map(|[a, b, c, d]| (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d])))
}

/// A walk over the containers.
struct Containers<'a> {
    /// Four bytes a container: key, cardinality less 1.
    heads: &'a [u8],
    /// A bit a container; empty where none is of runs.
    run_flags: &'a [u8],
    at: usize,
    bodies: &'a [u8],
}

impl<'a> Containers<'a> {
    fn of(mut bytes: &'a [u8]) -> Result<Containers<'a>, Malformed> {
        let cookie = number(&mut bytes)?;
        let (cookie, above) = (cookie as u16, (cookie >> 16) as usize);
        let (containers, run_flags): (usize, &[u8]) = match cookie {
            COOKIE => (number(&mut bytes)? as usize, &[]),
            COOKIE_WITH_RUNS => (above + 1, take(&mut bytes, (above + 1).div_ceil(8))?),
            _ => return Err(Malformed("bytes that are no bitmap".into())),
        };
        let heads = take(&mut bytes, containers.saturating_mul(4))?;
        if run_flags.is_empty() || containers >= LEAST_WITH_OFFSETS {
            take(&mut bytes, containers * 4)?;
        }
        Ok(Containers { heads, run_flags, at: 0, bodies: bytes })
    }

    fn body(&mut self, cardinality: usize) -> Result<Container<'a>, Malformed> {
        let is_run = self.run_flags.get(self.at / 8).is_some_and(|flags| flags >> (self.at % 8) & 1 == 1);
        Ok(if is_run {
            let [low, high] = *take(&mut self.bodies, 2)? else { return Err(short()) };
            Container::Runs(take(&mut self.bodies, usize::from(u16::from_le_bytes([low, high])) * 4)?)
        } else if cardinality <= MOST_OF_ARRAY {
            Container::Array(take(&mut self.bodies, cardinality * 2)?)
        } else {
            Container::Bits(take(&mut self.bodies, BITS_BYTES)?)
        })
    }
}

impl<'a> Iterator for Containers<'a> {
    type Item = Result<(u16, Container<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let (key, more) = pairs(self.heads.get(self.at * 4..self.at * 4 + 4)?).next()?;
        let container = self.body(usize::from(more) + 1);
        self.at += 1;
        Some(container.map(|container| (key, container)))
    }
}

fn number(bytes: &mut &[u8]) -> Result<u32, Malformed> {
    let [a, b, c, d] = *take(bytes, 4)? else { return Err(short()) };
    Ok(u32::from_le_bytes([a, b, c, d]))
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], Malformed> {
    bytes.split_off(..count).ok_or_else(short)
}

fn short() -> Malformed {
    Malformed("a bitmap that ends too early".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(packed: &Packed) -> Vec<u32> {
        let of = |(key, container): (u16, Container<'_>)| -> Vec<u16> {
            let _ = key;
            match container {
                Container::Array(array) => halves(array).collect(),
                Container::Bits(bits) => {
                    (0..=u16::MAX).filter(|n| bits[usize::from(*n) / 8] >> (n % 8) & 1 == 1).collect()
                }
                Container::Runs(runs) => pairs(runs).flat_map(|(start, more)| start..=start + more).collect(),
            }
        };
        let whole =
            |(key, container)| of((key, container)).into_iter().map(move |n| u32::from(key) << 16 | u32::from(n));
        packed.containers().flat_map(whole).collect()
    }

    /// Every kind of container, on both sides of the bounds between them.
    fn sets() -> Vec<RoaringBitmap> {
        let mut sets: Vec<RoaringBitmap> = vec![
            RoaringBitmap::new(),
            [7].into(),
            (0..4_096).map(|n| n * 3).collect(),
            (0..4_097).map(|n| n * 3).collect(),
            (0..65_536).collect(),
            (65_530..131_080).chain([u32::MAX]).collect(),
            (0..3).map(|n| n << 16).collect(),
            (0..4).map(|n| n << 16 | n).collect(),
            (0..70).flat_map(|key| (0..100).map(move |n| (key << 16) | (n * 5))).collect(),
        ];
        let runs = sets.iter().map(|set| {
            let mut set = set.clone();
            set.optimize();
            set
        });
        let runs: Vec<RoaringBitmap> = runs.collect();
        sets.extend(runs);
        sets
    }

    #[test]
    fn every_kind_of_container_is_read_as_it_was_written() {
        for set in sets() {
            let packed = Packed::of_set(&set);
            assert_eq!(Packed::of(packed.0.clone()).expect("its own bytes"), packed);
            assert_eq!(numbers(&packed), set.iter().collect::<Vec<_>>());
            assert_eq!(packed.to_set().expect("a set"), set);
            let most: usize = packed.containers().map(|(_, container)| container.at_most()).sum();
            assert!(most as u64 >= set.len());
        }
    }

    #[test]
    fn bytes_that_are_cut_or_longer_or_changed_are_refused() {
        for set in sets() {
            let bytes = Packed::of_set(&set).0;
            for cut in (0..bytes.len()).step_by(1 + bytes.len() / 50) {
                assert!(Packed::of(bytes[..cut].to_vec()).is_err(), "{cut} of {} bytes", bytes.len());
            }
            assert!(Packed::of([&bytes[..], &[0]].concat()).is_err());
        }
        let mut swapped = Packed::of_set(&[1, 1 << 16].into()).0;
        swapped.copy_within(12..16, 8);
        assert!(Packed::of(swapped).is_err(), "the same key twice");
        let mut beyond = RoaringBitmap::from_iter(10..=65_535);
        beyond.optimize();
        let mut beyond = Packed::of_set(&beyond).0;
        let last = beyond.len() - 4;
        beyond[last] += 1;
        assert!(Packed::of(beyond).is_err(), "a run that goes past its container");
        assert!(Packed::of(b"no bitmap at all".to_vec()).is_err());
    }
}
