//! What browsers send, through the edge: grpc-web over HTTP/1.1 and HTTP/2, and plain POSTs.

use crate::caddy::{Caddy, Edge};
use crate::calls::{traffic, view};
use pistats_proto::ingest::v1::{CollectRequest, CollectResponse};
use pistats_proto::query::v1::watched_report::Report;
use pistats_proto::query::v1::{TrafficResponse, WatchRequest, WatchResponse, WatchedReport};
use pistats_testkit::require;
use prost::Message;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

const COLLECT: &str = "/pistats.ingest.v1.IngestService/Collect";
const TRAFFIC: &str = "/pistats.query.v1.QueryService/Traffic";
const WATCH: &str = "/pistats.query.v1.QueryService/Watch";

impl Edge {
    /// A POST by curl, which speaks both versions.
    fn post(&self, version: &str, path: &str, key: &str, kind: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--no-buffer", "--max-time", "30", version, "--cacert"]).arg(self.authority());
        curl.args(["--header", &format!("authorization: Bearer {key}"), "--header", &format!("content-type: {kind}")]);
        curl.args(["--data-binary", "@-", &format!("{}{path}", self.url())])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        curl
    }
}

/// A message as gRPC frames it: flags, length, bytes.
fn framed(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    [&[0], &(bytes.len() as u32).to_be_bytes()[..], &bytes].concat()
}

/// The frames of an answer: their flags, and what is in them.
fn frames(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(5) {
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        frames.push((head[0], &rest[..length]));
        bytes = &rest[length..];
    }
    frames
}

fn answered(mut curl: Command, body: &[u8]) -> Vec<u8> {
    let mut child = curl.spawn().unwrap();
    child.stdin.take().unwrap().write_all(body).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{done:?}");
    done.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_web_is_answered_over_both_versions_with_its_trailers() {
    let Some(edge) = Edge::start().await.filter(|_| require::have("curl")) else { return };
    tokio::task::block_in_place(|| {
        for version in ["--http1.1", "--http2"] {
            let web = "application/grpc-web+proto";
            let collect = framed(&CollectRequest { events: vec![view("ada")] });
            let answer = answered(edge.post(version, COLLECT, &edge.write_key, web), &collect);
            let [(0, message), (0x80, trailers)] = frames(&answer)[..] else { panic!("{version}: {answer:?}") };
            assert_eq!(CollectResponse::decode(message).unwrap().accepted, 1, "{version}");
            assert!(String::from_utf8_lossy(trailers).contains("grpc-status:0"), "{version}: {trailers:?}");
            let answer = answered(edge.post(version, TRAFFIC, &edge.read_key, web), &framed(&traffic()));
            let [(0, message), (0x80, _)] = frames(&answer)[..] else { panic!("{version}: {answer:?}") };
            assert!(TrafficResponse::decode(message).unwrap().total.is_some());
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_stream_is_not_held_back() {
    let Some(edge) = Edge::start().await.filter(|_| require::have("curl")) else { return };
    tokio::task::block_in_place(|| {
        for version in ["--http1.1", "--http2"] {
            let report =
                WatchedReport { tag: "t".to_owned(), report: Some(Report::Traffic(traffic())), ..Default::default() };
            let mut curl = edge.post(version, WATCH, &edge.read_key, "application/grpc-web+proto").spawn().unwrap();
            let watch = framed(&WatchRequest { reports: vec![report] });
            curl.stdin.take().unwrap().write_all(&watch).unwrap();
            let mut out = curl.stdout.take().unwrap();
            let mut next = || {
                let mut head = [0; 5];
                out.read_exact(&mut head).expect("a frame while the stream is open");
                let mut message = vec![0; u32::from_be_bytes(head[1..].try_into().unwrap()) as usize];
                out.read_exact(&mut message).unwrap();
                WatchResponse::decode(&message[..]).unwrap()
            };
            let first = next();
            assert_eq!(first.tag, "t");
            let collect = framed(&CollectRequest { events: vec![view(version)] });
            answered(edge.post(version, COLLECT, &edge.write_key, "application/grpc-web+proto"), &collect);
            assert_eq!(next().number, first.number + 1, "{version}");
            assert!(curl.try_wait().unwrap().is_none(), "it still goes on");
            curl.kill().unwrap();
            curl.wait().unwrap();
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_and_its_headers_pass() {
    let Some(edge) = Edge::start().await.filter(|_| require::have("curl")) else { return };
    tokio::task::block_in_place(|| {
        for (path, expected) in [("/", "text/html"), ("/sites/example.org", "text/html"), ("/gone.png", "text/plain")] {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--max-time", "30", "--head", "--cacert"]).arg(edge.authority());
            let head = curl.arg(format!("{}{path}", edge.url())).output().unwrap();
            let head = String::from_utf8(head.stdout).unwrap().to_lowercase();
            assert!(head.contains(&format!("content-type: {expected}")), "{path}: {head}");
            assert!(head.contains("content-security-policy: default-src 'none'"), "{path}: {head}");
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_post_reaches_the_collector_and_nothing_else_answers() {
    let Some(edge) = Edge::start().await.filter(|_| require::have("curl")) else { return };
    tokio::task::block_in_place(|| {
        // Beacons are such POSTs. Whatever the collector makes of one, the edge hands it on, and the answer back, as they are.
        let body = framed(&CollectRequest { events: vec![view("ada")] });
        let mut direct = Command::new("curl");
        direct.args(["--silent", "--dump-header", "-", "--output", "/dev/null", "--http2-prior-knowledge", "--header"]);
        direct.arg(format!("authorization: Bearer {}", edge.write_key)).args(["--header", "content-type: text/plain"]);
        direct.args(["--data-binary", "@-", &format!("{}{COLLECT}", edge.running.url())]);
        direct.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut edged = edge.post("--http2", COLLECT, &edge.write_key, "text/plain");
        edged.args(["--dump-header", "-", "--output", "/dev/null"]);
        let told = |curl: Command| {
            let answer = String::from_utf8(answered(curl, &body)).unwrap();
            let lines = answer
                .lines()
                .filter(|line| ["HTTP/", "grpc-", "content-type"].iter().any(|key| line.starts_with(key)));
            let mut lines: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
            lines.sort();
            lines
        };
        let direct = told(direct);
        assert!(direct.len() > 1, "{direct:?}");
        assert_eq!(told(edged), direct);
        let nothing =
            answered(edge.post("--http2", "/pistats.log.v1.LogService/Read", &edge.write_key, "text/plain"), b"");
        assert!(String::from_utf8_lossy(&nothing).contains("no such service"), "the log stays inside");
    });
}

/// A GET by curl: status, content type, then the body.
fn got(url: &str, more: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--max-time", "30", "--write-out", "%{http_code} %{content_type} "]).args(more).arg(url);
    let done = curl.output().unwrap();
    assert!(done.status.success(), "{url}: {done:?}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_scripts_and_pixels_pass_as_they_are() {
    let Some(edge) = Edge::start().await.filter(|_| require::have("curl")) else { return };
    tokio::task::block_in_place(|| {
        let authority = edge.authority();
        for path in ["/", "/some/place", "/js/p.js", "/assets/none.js", "/pixel.gif?key=none&url=%2F", "/shop/"] {
            let direct = got(&format!("{}{path}", edge.running.url()), &[]);
            let edged = got(&format!("{}{path}", edge.url()), &["--cacert", authority.to_str().unwrap()]);
            assert_eq!(edged, direct, "{path}");
        }
        let page = got(&edge.running.url(), &[]);
        let is_page = page.contains("200 text/html") || page.contains("503 text/html") && page.contains("make run");
        assert!(is_page, "the dashboard, or how to build it: {page}");
    });
}

/// Answers everything with its name.
async fn named(name: &'static str) -> std::net::SocketAddr {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = move |_: http::Request<hyper::body::Incoming>| {
                std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(name.to_owned())))
            };
            tokio::spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let service = hyper::service::service_fn(answer);
                // A proxy that goes away is no fault.
                _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_goes_to_the_process_that_answers_it() {
    if !require::have("caddy") || !require::have("curl") {
        return;
    }
    let services = [
        named("ingest").await,
        named("query").await,
        named("aggregate").await,
        named("admin").await,
        named("segment").await,
    ];
    let caddy = Caddy::start(services).await;
    tokio::task::block_in_place(|| {
        let authority = caddy.authority();
        let cases = [
            ("/pistats.ingest.v1.IngestService/Collect", "ingest"),
            ("/js/p.js", "ingest"),
            ("/collect?key=k", "ingest"),
            ("/pixel.gif?key=k", "ingest"),
            ("/pistats.query.v1.QueryService/Traffic", "query"),
            ("/", "query"),
            ("/site/1/retention", "query"),
            ("/assets/index.js", "query"),
            ("/shop/", "query"),
            ("/grpc.health.v1.Health/Check", "query"),
            ("/pistats.aggregate.v1.AggregateService/ListPartitions", "aggregate"),
            ("/pistats.admin.v1.AdminService/ListSites", "admin"),
            ("/pistats.segment.v1.SegmentService/Preview", "segment"),
            ("/pistats.push.v1.PushService/Subscribe", "segment"),
            ("/pistats.log.v1.LogService/Read", "no such service"),
            ("/pistats.ingest.v1.ResubmitService/Resubmit", "no such service"),
        ];
        for (path, expected) in cases {
            let answer = got(&format!("{}{path}", caddy.url), &["--cacert", authority.to_str().unwrap()]);
            assert!(answer.contains(expected), "{path}: {answer}");
        }
    });
}
