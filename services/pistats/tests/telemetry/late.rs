//! The store comes later than the services: they wait for it, say so, and begin by themselves.

use crate::server::new_site;
use pistats::client::channel;
use pistats::config::{Config, Overrides};
use pistats::roles::Role;
use pistats::serve::Running;
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_testkit::postgres::Server;
use std::net::SocketAddr;
use std::time::Duration;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// What the standard health service says; none while nobody listens.
async fn health(address: SocketAddr) -> Option<ServingStatus> {
    let channel = pistats_rpc::client::connect_open(&format!("http://{address}")).await.ok()?;
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await.ok()?;
    Some(answer.into_inner().status())
}

/// Waits until it says that.
async fn says(address: SocketAddr, wanted: ServingStatus) {
    for _ in 0..1_500 {
        if health(address).await == Some(wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{address} does not say {wanted:?} within half a minute");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_before_their_store_are_not_serving_and_begin_when_it_comes() {
    let Some(server) = Server::start() else { return };
    let database = server.database();
    server.kill();
    let folder = tempfile::tempdir().unwrap();
    // Two shapes: one that cannot do anything without the store, and a collector that has no copy of sites and keys yet.
    let mut starting = Vec::new();
    for (name, roles) in [("admin", vec![Role::Query, Role::Admin]), ("ingest", vec![Role::Ingest])] {
        let mut config = Config::load(None, &Overrides::default()).unwrap();
        config.data = folder.path().join(name);
        config.roles = roles;
        config.store.url = database.url.clone();
        config.log.segment_mib = 16;
        config.secrets.instance_key = "pst_instance_of_the_tests".to_owned();
        config.secrets.visitor_secret = "07".repeat(32);
        config.mesh.ingest = vec!["http://127.0.0.1:1".to_owned()];
        config.mesh.aggregate = vec!["http://127.0.0.1:1".to_owned()];
        config.server.listen = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap()
        };
        let address = config.server.listen;
        starting.push((address, tokio::spawn(Running::start(config))));
    }
    for (address, started) in &starting {
        says(*address, ServingStatus::NotServing).await;
        let url = format!("http://{address}");
        let mut admin = AdminServiceClient::new(channel(&url, "any key").unwrap());
        let told = admin.create_site(new_site()).await.unwrap_err();
        assert_eq!(told.code(), Code::Unavailable);
        assert!(told.message().contains("store.url"), "{told:?}");
        assert!(!started.is_finished());
    }
    tokio::task::block_in_place(|| server.restart());
    let mut running = Vec::new();
    for (address, started) in starting {
        let started = tokio::time::timeout(Duration::from_secs(30), started).await.expect("it begins by itself");
        let started = started.unwrap().unwrap();
        assert_eq!(started.address, address, "on the port that it had while it waited");
        says(address, ServingStatus::Serving).await;
        running.push(started);
    }
    let mut admin = AdminServiceClient::new(channel(&running[0].url(), "pst_instance_of_the_tests").unwrap());
    admin.create_site(new_site()).await.unwrap();
    drop(admin);
    for running in running {
        running.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_waiting_mends_ends_the_start_and_so_does_the_time_that_is_set() {
    let Some(server) = Server::start() else { return };
    let database = server.database();
    let folder = tempfile::tempdir().unwrap();
    let start = async |url: &str, wait_seconds: u64| {
        let mut config = Config::load(None, &Overrides::default()).unwrap();
        config.data = folder.path().join("data");
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.log.url = "memory://".to_owned();
        config.store.url = url.to_owned();
        config.store.wait_seconds = wait_seconds;
        tokio::time::timeout(Duration::from_secs(30), Running::start(config)).await.expect("it does not wait").err()
    };
    let (base, _) = database.url.rsplit_once('/').unwrap();
    let absent = start(&format!("{base}/no_such_database"), 0).await.expect("refused");
    assert!(absent.contains("no_such_database"), "{absent}");
    let (_, host) = base.rsplit_once('@').unwrap();
    let locked = start(&format!("postgres://postgres:wrong@{host}/postgres"), 0).await.expect("refused");
    assert!(locked.contains("password"), "{locked}");
    let away = start("postgres://nobody@127.0.0.1:1/none", 1).await.expect("refused");
    assert!(away.contains("store.wait_seconds") && away.contains("cannot be reached"), "{away}");
}
