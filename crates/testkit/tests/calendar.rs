//! `core::time` against the calendar itself: civil arithmetic of the time zone library, instant by instant.
//!
//! The oracle takes days and steps from `core::time`, so it cannot find a mistake there; this does.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use pistats_core::report::{Period, WeekStart};
use pistats_core::time::{Bucket, Interval, Range};
use pistats_core::{Day, Micros, Zone};
use pistats_testkit::histories;

/// What the clock on the wall shows: what tells one step from another.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Shown {
    Minute(Date, i8, i8, i32),
    Hour(Date, i8, i32),
    Day(Date),
    Week(i16, i8),
    Month(i16, i8),
}

fn shown(interval: Interval, zone: &TimeZone, at: Micros) -> Shown {
    let clock = Timestamp::from_microsecond(at.0).expect("an instant").to_zoned(zone.clone());
    let (date, offset) = (clock.date(), clock.offset().seconds());
    match interval {
        Interval::Minute => Shown::Minute(date, clock.hour(), clock.minute(), offset),
        Interval::Hour => Shown::Hour(date, clock.hour(), offset),
        Interval::Day => Shown::Day(date),
        Interval::Week => Shown::Week(date.iso_week_date().year(), date.iso_week_date().week()),
        Interval::Month => Shown::Month(date.year(), date.month()),
    }
}

fn date(zone: &TimeZone, at: Micros) -> Date {
    Timestamp::from_microsecond(at.0).expect("an instant").to_zoned(zone.clone()).date()
}

/// Instants around every moment that is special in a zone: every 7 minutes 30, and a microsecond before each.
fn instants(zone: &Zone, reach_us: i64) -> Vec<Micros> {
    let mut all = Vec::new();
    for moment in histories::moments(zone) {
        let mut by = -reach_us;
        while by <= reach_us {
            all.extend([moment.plus(by - 1), moment.plus(by)]);
            by += 7 * Micros::MINUTE + 30 * Micros::SECOND;
        }
    }
    all
}

fn in_bucket(bucket: &Bucket, interval: Interval, day: Day, at: Micros) -> bool {
    let in_hull = bucket.from <= at && at < bucket.to;
    if interval.is_clock() { in_hull } else { in_hull && bucket.first_day <= day && day <= bucket.last_day }
}

/// Every instant of the range lies in exactly one step, every other in none; two instants share a step exactly when the
/// clock shows the same minute, hour, day, week or month; steps come in order and none is without an instant.
fn divides(zone: &Zone, interval: Interval, range: Range, at: &[Micros]) {
    let rules = TimeZone::get(zone.name()).expect("a zone");
    let buckets = interval.buckets(zone, range, 50_000).expect("steps");
    // Not every day starts later than the one before: a clock that went back over midnight showed the new day first.
    let order = |bucket: &Bucket| if interval.is_clock() { bucket.from.0 } else { i64::from(bucket.first_day.0) };
    assert!(buckets.windows(2).all(|two| order(&two[0]) < order(&two[1])));
    let mut shows: Vec<Option<Shown>> = vec![None; buckets.len()];
    for &at in at {
        let civil = date(&rules, at);
        let is_in_range = match range {
            Range::Days { first, last } => first.civil() <= civil && civil <= last.civil(),
            Range::Times { from, to } => from <= at && at < to,
        };
        let of: Vec<usize> =
            (0..buckets.len()).filter(|b| in_bucket(&buckets[*b], interval, Day::from_civil(civil), at)).collect();
        assert_eq!(of.len(), usize::from(is_in_range), "{zone:?} {interval:?} {range:?} {at:?}: steps {of:?}");
        if let [bucket] = of[..] {
            let clock = shown(interval, &rules, at);
            assert_eq!(*shows[bucket].get_or_insert(clock), clock, "{zone:?} {interval:?}: {at:?} in {bucket}");
        }
    }
    for (number, bucket) in buckets.iter().enumerate() {
        let clock = shown(interval, &rules, bucket.from);
        assert_eq!(*shows[number].get_or_insert(clock), clock, "{zone:?}: the start of {bucket:?}");
        assert_eq!(shown(interval, &rules, bucket.to.plus(-1)), clock, "{zone:?}: the end of {bucket:?}");
        assert!(bucket.from < bucket.to && bucket.first_day <= bucket.last_day);
    }
    assert!((1..shows.len()).all(|step| !shows[..step].contains(&shows[step])), "{zone:?} {interval:?}: a step twice");
}

#[test]
fn an_instant_lies_on_the_day_that_the_calendar_shows() {
    for zone in histories::zones() {
        let rules = TimeZone::get(zone.name()).expect("a zone");
        for at in instants(&zone, 3 * Micros::DAY) {
            assert_eq!(zone.day_of(at), Day::from_civil(date(&rules, at)), "{zone:?} {at:?}");
        }
    }
}

#[test]
fn a_day_reaches_from_its_first_instant_to_its_last() {
    for zone in histories::zones() {
        let instants = instants(&zone, 3 * Micros::DAY);
        for &at in &instants {
            let day = zone.day_of(at);
            assert!(zone.start_of(day) <= at && at < zone.end_of(day), "{zone:?} {at:?}");
            assert_eq!(zone.day_of(zone.start_of(day)), day, "{zone:?} {day}");
            assert_eq!(zone.day_of(zone.end_of(day).plus(-1)), day, "{zone:?} {day}");
        }
    }
}

#[test]
fn civil_days_count_as_the_calendar_counts() {
    let mut civil = jiff::civil::date(1969, 12, 1);
    for number in -31..60_000 {
        let day = Day(number);
        assert_eq!((day.civil(), Day::from_civil(civil)), (civil, day));
        assert_eq!(day.week_start().civil().weekday(), jiff::civil::Weekday::Monday);
        assert!(day.week_start() <= day && day.0 - day.week_start().0 < 7);
        assert_eq!(day.month_start().civil(), civil.first_of_month());
        civil = civil.tomorrow().expect("a day");
    }
}

#[test]
fn periods_of_retention_are_whole_weeks_and_months_of_the_calendar() {
    let weeks = [(WeekStart::Monday, jiff::civil::Weekday::Monday), (WeekStart::Sunday, jiff::civil::Weekday::Sunday)];
    for number in -31..60_000 {
        let day = Day(number);
        for (start, weekday) in weeks {
            let week = Period::Week(start).of(day);
            assert_eq!((week.first.civil().weekday(), week.last.0 - week.first.0), (weekday, 6));
            assert!(week.first <= day && day <= week.last);
            assert_eq!(Period::Week(start).after(week).first, week.last.plus(1));
        }
        let month = Period::Month.of(day);
        let civil = day.civil();
        assert_eq!((month.first.civil(), month.last.civil()), (civil.first_of_month(), civil.last_of_month()));
        assert_eq!(Period::Month.after(month).first, month.last.plus(1));
    }
}

#[test]
fn steps_divide_ranges_of_days() {
    for zone in histories::zones() {
        for moment in histories::moments(&zone) {
            let middle = zone.day_of(moment);
            let near: Vec<Micros> = instants(&zone, 3 * Micros::DAY);
            for (before, after) in [(0, 0), (1, 0), (0, 1), (1, 2)] {
                let range = Range::Days { first: middle.plus(-before), last: middle.plus(after) };
                for interval in [Interval::Hour, Interval::Day, Interval::Week, Interval::Month] {
                    divides(&zone, interval, range, &near);
                }
            }
        }
    }
}

#[test]
fn steps_divide_ranges_of_instants() {
    for zone in histories::zones() {
        for moment in histories::moments(&zone) {
            let near: Vec<Micros> = instants(&zone, 36 * Micros::HOUR);
            for (before, after) in [(90, 90), (45, 1), (1, 45), (24 * 60, 25 * 60 + 1)] {
                let range = Range::Times {
                    from: moment.plus(-before * Micros::MINUTE + 1),
                    to: moment.plus(after * Micros::MINUTE),
                };
                for interval in [Interval::Minute, Interval::Hour, Interval::Day, Interval::Week, Interval::Month] {
                    if interval != Interval::Minute || before + after < 200 {
                        divides(&zone, interval, range, &near);
                    }
                }
            }
        }
    }
}
