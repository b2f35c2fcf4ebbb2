//! An Ingest's log behind a port that can go away and come back.

use arc_swap::ArcSwap;
use pistats::ingest_log::IngestLog;
use pistats_core::directory::{Directory, Key, KeyHash};
use pistats_core::{Micros, Scope};
use pistats_eventlog::EventLog;
use pistats_ingest::Log;
use pistats_rpc::server::Settings;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const KEY: &str = "pst_instance_of_the_test";

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    serving: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Server {
    pub(crate) async fn start(log: Arc<dyn EventLog>) -> Server {
        Server::start_at(log, ([127, 0, 0, 1], 0).into()).await
    }

    pub(crate) async fn start_at(log: Arc<dyn EventLog>, address: SocketAddr) -> Server {
        let key = Key {
            id: "instance".into(),
            hash: KeyHash::of(KEY),
            scope: Scope::Instance,
            site: None,
            name: "instance".into(),
            created: Micros(0),
            revoked: false,
        };
        let directory = Arc::new(ArcSwap::from_pointee(Directory::new([], [key])));
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let short = Duration::from_millis(50);
        let settings = Settings { stream_grace: short, drain: short, ..Settings::default() };
        let server = pistats_rpc::Server::new(settings).unwrap().add(Log::new(log, directory).server());
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let stopped = async { _ = stopped.await };
            server.serve(listener, stopped).await.unwrap();
        });
        Server { address, serving, stop: Some(stop) }
    }

    /// A client with the right key.
    pub(crate) fn log(&self) -> IngestLog {
        self.log_with(KEY)
    }

    pub(crate) fn log_with(&self, key: &str) -> IngestLog {
        let channel = pistats_rpc::mesh::channel(&[format!("http://{}", self.address)], key, None).unwrap();
        IngestLog::new(&self.address.to_string(), channel)
    }

    /// Ends all connections; the port is free afterwards.
    pub(crate) async fn stop(mut self) -> SocketAddr {
        let address = self.address;
        drop(self.stop.take());
        (&mut self.serving).await.unwrap();
        address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
