//! Rubbish is refused with a reason, the rest of its batch counts, and the process goes on.

use crate::harness::{Instance, days, traffic};
use pistats::client::channel;
use pistats_proto::ingest::raw;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::ingest::v1::{CollectRequest, CollectResponse, Event, Reason};
use pistats_proto::query::v1::*;
use prost::Message as _;
use rand::rngs::StdRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use std::io::Write as _;

const SECOND: i64 = 1_000_000;

fn good() -> Event {
    Event {
        visitor_id: "ada".to_owned(),
        url: "/".to_owned(),
        time_us: Some(1_700_000_000 * SECOND),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_event_is_named_and_refuses_no_other() {
    let instance = Instance::start().await;
    let site = instance.site("s", "UTC").await;
    let cases = [
        (Event { time_us: Some(-1), ..good() }, Reason::TimeTooEarly, "time_us"),
        (Event { time_us: Some(7_258_118_400 * SECOND), ..good() }, Reason::TimeInFuture, "time_us"),
        (Event { id: vec![1; 15].into(), ..good() }, Reason::InvalidId, "id"),
        (Event { id: vec![0x40; 16].into(), ..good() }, Reason::InvalidId, "id"),
        (Event { visitor_id: String::new(), ..good() }, Reason::MissingVisitor, "visitor_id"),
        (Event { url: "x".repeat(10 << 10), ..good() }, Reason::TextTooLong, "url"),
        (Event { title: "a\0b".to_owned(), ..good() }, Reason::InvalidText, "title"),
        (Event { value_micros: Some(i64::MAX), ..good() }, Reason::ValueOutOfRange, "value_micros"),
        (Event { topics: vec!["t".to_owned(); 33], ..good() }, Reason::TooMany, "topics"),
    ];
    let mut client = IngestServiceClient::new(channel(&site.server, &site.server_key).unwrap());
    for (bad, reason, field) in cases {
        let request = CollectRequest { events: vec![good(), bad, good()] };
        let answer = client.collect(request).await.unwrap().into_inner();
        assert_eq!(answer.accepted, 2, "{reason:?}");
        let rejection = &answer.rejections[0];
        assert_eq!((rejection.index, rejection.reason()), (1, reason), "{rejection:?}");
        assert!(rejection.field.contains(field) && !rejection.message.is_empty(), "{rejection:?}");
    }
    instance.stop().await;
}

/// Sends bytes as events, as no generated client would.
async fn send_raw(site: &crate::harness::Site, events: Vec<Vec<u8>>) -> Result<CollectResponse, tonic::Status> {
    let mut client = tonic::client::Grpc::new(channel(&site.server, &site.server_key).unwrap());
    client.ready().await.unwrap();
    let request = raw::CollectRequest { events: events.into_iter().map(Into::into).collect() };
    let path = "/pistats.ingest.v1.IngestService/Collect".parse().unwrap();
    let codec = tonic_prost::ProstCodec::<raw::CollectRequest, CollectResponse>::default();
    client.unary(tonic::Request::new(request), path, codec).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_never_bring_the_process_down() {
    let instance = Instance::start().await;
    let site = instance.site("s", "UTC").await;
    let mut random = StdRng::seed_from_u64(7);
    let whole = good().encode_to_vec();
    let mut refused = 0;
    for _ in 0..300 {
        let rubbish: Vec<Vec<u8>> = (0..10)
            .map(|_| match random.random_range(0..3) {
                // Anything; an event that was cut off; an event with a flipped byte.
                0 => {
                    let mut bytes = vec![0; random.random_range(1..200)];
                    random.fill_bytes(&mut bytes);
                    bytes
                }
                1 => whole[..random.random_range(1..whole.len())].to_vec(),
                _ => {
                    let mut bytes = whole.clone();
                    let at = random.random_range(0..bytes.len());
                    bytes[at] ^= 1 << random.random_range(0..8);
                    bytes
                }
            })
            .collect();
        let answer = send_raw(&site, rubbish).await.unwrap();
        assert_eq!(answer.accepted as usize + answer.rejections.len(), 10);
        refused += answer.rejections.len();
    }
    assert!(refused > 1_000, "{refused}");
    // A field of the wrong type: the value as text.
    let mut text_as_value = whole.clone();
    text_as_value.extend([0x92, 0x01, 0x03, b'1', b'.', b'5']);
    let answer = send_raw(&site, vec![text_as_value, whole]).await.unwrap();
    assert_eq!((answer.accepted, answer.rejections[0].reason()), (1, Reason::Malformed));
    // Ten megabytes are no batch; the answer says what is.
    let status = send_raw(&site, vec![vec![0x52; 10 << 20]]).await.unwrap_err();
    assert!(
        matches!(
            status.code(),
            tonic::Code::InvalidArgument | tonic::Code::OutOfRange | tonic::Code::ResourceExhausted
        ),
        "{status}"
    );
    instance.settle().await;
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_rubbish_is_reported_line_by_line() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, r#"{{"ts":"2024-01-01T00:00:00Z","visitor":"ada","url":"/"}}"#).unwrap();
    writeln!(file, r#"{{"_heartbeat_":1365829770}}"#).unwrap();
    writeln!(file, r#"{{"ts":"2024-01-01T00:00:00Z","visitor":"#).unwrap();
    file.write_all(b"\xff\xfe\x00\x01binary\n").unwrap();
    writeln!(file, r#"{{"ts":"1969-12-31T23:59:59Z","visitor":"ada","url":"/"}}"#).unwrap();
    writeln!(file, r#"{{"ts":"2200-01-01T00:00:00Z","visitor":"ada","url":"/"}}"#).unwrap();
    writeln!(file, r#"{{"ts":"2024-01-01T00:00:00Z","visitor":"ada","value":"much"}}"#).unwrap();
    writeln!(file, r#"{{"ts":"2024-01-01T00:00:00Z","visitor":"ada","url":"{}"}}"#, "x".repeat(10 << 20)).unwrap();
    writeln!(file, r#"{{"ts":"2024-01-01T00:00:01Z","visitor":"ada","url":"/"}}"#).unwrap();
    let instance = Instance::start().await;
    let site = instance.site("s", "UTC").await;
    let report = site.import(file.path(), None).await;
    let lines: Vec<(u64, &str)> = report.refused_lines.iter().map(|line| (line.line, line.reason)).collect();
    assert_eq!(
        lines,
        [
            (2, "unreadable"),
            (3, "unreadable"),
            (4, "unreadable"),
            (5, "time_too_early"),
            (6, "time_in_future"),
            (7, "unreadable"),
            (8, "unreadable"),
        ]
    );
    assert_eq!((report.lines, report.accepted, report.refused), (9, 2, 7));
    instance.settle().await;
    let request = traffic(days("1969-01-01", "2100-01-01"), Interval::Unspecified);
    let answer = site.queries().traffic(request).await;
    // The range is bounded too; asked within bounds, the two good lines are there.
    let request = traffic(days("2024-01-01", "2024-01-01"), Interval::Unspecified);
    let total = site.queries().traffic(request).await.unwrap().into_inner().total.unwrap();
    assert_eq!((total.events, total.visitors), (2, 1));
    assert_eq!(answer.unwrap_err().code(), tonic::Code::InvalidArgument);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_event_is_listed_and_counts_once_when_it_is_sent_again() {
    use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
    use pistats_proto::admin::v1::*;
    let instance = Instance::start_with(|config| config.limits.topics = 1).await;
    let site = instance.site("s", "UTC").await;
    let bad = Event { topics: vec!["a".to_owned(), "b".to_owned()], ..good() };
    let mut client = IngestServiceClient::new(channel(&site.server, &site.server_key).unwrap());
    let answer = client.collect(CollectRequest { events: vec![bad] }).await.unwrap().into_inner();
    assert_eq!((answer.accepted, answer.rejections[0].reason()), (0, Reason::TooMany));
    instance.settle().await;

    // Under wider limits the same event is accepted, and only once, however often it is retried.
    let instance = instance.restart(|_| {}).await;
    let site = crate::harness::Site { server: instance.running.url(), ..site };
    let mut admin = AdminServiceClient::new(instance.instance_channel());
    let list = ListRejectedEventsRequest { site_id: 1, ..Default::default() };
    let listed = admin.list_rejected_events(list).await.unwrap().into_inner();
    assert_eq!((listed.events.len(), listed.counts[0].count), (1, 1));
    assert!(listed.events[0].retryable && listed.events[0].reason() == Reason::TooMany);
    let retry = RetryRejectedEventsRequest { site_id: 1, ids: Vec::new() };
    let done = admin.retry_rejected_events(retry.clone()).await.unwrap().into_inner();
    assert_eq!((done.accepted, done.refused_again, done.not_retryable), (1, 0, 0));
    assert_eq!(admin.retry_rejected_events(retry).await.unwrap().into_inner().accepted, 0);
    assert_eq!(admin.list_rejected_events(list).await.unwrap().into_inner().events.len(), 0);
    instance.settle().await;
    let request = traffic(days("2023-11-14", "2023-11-14"), Interval::Unspecified);
    assert_eq!(site.queries().traffic(request).await.unwrap().into_inner().total.unwrap().events, 1);
    instance.stop().await;
}
