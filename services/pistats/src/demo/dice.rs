//! Chance that repeats itself: numbers drawn from a few numbers that name what is decided.
//!
//! SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). No ready-made
//! generator, because a library may change its stream with any release, and then a restarted demo would count its past again.

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Dice {
    /// Dice that fall the same way for the same name.
    pub(super) fn named(name: &[u64]) -> Dice {
        let fold = |state: u64, part: &u64| mix(state.wrapping_add(GOLDEN) ^ mix(part.wrapping_add(GOLDEN)));
        Dice(name.iter().fold(0, fold))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// 0 to below 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(super) fn happens(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }

    /// 0 to below `end`; 0 if there is nothing below it.
    pub(super) fn below(&mut self, end: usize) -> usize {
        ((self.unit() * end as f64) as usize).min(end.saturating_sub(1))
    }

    /// One of them.
    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// The index of one of them, the heavier the likelier.
    pub(super) fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> usize {
        let mut left = self.unit() * f64::from(weights.clone().sum::<u32>());
        let mut last = 0;
        for (index, weight) in weights.enumerate() {
            left -= f64::from(weight);
            last = index;
            if left < 0.0 {
                break;
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_falls_the_same_way_for_ever() {
        let drawn = |name: &[u64]| Dice::named(name).next();
        assert_eq!(drawn(&[1, 2]), drawn(&[1, 2]));
        assert_ne!(drawn(&[1, 2]), drawn(&[2, 1]));
        assert_ne!(drawn(&[1]), drawn(&[1, 0]));
        // The stream is part of the demo's promise: a change would count its past again.
        assert_eq!(mix(GOLDEN), 0xe220_a839_7b1d_cdaf, "the first number of the published test vector for seed 0");
    }

    #[test]
    fn weights_are_kept_and_nothing_is_drawn_that_weighs_nothing() {
        let mut dice = Dice::named(&[3]);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            counts[dice.weighted([3, 0, 1].into_iter())] += 1;
        }
        assert!(counts[1] == 0 && (7_200..7_800).contains(&counts[0]), "{counts:?}");
    }
}
