//! Store and forward, opened: the collector's own log, and what ships it to the stream that collectors share.

use crate::config::Config;
use pistats_eventlog::EventLog;
use pistats_eventlog::file::FileLog;
use pistats_ingest::State;
use pistats_ingest::forward::{Forwarding, Settings, Spool, Watch};
use pistats_proto::log::v1::StateResponse;
use std::sync::Arc;
use std::time::Duration;

/// How old a copy of sites and keys is.
pub(super) type Age = Box<dyn Fn() -> Duration + Send + Sync>;

/// Opens the spool of `log.spool` and starts forwarding. The stream need not be there yet (P-6).
pub(super) async fn open(config: &Config, stream: Arc<dyn EventLog>) -> Result<(Arc<Spool>, Forwarding), String> {
    let path = config.inside(&config.log.spool);
    let settings = pistats_eventlog::file::Config {
        segment_bytes: config.log.segment_mib << 20,
        max_bytes: config.log.max_mib << 20,
        // What the stream has is read there.
        retain_bytes: 0,
        retain_for: Duration::ZERO,
        ..Default::default()
    };
    let (folder, bound) = (path.clone(), settings.max_bytes);
    let log = tokio::task::spawn_blocking(move || FileLog::open(&folder, settings)).await;
    let failed = |error: String| format!("log.spool {}: {error}", path.display());
    let log = log.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
    let log = Arc::new(log);
    let usage = Arc::downgrade(&log);
    let room = Arc::new(move || (usage.upgrade().map_or(0, |log| log.usage().bytes), bound));
    let spool = Arc::new(Spool::new(log, room).await.map_err(|error| failed(error.to_string()))?);
    let settings = Settings {
        settle: Duration::from_secs(config.log.settle_seconds),
        ..Settings::new(path.with_extension("forwarded"), config.log.url.clone())
    };
    let forwarding = Forwarding::start(spool.clone(), stream, settings).await.map_err(|error| error.to_string())?;
    Ok((spool, forwarding))
}

/// How the collector of this process stands, as `log.v1.State` tells it.
pub(super) fn state(forwarding: &Option<Forwarding>, directory_age: Option<Age>) -> State {
    let backlog = forwarding.as_ref().map(Forwarding::watch);
    Arc::new(move || StateResponse {
        forwarding: backlog.as_ref().and_then(Watch::now).map(Into::into),
        directory_age_us: directory_age.as_ref().map(|age| u64::try_from(age().as_micros()).unwrap_or(u64::MAX)),
    })
}
