//! The frequency cap: so many messages to one visitor within so long.

use pistats_core::time::Micros;
use std::time::Duration;

/// At most so many messages in any stretch of so long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cap {
    most: u32,
    within_us: i64,
}

/// Why this is no cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCap {
    #[error("frequency cap: at most 0 messages would send none; pause the campaign, or leave the cap out")]
    None,
    #[error("frequency cap: the time must be from one minute to 366 days")]
    Within,
}

impl Cap {
    const SHORTEST: Duration = Duration::from_secs(60);
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

    pub fn new(most: u32, within: Duration) -> Result<Cap, BadCap> {
        if most == 0 {
            return Err(BadCap::None);
        }
        if !(Cap::SHORTEST..=Cap::LONGEST).contains(&within) {
            return Err(BadCap::Within);
        }
        let within_us = i64::try_from(within.as_micros()).map_err(|_| BadCap::Within)?;
        Ok(Cap { most, within_us })
    }

    pub fn most(self) -> u32 {
        self.most
    }

    pub fn within(self) -> Duration {
        Duration::from_micros(self.within_us.unsigned_abs())
    }

    /// The first moment from `at` on at which one more message stays within the cap, given when the others were sent, in any
    /// order. What was sent exactly `within` before no longer counts. A send that is uncertain counts as sent.
    pub fn allowed_from(self, sent: &[Micros], at: Micros) -> Micros {
        let mut newest = sent.to_vec();
        newest.sort_unstable_by(|a, b| b.cmp(a));
        // The one that must have left the stretch so that `most - 1` are in it.
        let last_of_cap = usize::try_from(self.most).ok().and_then(|most| newest.get(most - 1));
        last_of_cap.map_or(at, |sent| sent.plus(self.within_us).max(at))
    }
}
