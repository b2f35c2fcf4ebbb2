//! The borrowed decoder reads what prost reads, and refuses what prost refuses.

use pistats_core::{Event, EventId, Micros};
use pistats_proto::wire::{Fields, Value, WireError, decode_event, number};
use pistats_proto::{ingest, record};
use proptest::prelude::*;
use prost::Message;
use std::collections::HashMap;

/// What prost makes of the same bytes: as the collector's message (which knows the client address) and as the log's (which
/// knows the stamps).
fn by_prost(bytes: &[u8]) -> Option<(ingest::v1::Event, record::v1::LoggedEvent)> {
    Some((ingest::v1::Event::decode(bytes).ok()?, record::v1::LoggedEvent::decode(bytes).ok()?))
}

fn assert_same(event: &Event<'_>, sent: &ingest::v1::Event, logged: &record::v1::LoggedEvent) {
    let id = event.id.map(|id| id.0.to_vec()).unwrap_or_default();
    assert_eq!(id, logged.id);
    assert_eq!(event.time.map(|time| time.0), sent.time_us);
    assert_eq!(event.time.map_or(0, |time| time.0), logged.time_us);
    assert_eq!(event.sent_at.map(|time| time.0), logged.sent_at_us);
    assert_eq!(event.client_time.map(|time| time.0), logged.client_time_us);
    assert_eq!(
        [event.visitor_id, event.user_id, event.raw_name, event.url, event.referrer, event.title],
        [&*logged.visitor_id, &*logged.user_id, &*logged.name, &*logged.url, &*logged.referrer, &*logged.title]
    );
    assert_eq!(event.topics, logged.topics);
    assert_eq!(
        [event.language, event.time_zone, event.user_agent, event.country, event.client_address],
        [&*logged.language, &*logged.time_zone, &*logged.user_agent, &*logged.country, &*sent.client_address]
    );
    assert_eq!((event.screen_width, event.screen_height), (logged.screen_width, logged.screen_height));
    assert_eq!(event.value, logged.value_micros);
    // Of equal keys the last one counts: collecting into a map does just that.
    let properties: HashMap<String, String> =
        event.properties.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    assert_eq!(properties, logged.properties);
}

prop_compose! {
    fn texts()(texts in proptest::collection::vec(prop_oneof![Just(String::new()), "[ -~]{0,90}", ".{0,40}"], 11)) -> Vec<String> {
        texts
    }
}

prop_compose! {
    fn events()(
        texts in texts(),
        id in prop_oneof![Just(None), any::<(u64, u128)>().prop_map(|(ms, entropy)| Some(EventId::from_parts(ms, entropy)))],
        times in any::<(Option<i64>, Option<i64>, Option<i64>)>(),
        screen in any::<(u32, u32)>(),
        topics in proptest::collection::vec(".{0,12}", 0..4),
        properties in proptest::collection::hash_map(".{0,8}", ".{0,20}", 0..5),
    ) -> ingest::v1::Event {
        let mut texts = texts.into_iter();
        let mut text = || texts.next().unwrap();
        ingest::v1::Event {
            id: id.map(|id| id.0.to_vec().into()).unwrap_or_default(),
            time_us: times.0,
            sent_at_us: times.1,
            visitor_id: text(),
            user_id: text(),
            name: text(),
            url: text(),
            referrer: text(),
            title: text(),
            topics,
            language: text(),
            time_zone: text(),
            screen_width: screen.0,
            screen_height: screen.1,
            user_agent: text(),
            client_address: text(),
            country: text(),
            value_micros: times.2,
            properties,
        }
    }
}

/// Bytes that look like fields of an event: far more often walked to the end than plain noise.
fn field_like() -> impl Strategy<Value = Vec<u8>> {
    let field =
        (0u32..22, prop_oneof![Just(0u8), Just(1), Just(2), Just(2), Just(2), Just(3), Just(4), Just(5)], any::<u64>());
    let field = (field, proptest::collection::vec(any::<u8>(), 0..20));
    proptest::collection::vec(field, 0..12).prop_map(|fields| {
        let mut bytes = Vec::new();
        for ((number, wire_type, value), content) in fields {
            prost::encoding::encode_varint(u64::from(number << 3 | u32::from(wire_type)), &mut bytes);
            match wire_type {
                0 => prost::encoding::encode_varint(value, &mut bytes),
                1 => bytes.extend(value.to_le_bytes()),
                2 => {
                    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
                    bytes.extend(content);
                }
                5 => bytes.extend((value as u32).to_le_bytes()),
                _ => {}
            }
        }
        bytes
    })
}

/// prost does not look at the wire type of a map field; Protobuf's own parsers do, and so do we.
fn has_a_map_of_another_wire_type(bytes: &[u8]) -> bool {
    Fields::new(bytes)
        .filter_map(Result::ok)
        .any(|field| field.number == number::PROPERTIES && !matches!(field.value, Value::Bytes(_)))
}

fn assert_agreement(bytes: &[u8]) {
    if has_a_map_of_another_wire_type(bytes) {
        return;
    }
    match (decode_event(bytes), by_prost(bytes)) {
        (Ok(event), Some((sent, logged))) => assert_same(&event, &sent, &logged),
        (Err(_), None) | (Err(WireError::Id), Some(_)) => {}
        (ours, prost) => panic!("ours {ours:?}, prost {prost:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_event_is_read_as_prost_reads_it(sent in events(), client_time in any::<Option<i64>>()) {
        let mut bytes = sent.encode_to_vec();
        // As the collector does it: the stamp follows the sent bytes.
        record::v1::LoggedEvent { client_time_us: client_time, ..Default::default() }.encode(&mut bytes).unwrap();
        let (sent, logged) = by_prost(&bytes).unwrap();
        assert_same(&decode_event(&bytes).unwrap(), &sent, &logged);
    }

    #[test]
    fn two_events_in_a_row_are_one_and_the_last_field_wins(first in events(), second in events()) {
        assert_agreement(&[first.encode_to_vec(), second.encode_to_vec()].concat());
    }

    #[test]
    fn cut_and_damaged_bytes_are_judged_as_prost_judges_them(
        sent in events(), cut in any::<proptest::sample::Index>(), place in any::<proptest::sample::Index>(), byte in any::<u8>()
    ) {
        let mut bytes = sent.encode_to_vec();
        if !bytes.is_empty() {
            assert_agreement(&bytes[..cut.index(bytes.len())]);
            let place = place.index(bytes.len());
            bytes[place] = byte;
            assert_agreement(&bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_are_judged_as_prost_judges_them(
        noise in proptest::collection::vec(any::<u8>(), 0..60), fields in field_like()
    ) {
        assert_agreement(&noise);
        assert_agreement(&fields);
    }
}

#[test]
fn absent_fields_are_absent_and_an_empty_id_is_no_id() {
    assert_eq!(decode_event(&[]), Ok(Event::default()));
    let event = decode_event(&[0x0a, 0, 0x10, 0]).unwrap();
    assert_eq!((event.id, event.time), (None, Some(Micros(0))));
}

#[test]
fn an_id_of_another_length_or_version_is_refused() {
    let id = EventId::from_parts(1, 2);
    let with = |id: &[u8]| ingest::v1::Event { id: id.to_vec().into(), ..Default::default() }.encode_to_vec();
    assert_eq!(decode_event(&with(&id.0)).map(|event| event.id), Ok(Some(id)));
    assert_eq!(decode_event(&with(&id.0[..15])), Err(WireError::Id));
    let mut version_four = id.0;
    version_four[6] = 0x40;
    assert_eq!(decode_event(&with(&version_four)), Err(WireError::Id));
}

#[test]
fn a_known_field_of_another_wire_type_is_refused_by_number() {
    // value_micros as text: "a non-number as value".
    let bytes = [0x92, 0x01, 2, b'4', b'2'];
    assert_eq!(decode_event(&bytes), Err(WireError::WireType { field: number::VALUE_MICROS }));
    let bytes = [0x98, 0x01, 1];
    assert_eq!(decode_event(&bytes), Err(WireError::WireType { field: number::PROPERTIES }));
}
