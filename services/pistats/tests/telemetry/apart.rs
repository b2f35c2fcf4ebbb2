//! The way of an event and of questions through processes with a role each, at one collector's stand-in.
//!
//! ```text
//!   client ─▶ ingest: Collect ─▶ append … the log (ingest://) … aggregate-1 or -2: commit ─link─▶ Collect
//!   client ─▶ query: ListPartitions ─▶ client span ─▶ aggregate-1: ListPartitions ─▶ client span ─▶ ingest: Bounds (and -2)
//!   client ─▶ query: Realtime … follow ─link─▶ Realtime ─▶ client span ─▶ aggregate-1: WatchLive
//!   client ─▶ admin: RetryRejectedEvents ─▶ client span ─▶ ingest: Resubmit ─▶ append … aggregate: commit ─link─▶ Resubmit
//! ```

use crate::collector::{Collector, Told, at, place};
use crate::processes::Mesh;
use crate::server::page_view;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::{ListRejectedEventsRequest, RetryRejectedEventsRequest};
use pistats_proto::aggregate::v1::ListPartitionsRequest;
use pistats_proto::aggregate::v1::aggregate_service_client::AggregateServiceClient;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::ingest::v1::{CollectRequest, Event};
use pistats_proto::query::v1::journey_request::Who;
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::{JourneyRequest, RealtimeRequest};
use pistats_telemetry::TraceParent;
use std::time::Duration;
use tonic::Request;

const COLLECT: &str = "pistats.ingest.v1.IngestService/Collect";
const RESUBMIT: &str = "pistats.ingest.v1.ResubmitService/Resubmit";
const RETRY: &str = "pistats.admin.v1.AdminService/RetryRejectedEvents";
const LIST: &str = "pistats.aggregate.v1.AggregateService/ListPartitions";
const BOUNDS: &str = "pistats.log.v1.LogService/Bounds";
const WATCH_LIVE: &str = "pistats.aggregate.v1.AggregateService/WatchLive";
const REALTIME: &str = "pistats.query.v1.QueryService/Realtime";

/// A call of somebody outside who records its trace.
fn recorded<T>(trace: u128, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let outside = TraceParent::new(trace, 0xc11e, true).unwrap();
    request.metadata_mut().insert("traceparent", outside.to_string().parse().unwrap());
    request
}

fn is(span: &Span, name: &str, kind: SpanKind) -> bool {
    span.name == name && span.kind() == kind
}

/// The one span of that name, kind and teller.
fn one<'a>(told: &'a [Told], name: &str, kind: SpanKind, service: &str) -> &'a Span {
    let found: Vec<&Told> =
        told.iter().filter(|told| is(&told.span, name, kind) && told.service.contains(service)).collect();
    assert_eq!(found.len(), 1, "{service} {name} {kind:?}: {told:#?}");
    &found[0].span
}

fn links_to(span: &Span, other: &Span) -> bool {
    span.links.iter().any(|link| at(&link.trace_id, &link.span_id) == place(other))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_shows_a_way_through_all_roles_and_calls_between_them() {
    let (collector, address) = Collector::start().await;
    let Some(mesh) = Mesh::start(address, &[]).await else { return };
    let of = |trace: u128| move |span: &Span| span.trace_id == trace.to_be_bytes();

    // An event and one that is refused, to the log, through it, and to a commit in another process.
    let site = mesh.site().await;
    let mut ingest = IngestServiceClient::new(mesh.channel("ingest", &site.server));
    let mut nameless = page_view("");
    nameless.url = String::new();
    let batch = CollectRequest { events: vec![page_view("ada"), nameless] };
    let answer = ingest.collect(recorded(0xa, batch)).await.unwrap().into_inner();
    assert_eq!((answer.accepted, answer.rejections.len()), (1, 1));
    let told = collector.find(2, of(0xa)).await;
    let (collect, append) =
        (one(&told, COLLECT, SpanKind::Server, "ingest"), one(&told, "append", SpanKind::Internal, "ingest"));
    assert_eq!(collect.parent_span_id, 0xc11e_u64.to_be_bytes(), "the client's span is the parent");
    assert_eq!(append.parent_span_id, collect.span_id);
    let commits = collector.find(1, |span| span.name == "commit" && links_to(span, collect)).await;
    assert!(commits[0].service.contains("aggregate-"), "the commit is of the process that folds: {commits:?}");

    // A question that Query passes on to both Aggregates.
    let mut aggregate = AggregateServiceClient::new(mesh.channel("query", mesh.instance_key()));
    let answer = aggregate.list_partitions(recorded(0xb, ListPartitionsRequest {})).await.unwrap().into_inner();
    assert_eq!((answer.partitions.len(), answer.unreachable.len()), (8, 0));
    let told = collector.find(5, |span| of(0xb)(span) && span.name == LIST).await;
    assert_eq!(told.len(), 5, "{told:#?}");
    let asked = one(&told, LIST, SpanKind::Server, "query");
    for service in ["aggregate-1", "aggregate-2"] {
        let served = one(&told, LIST, SpanKind::Server, service);
        let called = told.iter().find(|told| told.span.span_id == served.parent_span_id).expect("its caller's span");
        assert!(is(&called.span, LIST, SpanKind::Client) && called.service.contains("query"), "{called:?}");
        assert_eq!(called.span.parent_span_id, asked.span_id, "the call belongs to the question");
        assert!(called.span.start_time_unix_nano <= served.start_time_unix_nano);
        // Each asks in turn for the ends of the log, which Ingest knows.
        let is_asking =
            |told: &Told| is(&told.span, BOUNDS, SpanKind::Client) && told.span.parent_span_id == served.span_id;
        let asking = collector.find_told(1, is_asking).await.remove(0);
        assert!(asking.service.contains(service), "{asking:?}");
        let answered = collector.find(1, |span| span.parent_span_id == asking.span.span_id).await.remove(0);
        assert!(is(&answered.span, BOUNDS, SpanKind::Server) && answered.service.contains("ingest"), "{answered:?}");
    }

    // What was refused, sent once more: Admin calls Ingest.
    let mut admin = AdminServiceClient::new(mesh.channel("admin", mesh.instance_key()));
    let retry = RetryRejectedEventsRequest { site_id: site.id, ids: Vec::new() };
    let answer = admin.retry_rejected_events(recorded(0xc, retry)).await.unwrap().into_inner();
    assert_eq!((answer.accepted, answer.refused_again), (0, 1));
    let told = collector.find(4, of(0xc)).await;
    let (asked, served) =
        (one(&told, RETRY, SpanKind::Server, "admin"), one(&told, RESUBMIT, SpanKind::Server, "ingest"));
    let called = one(&told, RESUBMIT, SpanKind::Client, "admin");
    assert_eq!((&called.parent_span_id, &served.parent_span_id), (&asked.span_id, &called.span_id));
    assert_eq!(one(&told, "append", SpanKind::Internal, "ingest").parent_span_id, served.span_id);

    // A question about now: streams that go on when it is answered. They end with the Aggregates.
    let mut query = QueryServiceClient::new(mesh.channel("query", &site.read));
    query.realtime(recorded(0xd, RealtimeRequest::default())).await.unwrap();
    let asked = collector.find(1, of(0xd)).await.remove(0);
    assert!(is(&asked.span, REALTIME, SpanKind::Server) && asked.service.contains("query"), "{asked:?}");
    mesh.stop("aggregate-1");
    mesh.stop("aggregate-2");
    let follows = collector.find(2, |span| span.name == "follow" && links_to(span, &asked.span)).await;
    for follow in &follows {
        let of_stream = |span: &Span| span.trace_id == follow.span.trace_id && span.name == WATCH_LIVE;
        let told = collector.find(2, of_stream).await;
        let called = one(&told, WATCH_LIVE, SpanKind::Client, "query");
        assert_eq!(called.parent_span_id, follow.span.span_id);
        assert_eq!(one(&told, WATCH_LIVE, SpanKind::Server, "aggregate-").parent_span_id, called.span_id);
    }
    mesh.stop_all();
    // Nothing else was recorded: what begins here is not, and polling does not belong to any of these traces.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let known = |span: &Span| {
        [0xa_u128, 0xb, 0xc, 0xd].iter().any(|trace| span.trace_id == trace.to_be_bytes())
            || ["commit", "follow", WATCH_LIVE].contains(&span.name.as_str())
    };
    let strange: Vec<Told> = collector.spans().into_iter().filter(|told| !known(&told.span)).collect();
    assert!(strange.is_empty(), "{strange:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_refused_is_followed_from_its_retry_to_the_commit_that_counts_it() {
    let (collector, address) = Collector::start().await;
    let Some(mesh) = Mesh::start(address, &[("PISTATS_LIMITS__TOPICS", "1")]).await else { return };
    let of = |trace: u128| move |span: &Span| span.trace_id == trace.to_be_bytes();
    let site = mesh.site().await;
    let mut ingest = IngestServiceClient::new(mesh.channel("ingest", &site.server));
    let topics = vec!["one".to_owned(), "another".to_owned()];
    let batch = CollectRequest { events: vec![Event { topics, ..page_view("ada") }] };
    let answer = ingest.collect(recorded(0xa, batch)).await.unwrap().into_inner();
    assert_eq!((answer.accepted, answer.rejections.len()), (0, 1));
    let mut admin = AdminServiceClient::new(mesh.channel("admin", mesh.instance_key()));
    let list = ListRejectedEventsRequest { site_id: site.id, ..Default::default() };
    for _ in 0..1_500 {
        let listed = admin.list_rejected_events(list).await.unwrap().into_inner();
        if listed.events.len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // A collector that takes more topics takes it now.
    mesh.stop("ingest");
    mesh.run("ingest", &[]);
    mesh.know(&site).await;
    let retry = RetryRejectedEventsRequest { site_id: site.id, ids: Vec::new() };
    let mut answer = admin.retry_rejected_events(recorded(0xb, retry.clone())).await;
    for _ in 0..100 {
        // Admin's channel may still hold the connection of before.
        if answer.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        answer = admin.retry_rejected_events(recorded(0xb, retry.clone())).await;
    }
    let answer = answer.unwrap().into_inner();
    assert_eq!((answer.accepted, answer.refused_again, answer.not_retryable), (1, 0, 0));
    let append = collector.find(1, |span| of(0xb)(span) && span.name == "append").await.remove(0).span;
    let served = collector.find(1, |span| span.span_id == append.parent_span_id).await.remove(0);
    assert!(is(&served.span, RESUBMIT, SpanKind::Server) && served.service.contains("ingest"), "{served:?}");
    let called = collector.find(1, |span| span.span_id == served.span.parent_span_id).await.remove(0);
    assert!(is(&called.span, RESUBMIT, SpanKind::Client) && called.service.contains("admin"), "{called:?}");
    let asked = collector.find(1, |span| span.span_id == called.span.parent_span_id).await.remove(0);
    assert!(is(&asked.span, RETRY, SpanKind::Server) && asked.service.contains("admin"), "{asked:?}");
    let commits = collector.find(1, |span| span.name == "commit" && links_to(span, &served.span)).await;
    assert!(commits[0].service.contains("aggregate-"), "{commits:?}");

    // And it counts, once.
    let mut query = QueryServiceClient::new(mesh.channel("query", &site.read));
    let journey = JourneyRequest { who: Some(Who::VisitorId("ada".to_owned())), ..Default::default() };
    assert_eq!(query.journey(journey).await.unwrap().into_inner().total_events, 1);
    mesh.stop_all();
}
