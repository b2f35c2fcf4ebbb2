//! Without the right certificates.

use crate::processes::{Mesh, identity};
use pistats_rpc::tls::ClientTls;
use pistats_rpc::{client, mesh};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// Health, which is open to whoever may connect at all, by a channel as other processes have it.
async fn check(address: &str, tls: Option<&ClientTls>) -> Result<(), Status> {
    let channel = mesh::channel(&[address.to_owned()], "key", tls).unwrap();
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_text_no_certificate_and_one_of_another_authority_are_refused_at_every_process() {
    let Some(mesh) = Mesh::start().await else { return };
    let right = mesh.right();
    let nameless = ClientTls { identity: None, ..right.clone() };
    let stranger = ClientTls { identity: Some(identity(&mesh.theirs)), ..right.clone() };
    assert_eq!(mesh.processes().count(), 4);
    for process in mesh.processes() {
        let encrypted = process.url();
        let plain = encrypted.replace("https://", "http://");
        let who = format!("{:?} at {encrypted}", process.config.roles);
        check(&encrypted, Some(&right)).await.unwrap_or_else(|status| panic!("{who}: {status:?}"));
        for (what, address, tls, hint) in [
            ("plain text", &plain, None, ""),
            ("no certificate", &encrypted, Some(&nameless), "mesh.tls.cert"),
            ("another authority's certificate", &encrypted, Some(&stranger), "server.tls.client_ca"),
        ] {
            let refused = check(address, tls).await.expect_err(what);
            assert_eq!(refused.code(), Code::Unavailable, "{who}, {what}: {refused:?}");
            assert!(refused.message().contains(hint), "{who}, {what}: {refused:?}");
        }
        // Also not by a browser's way: HTTP/1.1 in plain text gets no answer that it could take for one.
        let plain = reached(&plain).await;
        assert!(!plain.starts_with("HTTP/"), "{who}: {plain}");
    }
    mesh.stop().await;
}

/// What a plain HTTP/1.1 request is answered.
async fn reached(address: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address.trim_start_matches("http://")).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // A connection that is reset is an answer, too.
    _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_believes_another_authority_says_which_setting_to_look_at() {
    let Some(mesh) = Mesh::start().await else { return };
    let distrustful = mesh.distrustful().await;
    let status = mesh.partitions(&distrustful).await.expect_err("it reaches nobody");
    assert_eq!(status.code(), Code::Unavailable);
    for told in ["invalid peer certificate", "mesh.tls.ca", &mesh.aggregates[0].url(), &mesh.aggregates[1].url()] {
        assert!(status.message().contains(told), "{told} is not in {status:?}");
    }
    distrustful.stop().await.unwrap();
    // A file that is not there, or no certificate, ends the start with its setting.
    let mut config = mesh.query.config.clone();
    config.data = mesh.folder.path().join("astray");
    config.mesh.tls.ca = "absent.pem".to_owned();
    let said = pistats::serve::Running::start(config).await.err().expect("refused");
    assert!(said.contains("mesh.tls") && said.contains("absent.pem"), "{said}");
    let open = client::lazy_open(&mesh.query.url(), None).map(drop).expect_err("https without certificates");
    assert!(open.to_string().contains("https://"), "{open}");
    mesh.stop().await;
}
