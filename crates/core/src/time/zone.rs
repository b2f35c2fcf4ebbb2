//! A time zone, and the one question asked of it millions of times: which local day is this instant?

use super::{Day, Micros};
use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, TimeZone};
use std::sync::{Arc, RwLock};

/// A time zone of the IANA database, bundled with the program so that every machine gives the same days.
#[derive(Clone)]
pub struct Zone {
    name: Arc<str>,
    zone: TimeZone,
    /// The stretch of constant offset that was asked for last; events arrive close together in time.
    recent: Arc<RwLock<Stretch>>,
}

/// A half-open span of instants with one offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub from: Micros,
    pub to: Micros,
    pub offset_us: i64,
}

impl Stretch {
    fn holds(&self, at: Micros) -> bool {
        self.from <= at && at < self.to
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no IANA time zone; use a name such as Europe/Berlin")]
pub struct UnknownZone(pub String);

impl Zone {
    /// Finds a zone by its IANA name.
    pub fn named(name: &str) -> Result<Zone, UnknownZone> {
        let zone = if name == "UTC" {
            TimeZone::UTC
        } else {
            TimeZone::get(name).map_err(|_| UnknownZone(name.to_owned()))?
        };
        let empty = Stretch { from: Micros(0), to: Micros(0), offset_us: 0 };
        Ok(Zone { name: zone.iana_name().unwrap_or(name).into(), zone, recent: Arc::new(RwLock::new(empty)) })
    }

    pub fn utc() -> Zone {
        let always = Stretch { from: Micros(i64::MIN), to: Micros(i64::MAX), offset_us: 0 };
        Zone { name: "UTC".into(), zone: TimeZone::UTC, recent: Arc::new(RwLock::new(always)) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The stretch of constant offset around an instant.
    pub fn stretch(&self, at: Micros) -> Stretch {
        if let Ok(recent) = self.recent.read()
            && recent.holds(at)
        {
            return *recent;
        }
        let found = self.look_up(at);
        if let Ok(mut recent) = self.recent.write() {
            *recent = found;
        }
        found
    }

    fn look_up(&self, at: Micros) -> Stretch {
        let instant = timestamp(at);
        let offset_us = i64::from(self.zone.to_offset(instant).seconds()) * Micros::SECOND;
        // A transition may keep the offset (a new abbreviation): walk on until the offset differs.
        let to = self
            .zone
            .following(instant)
            .find(|t| i64::from(t.offset().seconds()) * Micros::SECOND != offset_us)
            .map_or(Micros(i64::MAX), |t| Micros(t.timestamp().as_microsecond()));
        // `preceding` is strict, and a stretch begins at its transition: look from one microsecond later.
        let mut from = Micros(i64::MIN);
        for transition in self.zone.preceding(timestamp(at.plus(1))) {
            if i64::from(transition.offset().seconds()) * Micros::SECOND != offset_us {
                break;
            }
            from = Micros(transition.timestamp().as_microsecond());
        }
        Stretch { from, to, offset_us }
    }

    /// The civil day of an instant.
    pub fn day_of(&self, at: Micros) -> Day {
        let local = at.0.saturating_add(self.stretch(at).offset_us);
        Day(local.div_euclid(Micros::DAY) as i32)
    }

    /// The first instant of a civil day; where midnight is skipped, the first instant after it.
    ///
    /// A day that the zone skipped altogether (Pacific/Apia, 2011-12-30) starts and ends where the next one starts.
    pub fn start_of(&self, day: Day) -> Micros {
        self.midnight(day, Fold::Earlier)
    }

    /// The instant after the last one of a civil day: where midnight comes twice, the second one.
    pub fn end_of(&self, day: Day) -> Micros {
        self.midnight(day.plus(1), Fold::Later)
    }

    /// Whether a civil day goes on after the next one had begun: a clock was set back over midnight.
    pub fn comes_back(&self, day: Day) -> bool {
        self.start_of(day.plus(1)) < self.end_of(day)
    }

    /// The instant at which the clock on the wall shows a time of a day, given as microseconds after its midnight. Where it
    /// shows it twice, the first of both; where it skips it, the first instant after the gap.
    pub fn instant_of(&self, day: Day, since_midnight_us: i64) -> Micros {
        // Offsets from UTC are below 26 hours: this far back the clock has not shown the time yet.
        const BEFORE: i64 = 26 * Micros::HOUR;
        let wall = i64::from(day.0).saturating_mul(Micros::DAY).saturating_add(since_midnight_us);
        let mut stretch = self.stretch(Micros(wall.saturating_sub(BEFORE)));
        loop {
            let at = Micros(wall.saturating_sub(stretch.offset_us));
            if at < stretch.from {
                return stretch.from;
            }
            if at < stretch.to || stretch.to == Micros(i64::MAX) {
                return at;
            }
            stretch = self.stretch(stretch.to);
        }
    }

    fn midnight(&self, day: Day, fold: Fold) -> Micros {
        let ambiguous = self.zone.to_ambiguous_timestamp(day.civil().at(0, 0, 0, 0));
        let micros = |at: Result<Timestamp, jiff::Error>| at.ok().map(|at| Micros(at.as_microsecond()));
        let found = match ambiguous.offset() {
            // Midnight was skipped: the day starts where the gap ends, which is where the later offset begins.
            AmbiguousOffset::Gap { .. } => micros(ambiguous.later()).map(|at| self.stretch(at).from),
            AmbiguousOffset::Fold { .. } if fold == Fold::Later => micros(ambiguous.later()),
            _ => micros(ambiguous.earlier()),
        };
        found.unwrap_or(Micros(i64::from(day.0) * Micros::DAY))
    }
}

/// Which of two midnights, where the clock shows it twice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fold {
    Earlier,
    Later,
}

impl std::fmt::Debug for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.name == other.name
    }
}

fn timestamp(at: Micros) -> Timestamp {
    Timestamp::from_microsecond(at.0).unwrap_or(if at.0 < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Micros {
        Micros(text.parse::<Timestamp>().expect("a timestamp").as_microsecond())
    }

    #[test]
    fn days_follow_the_zone_over_both_changes() {
        let berlin = Zone::named("Europe/Berlin").expect("Berlin");
        assert_eq!(berlin.day_of(at("2024-03-30T22:59:59Z")), Day::parse("2024-03-30").expect("a day"));
        assert_eq!(berlin.day_of(at("2024-03-30T23:00:00Z")), Day::parse("2024-03-31").expect("a day"));
        assert_eq!(berlin.day_of(at("2024-03-31T22:00:00Z")), Day::parse("2024-04-01").expect("a day"));
        assert_eq!(berlin.start_of(Day::parse("2024-04-01").expect("a day")), at("2024-03-31T22:00:00Z"));
        assert_eq!(berlin.start_of(Day::parse("2024-10-28").expect("a day")), at("2024-10-27T23:00:00Z"));
    }

    #[test]
    fn the_day_that_apia_skipped_starts_where_the_next_one_does() {
        let apia = Zone::named("Pacific/Apia").expect("Apia");
        let skipped = Day::parse("2011-12-30").expect("a day");
        assert_eq!(apia.start_of(skipped), at("2011-12-30T10:00:00Z"));
        assert_eq!(apia.start_of(skipped.plus(1)), at("2011-12-30T10:00:00Z"));
        assert_eq!(apia.day_of(at("2011-12-30T09:59:59Z")), skipped.plus(-1));
        assert_eq!(apia.day_of(at("2011-12-30T10:00:00Z")), skipped.plus(1));
    }

    #[test]
    fn a_skipped_midnight_moves_the_day_to_the_end_of_the_gap() {
        // Sao Paulo sprang forward at midnight: 2018-11-04 began at 01:00 local time.
        let paulo = Zone::named("America/Sao_Paulo").expect("Sao Paulo");
        assert_eq!(paulo.start_of(Day::parse("2018-11-04").expect("a day")), at("2018-11-04T03:00:00Z"));
    }

    #[test]
    fn a_time_that_the_clock_skips_is_the_end_of_the_gap_and_one_that_it_shows_twice_is_the_first() {
        let minute = Micros::MINUTE;
        for (zone, day, minutes, expected) in [
            // Berlin sprang from 02:00 to 03:00, and fell back from 03:00 to 02:00.
            ("Europe/Berlin", "2024-03-31", 119, "2024-03-31T00:59:00Z"),
            ("Europe/Berlin", "2024-03-31", 120, "2024-03-31T01:00:00Z"),
            ("Europe/Berlin", "2024-03-31", 179, "2024-03-31T01:00:00Z"),
            ("Europe/Berlin", "2024-03-31", 180, "2024-03-31T01:00:00Z"),
            ("Europe/Berlin", "2024-10-27", 150, "2024-10-27T00:30:00Z"),
            ("Europe/Berlin", "2024-10-27", 180, "2024-10-27T02:00:00Z"),
            // Lord Howe moves by half an hour: from 02:00 to 02:30, and from 02:00 back to 01:30.
            ("Australia/Lord_Howe", "2024-10-06", 129, "2024-10-05T15:30:00Z"),
            ("Australia/Lord_Howe", "2024-10-06", 150, "2024-10-05T15:30:00Z"),
            ("Australia/Lord_Howe", "2024-04-07", 105, "2024-04-06T14:45:00Z"),
            ("Australia/Lord_Howe", "2024-04-07", 120, "2024-04-06T15:30:00Z"),
            // A whole day was skipped.
            ("Pacific/Apia", "2011-12-30", 600, "2011-12-30T10:00:00Z"),
            ("Pacific/Apia", "2011-12-31", 0, "2011-12-30T10:00:00Z"),
            ("Pacific/Apia", "2011-12-29", 1439, "2011-12-30T09:59:00Z"),
            ("Asia/Kathmandu", "2024-06-01", 345, "2024-06-01T00:00:00Z"),
            ("UTC", "2024-06-01", 1440, "2024-06-02T00:00:00Z"),
        ] {
            let zone = Zone::named(zone).expect("a zone");
            let found = zone.instant_of(Day::parse(day).expect("a day"), minutes * minute);
            assert_eq!(found, at(expected), "{zone:?} {day} {minutes}");
        }
    }

    #[test]
    fn the_cached_stretch_never_changes_an_answer() {
        let howe = Zone::named("Australia/Lord_Howe").expect("Lord Howe");
        for hour in (0..24 * 400).rev().chain(0..24 * 400) {
            let instant = at("2023-01-01T00:00:00Z").plus(hour * Micros::HOUR + 1);
            let fresh = Zone::named("Australia/Lord_Howe").expect("Lord Howe");
            assert_eq!(howe.stretch(instant), fresh.look_up(instant));
        }
    }
}
