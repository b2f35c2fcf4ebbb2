//! Instants, local days and zones. Zone arithmetic happens here and nowhere else: SQL never sees a zone's name.

mod bucket;
mod zone;

pub use bucket::{Bucket, Interval, Range};
pub use zone::{Stretch, UnknownZone, Zone};

use std::fmt;

/// An instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Micros(pub i64);

impl Micros {
    pub const SECOND: i64 = 1_000_000;
    pub const MINUTE: i64 = 60 * Self::SECOND;
    pub const HOUR: i64 = 60 * Self::MINUTE;
    pub const DAY: i64 = 24 * Self::HOUR;

    /// The instant `micros` later (earlier if negative); stops at the ends of the range.
    pub fn plus(self, micros: i64) -> Micros {
        Micros(self.0.saturating_add(micros))
    }

    /// Microseconds from `earlier` to this instant.
    pub fn since(self, earlier: Micros) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A civil day of a site's zone: days since 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Day(pub i32);

impl Day {
    /// Reads an ISO 8601 date, `2013-05-17`.
    pub fn parse(text: &str) -> Option<Day> {
        text.parse::<jiff::civil::Date>().ok().map(Day::from_civil)
    }

    pub fn from_civil(date: jiff::civil::Date) -> Day {
        let since = date.duration_since(jiff::civil::date(1970, 1, 1));
        Day((since.as_secs() / 86_400) as i32)
    }

    pub fn civil(self) -> jiff::civil::Date {
        let span = jiff::Span::new().days(self.0);
        jiff::civil::date(1970, 1, 1).saturating_add(span)
    }

    /// The Monday of this day's week (ISO 8601).
    pub fn week_start(self) -> Day {
        // 1970-01-01 was a Thursday, three days after a Monday.
        Day(self.0 - (self.0 + 3).rem_euclid(7))
    }

    /// The first day of this day's month.
    pub fn month_start(self) -> Day {
        Day::from_civil(self.civil().first_of_month())
    }

    pub fn plus(self, days: i32) -> Day {
        Day(self.0.saturating_add(days))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.civil().fmt(f)
    }
}
