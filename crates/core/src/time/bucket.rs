//! The steps of a time series, and the range they divide.
//!
//! A minute or hour bucket is a maximal span of instants with one local minute or hour *and* one offset from UTC: an
//! hour that is lived twice in autumn is two buckets, the half hour that Lord Howe repeats is one of its own. Days,
//! weeks (from Monday) and months are sets of civil days of the site's zone; a day that a zone skipped has no bucket.
//!
//! Why days are not spans of instants: St John's used to fall back at 00:01, so that one minute of the new day came
//! before the last hour of the old one. An event belongs to the day that the clock on the wall showed.

use super::{Day, Micros, Zone};

/// Which events a report looks at, by when they happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Range {
    /// Whole civil days of the site's zone, both ends included.
    Days { first: Day, last: Day },
    /// Instants, `from` included, `to` not.
    Times { from: Micros, to: Micros },
}

impl Range {
    /// Whether an event belongs to the range.
    pub fn holds(&self, at: Micros, day: Day) -> bool {
        match *self {
            Range::Days { first, last } => first <= day && day <= last,
            Range::Times { from, to } => from <= at && at < to,
        }
    }

    /// The smallest span of instants, end excluded, that holds every instant of the range.
    pub fn hull(&self, zone: &Zone) -> (Micros, Micros) {
        match *self {
            Range::Days { first, last } => (zone.start_of(first), zone.end_of(last)),
            Range::Times { from, to } => (from, to),
        }
    }
}

/// The width of a step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Interval {
    Minute,
    Hour,
    Day,
    Week,
    Month,
}

/// One step of a series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Minute and hour: an event belongs here when `from <= time < to`.
    pub from: Micros,
    pub to: Micros,
    /// Day, week, month: an event of the range belongs here when `first_day <= local day <= last_day`.
    pub first_day: Day,
    pub last_day: Day,
}

impl Interval {
    /// Whether buckets are told apart by instants (minute, hour) or by civil days.
    pub fn is_clock(self) -> bool {
        matches!(self, Interval::Minute | Interval::Hour)
    }

    /// All buckets of a range, in order, empty ones too; the first and last are cut to the range.
    ///
    /// `None` when there would be more than `most`.
    pub fn buckets(self, zone: &Zone, range: Range, most: usize) -> Option<Vec<Bucket>> {
        let (from, to) = range.hull(zone);
        if from >= to {
            return Some(Vec::new());
        }
        match self {
            Interval::Minute => clock(zone, range, Micros::MINUTE, most),
            Interval::Hour => clock(zone, range, Micros::HOUR, most),
            Interval::Day | Interval::Week | Interval::Month => {
                let (first, last) = match range {
                    Range::Days { first, last } => (first, last),
                    Range::Times { from, to } => days_touched(zone, from, to),
                };
                self.civil(zone, first, last, (from, to), most)
            }
        }
    }

    fn civil(self, zone: &Zone, first: Day, last: Day, hull: (Micros, Micros), most: usize) -> Option<Vec<Bucket>> {
        let mut buckets = Vec::new();
        let mut day = first;
        while day <= last {
            let end = match self {
                Interval::Week => day.week_start().plus(6),
                Interval::Month => day.month_start().plus(31).month_start().plus(-1),
                _ => day,
            }
            .min(last);
            if let Some((from, to)) = span(zone, (day, end), hull) {
                if buckets.len() == most {
                    return None;
                }
                buckets.push(Bucket { from, to, first_day: day, last_day: end });
            }
            day = end.plus(1);
        }
        Some(buckets)
    }
}

/// The first instant among `from..to` that lies on one of the days, and the one after the last; `None` without one.
fn span(zone: &Zone, (first, last): (Day, Day), (from, to): (Micros, Micros)) -> Option<(Micros, Micros)> {
    let midnight = |day: Day| i64::from(day.0) * Micros::DAY;
    let (mut at, to) = (from.max(zone.start_of(first)), to.min(zone.end_of(last)));
    let mut found = None;
    while at < to {
        // Within a stretch of one offset the instants of neighbouring days have no hole.
        let stretch = zone.stretch(at);
        let starts = at.max(Micros(midnight(first)).plus(-stretch.offset_us));
        let ends = to.min(stretch.to).min(Micros(midnight(last.plus(1))).plus(-stretch.offset_us));
        if starts < ends {
            found = Some((found.map_or(starts, |(first, _)| first), ends));
        }
        at = stretch.to;
    }
    found
}

/// The earliest and latest civil day of the instants `from..to`.
fn days_touched(zone: &Zone, from: Micros, to: Micros) -> (Day, Day) {
    let (first, last) = (zone.day_of(from), zone.day_of(to.plus(-1)));
    // Around a change the clock may have shown a later day before, or an earlier one after: look one day wider.
    let touched = |day: &Day| span(zone, (*day, *day), (from, to)).is_some();
    let earliest = (-1..=1).map(|by| first.plus(by)).find(touched).unwrap_or(first);
    let latest = (-1..=1).rev().map(|by| last.plus(by)).find(touched).unwrap_or(last);
    (earliest, latest)
}

fn clock(zone: &Zone, range: Range, width: i64, most: usize) -> Option<Vec<Bucket>> {
    let (mut at, to) = range.hull(zone);
    let mut buckets = Vec::new();
    while at < to {
        let stretch = zone.stretch(at);
        let local = at.0 + stretch.offset_us;
        let end = Micros(local.div_euclid(width) * width + width - stretch.offset_us).min(stretch.to).min(to);
        let day = zone.day_of(at);
        if range.holds(at, day) {
            if buckets.len() == most {
                return None;
            }
            buckets.push(Bucket { from: at, to: end, first_day: day, last_day: day });
        }
        at = end;
    }
    Some(buckets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Micros {
        Micros(text.parse::<jiff::Timestamp>().expect("a timestamp").as_microsecond())
    }

    fn day(text: &str) -> Day {
        Day::parse(text).expect("a day")
    }

    fn minutes(zone: &str, interval: Interval, range: Range) -> Vec<i64> {
        let zone = Zone::named(zone).expect("a zone");
        let buckets = interval.buckets(&zone, range, 1_000).expect("few buckets");
        buckets.iter().map(|b| b.to.since(b.from) / Micros::MINUTE).collect()
    }

    #[test]
    fn an_hour_lived_twice_is_two_buckets() {
        let range = Range::Days { first: day("2024-10-27"), last: day("2024-10-27") };
        assert_eq!(minutes("Europe/Berlin", Interval::Hour, range), vec![60; 25]);
    }

    #[test]
    fn the_half_hour_that_lord_howe_repeats_is_a_bucket_of_its_own() {
        // 2024-04-07 02:00 (+11:00) fell back to 01:30 (+10:30).
        let range = Range::Times { from: at("2024-04-06T14:00:00Z"), to: at("2024-04-06T17:30:00Z") };
        assert_eq!(minutes("Australia/Lord_Howe", Interval::Hour, range), vec![60, 30, 60, 60]);
    }

    #[test]
    fn a_skipped_day_has_no_bucket() {
        let zone = Zone::named("Pacific/Apia").expect("Apia");
        let range = Range::Days { first: day("2011-12-29"), last: day("2012-01-01") };
        let days = Interval::Day.buckets(&zone, range, 9).expect("few");
        let names: Vec<String> = days.iter().map(|b| b.first_day.to_string()).collect();
        assert_eq!(names, ["2011-12-29", "2011-12-31", "2012-01-01"]);
        let skipped = Range::Days { first: day("2011-12-30"), last: day("2011-12-30") };
        assert_eq!(Interval::Hour.buckets(&zone, skipped, 9), Some(Vec::new()));
    }

    #[test]
    fn the_minute_that_st_johns_gave_to_the_next_day_stays_there() {
        // 2010-11-07 00:01 (-02:30) fell back to 2010-11-06 23:01 (-03:30).
        let zone = Zone::named("America/St_Johns").expect("St John's");
        let old = Range::Days { first: day("2010-11-06"), last: day("2010-11-06") };
        let hours = Interval::Hour.buckets(&zone, old, 99).expect("few");
        assert_eq!(hours.len(), 25);
        assert_eq!(hours[23].to, at("2010-11-07T02:30:00Z"));
        assert_eq!((hours[24].from, hours[24].to), (at("2010-11-07T02:31:00Z"), at("2010-11-07T03:30:00Z")));
        let new = Range::Days { first: day("2010-11-07"), last: day("2010-11-07") };
        let hours = Interval::Hour.buckets(&zone, new, 99).expect("few");
        assert_eq!((hours[0].from, hours[0].to), (at("2010-11-07T02:30:00Z"), at("2010-11-07T02:31:00Z")));
        assert_eq!(hours.len(), 25);
        // One minute on either side of the change still touches both days.
        let around = Range::Times { from: at("2010-11-07T02:30:30Z"), to: at("2010-11-07T02:31:30Z") };
        let days = Interval::Day.buckets(&zone, around, 9).expect("few");
        assert_eq!(days.iter().map(|b| b.first_day.to_string()).collect::<Vec<_>>(), ["2010-11-06", "2010-11-07"]);
        assert_eq!(days[0].from, at("2010-11-07T02:31:00Z"));
        assert_eq!(days[1].to, at("2010-11-07T02:31:00Z"));
        let within = Range::Times { from: at("2010-11-07T02:30:10Z"), to: at("2010-11-07T02:30:50Z") };
        let days = Interval::Day.buckets(&zone, within, 9).expect("few");
        assert_eq!(days.iter().map(|b| b.first_day.to_string()).collect::<Vec<_>>(), ["2010-11-07"]);
    }

    #[test]
    fn weeks_start_on_monday_and_ends_are_cut_to_the_range() {
        let range = Range::Days { first: day("2024-01-03"), last: day("2024-01-09") };
        assert_eq!(minutes("UTC", Interval::Week, range), vec![5 * 24 * 60, 2 * 24 * 60]);
    }

    #[test]
    fn more_buckets_than_asked_for_is_none() {
        let zone = Zone::utc();
        let range = Range::Days { first: day("2024-01-01"), last: day("2024-01-01") };
        assert_eq!(Interval::Hour.buckets(&zone, range, 24).map(|b| b.len()), Some(24));
        assert_eq!(Interval::Hour.buckets(&zone, range, 23), None);
    }
}
