//! One trace shows an event's whole way: client → service → collect → append, and a link from the commit that took it.

use crate::collector::{Collector, at, place};
use crate::server::{Instance, page_view};
use opentelemetry_proto::tonic::trace::v1::Span;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::ingest::v1::{CollectRequest, CollectStreamRequest};
use pistats_proto::query::v1::RealtimeRequest;
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_telemetry::{Settings, TraceParent, trace};
use std::time::Duration;
use tracing::Instrument;

const COLLECT: &str = "pistats.ingest.v1.IngestService/Collect";
const COLLECT_STREAM: &str = "pistats.ingest.v1.IngestService/CollectStream";

/// A place in the trace of somebody outside, who records it.
fn client(trace: u128) -> TraceParent {
    TraceParent::new(trace, 0xc11e, true).unwrap()
}

fn attribute(span: &Span, key: &str) -> String {
    let value = span.attributes.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone());
    format!("{:?}", value.and_then(|value| value.value))
}

/// One test, for the exporter is the process's.
#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_request_is_followed_to_its_commit_and_others_leave_no_trace() {
    let (collector, address) = Collector::start().await;
    // Nothing begins to be recorded here: only who says so is followed.
    let settings = Settings {
        log: "off".to_owned(),
        otlp: Some(format!("http://{address}")),
        sampling: 0.0,
        ..Settings::default()
    };
    let telemetry = pistats_telemetry::start(&settings).unwrap();
    let instance = Instance::start(|_| {}).await;
    let site = instance.site().await;

    // A client calls a service, and that service calls Ingest: its outgoing call goes on with the trace.
    let outside = client(0xa);
    let service = trace::served("test.Front", "Order", || Some(outside));
    let mut ingest = IngestServiceClient::new(instance.channel(&site.server));
    let batch = CollectRequest { events: vec![page_view("ada")] };
    ingest.collect(batch.clone()).instrument(service).await.unwrap();
    instance.committed(1).await;

    let of_trace = |span: &Span| span.trace_id == 0xa_u128.to_be_bytes();
    let told = collector.find(3, of_trace).await;
    let named = |name: &str| told.iter().find(|told| told.span.name == name).map(|told| &told.span).unwrap();
    let (front, collect, append) = (named("test.Front/Order"), named(COLLECT), named("append"));
    assert_eq!(
        front.parent_span_id,
        0xc11e_u64.to_be_bytes(),
        "the client's span is the parent of the first service's"
    );
    assert_eq!(collect.parent_span_id, front.span_id, "an outgoing call continues the trace");
    assert_eq!(append.parent_span_id, collect.span_id, "parents hold up to the append");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(attribute(collect, "rpc.system").contains("grpc"));
    assert!(attribute(collect, "rpc.method").contains("Collect"));
    assert!(attribute(collect, "rpc.grpc.status_code").contains("IntValue(0)"), "{collect:?}");
    assert!(attribute(append, "events").contains("IntValue(1)"), "{append:?}");
    assert!(told.iter().all(|told| told.service.contains("pistats")), "{told:?}");

    // The commit serves many requests: it is no child of one, and links to each.
    let commit = collector.find(1, |span| span.name == "commit").await.remove(0).span;
    assert!(!of_trace(&commit) && commit.parent_span_id.is_empty(), "{commit:?}");
    let links: Vec<TraceParent> = commit.links.iter().map(|link| at(&link.trace_id, &link.span_id)).collect();
    assert_eq!(links, [place(collect)]);
    assert!(attribute(&commit, "events").contains("IntValue(1)"), "{commit:?}");

    // A stream is one call with many appends, and ends when it ends.
    let mut request = tonic::Request::new(tokio_stream::iter(
        [1, 2].map(|sequence| CollectStreamRequest { sequence, events: vec![page_view("bob")] }),
    ));
    request.metadata_mut().insert("traceparent", client(0xb).to_string().parse().unwrap());
    let mut acks = ingest.collect_stream(request).await.unwrap().into_inner();
    while acks.message().await.unwrap().is_some() {}
    let of_stream = |span: &Span| span.trace_id == 0xb_u128.to_be_bytes();
    let told = collector.find(3, of_stream).await;
    let stream = told.iter().find(|told| told.span.name == COLLECT_STREAM).unwrap().span.clone();
    let appends: Vec<_> = told.iter().filter(|told| told.span.name == "append").collect();
    assert_eq!(appends.len(), 2, "{told:?}");
    assert!(appends.iter().all(|append| append.span.parent_span_id == stream.span_id), "{told:?}");

    // A refusal is the caller's fault, and its code is told.
    let mut query = QueryServiceClient::new(instance.channel("no such key"));
    let mut request = tonic::Request::new(RealtimeRequest::default());
    request.metadata_mut().insert("traceparent", client(0xc).to_string().parse().unwrap());
    query.realtime(request).await.unwrap_err();
    let refused = collector.find(1, |span| span.trace_id == 0xc_u128.to_be_bytes()).await.remove(0).span;
    assert!(attribute(&refused, "rpc.grpc.status_code").contains("IntValue(16)"), "{refused:?}");

    // Requests of which nobody says that they are recorded leave nothing, nor do calls with a header that is none.
    let before = collector.spans().len();
    ingest.collect(batch.clone()).await.unwrap();
    let mut request = tonic::Request::new(batch);
    request.metadata_mut().insert("traceparent", "00-nonsense".parse().unwrap());
    ingest.collect(request).await.unwrap();
    instance.committed(5).await;

    // What waits to be exported is exported on the way down.
    let mut request = tonic::Request::new(CollectRequest::default());
    request.metadata_mut().insert("traceparent", client(0xd).to_string().parse().unwrap());
    ingest.collect(request).await.unwrap();
    drop(ingest);
    instance.running.stop().await.unwrap();
    telemetry.shutdown(Duration::from_secs(10)).await;
    let last: Vec<Span> = collector.spans().split_off(before).into_iter().map(|told| told.span).collect();
    let is_last = |span: &Span| span.trace_id == 0xd_u128.to_be_bytes();
    assert!(last.iter().any(|span| span.name == COLLECT && is_last(span)), "{last:?}");
    // The commit of the stream's events may have come late; nothing else may have.
    assert!(last.iter().all(|span| is_last(span) || span.name == "commit" && !span.links.is_empty()), "{last:?}");
}
