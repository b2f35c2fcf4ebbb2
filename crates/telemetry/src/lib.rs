//! What a process tells of itself: log lines, traces, metrics.
//!
//! ```text
//!   logs       lines on standard error, with the ids of the trace      one a process: start()
//!   trace      spans, and how a trace goes on elsewhere      ─OTLP─▶       "
//!   context    `traceparent`, the one form in which a trace travels
//!   metrics    typed instruments, the catalogue of all names ─OTLP─▶   one a server: Meters::start()
//!              and the page that Prometheus reads            ◀─HTTP─
//!   otlp       where it is exported to
//! ```
//!
//! Services use what is typed here and never an OpenTelemetry type. Everything but log lines is off unless it is asked for, and
//! costs nothing then: a span's call site is switched off, an instrument is an empty option.
//!
//! It is not responsible for what is measured: that stands where it happens, and its wiring in the crate `pistats`.

pub mod context;
mod logs;
pub mod metrics;
mod otlp;
pub mod trace;

pub use context::TraceParent;
pub use logs::Format;
pub use metrics::Meters;
// For `span!`.
pub use tracing;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::time::Duration;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

/// What is told, and to whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// A list by commas: a level (`error`, `warn`, `info`, `debug`, `trace`, `off`) for everything, `TARGET=LEVEL` for a
    /// part, where a target is a module's path such as `pistats_ingest`.
    pub log: String,
    pub format: Format,
    /// `http://host:port` of a collector that speaks OTLP over gRPC; none: nothing is exported.
    pub otlp: Option<String>,
    /// Part of the traces that begin here which is recorded, 0 to 1. A caller's own decision is followed.
    pub sampling: f64,
    /// Where Prometheus may read `/metrics`; none: nowhere.
    pub prometheus: Option<std::net::SocketAddr>,
    /// What the process calls itself: `service.name`.
    pub service: String,
    /// Further attributes of everything that is exported: `("pistats.roles", "ingest,query")`.
    pub attributes: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            log: "info".to_owned(),
            format: Format::Text,
            otlp: None,
            sampling: 0.01,
            prometheus: None,
            service: "pistats".to_owned(),
            attributes: Vec::new(),
        }
    }
}

/// Why the process cannot tell of itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "telemetry.log: {filter:?} is no filter ({reason}); use a level such as info, or info,pistats_ingest=debug"
    )]
    Filter { filter: String, reason: String },
    #[error("telemetry.format: {format:?} is no format; use text or json")]
    Format { format: String },
    #[error("telemetry.otlp: {endpoint:?} cannot be exported to ({reason}); write it as http://host:port")]
    Otlp { endpoint: String, reason: String },
    #[error("telemetry.prometheus: cannot listen on {address}: {source}")]
    Prometheus { address: std::net::SocketAddr, source: std::io::Error },
    #[error("metrics cannot be set up: {0}")]
    Metrics(String),
    #[error("log lines were set up already in this process; do it once")]
    Twice,
}

/// Logs and traces of the process; see [`start`].
#[must_use = "what is not flushed at the end is lost"]
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

/// Sends log lines to standard error and, where a collector is named, spans to it, from now on, for the whole process.
///
/// Must be called within a tokio runtime if anything is exported. A collector that is not there is tried again for ever and
/// holds nobody up: what does not fit into the queue is dropped and counted by the exporter.
///
/// # Errors
/// [`Error::Filter`] and [`Error::Otlp`] name the setting; [`Error::Twice`] when the process has log lines already. None changes
/// anything.
pub fn start(settings: &Settings) -> Result<Telemetry, Error> {
    use std::io::IsTerminal as _;
    let lines = logs::layer(&settings.log, settings.format, std::io::stderr().is_terminal(), std::io::stderr)?;
    let traces = settings.otlp.as_deref().map(|endpoint| otlp::traces(endpoint, settings)).transpose()?;
    let spans = traces.as_ref().map(spans);
    let layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = spans.into_iter().chain([lines]).collect();
    tracing_subscriber::registry().with(layers).try_init().map_err(|_| Error::Twice)?;
    Ok(Telemetry { traces })
}

fn spans(provider: &SdkTracerProvider) -> Box<dyn Layer<Registry> + Send + Sync> {
    let tracer = provider.tracer("pistats");
    // Where a span was made in the code tells an operator nothing, and costs bytes in each.
    let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
    let layer = layer.with_target(false).with_level(false).with_tracked_inactivity(false);
    layer.with_filter(filter_fn(|metadata| metadata.target() == trace::TARGET)).boxed()
}

impl Telemetry {
    /// Sends what waits to be sent; gives up after the deadline. Log lines go on.
    pub async fn shutdown(self, deadline: Duration) {
        let Some(traces) = self.traces else { return };
        let flushed = tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(deadline));
        match tokio::time::timeout(deadline, flushed).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the last spans could not be exported"),
            Ok(Err(error)) => tracing::warn!(%error, "the last spans could not be exported"),
            Err(_) => tracing::warn!("the last spans could not be exported in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_set_up_once_and_a_bad_filter_sets_up_nothing() {
        let settings = |log: &str| Settings { log: log.to_owned(), ..Settings::default() };
        assert!(matches!(start(&settings("inof")), Err(Error::Filter { .. })));
        let _telemetry = start(&settings("off")).unwrap();
        assert!(matches!(start(&settings("off")), Err(Error::Twice)));
    }
}
