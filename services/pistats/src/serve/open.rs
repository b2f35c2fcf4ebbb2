//! Backends by URL: the scheme picks the engine. The only place that names them.

use crate::config::Config;
use pistats_eventlog::file::FileLog;
use pistats_eventlog::{EventLog, FluvioLog};
use pistats_ingest::forward::Forwarding;
use pistats_store::{DuckConfig, DuckStore, PgConfig, PgStore, Registry, Store};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a process keeps its data in.
pub struct Backends {
    /// What is read: folded, replayed, looked at.
    pub log: Arc<dyn EventLog>,
    /// What a collector appends to: the log itself, or its spool where the log is a stream that collectors share.
    pub inlet: Arc<dyn EventLog>,
    /// Ships the spool to that stream.
    pub forwarding: Option<Forwarding>,
    pub store: Arc<dyn Store>,
    pub registry: Arc<dyn Registry>,
}

impl Backends {
    /// Opens the engines of `log.url` and `store.url`; what is not there yet is made.
    pub async fn open(config: &Config) -> Result<Backends, String> {
        std::fs::create_dir_all(&config.data).map_err(|error| format!("{}: {error}", config.data.display()))?;
        let wanted = config.clone();
        // Recovery reads a segment, and DuckDB its write-ahead log: neither belongs on an async thread.
        let opened = tokio::task::spawn_blocking(move || {
            let log = open_log(&wanted)?;
            let store = open_store(&wanted)?;
            Ok::<_, String>((log, store))
        });
        let (log, store) = opened.await.map_err(|error| error.to_string())??;
        let (inlet, forwarding) = match is_shared(&config.log.url) {
            true => {
                let (spool, forwarding) = super::spool::open(config, log.clone()).await?;
                (spool as Arc<dyn EventLog>, Some(forwarding))
            }
            false => (log.clone(), None),
        };
        Ok(Backends { log, inlet, forwarding, store: store.clone(), registry: store })
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
        // The store is held twice here, as store and as registry; the log too, where it is the inlet.
        let own = 1 + usize::from(Arc::ptr_eq(&self.log, &self.inlet));
        let is_used = || {
            Arc::strong_count(&self.store) > 2
                || Arc::strong_count(&self.log) > own
                || Arc::strong_count(&self.inlet) > own
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

fn open_log(config: &Config) -> Result<Arc<dyn EventLog>, String> {
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
            Ok(Arc::new(log))
        }
        ("fluvio", rest) => {
            let settings = pistats_eventlog::fluvio::Config::from_url(rest).map_err(|error| format!("log: {error}"))?;
            let settings = settings.sized(config.log.segment_mib, config.log.retain_hours);
            let opened = tokio::runtime::Handle::current().block_on(FluvioLog::open(settings));
            Ok(Arc::new(opened.map_err(|error| format!("log {}: {error}", config.log.url))?))
        }
        ("memory", _) => Ok(Arc::new(pistats_eventlog::MemoryLog::default())),
        ("ingest", address) => {
            let secrets = super::secrets::Secrets::open(&config.data)?;
            let channel = pistats_rpc::client::lazy(&format!("http://{address}"), &secrets.instance_key);
            let channel = channel.map_err(|error| format!("log.url: {error}"))?;
            Ok(Arc::new(crate::ingest_log::IngestLog::new(address, channel)))
        }
        (other, _) => Err(format!(
            "log.url: no engine named {other:?} is built in; use file://PATH, fluvio://HOST:PORT/TOPIC, \
             ingest://HOST:PORT or memory://"
        )),
    }
}

/// All that an engine of `store.url` does.
trait Warehouse: Store + Registry {}

impl<W: Store + Registry> Warehouse for W {}

/// Blocking, and on a thread that knows the runtime.
fn open_store(config: &Config) -> Result<Arc<dyn Warehouse>, String> {
    let path = match scheme(&config.store.url) {
        ("duckdb", "") => None,
        ("duckdb", path) => Some(config.inside(path)),
        ("postgres" | "postgresql", _) => return open_server(config),
        (other, _) => {
            return Err(format!(
                "store.url: no engine named {other:?} is built in; use duckdb://PATH or postgres://USER@HOST/DATABASE"
            ));
        }
    };
    let settings = DuckConfig {
        path,
        memory_limit_mb: config.store.memory_mib,
        threads: config.store.threads,
        readers: config.store.readers,
        ..Default::default()
    };
    match DuckStore::open(settings) {
        Ok(store) => Ok(Arc::new(store)),
        Err(error) => Err(format!("store: {error}")),
    }
}

fn open_server(config: &Config) -> Result<Arc<dyn Warehouse>, String> {
    let readers = u32::try_from(config.store.readers).unwrap_or(u32::MAX);
    let settings = PgConfig { readers, ..PgConfig::new(&config.store.url) };
    match tokio::runtime::Handle::current().block_on(PgStore::open(settings)) {
        Ok(store) => Ok(Arc::new(store)),
        Err(error) => Err(format!("store: {error}")),
    }
}

/// `file://log` → (`file`, `log`).
fn scheme(url: &str) -> (&str, &str) {
    url.split_once("://").unwrap_or((url, ""))
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
        for (url, why) in [("postgres://nobody@127.0.0.1:1/none", "cannot be reached"), ("oracle://host", "oracle")] {
            config.store.url = url.to_owned();
            let error = Backends::open(&config).await.err().expect("refused");
            assert!(error.starts_with("store") && error.contains(why), "{url}: {error}");
        }
    }
}
