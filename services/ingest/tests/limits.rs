//! Every limit, on both sides: what equals it is accepted, one more is refused by name.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Bench, NOW, batch_bytes, bytes, full, of};
use pistats_core::{Limits, Micros, Reason, Refusal};
use pistats_ingest::{CollectError, Trust};
use pistats_proto::ingest::v1::Event;

/// The event made of `limit` is accepted; that of `limit + 1` is refused with this reason at this field.
async fn holds(limit: usize, reason: Reason, field: &str, event: impl Fn(usize) -> Event) {
    let bench = Bench::default();
    assert_eq!(bench.judge(&event(limit)).await, Ok(()), "{field} at its limit");
    let refusal = bench.judge(&event(limit + 1)).await.unwrap_err();
    assert_eq!((refusal.reason, refusal.field.as_str()), (reason, field));
    assert!(!refusal.message.is_empty());
    // A text that an event carries is believed or not, but too long is too long: nothing of the refused one was logged.
    assert_eq!(bench.events().await.len(), 1);
}

fn text(length: usize) -> String {
    "x".repeat(length)
}

#[tokio::test]
async fn texts_are_accepted_up_to_their_limit() {
    type Set = fn(&mut Event, String);
    let limits = Limits::default();
    let texts: [(&str, usize, Set); 10] = [
        ("visitor_id", limits.id_bytes, |event, text| event.visitor_id = text),
        ("user_id", limits.id_bytes, |event, text| event.user_id = text),
        ("name", limits.name_bytes, |event, text| event.name = text),
        ("url", limits.url_bytes, |event, text| event.url = text),
        ("referrer", limits.url_bytes, |event, text| event.referrer = text),
        ("title", limits.text_bytes, |event, text| event.title = text),
        ("language", limits.text_bytes, |event, text| event.language = text),
        ("time_zone", limits.text_bytes, |event, text| event.time_zone = text),
        ("user_agent", limits.text_bytes, |event, text| event.user_agent = text),
        ("client_address", limits.text_bytes, |event, text| event.client_address = text),
    ];
    for (field, limit, set) in texts {
        holds(limit, Reason::TextTooLong, field, |length| {
            let mut event = of("ada");
            set(&mut event, text(length));
            event
        })
        .await;
    }
}

#[tokio::test]
async fn topics_are_limited_in_number_and_length() {
    let limits = Limits::default();
    let topics = |count| Event { topics: vec!["t".into(); count], ..of("ada") };
    holds(limits.topics, Reason::TooMany, "topics", topics).await;
    let long = |length| Event { topics: vec!["t".into(), text(length)], ..of("ada") };
    holds(limits.topic_bytes, Reason::TextTooLong, "topics[1]", long).await;
}

#[tokio::test]
async fn properties_are_limited_in_number_key_and_value() {
    let limits = Limits::default();
    let count = |count| Event { properties: (0..count).map(|n| (n.to_string(), "v".into())).collect(), ..of("ada") };
    holds(limits.properties, Reason::TooMany, "properties", count).await;
    let value = |length| Event { properties: [("plan".into(), text(length))].into(), ..of("ada") };
    holds(limits.property_value_bytes, Reason::TextTooLong, "properties[\"plan\"]", value).await;
    // A long key is quoted by its beginning.
    let key = |length| Event { properties: [(text(length), "v".into())].into(), ..of("ada") };
    let field = format!("properties[\"{}\"]", text(64));
    holds(limits.property_key_bytes, Reason::TextTooLong, &field, key).await;
}

#[tokio::test]
async fn screens_and_values_are_limited_in_magnitude() {
    let limits = Limits::default();
    let pixels = limits.screen_pixels as usize;
    let width = |pixels| Event { screen_width: pixels as u32, ..of("ada") };
    holds(pixels, Reason::ValueOutOfRange, "screen_width", width).await;
    let height = |pixels| Event { screen_height: pixels as u32, ..of("ada") };
    holds(pixels, Reason::ValueOutOfRange, "screen_height", height).await;
    for sign in [1, -1] {
        let value = |value| Event { value_micros: Some(sign * value as i64), ..of("ada") };
        holds(limits.value_micros as usize, Reason::ValueOutOfRange, "value_micros", value).await;
    }
    let least = Bench::default().judge(&Event { value_micros: Some(i64::MIN), ..of("ada") }).await;
    assert_eq!(least.unwrap_err().reason, Reason::ValueOutOfRange);
}

#[tokio::test]
async fn a_whole_event_is_limited_in_bytes() {
    let length = full("ada").url.len();
    let fits = bytes(&full("ada")).len();
    let bench = Bench::new(Limits { event_bytes: fits, ..Limits::default() });
    assert_eq!(bench.judge(&full("ada")).await, Ok(()));
    let larger = Event { url: text(length + 1), ..full("ada") };
    let Refusal { reason, field, message } = bench.judge(&larger).await.unwrap_err();
    assert_eq!((reason, field.as_str()), (Reason::EventTooLarge, ""));
    assert_eq!(message, format!("the event has {} bytes; at most {fits} are accepted", fits + 1));
}

#[tokio::test]
async fn times_are_accepted_from_the_earliest_to_the_latest() {
    let limits = Limits::default();
    let bench = Bench::default();
    let at = |time| Event { time_us: Some(time), ..of("ada") };
    let latest = NOW.0 + i64::from(limits.future_skew_seconds) * Micros::SECOND;
    assert_eq!(bench.judge(&at(limits.earliest_us)).await, Ok(()));
    assert_eq!(bench.judge(&at(latest)).await, Ok(()));
    let in_1969 = -1;
    let in_2200 = 7_258_118_400_000_000;
    for (time, reason) in [
        (limits.earliest_us - 1, Reason::TimeTooEarly),
        (in_1969, Reason::TimeTooEarly),
        (i64::MIN, Reason::TimeTooEarly),
        (latest + 1, Reason::TimeInFuture),
        (in_2200, Reason::TimeInFuture),
        (i64::MAX, Reason::TimeInFuture),
    ] {
        let refusal = bench.judge(&at(time)).await.unwrap_err();
        assert_eq!((refusal.reason, refusal.field.as_str()), (reason, "time_us"), "{time}");
    }
    // Clocks at the ends of the range are answered, too.
    for (time, sent_at) in [(i64::MAX, i64::MIN), (i64::MIN, i64::MAX), (0, i64::MIN)] {
        let event = Event { sent_at_us: Some(sent_at), ..at(time) };
        assert!(bench.judge(&event).await.is_err(), "{time}, {sent_at}");
    }
}

#[tokio::test]
async fn a_clock_is_corrected_when_it_is_wrong_by_more_than_the_tolerance() {
    let tolerance = i64::from(Limits::default().clock_tolerance_seconds) * Micros::SECOND;
    let time = NOW.0 - Micros::HOUR;
    for (error, corrected) in [(tolerance, false), (-tolerance, false), (tolerance + 1, true), (-tolerance - 1, true)] {
        let bench = Bench::default();
        let event = Event { time_us: Some(time), sent_at_us: Some(NOW.0 - error), ..of("ada") };
        assert_eq!(bench.judge(&event).await, Ok(()));
        let logged = &bench.events().await[0];
        let expected = if corrected { (time + error, Some(time)) } else { (time, None) };
        assert_eq!((logged.time_us, logged.client_time_us), expected, "a clock wrong by {error}");
    }
}

#[tokio::test]
async fn a_time_is_judged_after_its_correction() {
    let bench = Bench::default();
    let wrong_by = 30 * Micros::DAY;
    let ahead = Event { time_us: Some(NOW.0 + wrong_by), sent_at_us: Some(NOW.0 + wrong_by), ..of("ada") };
    assert_eq!(bench.judge(&ahead).await, Ok(()));
    assert_eq!(bench.events().await[0].time_us, NOW.0);
    let still_ahead = Event { time_us: Some(NOW.0 + 2 * wrong_by), ..ahead };
    assert_eq!(bench.judge(&still_ahead).await.unwrap_err().reason, Reason::TimeInFuture);
}

#[tokio::test]
async fn a_batch_has_its_most_events_and_no_more() {
    let bench = Bench::new(Limits { batch_events: 3, ..Limits::default() });
    let batch = |count| vec![bytes(&of("ada")); count];
    assert_eq!(bench.collect(Trust::Public, &batch(3)).await.accepted, 3);
    assert_eq!(bench.collect(Trust::Public, &[]).await.accepted, 0);
    let error = bench.try_collect(Trust::Public, &batch(4)).await.unwrap_err();
    assert!(matches!(error, CollectError::TooManyEvents { events: 4, limit: 3 }), "{error}");
    assert_eq!(bench.events().await.len(), 3);
}

#[tokio::test]
async fn a_batch_has_its_most_bytes_and_no_more() {
    let batch = vec![bytes(&full("ada")); 3];
    let limit = batch_bytes(&batch);
    let bench = Bench::new(Limits { batch_bytes: limit, ..Limits::default() });
    assert_eq!(bench.collect(Trust::Public, &batch).await.accepted, 3);
    let larger = [&batch[..2], &[bytes(&Event { user_id: "account-12".into(), ..full("ada") })]].concat();
    let error = bench.try_collect(Trust::Public, &larger).await.unwrap_err();
    assert!(matches!(error, CollectError::TooLarge { bytes, limit: l } if bytes == limit + 1 && l == limit), "{error}");
    assert_eq!(bench.events().await.len(), 3);
}
