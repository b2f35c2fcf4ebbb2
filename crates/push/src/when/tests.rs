//! Local times, quiet hours, usual hours and caps, over the zones that break simple arithmetic.

use super::*;
use pistats_core::time::{Day, Micros, Zone};
use proptest::prelude::*;
use std::time::Duration;

/// A second after a known moment, without a date library: `2024-03-31T01:00:00Z`.
fn at(text: &str) -> Micros {
    let day = Day::parse(&text[..10]).expect("a day");
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().expect("a number");
    let seconds = number(11..13) * 3600 + number(14..16) * 60 + number(17..19);
    Micros(i64::from(day.0) * Micros::DAY + seconds * Micros::SECOND)
}

fn wall(text: &str) -> WallTime {
    text.parse().expect("a time")
}

fn zone(name: &str) -> Zone {
    Zone::named(name).expect("a zone")
}

#[test]
fn a_time_of_the_day_is_written_in_one_way() {
    assert_eq!(wall("00:00").minutes(), 0);
    assert_eq!(wall("23:59").minutes(), 1439);
    assert_eq!(wall("09:05").to_string(), "09:05");
    for bad in ["24:00", "23:60", "9:00", "09:0", "09-00", "", ":", "+9:00", "09:00:00", "０９:00"] {
        assert_eq!(bad.parse::<WallTime>(), Err(BadWallTime), "{bad}");
    }
    assert_eq!(WallTime::of_minutes(1439), Ok(wall("23:59")));
    assert_eq!(WallTime::of_minutes(1440), Err(BadWallTime));
    assert_eq!(WallTime::of_minutes(u32::MAX), Err(BadWallTime));
}

#[test]
fn the_next_moment_of_a_local_time() {
    for (name, time, from, expected) in [
        // An ordinary day: before, at, and after the time.
        ("Europe/Berlin", "09:00", "2024-06-01T06:59:59Z", "2024-06-01T07:00:00Z"),
        ("Europe/Berlin", "09:00", "2024-06-01T07:00:00Z", "2024-06-01T07:00:00Z"),
        ("Europe/Berlin", "09:00", "2024-06-01T07:00:01Z", "2024-06-02T07:00:00Z"),
        // The day after a change has the other offset.
        ("Europe/Berlin", "09:00", "2024-03-30T08:00:01Z", "2024-03-31T07:00:00Z"),
        ("Europe/Berlin", "09:00", "2024-10-26T07:00:01Z", "2024-10-27T08:00:00Z"),
        // 02:30 was skipped: the first moment after the gap. On the next day it is there again.
        ("Europe/Berlin", "02:30", "2024-03-30T12:00:00Z", "2024-03-31T01:00:00Z"),
        ("Europe/Berlin", "02:30", "2024-03-31T01:00:01Z", "2024-04-01T00:30:00Z"),
        // 02:30 came twice: the first of both, and after it tomorrow's.
        ("Europe/Berlin", "02:30", "2024-10-26T12:00:00Z", "2024-10-27T00:30:00Z"),
        ("Europe/Berlin", "02:30", "2024-10-27T00:30:01Z", "2024-10-28T01:30:00Z"),
        ("America/New_York", "02:30", "2024-03-10T00:00:00Z", "2024-03-10T07:00:00Z"),
        ("America/New_York", "01:30", "2024-11-03T00:00:00Z", "2024-11-03T05:30:00Z"),
        ("America/New_York", "01:30", "2024-11-03T05:30:01Z", "2024-11-04T06:30:00Z"),
        // Half an hour.
        ("Australia/Lord_Howe", "02:15", "2024-10-05T00:00:00Z", "2024-10-05T15:30:00Z"),
        ("Australia/Lord_Howe", "01:45", "2024-04-06T00:00:00Z", "2024-04-06T14:45:00Z"),
        ("Australia/Lord_Howe", "01:45", "2024-04-06T14:45:01Z", "2024-04-07T15:15:00Z"),
        // A quarter of an hour off the hour.
        ("Asia/Kathmandu", "09:00", "2024-06-01T03:15:00Z", "2024-06-01T03:15:00Z"),
        ("Asia/Kathmandu", "09:00", "2024-06-01T03:15:01Z", "2024-06-02T03:15:00Z"),
        // The 30th of December 2011 did not happen: its times are the first moment after it.
        ("Pacific/Apia", "09:00", "2011-12-29T19:00:01Z", "2011-12-30T10:00:00Z"),
        ("Pacific/Apia", "09:00", "2011-12-30T10:00:01Z", "2011-12-30T19:00:00Z"),
    ] {
        assert_eq!(wall(time).next(&zone(name), at(from)), at(expected), "{name} {time} from {from}");
    }
}

#[test]
fn quiet_hours_end_when_the_clock_shows_their_end() {
    for (name, from, until, moment, expected) in [
        // Over midnight, both sides of both ends.
        ("Europe/Berlin", "22:00", "07:00", "2024-06-01T19:59:59Z", "2024-06-01T19:59:59Z"),
        ("Europe/Berlin", "22:00", "07:00", "2024-06-01T20:00:00Z", "2024-06-02T05:00:00Z"),
        ("Europe/Berlin", "22:00", "07:00", "2024-06-02T04:59:59Z", "2024-06-02T05:00:00Z"),
        ("Europe/Berlin", "22:00", "07:00", "2024-06-02T05:00:00Z", "2024-06-02T05:00:00Z"),
        // Within a day.
        ("Europe/Berlin", "12:00", "14:00", "2024-06-01T09:59:59Z", "2024-06-01T09:59:59Z"),
        ("Europe/Berlin", "12:00", "14:00", "2024-06-01T10:00:00Z", "2024-06-01T12:00:00Z"),
        ("Europe/Berlin", "12:00", "14:00", "2024-06-01T12:00:00Z", "2024-06-01T12:00:00Z"),
        // The night of a change is an hour shorter, or longer.
        ("Europe/Berlin", "22:00", "07:00", "2024-03-30T21:00:00Z", "2024-03-31T05:00:00Z"),
        ("Europe/Berlin", "22:00", "07:00", "2024-10-26T20:00:00Z", "2024-10-27T06:00:00Z"),
        // The end was skipped: the clock springs out of the quiet hours.
        ("Europe/Berlin", "22:00", "02:30", "2024-03-31T00:30:00Z", "2024-03-31T01:00:00Z"),
        // The end is passed twice: between both the clock falls back into them.
        ("Europe/Berlin", "22:00", "02:30", "2024-10-27T00:10:00Z", "2024-10-27T00:30:00Z"),
        ("Europe/Berlin", "22:00", "02:30", "2024-10-27T00:40:00Z", "2024-10-27T00:40:00Z"),
        ("Europe/Berlin", "22:00", "02:30", "2024-10-27T01:10:00Z", "2024-10-27T01:30:00Z"),
        // Quiet from an hour that is skipped: what lies in the gap is never shown.
        ("Europe/Berlin", "02:00", "03:00", "2024-03-31T00:59:59Z", "2024-03-31T00:59:59Z"),
        ("Europe/Berlin", "02:00", "03:00", "2024-03-31T01:00:00Z", "2024-03-31T01:00:00Z"),
        ("Europe/Berlin", "02:00", "03:00", "2024-10-27T00:00:00Z", "2024-10-27T02:00:00Z"),
        ("America/New_York", "21:00", "08:00", "2024-11-03T03:00:00Z", "2024-11-03T13:00:00Z"),
        ("Australia/Lord_Howe", "01:00", "02:10", "2024-10-05T15:00:00Z", "2024-10-05T15:30:00Z"),
        ("Australia/Lord_Howe", "01:00", "02:00", "2024-04-06T14:30:00Z", "2024-04-06T15:30:00Z"),
        ("Asia/Kathmandu", "22:00", "07:00", "2024-06-01T16:15:00Z", "2024-06-02T01:15:00Z"),
        // Quiet from 20:00 to 19:00: the skipped day ends at midnight, which is quiet too.
        ("Pacific/Apia", "20:00", "07:00", "2011-12-30T09:00:00Z", "2011-12-30T17:00:00Z"),
    ] {
        let quiet = Quiet::new(wall(from), wall(until)).expect("quiet hours");
        let found = quiet.allowed_from(&zone(name), at(moment));
        assert_eq!(found, at(expected), "{name} {from} until {until} at {moment}");
        assert_eq!(quiet.holds(&zone(name), at(moment)), at(moment) != at(expected));
    }
}

#[test]
fn quiet_hours_have_two_ends() {
    assert_eq!(Quiet::new(wall("07:00"), wall("07:00")), Err(BadQuiet(wall("07:00"))));
    let quiet = Quiet::new(wall("00:00"), wall("23:59")).expect("all but a minute");
    assert_eq!(quiet.allowed_from(&Zone::utc(), at("2024-06-01T00:00:00Z")), at("2024-06-01T23:59:00Z"));
}

#[test]
fn the_usual_hour_is_the_fullest_the_earliest_of_several_or_the_sites() {
    let of = |filled: &[(usize, u64)]| {
        let mut histogram = [0; 24];
        for (hour, events) in filled {
            histogram[*hour] = *events;
        }
        histogram
    };
    let (none, site) = (of(&[]), of(&[(20, 900), (9, 899)]));
    assert_eq!(usual_hour(&of(&[(7, 1), (18, 3), (22, 2)]), &site), 18);
    assert_eq!(usual_hour(&of(&[(23, 5), (6, 5), (7, 4)]), &site), 6);
    assert_eq!(usual_hour(&of(&[(0, 1)]), &site), 0);
    assert_eq!(usual_hour(&of(&[(23, u64::MAX)]), &site), 23);
    assert_eq!(usual_hour(&none, &site), 20);
    assert_eq!(usual_hour(&none, &of(&[(20, 9), (9, 9)])), 9);
    assert_eq!(usual_hour(&none, &none), DEFAULT_HOUR);
}

#[test]
fn a_usual_hour_begins_now_or_when_the_clock_shows_it_next() {
    for (name, hour, from, expected) in [
        ("Europe/Berlin", 18, "2024-06-01T15:59:59Z", "2024-06-01T16:00:00Z"),
        ("Europe/Berlin", 18, "2024-06-01T16:30:00Z", "2024-06-01T16:30:00Z"),
        ("Europe/Berlin", 18, "2024-06-01T17:00:00Z", "2024-06-02T16:00:00Z"),
        // The hour is skipped: the first moment after the gap. It is lived twice: both are it.
        ("Europe/Berlin", 2, "2024-03-31T00:00:00Z", "2024-03-31T01:00:00Z"),
        ("Europe/Berlin", 2, "2024-10-27T01:15:00Z", "2024-10-27T01:15:00Z"),
        ("America/New_York", 2, "2024-03-10T06:59:59Z", "2024-03-10T07:00:00Z"),
        ("Australia/Lord_Howe", 2, "2024-10-05T15:00:00Z", "2024-10-05T15:30:00Z"),
        ("Asia/Kathmandu", 10, "2024-06-01T04:14:59Z", "2024-06-01T04:15:00Z"),
        ("Pacific/Apia", 10, "2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z"),
    ] {
        assert_eq!(at_usual_hour(hour, &zone(name), at(from)), at(expected), "{name} {hour} from {from}");
    }
}

#[test]
fn a_cap_of_three_within_an_hour_lets_the_fourth_wait_for_the_first_to_leave() {
    let cap = Cap::new(3, Duration::from_secs(3600)).expect("a cap");
    let now = at("2024-06-01T12:00:00Z");
    let ago = |minutes: i64| now.plus(-minutes * Micros::MINUTE);
    assert_eq!(cap.allowed_from(&[], now), now);
    assert_eq!(cap.allowed_from(&[ago(1), ago(2)], now), now);
    assert_eq!(cap.allowed_from(&[ago(1), ago(50), ago(2)], now), now.plus(10 * Micros::MINUTE));
    // Exactly an hour ago no longer counts, a microsecond less does.
    assert_eq!(cap.allowed_from(&[ago(1), ago(2), ago(60)], now), now);
    assert_eq!(cap.allowed_from(&[ago(1), ago(2), ago(60).plus(1)], now), now.plus(1));
    // More than the cap were sent (it was wider before): all but two must leave.
    assert_eq!(cap.allowed_from(&[ago(10), ago(20), ago(30), ago(40), ago(50)], now), now.plus(30 * Micros::MINUTE));
    assert_eq!(cap.allowed_from(&[ago(90), ago(100), ago(110)], now), now);
}

#[test]
fn a_cap_is_at_least_one_within_a_minute_to_366_days() {
    let days = |days: u64| Duration::from_secs(days * 86_400);
    assert_eq!(Cap::new(0, days(1)), Err(BadCap::None));
    assert!(Cap::new(1, Duration::from_secs(60)).is_ok());
    assert_eq!(Cap::new(1, Duration::from_millis(59_999)), Err(BadCap::Within));
    assert!(Cap::new(u32::MAX, days(366)).is_ok());
    assert_eq!(Cap::new(1, days(366) + Duration::from_millis(1)), Err(BadCap::Within));
}

const ZONES: &[&str] = &[
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Antarctica/Troll",
];

/// The definition of quiet hours, minute by minute.
fn first_loud_minute(quiet: Quiet, zone: &Zone, from: Micros) -> Micros {
    let mut at = from;
    while quiet.holds(zone, at) {
        at = at.plus(Micros::MINUTE);
    }
    at
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn quiet_hours_end_where_walking_by_the_minute_ends(
        name in prop::sample::select(ZONES), minute in 21_000_000i64..30_000_000, from in 0u32..1440, length in 1u32..1440,
    ) {
        let (from, until) = (WallTime::of_minutes(from), WallTime::of_minutes((from + length) % 1440));
        let quiet = Quiet::new(from.expect("a time"), until.expect("a time")).expect("quiet hours");
        let (zone, moment) = (zone(name), Micros(minute * Micros::MINUTE));
        prop_assert_eq!(quiet.allowed_from(&zone, moment), first_loud_minute(quiet, &zone, moment));
    }

    #[test]
    fn the_next_moment_is_not_before_and_shows_the_time_or_follows_a_gap(
        name in prop::sample::select(ZONES), from in 1_000_000_000i64..1_900_000_000, time in 0u32..1440,
    ) {
        let (zone, time, from) = (zone(name), WallTime::of_minutes(time).expect("a time"), Micros(from * Micros::SECOND));
        let next = time.next(&zone, from);
        prop_assert!(next >= from);
        prop_assert!(next.since(from) <= 50 * Micros::HOUR);
        let shown = |at: Micros| at.plus(zone.stretch(at).offset_us).0.rem_euclid(Micros::DAY) / Micros::MINUTE;
        let is_shown = shown(next) == i64::from(time.minutes());
        prop_assert!(is_shown || zone.stretch(next).from == next, "neither shown nor after a gap: {next:?}");
        // Nothing between shows the time for the first time of its day.
        if let Some(earlier) = (-1..=3).map(|by| time.on(&zone, zone.day_of(from).plus(by))).find(|at| *at >= from) {
            prop_assert_eq!(next, earlier);
        }
    }

    #[test]
    fn a_cap_gives_the_first_moment_that_keeps_it(
        sent in prop::collection::vec(0i64..200, 0..12), now in 0i64..220, most in 1u32..5, within in 60u64..120,
    ) {
        let cap = Cap::new(most, Duration::from_secs(within)).expect("a cap");
        let sent: Vec<Micros> = sent.into_iter().map(|second| Micros(second * Micros::SECOND)).collect();
        let now = Micros(now.max(200) * Micros::SECOND);
        let within_us = i64::try_from(within).expect("small") * Micros::SECOND;
        let fits = |at: Micros| sent.iter().filter(|sent| at.since(**sent) < within_us).count() < most as usize;
        let by_second = (0..).map(|second| now.plus(second * Micros::SECOND)).find(|at| fits(*at));
        prop_assert_eq!(Some(cap.allowed_from(&sent, now)), by_second);
    }

    #[test]
    fn no_moment_is_too_far_for_an_answer(at in any::<i64>(), time in 0u32..1440, hour in any::<u8>()) {
        let time = WallTime::of_minutes(time).expect("a time");
        let quiet = Quiet::new(time, WallTime::of_minutes((time.minutes() + 1) % 1440).expect("a time")).expect("quiet");
        for name in ["UTC", "Europe/Berlin", "Pacific/Apia"] {
            let _ = (time.next(&zone(name), Micros(at)), quiet.allowed_from(&zone(name), Micros(at)));
            let _ = at_usual_hour(hour, &zone(name), Micros(at));
        }
    }
}
