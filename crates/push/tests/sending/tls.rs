//! TLS to a push service: whom the sender believes.

use crate::service::{self, Does, identity, message, settings, status, subscription};
use pistats_push::{NotSent, Outcome, Resolve, Sender, Settings};
use pistats_testkit::authority::Authority;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

struct Loopback;

#[async_trait::async_trait]
impl Resolve for Loopback {
    async fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

/// A push service with a certificate for `push.test` and 127.0.0.1: its port, and whom to believe.
async fn service() -> (u16, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path(), "authority");
    let signed = authority.signed("push", &["push.test", "127.0.0.1"]);
    let read = |path| std::fs::read(path).expect("a file");
    let chain = vec![CertificateDer::from_pem_slice(&read(&signed.cert)).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(&read(&signed.key)).expect("a key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate and its key");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let script = Arc::new(vec![Does::Answers(status(201, ""))]);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, script) = (acceptor.clone(), script.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    service::serve(stream, script, Arc::default()).await;
                }
            });
        }
    });
    (port, std::fs::read_to_string(authority.ca()).expect("a file"))
}

async fn send(endpoint: &str, authorities: Option<String>) -> Outcome {
    let settings = Settings { authorities, ..settings() };
    let sender = Sender::with_resolver(&settings, Arc::new(Loopback)).expect("a sender");
    let first = sender.send(&identity(), &subscription(endpoint), &message()).await;
    if first == Outcome::Accepted {
        // And once more over the kept connection.
        assert_eq!(sender.send(&identity(), &subscription(endpoint), &message()).await, Outcome::Accepted);
    }
    first
}

#[tokio::test]
async fn a_push_service_proves_that_it_has_the_name_or_address_of_the_endpoint() {
    let (port, ca) = service().await;
    assert_eq!(send(&format!("https://push.test:{port}/1"), Some(ca.clone())).await, Outcome::Accepted);
    assert_eq!(send(&format!("https://127.0.0.1:{port}/1"), Some(ca.clone())).await, Outcome::Accepted);
    let other = send(&format!("https://other.test:{port}/1"), Some(ca)).await;
    assert!(matches!(other, Outcome::NotSent(NotSent::Tls(_))), "{other:?}");
    assert!(other.may_send_again());
}

#[tokio::test]
async fn an_authority_that_nobody_named_is_not_believed() {
    let (port, _) = service().await;
    let outcome = send(&format!("https://push.test:{port}/1"), None).await;
    assert!(matches!(outcome, Outcome::NotSent(NotSent::Tls(_))), "{outcome:?}");
}

#[tokio::test]
async fn authorities_that_are_no_certificates_are_refused() {
    for text in ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let settings = Settings { authorities: Some(text.to_owned()), ..settings() };
        let bad = Sender::new(&settings).err().expect("refused");
        assert!(bad.to_string().starts_with("authorities: "), "{bad}");
    }
}
