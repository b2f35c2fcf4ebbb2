//! Ingest and Log on a port of this machine. Each scope's name is a key of it; each key has a site of its own.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "tests")]

use crate::common::clock;
use pistats_core::directory::{Directory, Key, KeyHash, Site};
use pistats_core::{Limits, Micros, Scope, SiteId, Zone};
use pistats_eventlog::EventLog;
use pistats_ingest::{Collector, Ingest, Log};
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::log::v1::log_service_client::LogServiceClient;
use pistats_rpc::auth::SharedDirectory;
use pistats_rpc::client::{Channel, connect};
use pistats_rpc::server::Settings;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What every site is named after.
pub const HOST: &str = "example.org";

pub struct Port {
    url: String,
}

pub fn site(key: &str) -> SiteId {
    let scope = Scope::named(key).unwrap();
    SiteId(Scope::ALL.iter().position(|other| *other == scope).unwrap() as u32)
}

impl Port {
    pub async fn open(log: Arc<dyn EventLog>, limits: Limits) -> Port {
        let key = |scope: Scope| Key {
            id: scope.name().into(),
            hash: KeyHash::of(scope.name()),
            scope,
            site: (scope != Scope::Instance).then(|| site(scope.name())),
            name: String::new(),
            created: Micros(0),
            revoked: false,
        };
        let sites = (0..Scope::ALL.len() as u32).map(|id| Site::new(SiteId(id), HOST, Zone::utc(), Micros(0)));
        let directory = Directory::new(sites, Scope::ALL.map(key));
        let directory: SharedDirectory = Arc::new(arc_swap::ArcSwap::from_pointee(directory));
        let collector = Arc::new(Collector::with_clock(log.clone(), limits, clock()).unwrap());
        let server = pistats_rpc::Server::new(Settings::default())
            .unwrap()
            .add(Ingest::new(collector, directory.clone()).server())
            .add(Log::new(log, directory).server());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(server.serve(listener, std::future::pending()));
        Port { url }
    }

    pub async fn ingest(&self, key: &str) -> IngestServiceClient<Channel> {
        IngestServiceClient::new(connect(&self.url, key).await.unwrap())
    }

    pub async fn log(&self, key: &str) -> LogServiceClient<Channel> {
        LogServiceClient::new(connect(&self.url, key).await.unwrap())
    }

    /// Without any key.
    pub async fn channel(&self) -> tonic::transport::Channel {
        tonic::transport::Endpoint::new(self.url.clone()).unwrap().connect().await.unwrap()
    }
}
