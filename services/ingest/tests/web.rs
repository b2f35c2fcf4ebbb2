//! Beacon and pixel: the same collector, answers that a browser understands, and pages of other sites kept out.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use axum::body::{Body, to_bytes};
use common::{BROWSER, NOW, clock, full, log_holds, of, records};
use futures::StreamExt as _;
use http::{Request, Response, StatusCode};
use pistats_core::directory::{Directory, Key, KeyHash, Site};
use pistats_core::{DaySalt, Limits, Micros, Salts, Scope, SiteId, Zone};
use pistats_eventlog::MemoryLog;
use pistats_ingest::{Collector, Ingest, web};
use pistats_proto::ingest::v1::{CollectRequest, Event};
use pistats_proto::record::v1::LoggedEvent;
use pistats_rpc::auth::SharedDirectory;
use pistats_rpc::proxies::Proxies;
use prost::Message;
use std::sync::Arc;
use tokio::sync::watch;
use tonic::transport::server::TcpConnectInfo;
use tower::ServiceExt as _;

const PEER: &str = "192.0.2.7:50000";

struct House {
    log: Arc<MemoryLog>,
    routes: axum::Router,
    salts: watch::Sender<Arc<Salts>>,
}

/// The sites 1 and 2, each with keys named after site and scope: the first takes cookies, the second does not.
fn directory() -> SharedDirectory {
    let site = |id: u32| Site::new(SiteId(id), "example.org", Zone::utc(), Micros(0));
    let sites = [site(1), Site { cookieless: true, ..site(2) }];
    let keys = [1, 2].into_iter().flat_map(|site| Scope::ALL.map(|scope| (site, scope))).map(|(site, scope)| Key {
        id: format!("{site}-{}", scope.name()),
        hash: KeyHash::of(&format!("{site}-{}", scope.name())),
        scope,
        site: Some(SiteId(site)),
        name: String::new(),
        created: Micros(0),
        revoked: false,
    });
    Arc::new(arc_swap::ArcSwap::from_pointee(Directory::new(sites, keys)))
}

impl House {
    fn new(limits: Limits, proxies: &[&str]) -> House {
        let log = Arc::new(MemoryLog::new(u64::MAX, clock()));
        let collector = Arc::new(Collector::with_clock(log.clone(), limits, clock()).unwrap());
        let zone = Zone::utc();
        let salt = DaySalt::of(&zone, zone.day_of(NOW), [7; 32]);
        let (salts, shared) = watch::channel(Arc::new(Salts::new([salt])));
        let proxies = Proxies::parse(proxies).unwrap();
        let routes = web::routes(Ingest::new(collector, directory()).deriving(shared).behind(proxies));
        House { log, routes, salts }
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.routes.clone().oneshot(request).await.unwrap()
    }

    /// Code and text of a beacon's answer.
    async fn beacon(&self, key: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> (u16, String) {
        let mut request = Request::post(format!("/collect?key={key}")).header("user-agent", BROWSER);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.send(from_peer(request.body(body.into()).unwrap())).await;
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let code = answer.status().as_u16();
        let text = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (code, String::from_utf8(text.to_vec()).unwrap())
    }

    /// What a pixel tells; its picture is always the same.
    async fn pixel(&self, query: &str, headers: &[(&str, &str)]) -> String {
        let mut request = Request::get(format!("/pixel.gif?{query}")).header("user-agent", BROWSER);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.send(from_peer(request.body(Body::empty()).unwrap())).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "image/gif");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let told = answer.headers()["x-pistats"].to_str().unwrap().to_owned();
        let picture = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        assert!(picture.starts_with(b"GIF89a") && picture.len() == 43);
        told
    }

    async fn events(&self) -> Vec<LoggedEvent> {
        records(&*self.log).await.into_iter().flat_map(|(_, _, record)| record.events).collect()
    }
}

fn from_peer(mut request: Request<Body>) -> Request<Body> {
    let info = TcpConnectInfo { local_addr: None, remote_addr: Some(PEER.parse().unwrap()) };
    request.extensions_mut().insert(info);
    request
}

fn body(events: Vec<Event>) -> Vec<u8> {
    CollectRequest { events }.encode_to_vec()
}

#[tokio::test]
async fn a_beacon_of_good_events_is_answered_with_nothing_and_its_events_lie_in_the_log() {
    let house = House::new(Limits::default(), &[]);
    for kind in ["text/plain", "text/plain;charset=UTF-8", "application/octet-stream", "application/x-protobuf", ""] {
        let headers: &[(&str, &str)] = if kind.is_empty() { &[] } else { &[("content-type", kind)] };
        assert_eq!(house.beacon("1-write", headers, body(vec![full("ada")])).await, (204, String::new()), "{kind}");
    }
    assert_eq!(house.beacon("1-write", &[], body(vec![])).await.0, 204);
    let events = house.events().await;
    assert_eq!(events.len(), 5);
    // What a public key says is believed as far as over gRPC.
    let event = &events[0];
    assert_eq!((&*event.visitor_id, &*event.user_agent, &*event.country), ("ada", BROWSER, ""));
    assert!(!log_holds(&*house.log, "192.0.2.7").await);
}

#[tokio::test]
async fn refused_events_of_a_beacon_are_told_one_by_one_and_the_others_are_kept() {
    let house = House::new(Limits::default(), &[]);
    let (code, text) = house.beacon("1-write", &[], body(vec![of("ada"), of("")])).await;
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &told["accepted"], &told["duplicates"]), (200, &1.into(), &0.into()));
    let rejection = &told["rejections"][0];
    assert_eq!((&rejection["index"], &rejection["reason"]), (&1.into(), &"missing_visitor".into()));
    assert_eq!(rejection["field"], "events[1].visitor_id");
    assert_eq!(house.events().await.len(), 1);
}

#[tokio::test]
async fn a_beacon_that_may_not_collect_is_told_so_in_a_sentence() {
    let house = House::new(Limits::default(), &[]);
    for (key, code, part) in [
        ("", 401, "unknown or revoked"),
        ("nobody", 401, "unknown or revoked"),
        ("1-read", 403, "use a write key"),
        ("1-manage", 403, "use a write key"),
        ("1-instance", 403, "use a write key"),
        ("1-server", 403, "secret"),
    ] {
        let (told, text) = house.beacon(key, &[], body(vec![of("ada")])).await;
        assert!(told == code && text.contains(part), "{key}: {told} {text}");
    }
    let keyless = Request::post("/collect").body(Body::empty()).unwrap();
    assert_eq!(house.send(from_peer(keyless)).await.status(), 401);
    assert!(house.events().await.is_empty());
}

#[tokio::test]
async fn what_is_no_beacon_is_refused_by_its_kind() {
    let house = House::new(Limits::default(), &[]);
    let good = || body(vec![of("ada")]);
    assert_eq!(house.beacon("1-write", &[("content-type", "application/json")], good()).await.0, 415);
    assert_eq!(house.beacon("1-write", &[("content-encoding", "gzip")], good()).await.0, 415);
    let (code, text) = house.beacon("1-write", &[], "not protobuf").await;
    assert!(code == 400 && text.contains("CollectRequest"), "{code} {text}");
    let get = Request::get("/collect?key=1-write").body(Body::empty()).unwrap();
    assert_eq!(house.send(from_peer(get)).await.status(), 405);
}

#[tokio::test]
async fn a_body_at_the_limit_is_taken_and_of_a_larger_one_no_more_is_read() {
    let event = Event { title: "t".repeat(2_000), ..of("ada") };
    let exact = body(vec![event.clone()]);
    let limits = Limits { batch_bytes: exact.len(), event_bytes: exact.len(), ..Limits::default() };
    let house = House::new(limits, &[]);
    assert_eq!(house.beacon("1-write", &[], exact.clone()).await.0, 204);
    let larger = body(vec![Event { title: "t".repeat(2_001), ..of("ada") }]);
    assert_eq!(larger.len(), exact.len() + 1);
    let (code, text) = house.beacon("1-write", &[], larger.clone()).await;
    assert!(code == 413 && text.contains(&exact.len().to_string()), "{code} {text}");
    // It says so itself: nothing is read. It says nothing and never ends: reading ends at the limit.
    let never = || Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let length = larger.len().to_string();
    assert_eq!(house.beacon("1-write", &[("content-length", &length)], never()).await.0, 413);
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(bytes::Bytes::from(vec![0; 1_000])));
    assert_eq!(house.beacon("1-write", &[], Body::from_stream(endless.boxed())).await.0, 413);
    let too_many = Limits { batch_events: 2, ..Limits::default() };
    let house = House::new(too_many, &[]);
    assert_eq!(house.beacon("1-write", &[], body(vec![of("ada"); 2])).await.0, 204);
    let (code, text) = house.beacon("1-write", &[], body(vec![of("ada"); 3])).await;
    assert!(code == 400 && text.contains("at most 2"), "{code} {text}");
}

#[tokio::test]
async fn pages_of_the_sites_host_may_collect_and_others_are_told_the_command_that_lets_them_in() {
    let house = House::new(Limits::default(), &[]);
    let good = || body(vec![of("ada")]);
    for page in ["https://example.org", "http://www.example.org:8080", "https://EXAMPLE.org"] {
        assert_eq!(house.beacon("1-write", &[("origin", page)], good()).await.0, 204, "{page}");
    }
    for page in ["https://evilexample.org", "https://example.org.evil.net", "null", "https://xn--bcher-kva.example"] {
        let (code, text) = house.beacon("1-write", &[("origin", page)], good()).await;
        assert_eq!(code, 403, "{page}");
        assert!(text.contains(page) && text.contains("pistats site update example.org --origin example.org"), "{text}");
    }
    assert_eq!(house.events().await.len(), 3);
}

#[tokio::test]
async fn a_salt_that_nobody_makes_says_when_to_come_back() {
    let house = House::new(Limits::default(), &[]);
    house.salts.send_replace(Arc::default());
    let request = Request::post("/collect?key=2-write").body(Body::from(body(vec![of("ada")]))).unwrap();
    let answer = house.send(from_peer(request)).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "5");
}

#[tokio::test]
async fn a_salt_that_comes_a_moment_later_is_waited_for() {
    let house = House::new(Limits::default(), &[]);
    let salts = house.salts.send_replace(Arc::default());
    let later = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        house.salts.send_replace(salts);
    };
    let (answer, ()) = tokio::join!(house.beacon("2-write", &[], body(vec![of("")])), later);
    assert_eq!(answer.0, 204);
}

#[tokio::test]
async fn a_cookieless_sites_beacon_and_anybodys_pixel_are_of_one_derived_visitor() {
    let house = House::new(Limits::default(), &[]);
    assert_eq!(house.beacon("2-write", &[], body(vec![of("cookie-4711")])).await.0, 204);
    assert_eq!(house.pixel("key=2-write&url=https://example.org/a", &[]).await, "accepted");
    let visitors: Vec<String> = house.events().await.into_iter().map(|event| event.visitor_id).collect();
    assert!(visitors[0] == visitors[1] && visitors[0].len() == 32, "{visitors:?}");
    for secret in ["cookie-", "192.0.2.7"] {
        assert!(!log_holds(&*house.log, secret).await);
    }
    // In a site with cookies a pixel's visitor is derived, too; that of another site is another one.
    assert_eq!(house.pixel("key=1-write", &[]).await, "accepted");
    let of_first = house.events().await.into_iter().map(|event| event.visitor_id).find(|one| *one != visitors[0]);
    assert_eq!(of_first.unwrap().len(), 32);
}

#[tokio::test]
async fn a_pixel_carries_its_parameters_and_what_the_request_says() {
    let house = House::new(Limits::default(), &[]);
    let query = "key=1-write&url=https%3A%2F%2Fexample.org%2Fa%3Fb%3Dc&referrer=https://search.example/&title=Gr%C3%BC%C3%9Fe+dich&name=seen";
    assert_eq!(house.pixel(query, &[("accept-language", "de-DE,de;q=0.9")]).await, "accepted");
    let event = house.events().await.remove(0);
    assert_eq!((&*event.url, &*event.referrer), ("https://example.org/a?b=c", "https://search.example/"));
    assert_eq!((&*event.title, &*event.name, &*event.language), ("Grüße dich", "seen", "de-DE,de;q=0.9"));
    assert_eq!((&*event.user_agent, event.time_us), (BROWSER, NOW.0));

    let house = House::new(Limits::default(), &[]);
    assert_eq!(house.pixel("key=1-write", &[("referer", "https://example.org/page")]).await, "accepted");
    assert_eq!(house.events().await.remove(0).url, "https://example.org/page", "the page that shows it");
}

#[tokio::test]
async fn a_pixel_is_a_picture_whatever_happened_and_tells_the_reason_beside_it() {
    let house = House::new(Limits::default(), &[]);
    for (query, headers, told) in [
        ("url=/", &[][..], "refused: no key"),
        ("key=nobody", &[], "refused: this key is unknown"),
        ("key=1-server", &[], "refused: a server key is a secret"),
        ("key=1-write", &[("referer", "https://evilexample.org/x")], "refused: pages of https://evilexample.org"),
        ("key=1-write", &[("origin", "null")], "refused: pages of null"),
    ] {
        let seen = house.pixel(query, headers).await;
        assert!(seen.starts_with(told), "{query}: {seen}");
    }
    let long = "u".repeat(9_000);
    assert!(house.pixel(&format!("key=1-write&url={long}"), &[]).await.starts_with("refused: url: text_too_long"));
    assert!(house.events().await.is_empty());
    let head = Request::head("/pixel.gif?key=1-write").body(Body::empty()).unwrap();
    assert_eq!(house.send(from_peer(head)).await.headers()["x-pistats"], "nothing: HEAD collects nothing");
    assert!(house.events().await.is_empty(), "who only asks has seen no page");
}

#[tokio::test]
async fn the_address_is_the_clients_only_where_a_configured_proxy_says_so() {
    let visitor = async |proxies: &[&str], headers: &[(&str, &str)]| {
        let house = House::new(Limits::default(), proxies);
        assert_eq!(house.pixel("key=1-write", headers).await, "accepted");
        assert!(!log_holds(&*house.log, "203.0.113.9").await && !log_holds(&*house.log, "192.0.2.7").await);
        house.events().await.remove(0).visitor_id
    };
    let forwarded: &[(&str, &str)] = &[("x-forwarded-for", "203.0.113.9")];
    let direct = visitor(&[], &[]).await;
    assert_eq!(visitor(&[], forwarded).await, direct, "nobody is believed by default");
    let behind = visitor(&["192.0.2.0/24"], forwarded).await;
    assert_ne!(behind, direct);
    assert_eq!(visitor(&["192.0.2.0/24"], &[("forwarded", "for=203.0.113.9")]).await, behind);
    let spoofed: &[(&str, &str)] = &[("x-forwarded-for", "1.1.1.1, 203.0.113.9")];
    assert_eq!(visitor(&["192.0.2.0/24"], spoofed).await, behind);
}
