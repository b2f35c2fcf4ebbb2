//! Backends by URL: the scheme picks the engine. The only place that names them.

use super::kept::{KeptRegistry, Opening};
use super::waiting::{Failure, Waiting};
use crate::config::Config;
use crate::config::combine::scheme;
use crate::roles::Role;
use pistats_eventlog::file::FileLog;
use pistats_eventlog::{EventLog, FluvioLog};
use pistats_ingest::forward::Forwarding;
use pistats_store::{DuckConfig, DuckStore, Error, Leases, PgConfig, PgStore, Pushing, Registry, Segments, Store};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The copy of sites and keys, inside `data`.
const KEPT_FILE: &str = "directory.kept";

/// What a process keeps its data in, as far as its roles need it.
pub struct Backends {
    /// What is read: folded, replayed, looked at. None: nobody here collects or folds.
    pub log: Option<Arc<dyn EventLog>>,
    /// What a collector appends to: the log itself, or its spool where the log is a stream that collectors share.
    pub inlet: Option<Arc<dyn EventLog>>,
    /// Ships the spool to that stream.
    pub forwarding: Option<Forwarding>,
    /// What went wrong with Fluvio, where the log lies there.
    pub fluvio: Option<pistats_eventlog::fluvio::Watched>,
    /// None: this process only collects.
    pub warehouse: Option<Warehouse>,
    pub registry: Arc<dyn Registry>,
    /// Where the registry is a copy while the store is away (P-6).
    pub kept: Option<Arc<KeptRegistry>>,
}

/// The store, four times: as what it is asked for, as what is leased in it, as the segments that people keep, and as what is sent.
#[derive(Clone)]
pub struct Warehouse {
    pub store: Arc<dyn Store>,
    pub leases: Arc<dyn Leases>,
    pub segments: Arc<dyn Segments>,
    pub pushing: Arc<dyn Pushing>,
}

impl Backends {
    /// Opens the engines of `log.url` and `store.url`; what is not there yet is made. Who only collects does not wait for the
    /// store, all others do (`store.wait_seconds`).
    pub async fn open(config: &Config) -> Result<Backends, String> {
        Backends::open_waiting(config, &mut Waiting::new(config)).await
    }

    pub(super) async fn open_waiting(config: &Config, waiting: &mut Waiting) -> Result<Backends, String> {
        std::fs::create_dir_all(&config.data).map_err(|error| format!("{}: {error}", config.data.display()))?;
        let has = |role| config.roles.contains(&role);
        let only_collects = config.roles.iter().all(|role| *role == Role::Ingest);
        let needs_log = has(Role::Ingest) || has(Role::Aggregate);
        let wanted = config.clone();
        // Recovery reads a segment: it does not belong on an async thread.
        let opened = tokio::task::spawn_blocking(move || needs_log.then(|| open_log(&wanted)).transpose());
        let opened = opened.await.map_err(|error| error.to_string())??;
        let (log, fluvio) = opened.map_or((None, None), |(log, fluvio)| (Some(log), fluvio));
        let store = match only_collects {
            true => None,
            false => Some(waiting.until(|| async { open_store(config).await.map_err(Failure::of_store) }).await?),
        };
        let (inlet, forwarding) = match &log {
            Some(stream) if has(Role::Ingest) && is_shared(&config.log.url) => {
                let (spool, forwarding) = super::spool::open(config, stream.clone()).await?;
                (Some(spool as Arc<dyn EventLog>), Some(forwarding))
            }
            own => (own.clone().filter(|_| has(Role::Ingest)), None),
        };
        let (warehouse, registry, kept): (_, Arc<dyn Registry>, _) = match store {
            Some(store) => {
                let warehouse = Warehouse {
                    store: store.clone(),
                    leases: store.clone(),
                    segments: store.clone(),
                    pushing: store.clone(),
                };
                (Some(warehouse), store, None)
            }
            None => {
                let kept = Arc::new(KeptRegistry::new(opening(config), &config.inside(KEPT_FILE)));
                (None, kept.clone(), Some(kept))
            }
        };
        Ok(Backends { log, inlet, forwarding, fluvio, warehouse, registry, kept })
    }

    /// The folder of a log whose files lie on this machine.
    pub fn log_folder(&self, config: &Config) -> Option<PathBuf> {
        match scheme(&config.log.url) {
            ("file", path) => Some(config.inside(path)),
            _ if self.forwarding.is_some() => Some(config.inside(&config.log.spool)),
            _ => None,
        }
    }

    /// Closes the engines once nobody uses them any more: the log marks its end, the store checkpoints.
    ///
    /// Connections that are going down hold services, and those the engines, for a moment longer than the port: an engine
    /// that was dropped too early would close somewhere else, later, and its files could not be opened again at once.
    pub async fn close(mut self, deadline: Duration) {
        if let Some(forwarding) = self.forwarding.take() {
            forwarding.stop().await;
        }
        let logs: Vec<&Arc<dyn EventLog>> = self.log.iter().chain(&self.inlet).collect();
        let of_log = |log: &Arc<dyn EventLog>| logs.iter().filter(|own| Arc::ptr_eq(own, log)).count();
        let is_used = || {
            // The store is held five times here: as store, leases, segments, pushing and registry.
            let of_store = if self.warehouse.is_some() { 5 } else { 1 };
            Arc::strong_count(&self.registry) > of_store || logs.iter().any(|log| Arc::strong_count(log) > of_log(log))
        };
        let since = Instant::now();
        while is_used() && since.elapsed() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if is_used() {
            tracing::warn!("log or store were still in use at the deadline: they close with their last user");
        }
        _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

/// Whether several collectors write to the log at this URL, each from a spool of its own.
fn is_shared(url: &str) -> bool {
    scheme(url).0 == "fluvio"
}

/// The log, and what can be told of it if it lies on Fluvio.
type Opened = (Arc<dyn EventLog>, Option<pistats_eventlog::fluvio::Watched>);

fn open_log(config: &Config) -> Result<Opened, String> {
    match scheme(&config.log.url) {
        ("file", path) => {
            let settings = pistats_eventlog::file::Config {
                segment_bytes: config.log.segment_mib << 20,
                max_bytes: config.log.max_mib << 20,
                retain_bytes: config.log.retain_mib << 20,
                retain_for: Duration::from_secs(config.log.retain_hours * 3_600),
                ..Default::default()
            };
            let path = config.inside(path);
            let log = FileLog::open(&path, settings).map_err(|error| format!("log {}: {error}", path.display()))?;
            Ok((Arc::new(log), None))
        }
        ("fluvio", rest) => {
            let settings = pistats_eventlog::fluvio::Config::from_url(rest).map_err(|error| format!("log: {error}"))?;
            let settings = settings.sized(config.log.segment_mib, config.log.retain_hours);
            let opened = tokio::runtime::Handle::current().block_on(FluvioLog::open(settings));
            let log = opened.map_err(|error| format!("log {}: {error}", config.log.url))?;
            let watched = log.watched();
            Ok((Arc::new(log), Some(watched)))
        }
        ("memory", _) => Ok((Arc::new(pistats_eventlog::MemoryLog::default()), None)),
        ("ingest", address) => {
            let secrets = super::secrets::Secrets::open(&config.data, &config.secrets)?;
            let tls = config.mesh_tls();
            let scheme = if tls.is_some() { "https" } else { "http" };
            let addresses = [format!("{scheme}://{address}")];
            let channel = pistats_rpc::mesh::channel(&addresses, &secrets.instance_key, tls.as_ref());
            let channel = channel.map_err(|error| format!("log.url: {error}"))?;
            Ok((Arc::new(crate::ingest_log::IngestLog::new(address, channel)), None))
        }
        (other, _) => Err(format!(
            "log.url: no engine named {other:?} is built in; use file://PATH, fluvio://HOST:PORT/TOPIC, \
             ingest://HOST:PORT or memory://"
        )),
    }
}

/// All that an engine of `store.url` does.
trait Engine: Store + Registry + Leases + Segments + Pushing {}

impl<W: Store + Registry + Leases + Segments + Pushing> Engine for W {}

/// Opens the store for its registry, whenever that works.
fn opening(config: &Config) -> Opening {
    let config = config.clone();
    Box::new(move || {
        let config = config.clone();
        Box::pin(async move {
            let store = open_store(&config).await.map_err(|error| error.to_string())?;
            Ok(store as Arc<dyn Registry>)
        })
    })
}

async fn open_store(config: &Config) -> Result<Arc<dyn Engine>, Error> {
    let path = match scheme(&config.store.url) {
        ("duckdb", "") => None,
        ("duckdb", path) => Some(config.inside(path)),
        ("postgres" | "postgresql", _) => {
            let readers = u32::try_from(config.store.readers).unwrap_or(u32::MAX);
            let statement_timeout = Duration::from_secs(config.store.statement_seconds);
            let settings = PgConfig { readers, statement_timeout, ..PgConfig::new(&config.store.url) };
            return Ok(Arc::new(PgStore::open(settings).await?));
        }
        (other, _) => {
            return Err(Error::Open(format!(
                "store.url: no engine named {other:?} is built in; use duckdb://PATH or postgres://USER@HOST/DATABASE"
            )));
        }
    };
    let settings = DuckConfig {
        path,
        memory_limit_mb: config.store.memory_mib,
        threads: config.store.threads,
        readers: config.store.readers,
        ..Default::default()
    };
    // It reads its write-ahead log: that does not belong on an async thread.
    let opened = tokio::task::spawn_blocking(move || DuckStore::open(settings)).await;
    let opened = opened.map_err(|_| Error::Open("opening panicked".to_owned()))?;
    Ok(Arc::new(opened?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    #[tokio::test]
    async fn an_engine_that_is_not_built_in_says_so_with_the_key_to_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::load(None, &Overrides::default()).expect("the defaults");
        config.data = folder.path().join("data");
        config.log.url = "kafka://broker".to_owned();
        let error = Backends::open(&config).await.err().expect("refused");
        assert!(error.starts_with("log.url:") && error.contains("kafka"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_told_apart_from_a_wrong_address() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::load(None, &Overrides::default()).expect("the defaults");
        config.data = folder.path().join("data");
        config.log.url = "memory://".to_owned();
        config.store.wait_seconds = 1;
        for (url, why) in [("postgres://nobody@127.0.0.1:1/none", "cannot be reached"), ("oracle://host", "oracle")] {
            config.store.url = url.to_owned();
            let error = Backends::open(&config).await.err().expect("refused");
            assert!(error.starts_with("store") && error.contains(why), "{url}: {error}");
        }
    }
}
