//! With the right certificates.

use crate::processes::{INSTANCE_KEY, Mesh};
use pistats_proto::admin::v1::RetryRejectedEventsRequest;
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::ingest::v1::{CollectRequest, Event};
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::watched_report::Report;
use pistats_proto::query::v1::*;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Longer than any of this takes; a stream that says nothing ends here.
const WITHIN: Duration = Duration::from_secs(30);

/// A view at noon of a day, so that it counts in its reports whenever the test runs.
fn view(visitor: &str) -> Event {
    Event {
        visitor_id: visitor.to_owned(),
        url: "https://shop.example/".to_owned(),
        time_us: Some(1_715_515_200_000_000),
        ..Default::default()
    }
}

/// The report of that day.
fn traffic() -> TrafficRequest {
    let days = DayRange { first: "2024-05-12".to_owned(), last: "2024-05-12".to_owned() };
    TrafficRequest { range: Some(Range { range: Some(range::Range::Days(days)) }), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_reports_live_parts_notices_and_a_retry_go_through_the_encrypted_mesh() {
    let Some(mesh) = Mesh::start().await else { return };
    let site = mesh.site().await;
    let mut ingest = IngestServiceClient::new(mesh.channel(&mesh.ingest, &site.server));
    let visitors = ["ada", "bob", "cyd", "dan", "eve", "fay", "gus", "hal"];
    let mut events: Vec<Event> = visitors.map(view).into();
    events.push(Event { url: String::new(), ..view("") });
    let answer = ingest.collect(CollectRequest { events }).await.unwrap().into_inner();
    assert_eq!((answer.accepted, answer.rejections.len()), (8, 1));
    // From Ingest's log to both Aggregates.
    mesh.committed(8).await;

    // A report, and one that is watched: notices of commits come from the Aggregates.
    let mut query = QueryServiceClient::new(mesh.channel(&mesh.query, &site.read));
    let report = query.traffic(traffic()).await.unwrap().into_inner();
    assert_eq!(report.total.unwrap().visitors, 8);
    let watched = WatchedReport { tag: "t".to_owned(), report: Some(Report::Traffic(traffic())), ..Default::default() };
    let mut stream = query.watch(WatchRequest { reports: vec![watched] }).await.unwrap().into_inner();
    let first = tokio::time::timeout(WITHIN, stream.message()).await.expect("a snapshot").unwrap().unwrap();
    assert!(matches!(first.content, Some(watch_response::Content::Snapshot(_))), "{first:?}");
    ingest.collect(CollectRequest { events: vec![view("ida")] }).await.unwrap();
    let next = tokio::time::timeout(WITHIN, stream.message()).await.expect("the change").unwrap().unwrap();
    assert!(next.number > first.number, "{next:?}");
    drop(stream);

    // Parts of the present, one from each Aggregate: without one of them it would be UNAVAILABLE.
    let now = query.realtime(RealtimeRequest { limit: 5, ..Default::default() }).await.unwrap().into_inner();
    assert_eq!(now.as_of.unwrap().next_offsets.len(), 8);

    // Admin sends what was refused to Ingest again.
    let mut admin = AdminServiceClient::new(mesh.channel(&mesh.query, INSTANCE_KEY));
    let retry = RetryRejectedEventsRequest { site_id: site.id, ids: Vec::new() };
    let answer = admin.retry_rejected_events(retry).await.unwrap().into_inner();
    assert_eq!((answer.accepted, answer.refused_again), (0, 1));

    // Commands are callers like any other; a container's health check is one.
    let address = mesh.query.url();
    let files = mesh.right();
    let identity = files.identity.unwrap();
    let run = move |command: &str, with_certificate: bool| {
        let mut pistats = Command::new(env!("CARGO_BIN_EXE_pistats"));
        pistats
            .args([command, "--server", &address, "--key", INSTANCE_KEY])
            .arg("--ca")
            .arg(files.ca.as_ref().unwrap());
        if with_certificate {
            let paths: [&Path; 2] = [&identity.cert, &identity.key];
            pistats.arg("--cert").arg(paths[0]).env("PISTATS_CERT_KEY", paths[1]);
        }
        pistats.output().unwrap()
    };
    tokio::task::spawn_blocking(move || {
        for command in ["health", "status"] {
            let done = run(command, true);
            assert!(done.status.success(), "{command}: {done:?}");
            assert!(!run(command, false).status.success(), "{command} without a certificate");
        }
    })
    .await
    .unwrap();
    drop((ingest, query, admin));
    mesh.stop().await;
}
