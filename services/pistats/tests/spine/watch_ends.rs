//! How streams end and go on: restarts, revoked keys; and a browser's stream.

use crate::harness::{Instance, Site, days, traffic};
use crate::watch::asked;
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::{ListKeysRequest, RevokeKeyRequest, Scope, UpdateSiteRequest};
use pistats_proto::convert::query::delta::Watched;
use pistats_proto::ingest::v1::Event;
use pistats_proto::query::v1::*;
use prost::Message as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::{Code, Status, Streaming};
use watch_response::Content;
use watched_report::Report;

const PATIENCE: Duration = Duration::from_secs(60);

fn view(time: &str) -> Event {
    let time: jiff::Timestamp = time.parse().unwrap();
    Event { time_us: Some(time.as_microsecond()), visitor_id: "ada".into(), url: "/".into(), ..Default::default() }
}

fn may() -> Report {
    Report::Traffic(traffic(days("2024-05-01", "2024-05-31"), Interval::Day))
}

fn watched(tag: &str, report: Report, resume_from: Option<AsOf>) -> WatchedReport {
    WatchedReport { tag: tag.to_owned(), report: Some(report), resume_from, ..Default::default() }
}

async fn watch(site: &Site, reports: Vec<WatchedReport>) -> Streaming<WatchResponse> {
    site.queries().watch(WatchRequest { reports }).await.unwrap().into_inner()
}

/// The next message with a tag.
async fn next(stream: &mut Streaming<WatchResponse>, tag: &str) -> WatchResponse {
    loop {
        let message = tokio::time::timeout(PATIENCE, stream.message()).await.expect("in time").unwrap().unwrap();
        if message.tag == tag {
            return message;
        }
    }
}

/// The status that a stream ends with.
async fn end(stream: &mut Streaming<WatchResponse>) -> Status {
    loop {
        if let Err(status) = tokio::time::timeout(PATIENCE, stream.message()).await.expect("in time") {
            return status;
        }
    }
}

fn is_snapshot(message: &WatchResponse) -> bool {
    matches!(message.content, Some(Content::Snapshot(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_a_reader_goes_on_where_it_can_and_starts_anew_where_it_cannot() {
    let instance = Instance::start().await;
    let site = instance.site("s", "UTC").await;
    site.collect(vec![vec![view("2024-05-01T10:00:00Z")]], 1).await;
    instance.settle().await;
    let realtime = || Report::Realtime(RealtimeRequest::default());
    let now = next(&mut watch(&site, vec![watched("now", realtime(), None)]).await, "now").await;
    let mut stream = watch(&site, vec![watched("may", may(), None)]).await;
    let known = next(&mut stream, "may").await;
    assert!(is_snapshot(&known) && is_snapshot(&now) && !known.reset && !now.reset);

    let restarted = tokio::spawn(instance.restart(|_| {}));
    let ended = end(&mut stream).await;
    assert_eq!(ended.code(), Code::Unavailable, "{ended}");
    let instance = restarted.await.unwrap();
    let site = Site { server: instance.running.url(), ..site };

    // Nothing happened: the warehouse's report goes on with the next change, this moment's starts anew.
    let from = |message: &WatchResponse| message.as_of.clone();
    let reports = vec![watched("may", may(), from(&known)), watched("now", realtime(), from(&now))];
    let mut stream = watch(&site, reports).await;
    let now = next(&mut stream, "now").await;
    assert!(now.reset && is_snapshot(&now));
    site.collect(vec![vec![view("2024-05-02T10:00:00Z")]], 1).await;
    let message = next(&mut stream, "may").await;
    let Some(Content::Delta(Delta { report: Some(delta::Report::Traffic(changed)) })) = &message.content else {
        panic!("{message:?}")
    };
    let days: Vec<&str> = changed.steps.iter().map(|step| step.day.as_str()).collect();
    assert_eq!((message.reset, days), (false, vec!["2024-05-02"]));
    assert!(message.changed_us > 0);

    // Of a state that this server never had.
    let mut stream = watch(&site, vec![watched("may", may(), Some(AsOf { generation: 9, ..AsOf::default() }))]).await;
    let message = next(&mut stream, "may").await;
    assert!(message.reset);
    assert_eq!(message.content, Some(Content::Snapshot(asked(&mut site.queries(), may()).await)));
    drop(stream);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_ends_its_stream() {
    let instance = Instance::start().await;
    let site = instance.site("s", "UTC").await;
    let mut stream = watch(&site, vec![watched("may", may(), None)]).await;
    next(&mut stream, "may").await;
    let mut admin = AdminServiceClient::new(instance.instance_channel());
    let keys = admin.list_keys(ListKeysRequest { site_id: 1 }).await.unwrap().into_inner().keys;
    let read = keys.into_iter().find(|key| key.scope() == Scope::Read).unwrap();
    admin.revoke_key(RevokeKeyRequest { key_id: read.id }).await.unwrap();
    let ended = end(&mut stream).await;
    assert_eq!(ended.code(), Code::Unauthenticated, "{ended}");
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_carries_several_sites_until_one_of_its_keys_ends() {
    let instance = Instance::start().await;
    let (ours, theirs) = (instance.site("ours", "UTC").await, instance.site("theirs", "UTC").await);
    ours.collect(vec![vec![view("2024-05-01T10:00:00Z")]], 1).await;
    theirs.collect(vec![vec![view("2024-05-01T10:00:00Z"), view("2024-05-01T10:01:00Z")]], 1).await;
    instance.settle().await;
    instance.heard().await;
    let of_theirs = WatchedReport { key: theirs.read.clone(), ..watched("theirs", may(), None) };
    let mut stream = watch(&ours, vec![watched("ours", may(), None), of_theirs.clone()]).await;
    let mut seen = std::collections::BTreeMap::new();
    while seen.len() < 2 {
        let message = stream.message().await.unwrap().unwrap();
        seen.insert(message.tag, message.content);
    }
    for (tag, site) in [("ours", &ours), ("theirs", &theirs)] {
        let expected = asked(&mut site.queries(), may()).await;
        assert_eq!(seen[tag], Some(Content::Snapshot(expected)), "{tag}: what its own key tells");
    }

    let guessed = WatchedReport { key: "pst_read_guessed".to_owned(), ..of_theirs };
    let refused = ours.queries().watch(WatchRequest { reports: vec![guessed] }).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().starts_with("reports[0].key: "), "{refused}");

    let mut admin = AdminServiceClient::new(instance.instance_channel());
    let keys = admin.list_keys(ListKeysRequest { site_id: 2 }).await.unwrap().into_inner().keys;
    let read = keys.into_iter().find(|key| key.scope() == Scope::Read).unwrap();
    admin.revoke_key(RevokeKeyRequest { key_id: read.id }).await.unwrap();
    let ended = end(&mut stream).await;
    assert_eq!(ended.code(), Code::Unauthenticated);
    assert!(ended.message().starts_with("reports[1].key: "), "{ended}");
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_change_of_zone_watchers_start_anew_with_the_new_days() {
    let instance = Instance::start().await;
    let site = instance.site("s", "UTC").await;
    // In Kiritimati, 14 hours ahead, it was the 2nd already.
    site.collect(vec![vec![view("2024-05-01T11:00:00Z")]], 1).await;
    instance.settle().await;
    let mut stream = watch(&site, vec![watched("may", may(), None)]).await;
    assert!(!next(&mut stream, "may").await.reset);
    let mut admin = AdminServiceClient::new(instance.instance_channel());
    let wish = UpdateSiteRequest { site_id: 1, time_zone: "Pacific/Kiritimati".to_owned(), ..Default::default() };
    admin.update_site(wish).await.unwrap();
    let expected = asked(&mut site.queries(), may()).await;
    let mut watched = Watched::default();
    while watched.answer() != Some(&expected) {
        let message = next(&mut stream, "may").await;
        assert!(watched.answer().is_some() || (message.reset && is_snapshot(&message)), "{message:?}");
        watched.take(message).unwrap();
    }
    let Some(snapshot::Report::Traffic(answer)) = expected.report else { panic!("traffic was asked for") };
    let events: Vec<u64> = answer.steps.iter().take(2).map(|step| step.metrics.unwrap().events).collect();
    assert_eq!((answer.time_zone.as_str(), events), ("Pacific/Kiritimati", vec![0, 1]));
    drop(stream);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_too_many_is_refused() {
    let instance = Instance::start_with(|config| config.query.watch_streams = 1).await;
    let site = instance.site("s", "UTC").await;
    let mut stream = watch(&site, vec![watched("may", may(), None)]).await;
    next(&mut stream, "may").await;
    let second = site.queries().watch(WatchRequest { reports: vec![watched("may", may(), None)] }).await;
    assert_eq!(second.err().map(|status| status.code()), Some(Code::ResourceExhausted));
    drop(stream);
    instance.stop().await;
}

/// A browser's call: HTTP/1.1, frames of one byte of flags and four of length.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_watches_through_grpc_web() {
    let instance = Instance::start().await;
    let site = instance.site("s", "UTC").await;
    let request = WatchRequest { reports: vec![watched("may", may(), None)] }.encode_to_vec();
    let mut socket = tokio::net::TcpStream::connect(instance.running.address).await.unwrap();
    let head = format!(
        "POST /pistats.query.v1.QueryService/Watch HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/grpc-web+proto\r\nContent-Length: {}\r\n\r\n",
        site.read,
        request.len() + 5
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&[&[0], &(request.len() as u32).to_be_bytes()[..], &request].concat()).await.unwrap();

    let mut received = Vec::new();
    let mut messages = Vec::new();
    while messages.len() < 2 {
        let read = tokio::time::timeout(PATIENCE, socket.read_buf(&mut received)).await.expect("in time").unwrap();
        assert!(read > 0, "the server ended the stream: {}", String::from_utf8_lossy(&received));
        let before = messages.len();
        messages = frames(&received);
        if before == 0 && messages.len() == 1 {
            site.collect(vec![vec![view("2024-05-01T10:00:00Z")]], 1).await;
        }
    }
    assert!(is_snapshot(&messages[0]) && !is_snapshot(&messages[1]));
    assert_eq!((messages[0].number, messages[1].number), (1, 2));
    drop(socket);
    instance.stop().await;
}

/// The whole messages of a chunked answer, as far as it came in.
fn frames(received: &[u8]) -> Vec<WatchResponse> {
    let Some(head) = received.windows(4).position(|four| four == b"\r\n\r\n") else { return Vec::new() };
    let (mut rest, mut body) = (&received[head + 4..], Vec::new());
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        let Some(chunk) = rest.get(line + 2..line + 2 + size) else { break };
        body.extend_from_slice(chunk);
        rest = rest.get(line + 2 + size + 2..).unwrap_or_default();
    }
    let (mut body, mut messages) = (&body[..], Vec::new());
    while let Some(head) = body.get(..5) {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let Some(message) = body.get(5..5 + length) else { break };
        messages.push(WatchResponse::decode(message).unwrap());
        body = &body[5 + length..];
    }
    messages
}
