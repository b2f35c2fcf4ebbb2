use super::super::place::{magazine, shop};
use super::*;
use pistats_core::enrich::{Enricher, Input};
use pistats_core::{EventId, Limits};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};

/// 2026-03-15, a Sunday, 00:00 UTC.
const START: Micros = Micros(1_773_532_800_000_000);
/// A small crowd is like a large one.
const LEVEL: f64 = 0.1;

/// The shop, opened a month before.
fn world() -> World {
    world_of(7, LEVEL)
}

fn world_of(seed: u64, level: f64) -> World {
    World::new(seed, &shop::PLACE, level, START.plus(-30 * Micros::DAY)).unwrap()
}

fn days(days: i64) -> Vec<Event> {
    world().events(START, START.plus(days * Micros::DAY))
}

fn by_visitor(events: &[Event]) -> BTreeMap<&str, Vec<&Event>> {
    let mut visitors: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in events {
        visitors.entry(&event.visitor_id).or_default().push(event);
    }
    visitors
}

#[test]
fn the_same_seed_is_the_same_world_and_another_is_another() {
    assert_eq!(days(2), days(2));
    let other = world_of(8, LEVEL).events(START, START.plus(2 * Micros::DAY));
    assert_ne!(days(2), other);
}

#[test]
fn it_does_not_matter_where_one_starts_to_look() {
    let (world, whole) = (world(), days(3));
    let mut parts = Vec::new();
    let mut from = START;
    // Odd pieces, so that visits and local days are cut.
    for minutes in [7, 1_433, 61, 1_500, 1_319] {
        let to = from.plus(minutes * Micros::MINUTE);
        parts.extend(world.events(from, to));
        from = to;
    }
    assert_eq!(from, START.plus(3 * Micros::DAY));
    assert_eq!(parts, whole);
}

#[test]
fn no_event_lies_outside_of_the_range_and_all_are_in_order() {
    let events = days(2);
    let (first, last) = (START.0, START.plus(2 * Micros::DAY).0);
    assert!(events.iter().all(|event| (first..last).contains(&event.time_us.unwrap())));
    assert!(events.is_sorted_by_key(|event| event.time_us));
}

/// Events by day of the world as the demo has it, from its opening on.
fn by_day(place: &'static Place, level: f64, days: i64) -> Vec<usize> {
    let world = World::new(7, place, level, START).unwrap();
    let day = |day: i64| world.events(START.plus(day * Micros::DAY), START.plus((day + 1) * Micros::DAY)).len();
    (0..days).map(day).collect()
}

#[test]
fn the_level_of_today_is_that_of_the_weeks_before() {
    let days = by_day(&shop::PLACE, 1.0, 95);
    let week = |first: usize| days[first..first + 7].iter().sum::<usize>() as f64 / 7.0;
    let (first, month, last) = (week(1), week(30), week(88));
    assert!((15_000.0..30_000.0).contains(&last), "events a day: {first} at first, {month} after a month, {last} now");
    assert!(first < month && month < last && last < 3.0 * first && last < 1.4 * month, "{first} {month} {last}");
    let all: usize = days.iter().sum();
    assert!((1_200_000..2_200_000).contains(&all), "{all} in all: they are to be sent in seconds");
}

#[test]
fn something_happens_every_few_seconds_by_day_and_seldom_stops_at_night() {
    let world = world_of(7, 1.0);
    let rate = |hour| {
        let from = START.plus(3 * Micros::DAY + hour * Micros::HOUR);
        world.events(from, from.plus(Micros::HOUR)).len() as f64 / 3_600.0
    };
    let rates: Vec<f64> = (0..24).map(rate).collect();
    assert!(rates.iter().all(|rate| (0.05..1.0).contains(rate)), "by hour: {rates:.2?}");
    assert!(rates.iter().any(|rate| *rate > 0.25), "by hour: {rates:.2?}");
}

#[test]
fn a_lower_level_lets_in_some_of_the_same_people() {
    let hours = |level| world_of(7, level).events(START, START.plus(4 * Micros::HOUR));
    let whole: BTreeSet<_> = hours(1.0).into_iter().map(|event| event.id).collect();
    let some = hours(0.05);
    assert!(!some.is_empty() && some.iter().all(|event| whole.contains(&event.id)));
}

#[test]
fn where_the_opening_moves_on_those_of_before_stay_away_and_nobody_else_changes() {
    let later = World::new(7, &shop::PLACE, LEVEL, START.plus(-20 * Micros::DAY)).unwrap();
    let ids = |world: &World| -> BTreeSet<_> {
        world.events(START, START.plus(2 * Micros::DAY)).into_iter().map(|event| event.id).collect()
    };
    let (before, after) = (ids(&world()), ids(&later));
    assert!(after.is_subset(&before) && after.len() < before.len(), "{} of {}", after.len(), before.len());
    assert!(later.events(START.plus(-30 * Micros::DAY), START.plus(-22 * Micros::DAY)).is_empty());
}

#[test]
fn people_come_back_for_weeks_and_fewer_each_week() {
    let world = World::new(7, &shop::PLACE, 0.5, START).unwrap();
    let events = world.events(START, START.plus(9 * 7 * Micros::DAY));
    let week = |event: &&Event| (event.time_us.unwrap() - START.0) / (7 * Micros::DAY);
    let mut first: BTreeSet<&str> = BTreeSet::new();
    let mut returned = [0; 9];
    let mut seen = BTreeSet::new();
    for event in events.iter().filter(|event| !event.time_zone.is_empty()) {
        if week(&event) == 0 {
            first.insert(&event.visitor_id);
        }
        if first.contains(event.visitor_id.as_str()) && seen.insert((week(&event), &event.visitor_id)) {
            returned[week(&event) as usize] += 1;
        }
    }
    let shares: Vec<f64> = returned.iter().map(|count| f64::from(*count) / first.len() as f64).collect();
    assert!((0.10..0.40).contains(&shares[1]), "{shares:.3?}");
    assert!(shares[8] > 0.01 && shares[8] < 0.5 * shares[1], "{shares:.3?}");
    assert!(shares.windows(2).skip(1).all(|pair| pair[1] < 1.1 * pair[0]), "{shares:.3?}");
}

#[test]
fn the_magazine_is_read_searched_and_subscribed_to_and_sells_nothing() {
    let world = World::new(7, &magazine::PLACE, 0.2, START).unwrap();
    let events = world.events(START, START.plus(14 * Micros::DAY));
    let count = |name: &str| events.iter().filter(|event| event.name == name).count();
    assert!(count("") > 10_000, "{}", count(""));
    for name in ["search", "newsletter", "share", "signup"] {
        assert!(count(name) > 5, "{name}: {}", count(name));
    }
    assert_eq!((count("add_to_cart"), count("purchase")), (0, 0));
    assert!(events.iter().all(|event| event.url.starts_with("https://slow-kitchen.example/")));
}

#[test]
fn every_id_is_of_version_seven_of_its_time_and_given_once() {
    let events = days(30);
    let ids: BTreeSet<_> = events.iter().map(|event| event.id.clone()).collect();
    assert_eq!(ids.len(), events.len());
    for event in &events {
        let id = EventId::from_slice(&event.id).unwrap();
        assert_eq!(id.created_ms() as i64, event.time_us.unwrap() / 1_000);
    }
}

#[test]
fn people_sleep_where_they_live_and_bots_do_not() {
    let events = days(14);
    for zone in ["Europe/Berlin", "America/New_York"] {
        let clock = Zone::named(zone).unwrap();
        let mut hours = [0; 24];
        for event in events.iter().filter(|event| event.time_zone == zone) {
            let at = Micros(event.time_us.unwrap());
            hours[((at.0 + clock.stretch(at).offset_us).rem_euclid(Micros::DAY) / Micros::HOUR) as usize] += 1;
        }
        let (night, evening) = (hours[2] + hours[3] + hours[4], hours[19] + hours[20] + hours[21]);
        assert!(night * 8 < evening, "{zone}: {night} at night, {evening} in the evening");
    }
    let mut enricher = Enricher::with_capacity(100);
    let mut bot_hours = [0; 24];
    for event in &events {
        if enricher.enrich(&input(event)).bot {
            bot_hours[(event.time_us.unwrap().rem_euclid(Micros::DAY) / Micros::HOUR) as usize] += 1;
        }
    }
    assert!(bot_hours.iter().all(|count| *count > 0), "{bot_hours:?}");
}

#[test]
fn most_come_once_and_some_keep_coming_back() {
    let events = days(30);
    let mut once = 0;
    let mut often = 0;
    let visitors = by_visitor(&events);
    for visits in visitors.values() {
        let days: BTreeSet<i64> = visits.iter().map(|event| event.time_us.unwrap() / Micros::DAY).collect();
        once += usize::from(days.len() == 1);
        often += usize::from(days.len() >= 8);
        let agents: BTreeSet<&str> = visits.iter().map(|event| event.user_agent.as_str()).collect();
        assert_eq!(agents.len(), 1, "a visitor stays who they are");
    }
    assert!(once * 2 > visitors.len() && often > 100, "{once} once, {often} often, of {}", visitors.len());
}

#[test]
fn every_event_keeps_the_default_limits() {
    let limits = Limits::default();
    for event in days(30) {
        assert!(event.encoded_len() <= limits.event_bytes);
        assert!((1..=limits.id_bytes).contains(&event.visitor_id.len()) && event.user_id.len() <= limits.id_bytes);
        assert!(event.url.len() <= limits.url_bytes && event.referrer.len() <= limits.url_bytes);
        let texts = [&event.title, &event.language, &event.time_zone, &event.user_agent];
        assert!(event.name.len() <= limits.name_bytes && texts.iter().all(|text| text.len() <= limits.text_bytes));
        assert!(event.topics.len() <= limits.topics && event.properties.len() <= limits.properties);
        assert!(event.topics.iter().all(|topic| topic.len() <= limits.topic_bytes));
        for (key, value) in &event.properties {
            assert!(key.len() <= limits.property_key_bytes && value.len() <= limits.property_value_bytes);
        }
        assert!(event.screen_width.max(event.screen_height) <= limits.screen_pixels);
        assert!(event.value_micros.unwrap_or_default().unsigned_abs() <= limits.value_micros);
        assert!(event.time_us.unwrap() >= limits.earliest_us && event.country.len() == 2);
    }
}

#[test]
fn every_report_has_something_to_show() {
    let events = days(30);
    let mut enricher = Enricher::with_capacity(10_000);
    let (mut channels, mut devices, mut countries) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut bots = 0;
    for event in &events {
        let enriched = enricher.enrich(&input(event));
        bots += usize::from(enriched.bot);
        channels.insert(enriched.channel.as_str());
        devices.insert(enriched.device.as_str());
        countries.insert(enriched.country);
    }
    let expected = [
        "AI Assistant",
        "Direct",
        "Email",
        "Organic Search",
        "Organic Social",
        "Paid Search",
        "Paid Social",
        "Referral",
    ];
    assert!(expected.iter().all(|channel| channels.contains(channel)), "{channels:?}");
    assert!(["Desktop", "Mobile", "Tablet", "TV", "Console"].iter().all(|device| devices.contains(device)));
    assert!(countries.len() >= 15 && bots * 50 > events.len() && bots * 10 < events.len(), "{bots} of bots");
    for name in ["", "signup", "add_to_cart", "purchase", "search", "newsletter", "share"] {
        let count = events.iter().filter(|event| event.name == name).count();
        assert!(count > 50, "{name:?}: {count}");
    }
    let valued = |event: &&Event| event.value_micros.is_some();
    assert!(events.iter().filter(valued).all(|event| event.name == "purchase" && event.value_micros > Some(0)));
    assert!(events.iter().filter(|event| event.name == "purchase").all(|event| valued(&event)));
}

#[test]
fn a_trending_topic_is_read_more_than_before() {
    let world = world_of(7, 1.0);
    let minutes = (0..3 * 24 * 60).map(|minute| START.plus(minute * Micros::MINUTE));
    let begins =
        minutes.clone().zip(minutes.skip(1)).find(|(a, b)| world.trend(*a).is_none() && world.trend(*b).is_some());
    let at = begins.unwrap().1;
    let topic = world.trend(at).unwrap();
    let read = |from: Micros| {
        let events = world.events(from, from.plus(Micros::HOUR));
        let about = events.iter().filter(|event| event.topics.iter().any(|about| about == topic)).count();
        about as f64 / events.len() as f64
    };
    let (before, during) = (read(at.plus(-Micros::HOUR)), read(at.plus(Micros::HOUR / 2)));
    assert!(during > 1.3 * before, "{topic}: {before} of all before, {during} during");
}

fn input(event: &Event) -> Input<'_> {
    Input {
        url: &event.url,
        referrer: &event.referrer,
        user_agent: &event.user_agent,
        language: &event.language,
        time_zone: &event.time_zone,
        country: Some(&event.country),
        screen_width: event.screen_width,
        screen_height: event.screen_height,
    }
}
