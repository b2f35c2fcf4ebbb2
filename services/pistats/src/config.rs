//! Configuration: the documented file is the defaults; a file, the environment and flags override it, in this order.

pub(crate) mod combine;
mod mesh;
mod push;

pub use mesh::{MeshConfig, MeshTlsConfig, SecretsConfig, ServerTlsConfig};
pub use push::PushConfig;

use crate::roles::Role;
use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use pistats_core::Limits;
use pistats_rpc::proxies::Proxies;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The defaults, with their explanations.
pub const DEFAULTS: &str = include_str!("pistats.toml");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub data: PathBuf,
    pub roles: Vec<Role>,
    pub server: ServerConfig,
    pub mesh: MeshConfig,
    pub secrets: SecretsConfig,
    pub log: LogConfig,
    pub store: StoreConfig,
    pub aggregate: AggregateConfig,
    pub query: QueryConfig,
    pub push: PushConfig,
    pub limits: Limits,
    pub telemetry: TelemetryConfig,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    pub listen: SocketAddr,
    pub drain_seconds: u64,
    pub concurrent_calls: usize,
    pub trusted_proxies: Vec<String>,
    pub tls: ServerTlsConfig,
}

impl ServerConfig {
    /// The proxies whose word counts. On a checked configuration.
    pub fn proxies(&self) -> Proxies {
        Proxies::parse(&self.trusted_proxies).unwrap_or_default()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    pub url: String,
    pub spool: String,
    pub settle_seconds: u64,
    pub segment_mib: u64,
    pub max_mib: u64,
    pub retain_hours: u64,
    pub retain_mib: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    pub url: String,
    pub memory_mib: u64,
    pub threads: usize,
    pub readers: usize,
    pub statement_seconds: u64,
    pub wait_seconds: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AggregateConfig {
    pub commit_idle_ms: u64,
    pub commit_max_ms: u64,
    pub commit_events: usize,
    pub refresh_every_ms: u64,
    pub calm_ms: u64,
    pub lease_ms: u64,
    pub heartbeat_ms: u64,
}

impl AggregateConfig {
    /// What the aggregator is told; what people need not set keeps its default.
    pub fn settings(&self) -> pistats_aggregate::Config {
        pistats_aggregate::Config {
            commit_idle_ms: self.commit_idle_ms,
            commit_max_ms: self.commit_max_ms,
            commit_max_events: self.commit_events,
            refresh_every_ms: self.refresh_every_ms,
            calm_ms: self.calm_ms,
            lease_ms: self.lease_ms,
            heartbeat_ms: self.heartbeat_ms,
            ..Default::default()
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryConfig {
    pub watch_streams: usize,
    pub bitmap_cache_bytes: u64,
}

impl QueryConfig {
    /// What the query service is told.
    pub fn settings(&self) -> pistats_query::Config {
        pistats_query::Config { bitmap_cache_bytes: self.bitmap_cache_bytes, watch_streams: self.watch_streams }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    pub log: String,
    pub format: String,
    pub otlp: String,
    pub sampling: f64,
    pub prometheus: String,
    pub service: String,
}

impl TelemetryConfig {
    /// What the process is told to tell of itself. Called on a checked configuration.
    pub fn settings(&self) -> pistats_telemetry::Settings {
        pistats_telemetry::Settings {
            log: self.log.clone(),
            format: self.format.parse().unwrap_or_default(),
            otlp: Some(self.otlp.clone()).filter(|endpoint| !endpoint.is_empty()),
            sampling: self.sampling,
            prometheus: self.prometheus.parse().ok(),
            service: self.service.clone(),
            attributes: Vec::new(),
        }
    }
}

/// What flags say.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Overrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerOverrides>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ServerOverrides {
    pub listen: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("configuration: {0}")]
    Read(#[from] Box<figment::Error>),
    #[error("configuration: {key}: {fix}")]
    Value { key: &'static str, fix: String },
    #[error("the configuration file {0} does not exist")]
    Missing(PathBuf),
}

impl Config {
    /// Reads and checks the configuration as a whole.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Config, Error> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            if !file.exists() {
                return Err(Error::Missing(file.to_owned()));
            }
            figment = figment.merge(Toml::file(file));
        }
        // PISTATS_SERVER, PISTATS_KEY and PISTATS_DATA belong to the commands, PISTATS_TEST_… to the tests.
        let env = Env::prefixed("PISTATS_").filter(|key| key.as_str().contains("__")).split("__");
        let config: Config = figment
            .merge(env)
            .merge(Serialized::defaults(overrides))
            .extract()
            .map_err(|error| Error::Read(Box::new(error)))?;
        config.check()?;
        Ok(config)
    }

    /// What holds, as a file.
    pub fn dump(&self) -> Result<String, Error> {
        toml::to_string_pretty(self).map_err(|error| Error::Value { key: "config", fix: error.to_string() })
    }

    fn check(&self) -> Result<(), Error> {
        let faults = [
            (self.aggregate.commit_events == 0, "aggregate.commit_events", "use at least 1"),
            (
                self.aggregate.commit_idle_ms > self.aggregate.commit_max_ms,
                "aggregate.commit_idle_ms",
                "use at most aggregate.commit_max_ms",
            ),
            (
                self.aggregate.heartbeat_ms < 50 || self.aggregate.lease_ms < 3 * self.aggregate.heartbeat_ms,
                "aggregate.lease_ms",
                "use at least three times aggregate.heartbeat_ms, and 50 for that",
            ),
            (self.log.segment_mib == 0 || self.log.segment_mib > 1024, "log.segment_mib", "use 1 to 1024"),
            (self.log.max_mib < 2 * self.log.segment_mib, "log.max_mib", "leave room for at least two segments"),
            (self.store.readers == 0, "store.readers", "use at least 1"),
            (!(1..=3_600).contains(&self.store.statement_seconds), "store.statement_seconds", "use 1 to 3600"),
            (self.server.concurrent_calls == 0, "server.concurrent_calls", "use at least 1"),
            (
                Proxies::parse(&self.server.trusted_proxies).is_err(),
                "server.trusted_proxies",
                "use addresses such as \"192.0.2.7\" and networks such as \"10.0.0.0/8\" or \"fd00::/8\"",
            ),
            (!(1..=300).contains(&self.push.deadline_seconds), "push.deadline_seconds", "use 1 to 300"),
            (
                !self.push.has_sound_contact(),
                "push.contact",
                "use an address such as \"mailto:ops@example.org\" or \"https://example.org/\", or \"\"",
            ),
            (self.limits.batch_events == 0, "limits.batch_events", "use at least 1"),
            (self.limits.event_bytes > self.limits.batch_bytes, "limits.event_bytes", "use at most limits.batch_bytes"),
            (self.limits.batch_bytes > 64 << 20, "limits.batch_bytes", "use at most 67108864"),
            (
                !matches!(self.telemetry.format.as_str(), "text" | "json"),
                "telemetry.format",
                "use \"text\" or \"json\"",
            ),
            (!(0.0..=1.0).contains(&self.telemetry.sampling), "telemetry.sampling", "use a part between 0 and 1"),
            (
                !self.telemetry.prometheus.is_empty() && self.telemetry.prometheus.parse::<SocketAddr>().is_err(),
                "telemetry.prometheus",
                "use an address to listen on such as \"127.0.0.1:9464\", or \"\" for none",
            ),
            (self.telemetry.service.is_empty(), "telemetry.service", "give the process a name"),
        ];
        match faults.into_iter().find(|(wrong, _, _)| *wrong) {
            Some((_, key, fix)) => Err(Error::Value { key, fix: fix.to_owned() }),
            None => combine::check(self),
        }
    }

    /// Starts the process's log lines, and its traces if they are exported.
    pub fn start_telemetry(&self) -> Result<pistats_telemetry::Telemetry, String> {
        pistats_telemetry::start(&self.telemetry.settings()).map_err(|error| error.to_string())
    }

    /// A path of the configuration, inside the data folder unless it is absolute.
    pub fn inside(&self, path: &str) -> PathBuf {
        self.data.join(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        Config::load(Some(file.path()), &Overrides::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_documented_limits_are_the_limits_of_the_code() {
        let config = Config::load(None, &Overrides::default()).expect("the defaults load");
        assert_eq!(config.limits, Limits::default());
    }

    #[test]
    fn a_file_needs_only_what_differs_and_flags_come_last() {
        let config = load("[server]\nlisten = \"127.0.0.1:9\"").expect("a config");
        assert_eq!((config.server.listen.port(), config.server.drain_seconds), (9, 10));
        let overrides = Overrides {
            data: Some("elsewhere".into()),
            server: Some(ServerOverrides { listen: "127.0.0.1:10".into() }),
            ..Overrides::default()
        };
        let config = Config::load(None, &overrides).expect("a config");
        assert_eq!((config.server.listen.port(), config.data), (10, PathBuf::from("elsewhere")));
    }

    #[test]
    fn a_dump_loads_as_the_same_configuration() {
        let config = Config::load(None, &Overrides::default()).expect("the defaults load");
        assert_eq!(load(&config.dump().expect("a dump")), Ok(config));
    }

    #[test]
    fn a_wrong_key_or_value_is_named() {
        assert!(load("[server]\nlisten_on = 1").expect_err("an unknown key").contains("listen_on"));
        assert!(load("[aggregate]\ncommit_events = 0").expect_err("a bad value").contains("aggregate.commit_events"));
        assert!(load("[telemetry]\nsampling = 1.5").expect_err("no part").contains("telemetry.sampling"));
        assert!(load("[telemetry]\nprometheus = \"9464\"").expect_err("no address").contains("telemetry.prometheus"));
        let proxies = load("[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"caddy\"]");
        assert!(proxies.expect_err("no network").contains("server.trusted_proxies"));
        assert!(load("[push]\ncontact = \"ops\"").expect_err("no contact").contains("push.contact"));
        assert!(load("[push]\ndeadline_seconds = 0").expect_err("no time").contains("push.deadline_seconds"));
        for (seconds, is_wrong) in [(0, true), (1, false), (3_600, false), (3_601, true)] {
            let told = load(&format!("[store]\nstatement_seconds = {seconds}"));
            assert_eq!(told.is_err_and(|error| error.contains("store.statement_seconds")), is_wrong, "{seconds}");
        }
        assert!(load("[log]\nsegment_mib = 2000").expect_err("a bad value").contains("log.segment_mib"));
    }
}
