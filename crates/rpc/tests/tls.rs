//! Mutual TLS between services: who has the right certificates is served, nobody else is, in either direction.

use pistats_rpc::mesh;
use pistats_rpc::server::{Error, Server, Settings};
use pistats_rpc::tls::{ClientTls, IdentityFiles, ServerTls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// An authority whose certificates lie in a folder.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Authority {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
        Authority { issuer, folder }
    }

    fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate for `localhost`.
    fn identity(&self, name: &str) -> IdentityFiles {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let path = |kind: &str| self.folder.join(format!("{name}-{kind}.pem"));
        std::fs::write(path("cert"), cert.pem()).unwrap();
        std::fs::write(path("key"), key.serialize_pem()).unwrap();
        IdentityFiles { cert: path("cert"), key: path("key") }
    }
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

async fn check(addresses: &[String], tls: Option<&ClientTls>) -> Result<(), Code> {
    let channel = mesh::channel(addresses, "key", tls).unwrap();
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
    answer.map(|_| ()).map_err(|status| status.code())
}

/// The connection was: what a call on it then says depends on how far the handshake had come for the client.
fn is_refused(answer: Result<(), Code>) -> bool {
    matches!(answer, Err(Code::Unavailable | Code::Cancelled | Code::Unknown | Code::Internal))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_mutual_tls_only_certificates_of_the_right_authorities_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "theirs"));
    let tls = ServerTls { identity: ours.identity("server"), client_ca: Some(ours.ca()) };
    let (address, serving) = serve(Some(tls)).await;
    let https = [format!("https://localhost:{}", address.port())];

    let right = ClientTls { ca: ours.ca(), identity: Some(ours.identity("client")) };
    assert_eq!(check(&https, Some(&right)).await, Ok(()));
    let nameless = ClientTls { identity: None, ..right.clone() };
    assert!(is_refused(check(&https, Some(&nameless)).await), "no certificate");
    let stranger = ClientTls { identity: Some(theirs.identity("client")), ..right.clone() };
    assert!(is_refused(check(&https, Some(&stranger)).await), "a certificate of another authority");
    let distrustful = ClientTls { ca: theirs.ca(), ..right.clone() };
    assert!(is_refused(check(&https, Some(&distrustful)).await), "a server that is not believed");
    let plain = [format!("http://localhost:{}", address.port())];
    assert!(is_refused(check(&plain, None).await), "plain text");
    assert_eq!(check(&https, Some(&right)).await, Ok(()), "and the right one still is");
    serving.abort();
}

#[tokio::test]
async fn a_scheme_that_does_not_match_the_certificates_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(folder.path(), "ours");
    let tls = ClientTls { ca: ours.ca(), identity: None };
    let refused = |address: &str, tls| mesh::channel(&[address.to_owned()], "key", tls).map(|_| ()).unwrap_err();
    assert!(refused("http://localhost:1", Some(&tls)).to_string().contains("http://localhost:1"));
    assert!(refused("https://localhost:1", None).to_string().contains("https://localhost:1"));
    let absent = ClientTls { ca: folder.path().join("absent.pem"), identity: None };
    assert!(refused("https://localhost:1", Some(&absent)).to_string().contains("absent.pem"));
}

#[tokio::test]
async fn a_listener_with_a_key_of_another_certificate_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(folder.path(), "ours");
    let (one, other) = (ours.identity("one"), ours.identity("other"));
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
