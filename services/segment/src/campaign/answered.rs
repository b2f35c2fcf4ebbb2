//! What push services answered to messages of campaigns, counted since the process began.

use pistats_push::Outcome;
use std::array;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What an answer is counted as, in the order of the counts.
const NAMES: [&str; 8] =
    ["accepted", "gone", "too_large", "rate_limited", "try_later", "rejected", "uncertain", "not_sent"];

#[derive(Debug, Default)]
pub(crate) struct Answered([AtomicU64; NAMES.len()]);

impl Answered {
    pub(crate) fn count(&self, outcome: &Outcome) {
        let place = match outcome {
            Outcome::Accepted => 0,
            Outcome::Gone => 1,
            Outcome::TooLarge => 2,
            Outcome::RateLimited { .. } => 3,
            Outcome::TryLater { .. } => 4,
            Outcome::Rejected { .. } => 5,
            Outcome::Uncertain(_) => 6,
            Outcome::NotSent(_) => 7,
        };
        self.0[place].fetch_add(1, Relaxed);
    }

    /// Every outcome with its count.
    pub(crate) fn counts(&self) -> [(&'static str, u64); NAMES.len()] {
        array::from_fn(|place| (NAMES[place], self.0[place].load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_push::{Doubt, NotSent};

    #[test]
    fn each_outcome_has_a_name_of_its_own() {
        let answered = Answered::default();
        let all = [
            Outcome::Accepted,
            Outcome::Gone,
            Outcome::TooLarge,
            Outcome::RateLimited { retry_after: None },
            Outcome::TryLater { status: 503, retry_after: None },
            Outcome::Rejected { status: 400, reason: String::new() },
            Outcome::Uncertain(Doubt::Broken),
            Outcome::NotSent(NotSent::Plain),
        ];
        for (place, outcome) in all.iter().enumerate() {
            (0..=place).for_each(|_| answered.count(outcome));
        }
        let counts = answered.counts();
        assert_eq!(counts.map(|(_, count)| count), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!((counts[0].0, counts[3].0, counts[6].0), ("accepted", "rate_limited", "uncertain"));
    }
}
