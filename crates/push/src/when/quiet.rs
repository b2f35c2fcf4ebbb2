//! Quiet hours: a part of every local day in which nothing is sent.

use super::wall::{WallTime, since_midnight};
use pistats_core::time::{Micros, Zone};

/// From one time of the day, included, until another, not included. `22:00` until `07:00` goes over midnight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quiet {
    from: WallTime,
    until: WallTime,
}

/// Quiet hours that end when they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("quiet hours from {0} until {0} are either none or the whole day; name two times, or leave them out")]
pub struct BadQuiet(pub WallTime);

impl Quiet {
    pub fn new(from: WallTime, until: WallTime) -> Result<Quiet, BadQuiet> {
        if from == until { Err(BadQuiet(from)) } else { Ok(Quiet { from, until }) }
    }

    pub fn from(self) -> WallTime {
        self.from
    }

    pub fn until(self) -> WallTime {
        self.until
    }

    /// Whether the clock shows a quiet time.
    pub fn holds(self, zone: &Zone, at: Micros) -> bool {
        self.holds_at(since_midnight(zone, at))
    }

    fn holds_at(self, since_midnight_us: i64) -> bool {
        let (from, until) = (self.from.micros(), self.until.micros());
        if from < until {
            (from..until).contains(&since_midnight_us)
        } else {
            since_midnight_us >= from || since_midnight_us < until
        }
    }

    /// The first moment from `at` on whose local time is not quiet: `at` itself, or the next end.
    ///
    /// It follows what the clock shows. A clock that springs out of the quiet hours ends them; one that falls back into them
    /// makes them longer.
    pub fn allowed_from(self, zone: &Zone, at: Micros) -> Micros {
        let mut at = at;
        loop {
            let shown = since_midnight(zone, at);
            if !self.holds_at(shown) {
                return at;
            }
            // As long as the offset stays the clock runs like any other.
            let end = at.plus((self.until.micros() - shown).rem_euclid(Micros::DAY));
            let changes = zone.stretch(at).to;
            if end < changes || changes <= at {
                return end;
            }
            at = changes;
        }
    }
}
