//! A time on the clock of a zone, and the moments at which it is shown.

use pistats_core::time::{Day, Micros, Zone};
use std::fmt;
use std::str::FromStr;

/// A time of the day, in minutes: `09:30`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WallTime {
    minutes: u16,
}

/// Why a text or number is no time of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time of the day is written as 00:00 to 23:59")]
pub struct BadWallTime;

const MINUTES: u16 = 24 * 60;

impl WallTime {
    pub fn new(hour: u8, minute: u8) -> Result<WallTime, BadWallTime> {
        if hour > 23 || minute > 59 {
            return Err(BadWallTime);
        }
        Ok(WallTime { minutes: u16::from(hour) * 60 + u16::from(minute) })
    }

    /// From minutes after midnight, 0 to 1,439.
    pub fn of_minutes(minutes: u32) -> Result<WallTime, BadWallTime> {
        u16::try_from(minutes)
            .ok()
            .filter(|minutes| *minutes < MINUTES)
            .map(|minutes| WallTime { minutes })
            .ok_or(BadWallTime)
    }

    /// Minutes after midnight.
    pub fn minutes(self) -> u32 {
        u32::from(self.minutes)
    }

    /// The moment of a local day at which the clock shows the time: where it shows it twice, the first of both; where it skips
    /// it, the first moment after the gap.
    pub fn on(self, zone: &Zone, day: Day) -> Micros {
        zone.instant_of(day, self.micros())
    }

    /// The first of these moments (one a local day, as [`WallTime::on`] has them) that is not before `from`.
    ///
    /// Between the two times that a clock shows it, the next is therefore tomorrow's.
    pub fn next(self, zone: &Zone, from: Micros) -> Micros {
        // The day before: a clock that falls back over midnight shows a later day first. A skipped day makes it one more.
        let today = zone.day_of(from);
        let moments = (-1..=3).map(|by| self.on(zone, today.plus(by)));
        moments.into_iter().find(|at| *at >= from).unwrap_or(from)
    }

    pub(super) fn micros(self) -> i64 {
        i64::from(self.minutes) * Micros::MINUTE
    }
}

/// Microseconds since the midnight that the clock on the wall counts from.
pub(super) fn since_midnight(zone: &Zone, at: Micros) -> i64 {
    at.plus(zone.stretch(at).offset_us).0.rem_euclid(Micros::DAY)
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

impl FromStr for WallTime {
    type Err = BadWallTime;

    /// Two digits, a colon, two digits.
    fn from_str(text: &str) -> Result<WallTime, BadWallTime> {
        let (hour, minute) = text.split_once(':').ok_or(BadWallTime)?;
        let number = |text: &str| match text.as_bytes() {
            [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Ok((tens - b'0') * 10 + (ones - b'0')),
            _ => Err(BadWallTime),
        };
        WallTime::new(number(hour)?, number(minute)?)
    }
}
