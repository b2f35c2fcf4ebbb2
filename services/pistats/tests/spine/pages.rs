//! Browsers: files and calls on one port, and how a browser gets in.

use crate::harness::Instance;
use pistats::client::channel;
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::{CreateSignInRequest, ListSitesRequest, SignInRequest, SignInResponse};
use prost::Message as _;
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::Endpoint;

/// A connection as a browser keeps it open: HTTP/1.1, one answer after the other.
struct Browser(TcpStream);

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Browser {
    async fn at(instance: &Instance) -> Browser {
        Browser(TcpStream::connect(instance.running.address).await.unwrap())
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, "", &[]).await
    }

    async fn ask(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: s\r\n{headers}Content-Length: {length}\r\n\r\n");
        self.0.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut received = Vec::new();
        let head = loop {
            if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            assert!(self.0.read_buf(&mut received).await.unwrap() > 0, "{method} {path}: no answer");
        };
        let mut lines = std::str::from_utf8(&received[..head]).unwrap().lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut body = received.split_off(head + 4);
        if method != "HEAD" && headers.contains_key("transfer-encoding") {
            while !body.ends_with(b"0\r\n\r\n") {
                assert!(self.0.read_buf(&mut body).await.unwrap() > 0);
            }
            body = unchunked(&body);
        } else if method != "HEAD" {
            let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            while body.len() < length {
                assert!(self.0.read_buf(&mut body).await.unwrap() > 0);
            }
        }
        Answer { status, headers, body }
    }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 2 + size + 2..];
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_calls_share_the_port() {
    let instance = Instance::start().await;
    let mut browser = Browser::at(&instance).await;
    let page = browser.get("/").await;
    let body = String::from_utf8(page.body).unwrap();
    // With or without a dashboard, as npm had built it when the tests were compiled.
    assert!(page.status == 200 || (page.status == 503 && body.contains("make run")), "{}: {body}", page.status);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.headers["content-security-policy"].contains("frame-ancestors 'none'"));
    assert_eq!(page.headers["access-control-allow-origin"], "*", "it carries no cookie and no secret");

    // The same connection goes on: every answer was as long as it said.
    let head = browser.ask("HEAD", "/sites/example.org", "", &[]).await;
    assert_eq!((head.status, head.body.len()), (page.status, 0));
    assert_eq!(browser.get("/gone.png").await.status, 404);
    assert_eq!(browser.get("/shop/").await.status, 404, "the shop is the demo's");
    assert_eq!(browser.ask("POST", "/", "Content-Type: text/plain\r\n", b"x").await.status, 405);

    // A call that nobody knows is a call all the same.
    let unknown =
        browser.ask("POST", "/some.Thing/Call", "Content-Type: application/grpc-web+proto\r\n", &[0; 5]).await;
    let told = format!("{:?} {}", unknown.headers, String::from_utf8_lossy(&unknown.body));
    assert!(
        unknown.status == 200 && (told.contains("grpc-status\": \"12") || told.contains("grpc-status:12")),
        "{told}"
    );
    let preflight = "Origin: https://example.org\r\nAccess-Control-Request-Method: POST\r\n\
                     Access-Control-Request-Headers: authorization\r\n";
    let allowed = browser.ask("OPTIONS", "/pistats.ingest.v1.IngestService/Collect", preflight, &[]).await;
    assert_eq!((allowed.status, allowed.headers["access-control-allow-origin"].as_str()), (200, "*"));
    drop(browser);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_a_browser_in_once() {
    let instance = Instance::start().await;
    let mut admin = AdminServiceClient::new(instance.instance_channel());
    let made = admin.create_sign_in(CreateSignInRequest {}).await.unwrap().into_inner();
    let minutes = (made.expires_us - jiff::Timestamp::now().as_microsecond()) as f64 / 60e6;
    assert!((14.0..=15.0).contains(&minutes), "{minutes}");

    // A browser has no key yet, and speaks grpc-web.
    let mut browser = Browser::at(&instance).await;
    let sign_in = async |browser: &mut Browser| {
        let message = SignInRequest { token: made.token.clone() }.encode_to_vec();
        let frame = [&[0], &(message.len() as u32).to_be_bytes()[..], &message].concat();
        let path = "/pistats.admin.v1.AdminService/SignIn";
        let answer = browser.ask("POST", path, "Content-Type: application/grpc-web+proto\r\n", &frame).await;
        let status = answer.headers.get("grpc-status").cloned();
        (answer, status)
    };
    let (answer, _) = sign_in(&mut browser).await;
    let length = u32::from_be_bytes(answer.body[1..5].try_into().unwrap()) as usize;
    let key = SignInResponse::decode(&answer.body[5..5 + length]).unwrap().key;
    assert_eq!(key, instance.running.secrets.instance_key);
    let mut admin = AdminServiceClient::new(channel(&instance.running.url(), &key).unwrap());
    assert!(admin.list_sites(ListSitesRequest {}).await.is_ok());

    let (answer, status) = sign_in(&mut browser).await;
    assert_eq!(status.as_deref(), Some("16"), "UNAUTHENTICATED: {:?}", answer.headers);
    assert!(answer.headers["grpc-message"].contains("used%20already"), "{:?}", answer.headers);

    // Only the instance key makes links, and what is guessed opens nothing.
    let anonymous = Endpoint::from_shared(instance.running.url()).unwrap().connect().await.unwrap();
    let refused = AdminServiceClient::new(anonymous.clone()).create_sign_in(CreateSignInRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let guess = SignInRequest { token: "guessed".to_owned() };
    let refused = AdminServiceClient::new(anonymous).sign_in(guess).await.unwrap_err();
    assert!(refused.code() == Code::Unauthenticated && refused.message().contains("pistats sign-in"), "{refused}");
    let site = instance.site("s", "UTC").await;
    for key in [&site.read, &site.server_key] {
        let mut admin = AdminServiceClient::new(channel(&site.server, key).unwrap());
        let refused = admin.create_sign_in(CreateSignInRequest {}).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
    drop(browser);
    instance.stop().await;
}
