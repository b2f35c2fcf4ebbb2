//! Collecting as browsers do: grpc-web with an origin, a beacon when the page is left, a picture without scripts; and visitors
//! without cookies, from the door to the reports.

use crate::harness::{Instance, days, traffic};
use crate::process::Server;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use pistats::client::channel;
use pistats_core::{EventId, Micros};
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::{CreateSiteRequest, CreateSiteResponse, Scope};
use pistats_proto::ingest::v1::{CollectRequest, CollectResponse, Event};
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::{
    Bots, BreakdownRequest, Condition, Dimension, FunnelRequest, Interval, RetentionRequest,
};
use prost::Message;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tonic::Code;

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const OWN: &str = "https://www.example.org";
const FOREIGN: &str = "https://evilexample.org";

/// What came back.
struct Answer {
    code: u16,
    headers: http::HeaderMap,
    body: Bytes,
}

/// One HTTP/1.1 request on a connection of its own, as from a page of an origin.
async fn send(
    server: SocketAddr,
    page: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer {
    let stream = tokio::net::TcpStream::connect(server).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::builder().method(method).uri(path).header("host", "stats.example");
    let usual = [("user-agent", BROWSER), ("origin", page)];
    let usual = usual.iter().filter(|(name, _)| headers.iter().all(|(own, _)| own != name));
    for (name, value) in usual.chain(headers).filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    let answer = sender.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
    let (code, headers) = (answer.status().as_u16(), answer.headers().clone());
    Answer { code, headers, body: answer.into_body().collect().await.unwrap().to_bytes() }
}

async fn grpc_web(server: SocketAddr, page: &str, key: &str, events: Vec<Event>) -> (u32, Option<CollectResponse>) {
    let message = CollectRequest { events }.encode_to_vec();
    let framed = [&[0], &(message.len() as u32).to_be_bytes()[..], &message].concat();
    let bearer = format!("Bearer {key}");
    let headers = [("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1"), ("authorization", &bearer)];
    let path = "/pistats.ingest.v1.IngestService/Collect";
    let answer = send(server, page, "POST", path, &headers, framed).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    if let Some(status) = answer.headers.get("grpc-status") {
        return (status.to_str().unwrap().parse().unwrap(), None);
    }
    let length = u32::from_be_bytes(answer.body[1..5].try_into().unwrap()) as usize;
    let trailers = String::from_utf8_lossy(&answer.body[5 + length..]).into_owned();
    let status = trailers.split("grpc-status:").nth(1).unwrap().trim_start().split("\r\n").next().unwrap();
    (status.parse().unwrap(), Some(CollectResponse::decode(&answer.body[5..5 + length]).unwrap()))
}

async fn beacon(server: SocketAddr, page: &str, key: &str, events: Vec<Event>) -> Answer {
    let body = CollectRequest { events }.encode_to_vec();
    let path = format!("/collect?key={key}");
    let answer = send(server, page, "POST", &path, &[("content-type", "text/plain;charset=UTF-8")], body).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    answer
}

async fn pixel(server: SocketAddr, page: &str, key: &str, user_agent: &str) -> String {
    let path = format!("/pixel.gif?key={key}&url=https://www.example.org/noscript");
    let referer = if page.is_empty() { String::new() } else { format!("{page}/noscript") };
    let answer = send(server, "", "GET", &path, &[("referer", &referer), ("user-agent", user_agent)], Vec::new()).await;
    assert_eq!((answer.code, &answer.headers["content-type"]), (200, &"image/gif".parse().unwrap()));
    answer.headers["x-pistats"].to_str().unwrap().to_owned()
}

async fn create(instance: &Instance, cookieless: bool) -> CreateSiteResponse {
    let mut admin = AdminServiceClient::new(instance.instance_channel());
    let request = CreateSiteRequest { name: "example.org".to_owned(), cookieless, ..Default::default() };
    let made = admin.create_site(request).await.unwrap().into_inner();
    instance.heard().await;
    made
}

fn secret(made: &CreateSiteResponse, scope: Scope) -> String {
    made.keys.iter().find(|new| new.key.as_ref().unwrap().scope() == scope).unwrap().secret.clone()
}

fn now() -> Micros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Micros(since.as_micros() as i64)
}

fn view(visitor: &str, number: u128) -> Event {
    Event {
        id: EventId::from_parts((now().0 / 1_000) as u64, number).0.to_vec().into(),
        visitor_id: visitor.to_owned(),
        url: "https://www.example.org/".to_owned(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_sends_three_ways_counts_once_and_a_foreign_page_is_refused_on_all() {
    let instance = Instance::start().await;
    let made = create(&instance, false).await;
    let (server, key) = (instance.running.address, secret(&made, Scope::Write));
    let (first, second) = (view("ada", 1), view("ada", 2));

    let (status, answer) = grpc_web(server, OWN, &key, vec![first.clone()]).await;
    assert_eq!((status, answer.unwrap().accepted), (0, 1));
    // The page is left before its answer came: the same event again, and one more.
    let answer = beacon(server, OWN, &key, vec![first.clone(), second.clone()]).await;
    assert_eq!((answer.code, answer.body.len()), (204, 0));
    assert_eq!(pixel(server, OWN, &key, BROWSER).await, "accepted");
    assert_eq!(pixel(server, "", &key, BROWSER).await, "accepted", "a picture that says nothing of its page");

    assert_eq!(grpc_web(server, FOREIGN, &key, vec![view("eve", 3)]).await, (Code::PermissionDenied as u32, None));
    let refused = beacon(server, FOREIGN, &key, vec![view("eve", 4)]).await;
    let told = String::from_utf8_lossy(&refused.body).into_owned();
    assert_eq!(refused.code, 403);
    assert!(told.contains(FOREIGN) && told.contains("pistats site update example.org --origin"), "{told}");
    assert!(pixel(server, FOREIGN, &key, BROWSER).await.starts_with("refused: pages of https://evilexample.org"));

    instance.settle().await;
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let (first, last) = (today.yesterday().unwrap().to_string(), today.to_string());
    let channel = channel(&instance.running.url(), &secret(&made, Scope::Read)).unwrap();
    let mut queries = QueryServiceClient::new(channel);
    let answer = queries.traffic(traffic(days(&first, &last), Interval::Unspecified)).await.unwrap().into_inner();
    let total = answer.total.unwrap();
    // Ada, and whoever the two pictures were shown to.
    assert_eq!((total.events, total.visitors, answer.visitor_days), (4, 2, false));
    let browsers = BreakdownRequest {
        range: days(&first, &last),
        dimension: Dimension::Browser.into(),
        bots: Bots::Include.into(),
        ..Default::default()
    };
    let rows = queries.breakdown(browsers).await.unwrap().into_inner().rows;
    assert_eq!(rows.iter().map(|row| &*row.value).collect::<Vec<_>>(), ["Firefox"], "the request's own user agent");
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookieless_sites_visitors_are_those_of_a_day_and_its_answers_say_so() {
    let instance = Instance::start().await;
    let made = create(&instance, true).await;
    let (server, key) = (instance.running.address, secret(&made, Scope::Write));
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let (first, last) = (today.yesterday().unwrap().to_string(), today.to_string());
    let midnight = jiff::Timestamp::from_second(now().0 / 86_400_000_000 * 86_400).unwrap().as_microsecond();
    let at = |time_us: i64, number| Event { time_us: Some(time_us), ..view(&format!("cookie-{number}"), number) };
    // Yesterday and today, by the same browser at the same address, each event with another id of its own.
    let events = vec![at(midnight - 1, 1), at(midnight - 2, 2), at(midnight, 3), at(midnight, 4)];
    assert_eq!(beacon(server, OWN, &key, events).await.code, 204);
    assert_eq!(pixel(server, OWN, &key, "Another/1").await, "accepted");
    // The day before yesterday is closed, for good.
    let late = beacon(server, OWN, &key, vec![at(midnight - Micros::DAY - 1, 5)]).await;
    let told: serde_json::Value = serde_json::from_slice(&late.body).unwrap();
    assert_eq!((late.code, &told["rejections"][0]["reason"]), (200, &"day_closed".into()));
    instance.settle().await;

    let channel = channel(&instance.running.url(), &secret(&made, Scope::Read)).unwrap();
    let mut queries = QueryServiceClient::new(channel);
    for (from, visitors, visitor_days) in [(&first, 3, true), (&last, 2, false)] {
        let answer = queries.traffic(traffic(days(from, &last), Interval::Day)).await.unwrap().into_inner();
        assert_eq!((answer.total.unwrap().visitors, answer.visitor_days), (visitors, visitor_days), "{from}");
        let list = BreakdownRequest {
            range: days(from, &last),
            dimension: Dimension::Host.into(),
            bots: Bots::Include.into(),
            ..Default::default()
        };
        assert_eq!(queries.breakdown(list).await.unwrap().into_inner().visitor_days, visitor_days);
    }
    let retention = RetentionRequest { range: days(&first, &last), ..Default::default() };
    let refused = queries.retention(retention).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("cookieless"), "{}", refused.message());
    let steps = vec![Condition::default(); 2];
    let funnel = FunnelRequest { range: days(&first, &last), steps, bots: Bots::Include.into(), ..Default::default() };
    let answer = queries.funnel(funnel).await.unwrap().into_inner();
    let reached: Vec<u64> = answer.steps.iter().map(|step| step.visitors).collect();
    assert_eq!((reached, answer.visitor_days), (vec![3, 2], true), "two events a day, no step over midnight");
    instance.stop().await;
}

/// Whether any file below holds these bytes.
fn holds(folder: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => holds(&path, needle),
            false => std::fs::read(&path).unwrap().windows(needle.len()).any(|window| window == needle),
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_that_the_server_writes_holds_an_address_or_the_id_that_a_cookieless_page_sent() {
    const ADDRESS: &str = "203.0.113.77";
    let server = Server::start_printing(&[
        ("PISTATS_SERVER__TRUSTED_PROXIES", "[\"127.0.0.1\"]".to_owned()),
        ("PISTATS_TELEMETRY__LOG", "debug".to_owned()),
    ])
    .await;
    let mut admin = AdminServiceClient::new(channel(&server.url, &server.instance_key).unwrap());
    let request = CreateSiteRequest { name: "example.org".to_owned(), cookieless: true, ..Default::default() };
    let made = admin.create_site(request).await.unwrap().into_inner();
    let (key, server_key) = (secret(&made, Scope::Write), secret(&made, Scope::Server));
    // A key counts at every process within a second.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let address: SocketAddr = server.url.trim_start_matches("http://").parse().unwrap();

    let forwarded = [("content-type", "text/plain"), ("x-forwarded-for", ADDRESS)];
    let path = format!("/collect?key={key}");
    let good = CollectRequest { events: vec![view("cookie-4711", 1)] }.encode_to_vec();
    assert_eq!(send(address, OWN, "POST", &path, &forwarded, good).await.code, 204);
    let bad = CollectRequest { events: vec![Event { name: "n".repeat(300), ..view("cookie-4712", 2) }] };
    assert_eq!(send(address, OWN, "POST", &path, &forwarded, bad.encode_to_vec()).await.code, 200);
    assert_eq!(send(address, FOREIGN, "POST", &path, &forwarded, Vec::new()).await.code, 403);
    let path = format!("/pixel.gif?key={key}");
    assert_eq!(send(address, "", "GET", &path, &forwarded, Vec::new()).await.headers["x-pistats"], "accepted");
    let says = Event { client_address: ADDRESS.to_owned(), user_agent: BROWSER.to_owned(), ..view("", 3) };
    let (status, answer) = grpc_web(address, "", &server_key, vec![says]).await;
    assert_eq!((status, answer.unwrap().accepted), (0, 1));
    // Folded and closed in order, so that all is on disk that ever will be.
    let channel = channel(&server.url, &secret(&made, Scope::Read)).unwrap();
    let mut queries = QueryServiceClient::new(channel);
    let mut events = 0;
    for _ in 0..1_500 {
        let answer = queries.traffic(traffic(days("2020-01-01", "2100-01-01"), Interval::Unspecified)).await;
        events = answer.unwrap().into_inner().total.unwrap().events;
        if events == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(events, 3);
    let ground = server.terminate();
    assert!(holds(ground.path(), b"Firefox/140.0"), "what is looked for can be found");
    assert!(holds(ground.path(), b"folding these partitions"), "and what is printed is looked through");
    for secret in [ADDRESS.as_bytes(), b"cookie-47"] {
        assert!(!holds(ground.path(), secret), "{}", String::from_utf8_lossy(secret));
    }
}
