//! `serve`: the roles of a process, on one port.
//!
//! ```text
//!   start   log → store (waited for) → secrets → sites and keys → aggregate → services → port
//!   stop    port (drain) → aggregate (commit what is folded, give leases back) → log → store
//! ```
//!
//! What a role needs of another is here a value: the one of this process where it runs here, a client of its service where it
//! does not (`peers`, `afar`, `resubmit`, `relay`). Nothing asks how many processes there are.
//!
//! Going down is going up in reverse, each step within the deadline, and who is late is named. A crash at any moment is
//! fine too: what was acknowledged is in the log.

mod afar;
mod directory;
mod folding;
mod following;
pub mod kept;
mod living;
mod metrics;
mod open;
mod peers;
mod reading;
mod relay;
mod resubmit;
mod secrets;
mod services;
mod spool;
mod waiting;
mod web;

pub use open::{Backends, Warehouse};

use crate::cli;
use crate::config::{Config, Overrides, ServerOverrides};
use crate::roles::{Role, are_apart};
use directory::Source;
use pistats_admin::SignIns;
use pistats_aggregate::Handle;
use pistats_telemetry::Meters;
use secrets::{Disagreement, Secrets};
use services::Services;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle};
use waiting::{Failure, Waiting};
use web::Shop;

/// How long the last spans and numbers may take to be told.
const TELL_BY: Duration = Duration::from_secs(3);

/// Prints a line for whoever started the server. They may read no more (`| head`): the server goes on.
macro_rules! tell {
    ($($text:tt)*) => { _ = writeln!(std::io::stdout(), $($text)*) };
}

/// The command.
pub async fn run(command: cli::Serve) -> Result<(), String> {
    let server = command.listen.map(|listen| ServerOverrides { listen });
    let overrides = Overrides { data: command.data, roles: command.roles, server };
    let config = Config::load(command.config.as_deref(), &overrides).map_err(|error| error.to_string())?;
    if command.demo && are_apart(&config.roles) {
        return Err("--demo: it needs all roles in one process; leave roles out, or the flag".to_owned());
    }
    if command.demo && !config.server.tls.cert.is_empty() {
        return Err("--demo: its visitors come in plain text; leave server.tls out, or the flag".to_owned());
    }
    let telemetry = config.start_telemetry()?;
    // A start may wait for long.
    let running = tokio::select! {
        running = Running::start(config) => running?,
        () = interrupted() => {
            telemetry.shutdown(TELL_BY).await;
            return Ok(());
        }
    };
    let roles: Vec<&str> = running.config.roles.iter().map(|role| role.name()).collect();
    tell!("piStats serves gRPC and grpc-web on {} ({})", running.url(), roles.join(", "));
    tell!("  data {}, instance key in {}", running.config.data.display(), running.secrets.key_path.display());
    if let Some(link) = running.sign_in()? {
        tell!("  open the dashboard (once, within 15 minutes):  {link}");
    }
    tell!("  make a site:  pistats site create example.org --data {}", running.config.data.display());
    let demo = match command.demo {
        true => Some(crate::demo::start(&running.url(), &running.secrets.instance_key).await?),
        false => None,
    };
    if let Some(demo) = &demo {
        running.shop.open(&demo.write_key);
        tell!("  watch the demo:  pistats live --site demo --server {}", running.url());
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
    /// What goes on beside the port.
    beside: Vec<AbortHandle>,
    aggregator: Option<Arc<Handle>>,
    sign_ins: Option<Arc<SignIns>>,
    /// The demo's, closed until it has a key.
    shop: Shop,
    backends: Backends,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<pistats_rpc::server::Drained, pistats_rpc::server::Error>>,
}

impl Running {
    /// Opens everything and listens; a store on a server that does not answer yet is waited for. When it returns, calls are
    /// answered.
    pub async fn start(config: Config) -> Result<Running, String> {
        // Before anything waits for others: a file that is missing will not come.
        config.mesh_tls().map_or(Ok(()), |tls| tls.read().map(drop)).map_err(|error| format!("mesh.tls: {error}"))?;
        config
            .server_tls()
            .map_or(Ok(()), |tls| tls.read().map(drop))
            .map_err(|error| format!("server.tls: {error}"))?;
        let mut waiting = Waiting::new(&config);
        let backends = Backends::open_waiting(&config, &mut waiting).await?;
        Running::start_after(waiting, config, backends).await
    }

    /// The same on backends that are open already.
    pub async fn start_on(config: Config, backends: Backends) -> Result<Running, String> {
        Running::start_after(Waiting::new(&config), config, backends).await
    }

    async fn start_after(mut waiting: Waiting, config: Config, backends: Backends) -> Result<Running, String> {
        let meters = Meters::start(&config.telemetry.settings()).await.map_err(|error| error.to_string())?;
        let secrets = Secrets::open(&config.data, &config.secrets)?;
        let source = waiting.until(|| know(&config, &backends, &secrets)).await?;
        let listener = waiting.listener().await?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;

        let Services { server, aggregator, sign_ins, shop, mut beside } =
            services::make(&config, &backends, &secrets, &source, &meters, address)?;
        beside.push(source.keep());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(listener, async {
            // A dropped sender is a stop, too.
            _ = stopped.await;
        }));
        Ok(Running { config, address, secrets, meters, beside, aggregator, sign_ins, shop, backends, stop, serving })
    }

    /// The server's address as a client writes it.
    pub fn url(&self) -> String {
        let scheme = if self.config.server.tls.cert.is_empty() { "http" } else { "https" };
        format!("{scheme}://{}", self.address)
    }

    /// A link with which a browser signs in, where dashboard and Admin are in this process: elsewhere `pistats sign-in` makes
    /// it, with the address that people know.
    pub fn sign_in(&self) -> Result<Option<String>, String> {
        let Some(sign_ins) = self.sign_ins.as_ref().filter(|_| self.config.roles.contains(&Role::Query)) else {
            return Ok(None);
        };
        let (token, _) = sign_ins.create().map_err(|status| status.message().to_owned())?;
        // Who listens everywhere is reached here by this name, too.
        let url = match self.address.ip().is_unspecified() {
            true => self.url().replace(&self.address.to_string(), &format!("localhost:{}", self.address.port())),
            false => self.url(),
        };
        Ok(Some(sign_in_link(&url, &token)))
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
        self.beside.iter().for_each(AbortHandle::abort);
        let committed = match self.aggregator.map(Arc::into_inner) {
            Some(Some(aggregator)) => tokio::time::timeout(drain, aggregator.shutdown()).await.is_ok(),
            Some(None) => false,
            None => true,
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

/// The dashboard's address with a token behind `#`: a browser sends it to nobody but by the call.
pub(crate) fn sign_in_link(url: &str, token: &str) -> String {
    format!("{}/#sign-in={token}", url.trim_end_matches('/'))
}

/// Agrees with the other processes on the secrets, and reads sites and keys for the first time.
async fn know(config: &Config, backends: &Backends, secrets: &Secrets) -> Result<Source, Failure> {
    let unanswered = match secrets.agree(backends.registry.as_ref()).await {
        Ok(()) => None,
        Err(Disagreement::Unanswered(error)) if backends.kept.is_some() => Some(error),
        Err(Disagreement::Unanswered(error)) => return Err(Failure::of_store(error)),
        Err(another) => return Err(Failure::Never(another.to_string())),
    };
    let collects = config.roles.contains(&Role::Ingest);
    let source =
        Source::open(backends.registry.clone(), &secrets.instance_key, collects).await.map_err(Failure::of_store)?;
    if let Some(error) = unanswered {
        tracing::warn!(%error, "the store does not answer: collecting from a copy of its sites and keys");
    }
    Ok(source)
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
