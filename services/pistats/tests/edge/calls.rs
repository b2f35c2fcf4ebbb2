//! gRPC through the edge: TLS and HTTP/2 on both sides, streams in both directions, statuses and trailers.

use crate::caddy::Edge;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::ingest::v1::{CollectRequest, CollectStreamRequest, Event};
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::watched_report::Report;
use pistats_proto::query::v1::{DayRange, Range, TrafficRequest, WatchRequest, WatchedReport, range, watch_response};
use std::time::Duration;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

/// Longer than any of this takes; a stream that is held back ends here.
const WITHIN: Duration = Duration::from_secs(30);

/// A view at noon of a day, so that it counts in its reports whenever the test runs.
pub(crate) fn view(visitor: &str) -> Event {
    Event {
        visitor_id: visitor.to_owned(),
        url: "https://shop.example/".to_owned(),
        time_us: Some(1_715_515_200_000_000),
        ..Default::default()
    }
}

/// The report of that day.
pub(crate) fn traffic() -> TrafficRequest {
    let days = DayRange { first: "2024-05-12".to_owned(), last: "2024-05-12".to_owned() };
    TrafficRequest { range: Some(Range { range: Some(range::Range::Days(days)) }), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn unary_calls_and_their_statuses_pass() {
    let Some(edge) = Edge::start().await else { return };
    let mut ingest = IngestServiceClient::new(edge.caller(&edge.write_key).await);
    let answer = ingest.collect(CollectRequest { events: vec![view("ada"), Event::default()] }).await.unwrap();
    let answer = answer.into_inner();
    assert_eq!((answer.accepted, answer.rejections.len()), (1, 1));
    let wrong = IngestServiceClient::new(edge.caller(&edge.read_key).await).collect(CollectRequest::default()).await;
    let status = wrong.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("write"), "the message passes, too: {status:?}");
    let direct = pistats::client::channel(&edge.running.url(), "no key").unwrap();
    let direct = IngestServiceClient::new(direct).collect(CollectRequest::default()).await.unwrap_err();
    let edged = IngestServiceClient::new(edge.caller("no key").await).collect(CollectRequest::default()).await;
    assert_eq!((direct.code(), direct.message()), (Code::Unauthenticated, edged.unwrap_err().message()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_both_directions_is_answered_while_it_is_sent() {
    let Some(edge) = Edge::start().await else { return };
    let (send, batches) = tokio::sync::mpsc::channel(1);
    let mut ingest = IngestServiceClient::new(edge.caller(&edge.write_key).await);
    let answers = tokio::spawn(async move { ingest.collect_stream(ReceiverStream::new(batches)).await.unwrap() });
    let batch = |sequence| CollectStreamRequest { sequence, events: vec![view("ada")] };
    send.send(batch(1)).await.unwrap();
    let mut answers = tokio::time::timeout(WITHIN, answers).await.unwrap().unwrap().into_inner();
    for sequence in 1..=20 {
        // The stream is still open on our side: an edge that collected the request first would never answer.
        let answer = tokio::time::timeout(WITHIN, answers.message()).await.expect("an answer").unwrap().unwrap();
        assert_eq!((answer.sequence, answer.accepted), (sequence, 1));
        send.send(batch(sequence + 1)).await.unwrap();
    }
    drop(send);
    assert_eq!(tokio::time::timeout(WITHIN, answers.message()).await.unwrap().unwrap().unwrap().sequence, 21);
    assert_eq!(answers.message().await.unwrap(), None, "the end, and a good status in the trailers");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_watched_arrives_when_it_happens() {
    let Some(edge) = Edge::start().await else { return };
    let report = WatchedReport { tag: "t".to_owned(), report: Some(Report::Traffic(traffic())), ..Default::default() };
    let mut queries = QueryServiceClient::new(edge.caller(&edge.read_key).await);
    let stream = queries.watch(WatchRequest { reports: vec![report] }).await.unwrap().into_inner();
    tokio::pin!(stream);
    let first = tokio::time::timeout(WITHIN, stream.next()).await.expect("a snapshot at once").unwrap().unwrap();
    assert!(matches!(first.content, Some(watch_response::Content::Snapshot(_))));
    let mut ingest = IngestServiceClient::new(edge.caller(&edge.write_key).await);
    ingest.collect(CollectRequest { events: vec![view("ada")] }).await.unwrap();
    let next = tokio::time::timeout(WITHIN, stream.next()).await.expect("the change, while the stream goes on");
    assert_eq!(next.unwrap().unwrap().number, first.number + 1);
}
