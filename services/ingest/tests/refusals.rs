//! What clients send by mistake: each is one typed refusal, refuses no neighbour, and is kept.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bytes::Bytes;
use common::{BROWSER, Bench, bytes, full, log_holds, of};
use pistats_core::{EventId, Reason, Refusal};
use pistats_ingest::Trust;
use pistats_proto::ingest::v1::Event;
use prost::Message;

/// An event's bytes and one more field behind them.
fn with(key: &[u8], value: &[u8]) -> Bytes {
    [&bytes(&of("ada"))[..], key, value].concat().into()
}

async fn refused(event: Bytes) -> (Reason, String) {
    let Refusal { reason, field, message } = Bench::default().judge_bytes(event).await.unwrap_err();
    assert!(!message.is_empty());
    (reason, field)
}

#[tokio::test]
async fn one_refused_event_refuses_no_other() {
    let bench = Bench::default();
    let batch = [
        bytes(&of("ada")),
        Bytes::from_static(b"<heartbeat/>"),
        bytes(&full("bob")),
        bytes(&of("")),
        bytes(&Event { properties: [("plan".into(), "a\0b".into())].into(), ..of("eve") }),
        bytes(&of("eve")),
    ];
    let collected = bench.collect(Trust::Server, &batch).await;
    assert_eq!(collected.accepted, 3);
    let told: Vec<_> = collected.rejections.iter().map(|one| (one.index, one.refusal.reason, one.path())).collect();
    let expected = [
        (1, Reason::Malformed, "events[1]".to_owned()),
        (3, Reason::MissingVisitor, "events[3].visitor_id".to_owned()),
        (4, Reason::InvalidText, "events[4].properties[\"plan\"]".to_owned()),
    ];
    assert_eq!(told, expected);
    let mut visitors: Vec<String> = bench.events().await.into_iter().map(|event| event.visitor_id).collect();
    visitors.sort();
    assert_eq!(visitors, ["ada", "bob", "eve"]);

    let kept = bench.rejected().await;
    let kept: Vec<_> = kept.iter().map(|event| (event.reason, &*event.field, &event.payload[..])).collect();
    let expected = [
        (Reason::Malformed as u32, "", &batch[1][..]),
        (Reason::MissingVisitor as u32, "visitor_id", &batch[3]),
        (Reason::InvalidText as u32, "properties[\"plan\"]", &batch[4]),
    ];
    assert_eq!(kept, expected);

    let counts = bench.collector.counters().read();
    assert_eq!((counts.batches, counts.accepted, counts.not_kept), (1, 3, 0));
    let refused: Vec<_> = counts.refused.into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(refused, [(Reason::Malformed, 1), (Reason::InvalidText, 1), (Reason::MissingVisitor, 1)]);
}

#[tokio::test]
async fn lines_and_rubbish_are_no_events() {
    for rubbish in [
        &b"<heartbeat/>"[..],
        b"heartbeat",
        b"{\"visitor_id\": \"ada\"}",
        b"GET / HTTP/1.1\r\n",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x00",
    ] {
        let (reason, _) = refused(Bytes::copy_from_slice(rubbish)).await;
        assert!(matches!(reason, Reason::Malformed | Reason::InvalidText), "{rubbish:?}: {reason:?}");
    }
    assert_eq!(refused(Bytes::new()).await, (Reason::MissingVisitor, "visitor_id".into()));
}

#[tokio::test]
async fn an_event_that_was_cut_off_is_refused_or_a_smaller_event() {
    let whole = bytes(&full("ada"));
    let bench = Bench::default();
    let mut accepted = 0;
    for length in 0..whole.len() {
        let cut = whole.slice(..length);
        let decodes = Event::decode(cut.clone()).is_ok_and(|event| !event.visitor_id.is_empty());
        let judged = bench.judge_bytes(cut).await;
        assert_eq!(judged.is_ok(), decodes, "{length} of {} bytes: {judged:?}", whole.len());
        accepted += usize::from(judged.is_ok());
    }
    assert_eq!(bench.events().await.len(), accepted);
    assert!(accepted > 5, "{accepted} cuts fell between fields");
}

#[tokio::test]
async fn ids_are_sixteen_bytes_of_version_seven() {
    let good = EventId::from_parts(1_700_000_000_000, 1).0;
    let mut version_4 = good;
    version_4[6] = 0x40 | (good[6] & 0x0f);
    let mut variant_0 = good;
    variant_0[8] &= 0x3f;
    let long = [&good[..], &[0]].concat();
    for id in
        [&good[..15], &good[..1], &long, &version_4, &variant_0, &[0; 16], b"018bcfe5-6800-7000-8000-000000000001"]
    {
        let event = Event { id: Bytes::copy_from_slice(id), ..of("ada") };
        assert_eq!(refused(bytes(&event)).await, (Reason::InvalidId, "id".into()), "{id:?}");
    }
    assert_eq!(Bench::default().judge(&Event { id: Bytes::copy_from_slice(&good), ..of("ada") }).await, Ok(()));
}

#[tokio::test]
async fn a_value_that_is_no_number_is_malformed() {
    // Field 18 as a text, and as a fixed64.
    assert_eq!(refused(with(&[0x92, 0x01], b"\x03abc")).await, (Reason::Malformed, "value_micros".into()));
    assert_eq!(refused(with(&[0x91, 0x01], &[0; 8])).await, (Reason::Malformed, "value_micros".into()));
    // A text as a number, a screen as a text, a property that is no message.
    assert_eq!(refused(with(&[0x38], &[1])).await, (Reason::Malformed, "url".into()));
    assert_eq!(refused(with(&[0x6a], &[1, b'9'])).await, (Reason::Malformed, "screen_width".into()));
    assert_eq!(refused(with(&[0x9a, 0x01], b"\x02ab")).await, (Reason::Malformed, "properties".into()));
}

#[tokio::test]
async fn a_text_is_utf_8_without_nul() {
    for (field, text) in [(0x32, &b"a\0"[..]), (0x3a, b"\xff\xfe"), (0x52, b"\xc3"), (0x2a, b"\xed\xa0\x80")] {
        let (reason, _) = refused(with(&[field, text.len() as u8], text)).await;
        assert_eq!(reason, Reason::InvalidText, "{text:?}");
    }
    for properties in [[("a\0".to_owned(), "v".to_owned())], [("k".to_owned(), "\0".to_owned())]] {
        let event = Event { properties: properties.into(), ..of("ada") };
        let (reason, field) = refused(bytes(&event)).await;
        assert_eq!(reason, Reason::InvalidText);
        assert!(field.starts_with("properties[\""), "{field}");
    }
}

#[tokio::test]
async fn a_country_is_two_letters() {
    for country in ["D", "DEU", "D1", "ä"] {
        let event = Event { country: country.into(), ..of("ada") };
        assert_eq!(refused(bytes(&event)).await, (Reason::InvalidCountry, "country".into()), "{country}");
    }
}

#[tokio::test]
async fn only_the_collector_stamps() {
    for number in 64..=79u32 {
        let mut event = bytes(&of("ada")).to_vec();
        prost::encoding::int64::encode(number, &1, &mut event);
        let (reason, field) = refused(event.into()).await;
        let name = if number == 64 { "client_time_us".into() } else { number.to_string() };
        assert_eq!((reason, field), (Reason::Malformed, name));
    }
    // What a later contract may add is kept as it came.
    for number in [20, 63, 80] {
        let mut event = bytes(&of("ada")).to_vec();
        prost::encoding::int64::encode(number, &1, &mut event);
        assert_eq!(Bench::default().judge_bytes(event.into()).await, Ok(()), "{number}");
    }
}

#[tokio::test]
async fn a_refused_event_is_kept_without_address_and_what_is_cut_says_so() {
    let bench = Bench::default();
    let event = Event { visitor_id: String::new(), title: "t".repeat(4_096), ..full("") };
    bench.collect(Trust::Public, &[bytes(&event)]).await;
    let kept = &bench.rejected().await[0];
    let believed =
        Event { client_address: String::new(), user_agent: String::new(), country: String::new(), ..event.clone() };
    assert_eq!((kept.payload.len(), kept.payload_bytes as usize), (4_096, bytes(&believed).len()));
    assert_eq!(kept.user_agent, BROWSER);
    assert!(EventId::from_slice(&kept.id).is_some());
    assert!(!log_holds(&*bench.log, "192.0.2.7").await);
}

#[tokio::test]
async fn what_is_kept_of_a_site_is_bounded_and_what_is_not_is_counted() {
    let bench = Bench::default();
    let batch = vec![Bytes::from_static(b"<heartbeat/>"); 700];
    for _ in 0..2 {
        assert_eq!(bench.collect(Trust::Public, &batch).await.rejections.len(), 700);
    }
    assert_eq!(bench.rejected().await.len(), 1_000);
    let counts = bench.collector.counters().read();
    assert_eq!(counts.not_kept, 400);
    assert_eq!(bench.collector.counters().refused()[0], ("malformed".to_owned(), 1_400));
}

#[tokio::test]
async fn ten_megabytes_are_one_refusal_where_the_batch_may_hold_them() {
    let limits = pistats_core::Limits { batch_bytes: 64 << 20, ..Default::default() };
    let bench = Bench::new(limits);
    let huge = bytes(&Event { url: "u".repeat(10 << 20), ..of("ada") });
    let collected = bench.collect(Trust::Public, &[bytes(&of("ada")), huge.clone()]).await;
    assert_eq!((collected.accepted, collected.rejections.len()), (1, 1));
    assert_eq!(collected.rejections[0].refusal.reason, Reason::EventTooLarge);
    let kept = &bench.rejected().await[0];
    assert_eq!((kept.payload.len(), kept.payload_bytes as usize), (4_096, huge.len()));
}
