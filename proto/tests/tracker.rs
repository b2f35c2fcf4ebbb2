//! What the browser's tracker writes by hand is what the Rust types read.
//!
//! `dashboard/tracker/vectors/events.json` holds the tracker's bytes of every field and what they say; the tracker's own test
//! asserts that it still makes exactly these bytes. Here prost and the walker that the collector uses both read them.

use pistats_proto::ingest::{raw, v1};
use pistats_proto::wire::decode_event;
use prost::Message;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../dashboard/tracker/vectors/events.json")).unwrap()
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// An event as Protobuf's JSON has it, with the names of the contract; what is absent or empty is left out.
fn said(event: &v1::Event) -> Map<String, Value> {
    let mut said = Map::new();
    let mut put = |name: &str, value: Value, is_there: bool| {
        if is_there {
            said.insert(name.to_owned(), value);
        }
    };
    let hex: String = event.id.iter().map(|byte| format!("{byte:02x}")).collect();
    put("id", json!(hex), !hex.is_empty());
    for (name, number) in
        [("time_us", event.time_us), ("sent_at_us", event.sent_at_us), ("value_micros", event.value_micros)]
    {
        put(name, json!(number.unwrap_or_default().to_string()), number.is_some());
    }
    for (name, text) in [
        ("visitor_id", &event.visitor_id),
        ("user_id", &event.user_id),
        ("name", &event.name),
        ("url", &event.url),
        ("referrer", &event.referrer),
        ("title", &event.title),
        ("language", &event.language),
        ("time_zone", &event.time_zone),
        ("user_agent", &event.user_agent),
        ("client_address", &event.client_address),
        ("country", &event.country),
    ] {
        put(name, json!(text), !text.is_empty());
    }
    put("topics", json!(event.topics), !event.topics.is_empty());
    put("screen_width", json!(event.screen_width), event.screen_width != 0);
    put("screen_height", json!(event.screen_height), event.screen_height != 0);
    put("properties", json!(event.properties), !event.properties.is_empty());
    said
}

/// The same, read in place.
fn walked(bytes: &[u8]) -> v1::Event {
    let event = decode_event(bytes).unwrap();
    v1::Event {
        id: event.id.map(|id| id.0.to_vec().into()).unwrap_or_default(),
        time_us: event.time.map(|time| time.0),
        sent_at_us: event.sent_at.map(|time| time.0),
        visitor_id: event.visitor_id.into(),
        user_id: event.user_id.into(),
        name: event.raw_name.into(),
        url: event.url.into(),
        referrer: event.referrer.into(),
        title: event.title.into(),
        topics: event.topics.into_iter().map(str::to_owned).collect(),
        language: event.language.into(),
        time_zone: event.time_zone.into(),
        screen_width: event.screen_width,
        screen_height: event.screen_height,
        user_agent: event.user_agent.into(),
        client_address: event.client_address.into(),
        country: event.country.into(),
        value_micros: event.value,
        properties: event.properties.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    }
}

#[test]
fn the_trackers_bytes_of_every_field_say_what_it_meant() {
    let vectors = vectors();
    let mut seen = BTreeSet::new();
    for case in vectors["requests"].as_array().unwrap() {
        let about = &case["about"];
        let mut expected = case["reads"].as_object().unwrap().clone();
        for stamp in ["id", "time_us", "sent_at_us"] {
            expected.insert(stamp.to_owned(), vectors[stamp].clone());
        }
        let request = bytes(&case["bytes"]);
        let by_prost = v1::CollectRequest::decode(&*request).unwrap();
        let [event] = &*by_prost.events else { panic!("{about}: {} events", by_prost.events.len()) };
        assert_eq!(said(event), expected, "{about}");
        let in_place = raw::CollectRequest::decode(&*request).unwrap();
        assert_eq!(walked(&in_place.events[0]), *event, "{about}");
        seen.extend(expected.into_iter().map(|(name, _)| name));
    }
    // Every field but those that only a server-side key may set.
    let fields = [
        "id",
        "time_us",
        "sent_at_us",
        "visitor_id",
        "user_id",
        "name",
        "url",
        "referrer",
        "title",
        "topics",
        "language",
        "time_zone",
        "screen_width",
        "screen_height",
        "value_micros",
        "properties",
    ];
    assert_eq!(seen, fields.into_iter().map(str::to_owned).collect());
}

#[test]
fn a_batch_of_the_tracker_is_read_as_its_events_in_order() {
    let vectors = vectors();
    let alone = vectors["requests"].as_array().unwrap().iter();
    let alone: Vec<v1::Event> =
        alone.flat_map(|case| v1::CollectRequest::decode(&*bytes(&case["bytes"])).unwrap().events).collect();
    assert_eq!(v1::CollectRequest::decode(&*bytes(&vectors["all_in_one"])).unwrap().events, alone);
}
