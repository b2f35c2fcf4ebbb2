//! The page that Prometheus reads.

use crate::server::{Instance, page_view};
use pistats_proto::ingest::v1::CollectRequest;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::watched_report::Report;
use pistats_proto::query::v1::{RealtimeRequest, WatchRequest, WatchedReport};
use pistats_telemetry::metrics::catalogue::{self, Kind, Metric, Teller};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn http(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Sample (name and labels) → value.
async fn scrape(address: SocketAddr) -> BTreeMap<String, f64> {
    let answer = http(address, "GET /metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
    let (_, page) = answer.split_once("\r\n\r\n").unwrap();
    let samples = page.lines().filter(|line| line.starts_with("pistats_"));
    samples
        .map(|line| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap())).unwrap())
        .collect()
}

fn sum(page: &BTreeMap<String, f64>, sample: &str) -> f64 {
    let is_meant = |name: &str| name == sample || name.starts_with(&format!("{sample}{{"));
    page.iter().filter(|(name, _)| is_meant(name)).map(|(_, value)| value).sum()
}

/// What a single process on embedded engines does not tell.
fn is_told(metric: &&&Metric) -> bool {
    !matches!(metric.teller, Teller::Forwarder | Teller::Fluvio)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_metric_is_on_the_page_and_counts_what_happened() {
    let instance = Instance::start(|config| config.telemetry.prometheus = "127.0.0.1:0".to_owned()).await;
    let address = instance.running.metrics_address().unwrap();
    let site = instance.site().await;
    let mut ingest = IngestServiceClient::new(instance.channel(&site.server));
    let mut nameless = page_view("");
    nameless.url = String::new();
    let mut events: Vec<_> = ["ada", "bob", "eve"].map(page_view).into();
    events.push(nameless);
    let answer = ingest.collect(CollectRequest { events }).await.unwrap().into_inner();
    assert_eq!((answer.accepted, answer.rejections.len()), (3, 1));
    instance.committed(3).await;

    let mut query = QueryServiceClient::new(instance.channel(&site.read));
    let report = Report::Realtime(RealtimeRequest { limit: 5, ..Default::default() });
    let watched = WatchedReport { report: Some(report), ..Default::default() };
    let mut watch = query.watch(WatchRequest { reports: vec![watched] }).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    query.clone().realtime(RealtimeRequest::default()).await.unwrap();
    QueryServiceClient::new(instance.channel("no such key")).realtime(RealtimeRequest::default()).await.unwrap_err();

    // The log is asked for its ends once a second.
    let mut page = scrape(address).await;
    for _ in 0..100 {
        if sum(&page, "pistats_log_next_offset") > 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        page = scrape(address).await;
    }
    for metric in catalogue::ALL.iter().filter(is_told) {
        let sample = match metric.kind {
            Kind::Histogram => format!("{}_count", metric.prometheus()),
            _ => metric.prometheus(),
        };
        let found = page.keys().find(|name| **name == sample || name.starts_with(&format!("{sample}{{")));
        let name = found.unwrap_or_else(|| panic!("{sample} is not on the page: {:?}", page.keys()));
        for label in metric.labels {
            assert!(name.contains(&format!("{label}=\"")), "{name} has no label {label}");
        }
    }
    let known: Vec<String> = catalogue::ALL.iter().map(|metric| metric.prometheus()).collect();
    for name in page.keys() {
        let family = name.split('{').next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| family.strip_suffix(end)).unwrap_or(family);
        assert!(known.iter().any(|known| known == family), "{name} is documented nowhere");
    }

    assert_eq!(sum(&page, "pistats_ingest_events_accepted_total"), 3.0);
    assert_eq!(sum(&page, "pistats_ingest_events_refused_total"), 1.0);
    assert_eq!(sum(&page, "pistats_aggregate_events_total"), 3.0);
    assert_eq!(sum(&page, "pistats_aggregate_lag"), 0.0);
    assert_eq!(sum(&page, "pistats_query_watch_streams"), 1.0);
    assert!(sum(&page, "pistats_log_size_bytes") >= 16.0 * 1_048_576.0, "a segment is 16 MiB");
    let of = |method: &str| format!("{{method=\"{method}\",service=\"pistats.query.v1.QueryService\"}}");
    assert_eq!(page[&format!("pistats_rpc_requests_total{}", of("Realtime"))], 2.0);
    assert_eq!(page[&format!("pistats_rpc_open{}", of("Watch"))], 1.0, "a stream is open until it ends");
    assert_eq!(page[&format!("pistats_rpc_duration_seconds_count{}", of("Realtime"))], 2.0);
    let answers = |code: &str| {
        let labels = format!("{{code=\"{code}\",method=\"Realtime\",service=\"pistats.query.v1.QueryService\"}}");
        page[&format!("pistats_rpc_answers_total{labels}")]
    };
    assert_eq!((answers("ok"), answers("unauthenticated")), (1.0, 1.0));

    // The reader goes away: the stream is closed, and counted as what it is.
    drop(watch);
    let cancelled =
        "pistats_rpc_answers_total{code=\"cancelled\",method=\"Watch\",service=\"pistats.query.v1.QueryService\"}";
    for _ in 0..200 {
        page = scrape(address).await;
        if page.get(cancelled) == Some(&1.0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(page.get(cancelled), Some(&1.0));
    assert_eq!(page[&format!("pistats_rpc_open{}", of("Watch"))], 0.0);

    drop((ingest, query));
    instance.running.stop().await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the page goes down with its server");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_cannot_ship_tells_what_waits_for_how_long_and_how_much_room_there_is() {
    let instance = Instance::start(|config| {
        config.telemetry.prometheus = "127.0.0.1:0".to_owned();
        // Nobody listens there.
        config.log.url = "fluvio://127.0.0.1:1/events".to_owned();
        config.log.max_mib = 64;
    })
    .await;
    let address = instance.running.metrics_address().unwrap();
    let site = instance.site().await;
    let mut ingest = IngestServiceClient::new(instance.channel(&site.server));
    let events = ["ada", "bob", "eve"].map(page_view).into();
    assert_eq!(ingest.collect(CollectRequest { events }).await.unwrap().into_inner().accepted, 3);

    let mut page = scrape(address).await;
    for _ in 0..200 {
        // The age is told once a lane has looked at what it is to ship.
        if sum(&page, "pistats_spool_oldest_age_seconds") > 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        page = scrape(address).await;
    }
    let of_forwarders = |metric: &&&Metric| matches!(metric.teller, Teller::Forwarder | Teller::Fluvio);
    let told: Vec<String> = catalogue::ALL.iter().filter(of_forwarders).map(|metric| metric.prometheus()).collect();
    assert!(told.len() > 5, "{told:?}");
    for name in told {
        assert!(page.keys().any(|key| key.split('{').next() == Some(&name)), "{name} is not on the page");
    }
    assert!((1.0..=3.0).contains(&sum(&page, "pistats_spool_records")), "a record a partition");
    assert!(sum(&page, "pistats_spool_size_bytes") > 0.0);
    assert!((0.0..60.0).contains(&sum(&page, "pistats_spool_oldest_age_seconds")));
    assert_eq!(sum(&page, "pistats_spool_bound_bytes"), 64.0 * 1_048_576.0);
    assert_eq!(sum(&page, "pistats_spool_forwarded_total"), 0.0);
    for kind in ["cut", "missing", "reopened", "resent", "stalled"] {
        assert_eq!(page[&format!("pistats_fluvio_faults_total{{kind=\"{kind}\"}}")], 0.0);
    }
    drop(ingest);
    instance.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_knows_makes_no_label_of_its_own() {
    let instance = Instance::start(|config| config.telemetry.prometheus = "127.0.0.1:0".to_owned()).await;
    let address = instance.running.metrics_address().unwrap();
    for method in ["One", "Two"] {
        let channel = pistats_rpc::client::connect_open(&instance.running.url()).await.unwrap();
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await.unwrap();
        let path = format!("/nobody.Knows/{method}").parse().unwrap();
        let codec = tonic_prost::ProstCodec::<CollectRequest, CollectRequest>::default();
        let status = client.unary(tonic::Request::new(CollectRequest::default()), path, codec).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unimplemented);
    }
    let page = scrape(address).await;
    assert_eq!(page["pistats_rpc_requests_total{method=\"other\",service=\"other\"}"], 2.0);
    assert!(page.keys().all(|name| !name.contains("nobody")), "{page:?}");
    assert!(http(address, "GET /").await.starts_with("HTTP/1.1 404"));
    assert!(http(address, "POST /metrics").await.starts_with("HTTP/1.1 405"));
    instance.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_named_and_nothing_is_served_by_default() {
    let silent = Instance::start(|_| {}).await;
    assert_eq!(silent.running.metrics_address(), None);
    let taken = silent.running.address;
    let folder = tempfile::tempdir().unwrap();
    let mut config = pistats::config::Config::load(None, &Default::default()).unwrap();
    config.data = folder.path().join("data");
    config.server.listen = "127.0.0.1:0".parse().unwrap();
    config.telemetry.prometheus = taken.to_string();
    let error = pistats::serve::Running::start(config).await.err().unwrap();
    assert!(error.starts_with("telemetry.prometheus:") && error.contains(&taken.to_string()), "{error}");
    silent.running.stop().await.unwrap();
}
