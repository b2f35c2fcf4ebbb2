use super::*;
use pistats_core::enrich::{Enricher, Input};
use pistats_core::{EventId, Limits};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};

/// 2026-03-15, a Sunday, 00:00 UTC.
const START: Micros = Micros(1_773_532_800_000_000);
const SHARE: f64 = 0.0062;

fn world() -> World {
    World::new(7).unwrap()
}

fn days(days: i64) -> Vec<Event> {
    world().events(START, START.plus(days * Micros::DAY), SHARE)
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
    let other = World::new(8).unwrap().events(START, START.plus(2 * Micros::DAY), SHARE);
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
        parts.extend(world.events(from, to, SHARE));
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

#[test]
fn a_month_of_history_is_some_hundred_thousand_events() {
    let count = days(30).len();
    assert!((80_000..130_000).contains(&count), "{count}");
}

#[test]
fn the_whole_world_sends_three_to_ten_events_a_second() {
    let world = world();
    let rate = |hour| {
        let from = START.plus(3 * Micros::DAY + hour * Micros::HOUR);
        world.events(from, from.plus(5 * Micros::MINUTE), 1.0).len() as f64 / 300.0
    };
    let rates: Vec<f64> = (0..24).map(rate).collect();
    assert!(rates.iter().all(|rate| (2.5..11.0).contains(rate)), "by hour: {rates:.1?}");
}

#[test]
fn a_share_of_the_world_is_people_of_the_whole() {
    let hour = |share| world().events(START, START.plus(Micros::HOUR), share);
    let whole: BTreeSet<_> = hour(1.0).into_iter().map(|event| event.id).collect();
    let some = hour(0.05);
    assert!(!some.is_empty() && some.iter().all(|event| whole.contains(&event.id)));
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
    for name in ["", "signup", "add_to_cart", "purchase"] {
        let count = events.iter().filter(|event| event.name == name).count();
        assert!(count > 50, "{name:?}: {count}");
    }
    let valued = |event: &&Event| event.value_micros.is_some();
    assert!(events.iter().filter(valued).all(|event| event.name == "purchase" && event.value_micros > Some(0)));
    assert!(events.iter().filter(|event| event.name == "purchase").all(|event| valued(&event)));
}

#[test]
fn a_trending_topic_is_read_more_than_before() {
    let world = world();
    let minutes = (0..3 * 24 * 60).map(|minute| START.plus(minute * Micros::MINUTE));
    let begins =
        minutes.clone().zip(minutes.skip(1)).find(|(a, b)| world.trend(*a).is_none() && world.trend(*b).is_some());
    let at = begins.unwrap().1;
    let topic = world.trend(at).unwrap();
    let read = |from: Micros| {
        let events = world.events(from, from.plus(Micros::HOUR), 0.2);
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
