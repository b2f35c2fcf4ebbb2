//! Mutual TLS between services: who has the right certificates is served, nobody else is, in either direction.

use pistats_rpc::mesh;
use pistats_rpc::server::{Error, Server, Settings};
use pistats_rpc::tls::{ClientTls, IdentityFiles, ServerTls};
use pistats_testkit::authority::{Authority, Signed};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// A certificate for `localhost`.
fn identity(authority: &Authority, name: &str) -> IdentityFiles {
    let Signed { cert, key } = authority.signed(name, &["localhost"]);
    IdentityFiles { cert, key }
}

/// A server with health only, which ends with its handle.
async fn serve(tls: Option<ServerTls>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(Settings { tls, ..Settings::default() }).unwrap();
    let serving = tokio::spawn(async move {
        server.serve(listener, std::future::pending()).await.unwrap();
    });
    (address, serving)
}

async fn check(addresses: &[String], tls: Option<&ClientTls>) -> Result<(), Status> {
    let channel = mesh::channel(addresses, "key", tls).unwrap();
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.map(drop)
}

/// What the caller is told.
async fn refused(addresses: &[String], tls: Option<&ClientTls>) -> String {
    let status = check(addresses, tls).await.expect_err("refused");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().starts_with(&addresses[0]), "the address is named: {status:?}");
    status.message().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_mutual_tls_only_certificates_of_the_right_authorities_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "theirs"));
    let tls = ServerTls { identity: identity(&ours, "server"), client_ca: Some(ours.ca()) };
    let (address, serving) = serve(Some(tls)).await;
    let https = [format!("https://localhost:{}", address.port())];

    let right = ClientTls { ca: Some(ours.ca()), identity: Some(identity(&ours, "client")) };
    assert!(check(&https, Some(&right)).await.is_ok());
    let nameless = ClientTls { identity: None, ..right.clone() };
    let said = refused(&https, Some(&nameless)).await;
    assert!(said.contains("mesh.tls.cert"), "no certificate: {said}");
    let stranger = ClientTls { identity: Some(identity(&theirs, "client")), ..right.clone() };
    let said = refused(&https, Some(&stranger)).await;
    assert!(said.contains("server.tls.client_ca"), "a certificate of another authority: {said}");
    let distrustful = ClientTls { ca: Some(theirs.ca()), ..right.clone() };
    let said = refused(&https, Some(&distrustful)).await;
    assert!(said.contains("mesh.tls.ca"), "a server that is not believed: {said}");
    let elsewhere = [format!("https://127.0.0.1:{}", address.port())];
    let said = refused(&elsewhere, Some(&right)).await;
    assert!(said.contains("subject alternative name"), "a server under another name: {said}");
    let plain = [format!("http://localhost:{}", address.port())];
    refused(&plain, None).await;
    assert!(check(&https, Some(&right)).await.is_ok(), "and the right one still is");
    serving.abort();

    let (address, serving) = serve(None).await;
    let said = refused(&[format!("https://localhost:{}", address.port())], Some(&right)).await;
    assert!(said.contains("does it speak TLS?"), "a server in plain text: {said}");
    serving.abort();
}

#[tokio::test]
async fn a_scheme_that_does_not_match_the_certificates_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(folder.path(), "ours");
    let tls = ClientTls { ca: Some(ours.ca()), identity: None };
    let refused = |address: &str, tls| mesh::channel(&[address.to_owned()], "key", tls).map(|_| ()).unwrap_err();
    assert!(refused("http://localhost:1", Some(&tls)).to_string().contains("http://localhost:1"));
    assert!(refused("https://localhost:1", None).to_string().contains("https://localhost:1"));
    let absent = ClientTls { ca: Some(folder.path().join("absent.pem")), identity: None };
    assert!(refused("https://localhost:1", Some(&absent)).to_string().contains("absent.pem"));
}

#[tokio::test]
async fn a_listener_with_a_key_of_another_certificate_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(folder.path(), "ours");
    let (one, other) = (identity(&ours, "one"), identity(&ours, "other"));
    let identity = IdentityFiles { cert: one.cert, key: other.key };
    let settings = Settings { tls: Some(ServerTls { identity, client_ca: None }), ..Settings::default() };
    let refused = Server::new(settings).map(|_| ());
    assert!(matches!(&refused, Err(error @ Error::Certificates(_)) if error.to_string().starts_with("server.tls")));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_to_the_servers_that_are_there() {
    let (first, serving) = serve(None).await;
    let (second, also_serving) = serve(None).await;
    // Bound and dropped: nobody listens.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let addresses = [first, gone, second].map(|address| format!("http://{address}"));
    let channel = mesh::channel(&addresses, "key", None).unwrap();
    for _ in 0..50 {
        let answer = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await;
        assert!(answer.is_ok(), "{answer:?}");
    }
    serving.abort();
    also_serving.abort();
}
