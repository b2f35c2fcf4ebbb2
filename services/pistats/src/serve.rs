//! `serve`: all roles in one process, on one port.
//!
//! ```text
//!   start   secrets → log → store → directory → aggregate → services → port
//!   stop    port (drain) → aggregate (commit what is folded) → log → store
//! ```
//!
//! Going down is going up in reverse, each step within the deadline, and who is late is named. A crash at any moment is
//! fine too: what was acknowledged is in the log.

mod folding;
pub mod kept;
mod living;
mod metrics;
mod open;
mod secrets;
mod spool;

pub use open::Backends;

use crate::cli;
use crate::config::{Config, Overrides, ServerOverrides};
use arc_swap::ArcSwap;
use living::Here;
use pistats_admin::Admin;
use pistats_aggregate::{Aggregator, Handle, Parts};
use pistats_core::directory::{Directory, Key, KeyHash};
use pistats_core::{Micros, Scope};
use pistats_ingest::{Collector, Ingest, Log};
use pistats_proto::admin::v1::admin_service_server::AdminServiceServer;
use pistats_proto::query::v1::query_service_server::QueryServiceServer;
use pistats_query::Query;
use pistats_rpc::auth::SharedDirectory;
use pistats_rpc::configured;
use pistats_telemetry::Meters;
use secrets::Secrets;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle};

/// Bytes of a call that is no batch of events: requests of reports and admin are small.
const REQUEST_BYTES: usize = 4 << 20;

/// How long the last spans and numbers may take to be told.
const TELL_BY: Duration = Duration::from_secs(3);

/// The command.
pub async fn run(command: cli::Serve) -> Result<(), String> {
    let overrides = Overrides { data: command.data, server: command.listen.map(|listen| ServerOverrides { listen }) };
    let config = Config::load(command.config.as_deref(), &overrides).map_err(|error| error.to_string())?;
    let telemetry = config.start_telemetry()?;
    let running = Running::start(config).await?;
    println!("piStats serves gRPC and grpc-web on http://{}", running.address);
    println!("  data {}, instance key in {}", running.config.data.display(), running.secrets.key_path.display());
    println!("  make a site:  pistats site create example.org --data {}", running.config.data.display());
    let demo = match command.demo {
        true => Some(crate::demo::start(&running.url(), &running.secrets.instance_key).await?),
        false => None,
    };
    if demo.is_some() {
        println!("  watch the demo:  pistats live --site demo --server {}", running.url());
    }
    interrupted().await;
    if let Some(demo) = demo {
        demo.stop().await;
    }
    let stopped = running.stop().await;
    telemetry.shutdown(TELL_BY).await;
    stopped
}

/// A server in this process.
pub struct Running {
    pub config: Config,
    pub address: SocketAddr,
    pub secrets: Secrets,
    meters: Meters,
    looking: Option<AbortHandle>,
    aggregator: Arc<Handle>,
    backends: Backends,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<pistats_rpc::server::Drained, pistats_rpc::server::Error>>,
}

impl Running {
    /// Opens everything and listens. When it returns, calls are answered.
    pub async fn start(config: Config) -> Result<Running, String> {
        let backends = Backends::open(&config).await?;
        Running::start_on(config, backends).await
    }

    /// The same on backends that are open already.
    pub async fn start_on(config: Config, backends: Backends) -> Result<Running, String> {
        let meters = Meters::start(&config.telemetry.settings()).await.map_err(|error| error.to_string())?;
        let secrets = Secrets::open(&config.data)?;
        let directory = open_directory(&backends, &secrets).await?;
        let listener = TcpListener::bind(config.server.listen)
            .await
            .map_err(|error| format!("cannot listen on {} (server.listen): {error}", config.server.listen))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;

        let collector = Collector::new(backends.inlet.clone(), config.limits.clone());
        let collector = Arc::new(collector.map_err(|error| format!("the system has no randomness: {error}"))?);
        let aggregator = Arc::new(Aggregator::start(Parts {
            meters: meters.clone(),
            ..Parts::new(
                config.aggregate.settings(),
                backends.log.clone(),
                backends.store.clone(),
                directory.clone(),
                secrets.visitor_secret,
            )
        }));

        let settings = pistats_rpc::server::Settings {
            calls: config.server.concurrent_calls,
            drain: Duration::from_secs(config.server.drain_seconds),
            ..Default::default()
        };
        let counters = collector.counters();
        metrics::of_ingest(&meters, &counters);
        backends.forwarding.iter().for_each(|forwarding| metrics::of_forwarding(&meters, forwarding));
        backends.log_folder(&config).into_iter().for_each(|folder| metrics::of_log_files(&meters, folder));
        let looking = metrics::of_aggregate(&meters, aggregator.watched(), &backends.log);
        let aggregate = pistats_aggregate::Service::new(aggregator.clone(), Some(Arc::new(move || counters.refused())));
        let query = Query::new(
            backends.store.clone(),
            Arc::new(Here(aggregator.observer())),
            directory.clone(),
            secrets.visitor_secret,
            &config.query.settings(),
        );
        metrics::of_query(&meters, query.watching());
        let admin = Admin::new(
            backends.registry.clone(),
            directory.clone(),
            collector.clone(),
            Arc::new(folding::All(aggregator.pauses())),
        );
        let server = pistats_rpc::Server::new(settings)
            .map_err(|error| error.to_string())?
            .measured(&meters)
            .add(Ingest::new(collector, directory.clone()).server())
            .add(
                Log::new(backends.log.clone(), directory).with_state(spool::state(&backends.forwarding, None)).server(),
            )
            .add(aggregate.into_server())
            .add(configured!(QueryServiceServer::new(query), REQUEST_BYTES))
            .add(configured!(AdminServiceServer::new(admin), REQUEST_BYTES));
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(listener, async {
            // A dropped sender is a stop, too.
            _ = stopped.await;
        }));
        Ok(Running { config, address, secrets, meters, looking, aggregator, backends, stop, serving })
    }

    /// The server's address as a client writes it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where Prometheus may read, if it may.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.meters.address()
    }

    /// Goes down in order, within the deadline.
    pub async fn stop(self) -> Result<(), String> {
        let drain = Duration::from_secs(self.config.server.drain_seconds);
        _ = self.stop.send(());
        match self.serving.await {
            Ok(Ok(drained)) if drained.late.is_empty() => {}
            Ok(Ok(drained)) => tracing::warn!(late = ?drained.late, "calls were ended at the deadline"),
            Ok(Err(error)) => tracing::error!(%error, "the port failed"),
            Err(error) => tracing::error!(%error, "the port ended abnormally"),
        }
        self.looking.iter().for_each(AbortHandle::abort);
        let committed = match Arc::into_inner(self.aggregator) {
            Some(aggregator) => tokio::time::timeout(drain, aggregator.shutdown()).await.is_ok(),
            None => false,
        };
        if !committed {
            tracing::warn!("aggregate was late: what it had not committed is folded again at the next start");
        }
        // The last commit is told, too.
        self.meters.shutdown(TELL_BY).await;
        self.backends.close(drain).await;
        Ok(())
    }
}

/// Sites and keys from the registry, and the instance key beside them.
async fn open_directory(backends: &Backends, secrets: &Secrets) -> Result<SharedDirectory, String> {
    let mut directory: Directory = backends.registry.directory().await.map_err(|error| format!("store: {error}"))?;
    directory.put_key(Key {
        id: "instance".to_owned(),
        hash: KeyHash::of(&secrets.instance_key),
        scope: Scope::Instance,
        site: None,
        name: "instance".to_owned(),
        created: Micros(0),
        revoked: false,
    });
    Ok(Arc::new(ArcSwap::from_pointee(directory)))
}

/// Ctrl-C, or the signal that a service manager sends.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
