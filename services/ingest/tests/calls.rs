//! The services as clients see them: over a real port, with keys.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod port;

use common::{Bench, batch_bytes, bytes, clock, full, of};
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use pistats_core::{Limits, Offset, PartitionId, Scope, SiteId};
use pistats_eventlog::{Append, Bounds, Error, EventLog, MemoryLog, Position, Records};
use pistats_ingest::{CollectError, Sender, Trust, Visitors};
use pistats_proto::ingest::v1::{CollectRequest, CollectResponse, CollectStreamRequest, Event, Reason};
use pistats_rpc::client::BearerKey;
use port::Port;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Interceptor;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

fn violation(status: &Status) -> (Code, String) {
    let details = status.get_details_bad_request().unwrap();
    (status.code(), details.field_violations[0].field.clone())
}

fn batch(events: Vec<Event>) -> CollectRequest {
    CollectRequest { events }
}

#[tokio::test]
async fn a_batch_is_collected_and_each_refusal_has_its_path() {
    let port = Port::open(Arc::new(MemoryLog::default()), Limits::default()).await;
    let mut client = port.ingest("write").await;
    let odd = Event { properties: [("plan".into(), "\0".into())].into(), ..of("ada") };
    let answer = client.collect(batch(vec![full("ada"), of(""), full("ada"), odd])).await.unwrap().into_inner();
    assert_eq!((answer.accepted, answer.duplicates), (2, 1));
    let told: Vec<_> = answer.rejections.iter().map(|one| (one.index, one.reason(), &*one.field)).collect();
    let expected = [
        (1, Reason::MissingVisitor, "events[1].visitor_id"),
        (3, Reason::InvalidText, "events[3].properties[\"plan\"]"),
    ];
    assert_eq!(told, expected);
    assert!(answer.rejections.iter().all(|one| !one.message.is_empty()));
}

#[tokio::test]
async fn the_key_says_whose_events_they_are_and_who_is_believed() {
    let log = Arc::new(MemoryLog::default());
    let port = Port::open(log.clone(), Limits::default()).await;
    for (key, user_agent) in [("write", "tonic/"), ("server", "Event/1")] {
        port.ingest(key).await.collect(batch(vec![full(key)])).await.unwrap();
        let records = common::records(&*log).await;
        let (_, _, record) = records.iter().find(|(_, _, record)| record.events[0].visitor_id == key).unwrap();
        assert_eq!(record.site, port::site(key).0, "the site of the key");
        assert!(record.events[0].user_agent.starts_with(user_agent), "{}", record.events[0].user_agent);
    }
    for (key, code) in [
        ("read", Code::PermissionDenied),
        ("manage", Code::PermissionDenied),
        ("instance", Code::PermissionDenied),
        ("nobody", Code::Unauthenticated),
    ] {
        let mut client = port.ingest(key).await;
        assert_eq!(client.collect(batch(vec![of("ada")])).await.unwrap_err().code(), code, "{key}");
        let none = futures::stream::empty();
        assert_eq!(client.collect_stream(none).await.unwrap_err().code(), code, "{key}");
    }
    assert_eq!(common::records(&*log).await.len(), 2);
}

#[tokio::test]
async fn a_batch_beyond_its_limits_is_an_invalid_argument_that_names_the_limit() {
    let events = vec![bytes(&full("ada")); 3];
    let limits = Limits { batch_events: 3, batch_bytes: batch_bytes(&events), ..Limits::default() };
    let port = Port::open(Arc::new(MemoryLog::default()), limits.clone()).await;
    let mut client = port.ingest("write").await;
    assert_eq!(client.collect(batch(vec![full("ada"); 3])).await.unwrap().into_inner().accepted, 3);

    let status = client.collect(batch(vec![of("ada"); 4])).await.unwrap_err();
    assert_eq!(violation(&status), (Code::InvalidArgument, "events".into()));
    assert!(status.message().contains("at most 3"), "{}", status.message());

    let larger = Event { title: "t".repeat(limits.batch_bytes), ..of("ada") };
    let status = client.collect(batch(vec![larger.clone()])).await.unwrap_err();
    assert_eq!(violation(&status), (Code::InvalidArgument, "events".into()));
    assert!(status.message().contains(&limits.batch_bytes.to_string()), "{}", status.message());

    let status = client.collect(batch(vec![larger; 4])).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "far beyond the limit it is not even read");
}

/// Not a message of this call: field 1 is a number.
#[derive(Clone, PartialEq, prost::Message)]
struct Foreign {
    #[prost(uint64, tag = "1")]
    number: u64,
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_fault() {
    let port = Port::open(Arc::new(MemoryLog::default()), Limits::default()).await;
    let mut grpc = tonic::client::Grpc::new(port.channel().await);
    grpc.ready().await.unwrap();
    let path = "/pistats.ingest.v1.IngestService/Collect".parse().unwrap();
    let codec = tonic_prost::ProstCodec::<Foreign, CollectResponse>::default();
    let request = BearerKey::new("write").unwrap().call(Request::new(())).unwrap().map(|()| Foreign { number: 1 });
    let status = grpc.unary(request, path, codec).await.unwrap_err();
    assert_eq!(violation(&status), (Code::InvalidArgument, String::new()));
    assert!(status.message().contains("no message of this call"), "{}", status.message());
}

#[tokio::test]
async fn a_full_log_says_when_to_come_back_and_a_closed_one_that_it_is_down() {
    let port = Port::open(Arc::new(MemoryLog::new(1_000, clock())), Limits::default()).await;
    let mut client = port.ingest("write").await;
    let status = loop {
        if let Err(status) = client.collect(batch(vec![full("ada")])).await {
            break status;
        }
    };
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());

    let failing = GatedLog::default();
    failing.gates.lock().closed = true;
    let port = Port::open(Arc::new(failing), Limits::default()).await;
    let status = port.ingest("write").await.collect(batch(vec![full("ada")])).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
}

/// A log whose records become durable when the test says so.
#[derive(Default)]
struct GatedLog {
    log: MemoryLog,
    gates: Mutex<Gates>,
}

#[derive(Default)]
struct Gates {
    waiting: Vec<oneshot::Sender<()>>,
    closed: bool,
}

impl GatedLog {
    async fn waiting(&self, count: usize) {
        while self.gates.lock().waiting.len() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tonic::async_trait]
impl EventLog for GatedLog {
    async fn append(&self, records: Vec<Append>) -> Result<Vec<Offset>, Error> {
        let gate = {
            let mut gates = self.gates.lock();
            if gates.closed {
                return Err(Error::Closed);
            }
            let (opener, gate) = oneshot::channel();
            gates.waiting.push(opener);
            gate
        };
        gate.await.unwrap();
        self.log.append(records).await
    }

    async fn read(&self, partition: PartitionId, from: Position) -> Result<Records, Error> {
        self.log.read(partition, from).await
    }

    async fn bounds(&self, partition: PartitionId) -> Result<Bounds, Error> {
        self.log.bounds(partition).await
    }

    async fn trim(&self, partition: PartitionId, below: Offset) -> Result<(), Error> {
        self.log.trim(partition, below).await
    }
}

#[tokio::test]
async fn a_call_is_answered_only_when_its_records_are_durable() {
    let log = Arc::new(GatedLog::default());
    let port = Port::open(log.clone(), Limits::default()).await;
    let mut client = port.ingest("write").await;
    let call = tokio::spawn(async move { client.collect(batch(vec![of("ada")])).await });
    log.waiting(1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!call.is_finished());
    log.gates.lock().waiting.remove(0).send(()).unwrap();
    assert_eq!(call.await.unwrap().unwrap().into_inner().accepted, 1);
}

#[tokio::test]
async fn batches_of_a_stream_are_worked_on_together_and_answered_in_order() {
    let log = Arc::new(GatedLog::default());
    let port = Port::open(log.clone(), Limits::default()).await;
    let (sender, requests) = mpsc::channel(8);
    for sequence in [30, 10, 20] {
        sender.send(CollectStreamRequest { sequence, events: vec![of("ada"), of("")] }).await.unwrap();
    }
    let mut answers =
        port.ingest("write").await.collect_stream(ReceiverStream::new(requests)).await.unwrap().into_inner();
    log.waiting(3).await;
    // The last comes to be durable first, and yet is answered last.
    log.gates.lock().waiting.pop().unwrap().send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(answers.next().now_or_never().is_none());
    log.gates.lock().waiting.drain(..).for_each(|gate| gate.send(()).unwrap());
    for sequence in [30, 10, 20] {
        let answer = answers.next().await.unwrap().unwrap();
        assert_eq!((answer.sequence, answer.accepted, answer.rejections.len()), (sequence, 1, 1));
        assert_eq!(answer.rejections[0].field, "events[1].visitor_id");
    }
    drop(sender);
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn an_error_ends_the_stream_after_the_answers_before_it() {
    let limits = Limits { batch_events: 1, ..Limits::default() };
    let port = Port::open(Arc::new(MemoryLog::default()), limits).await;
    let request = |sequence, count| CollectStreamRequest { sequence, events: vec![of("ada"); count] };
    let requests = futures::stream::iter([request(1, 1), request(2, 2), request(3, 1)]);
    let mut answers = port.ingest("write").await.collect_stream(requests).await.unwrap().into_inner();
    assert_eq!(answers.next().await.unwrap().unwrap().sequence, 1);
    let status = answers.next().await.unwrap().unwrap_err();
    assert_eq!(violation(&status), (Code::InvalidArgument, "events".into()));
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn beyond_its_room_a_call_is_refused_and_a_stream_waits() {
    const LARGE: usize = 100 << 20;
    let log = Arc::new(GatedLog::default());
    let bench = Bench::on(log.clone(), Limits { batch_bytes: LARGE, ..Limits::default() });
    let collector = bench.collector.clone();
    let origin =
        Sender { site: SiteId(1), trust: Trust::Public, user_agent: "", traceparent: "", visitors: Visitors::Sent };
    let event = [bytes(&of("ada"))];
    let mut first = Box::pin(collector.collect(origin, &event, LARGE));
    assert!((&mut first).now_or_never().is_none());
    let error = collector.collect(origin, &event, LARGE).await.unwrap_err();
    assert!(matches!(error, CollectError::Overloaded), "{error}");
    // What still fits is taken.
    let mut small = Box::pin(collector.collect(origin, &event, 1 << 20));
    assert!((&mut small).now_or_never().is_none());
    let mut patient = Box::pin(collector.collect_patiently(origin, &event, LARGE));
    assert!((&mut patient).now_or_never().is_none());
    assert_eq!(log.gates.lock().waiting.len(), 2, "the patient one has no room yet");

    log.gates.lock().waiting.drain(..).for_each(|gate| gate.send(()).unwrap());
    assert_eq!((first.await.unwrap().accepted, small.await.unwrap().accepted), (1, 1));
    assert!((&mut patient).now_or_never().is_none());
    log.gates.lock().waiting.remove(0).send(()).unwrap();
    assert_eq!(patient.await.unwrap().accepted, 1);
}

/// A call that a page of this origin makes.
fn from_page<T>(page: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("origin", page.parse().unwrap());
    request
}

#[tokio::test]
async fn a_page_collects_with_a_public_key_only_for_its_own_site() {
    let log = Arc::new(MemoryLog::default());
    let port = Port::open(log.clone(), Limits::default()).await;
    let mut client = port.ingest("write").await;
    for page in ["https://example.org", "http://shop.example.org:8080"] {
        let request = from_page(page, batch(vec![of("ada")]));
        assert_eq!(client.collect(request).await.unwrap().into_inner().accepted, 1, "{page}");
    }
    for page in ["https://evilexample.org", "https://example.net", "null"] {
        let status = client.collect(from_page(page, batch(vec![of("ada")]))).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{page}");
        assert!(
            status.message().contains(page) && status.message().contains("pistats site update example.org --origin")
        );
        let told = status.get_details_error_info().unwrap();
        assert_eq!((&*told.reason, &*told.metadata["origin"]), ("ORIGIN_NOT_ALLOWED", page));
        let none = futures::stream::empty();
        let status = client.collect_stream(from_page(page, none)).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{page}");
    }
    // A server's secret needs no page.
    let request = from_page("https://example.net", batch(vec![of("ada")]));
    assert_eq!(port.ingest("server").await.collect(request).await.unwrap().into_inner().accepted, 1);
    assert_eq!(common::records(&*log).await.len(), 3);
}

#[test]
fn only_collecting_scopes_are_tried_above() {
    let collecting: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| scope.collects()).collect();
    assert_eq!(collecting, [Scope::Write, Scope::Server]);
}
