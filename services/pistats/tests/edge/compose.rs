//! The compose files, read strictly: every key is one that the Compose Specification has at its place, what is mounted
//! exists, what is waited for can be waited for, and who may reach whom is as the files say.
//!
//! The model below is what these files use of the specification (<https://github.com/compose-spec/compose-spec>), and no
//! more: a key that is mistyped or new to it fails here. It is no proof that an engine starts them.

use serde::Deserialize;
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Compose {
    name: String,
    services: BTreeMap<String, Service>,
    #[serde(default)]
    networks: BTreeMap<String, Network>,
    #[serde(default)]
    volumes: BTreeMap<String, Option<Empty>>,
    /// Pieces that services are made of; they are checked there.
    #[serde(rename = "x-service", default)]
    _service: Value,
    #[serde(rename = "x-engines-first", default)]
    _engines_first: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
    #[serde(default)]
    internal: bool,
    #[serde(default)]
    ipam: Ipam,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ipam {
    config: Vec<Subnet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subnet {
    subnet: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    image: String,
    build: Option<String>,
    #[serde(default)]
    command: Option<Command>,
    #[serde(rename = "entrypoint", default)]
    _entrypoint: Vec<String>,
    #[serde(rename = "environment", default)]
    _environment: BTreeMap<String, String>,
    #[serde(default)]
    volumes: Vec<String>,
    #[serde(default)]
    networks: Vec<String>,
    #[serde(default)]
    ports: Vec<String>,
    #[serde(default)]
    depends_on: BTreeMap<String, Wait>,
    healthcheck: Option<Health>,
    restart: Option<Restart>,
    #[serde(default)]
    profiles: Vec<String>,
    #[serde(rename = "user")]
    _user: Option<String>,
    network_mode: Option<NoNetwork>,
    #[serde(rename = "shm_size")]
    _shm_size: Option<String>,
    #[serde(rename = "stop_grace_period")]
    _stop_grace_period: Option<String>,
    #[serde(rename = "ulimits", default)]
    _ulimits: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Command {
    Words(Vec<String>),
    Line(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    condition: Condition,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Condition {
    ServiceHealthy,
    ServiceCompletedSuccessfully,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Restart {
    UnlessStopped,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum NoNetwork {
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Health {
    test: Vec<String>,
    #[serde(rename = "interval")]
    _interval: String,
    #[serde(rename = "timeout")]
    _timeout: String,
    #[serde(rename = "retries")]
    _retries: u32,
    #[serde(rename = "start_period")]
    _start_period: Option<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(name: &str) -> Compose {
    let text = std::fs::read_to_string(root().join(name)).unwrap();
    let mut value: Value = serde_yaml::from_str(&text).unwrap();
    value.apply_merge().unwrap();
    serde_yaml::from_value(value).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn both_files_are_well_formed_and_what_they_name_exists() {
    for file in ["compose.yaml", "compose.single.yaml"] {
        let compose = read(file);
        assert!(compose.name.starts_with("pistats"), "{file}");
        for (name, service) in &compose.services {
            let tag = service.image.rsplit_once(':').map(|(_, tag)| tag);
            assert!(tag.is_some_and(|tag| tag != "latest"), "{file}: {name}: an image without a version");
            if let Some(build) = &service.build {
                assert!(root().join(build).join("Dockerfile").exists(), "{file}: {name}");
            }
            for volume in &service.volumes {
                let source = volume.split(':').next().unwrap();
                let exists = if source.starts_with('.') {
                    root().join(source).exists()
                } else {
                    compose.volumes.contains_key(source)
                };
                assert!(exists, "{file}: {name} mounts {source}");
            }
            for network in &service.networks {
                assert!(compose.networks.contains_key(network), "{file}: {name} is in no such network as {network}");
            }
            for (other, wait) in &service.depends_on {
                let other = compose.services.get(other).unwrap_or_else(|| panic!("{file}: {name} waits for {other}"));
                assert!(other.profiles.iter().all(|profile| service.profiles.contains(profile)), "{file}: {name}");
                // Who can be healthy says so; who ends does not start again.
                match wait.condition {
                    Condition::ServiceHealthy => assert!(other.healthcheck.is_some(), "{file}: {name}"),
                    Condition::ServiceCompletedSuccessfully => assert!(other.restart.is_none(), "{file}: {name}"),
                }
            }
            if let Some(health) = &service.healthcheck {
                assert!(["CMD", "CMD-SHELL"].contains(&&*health.test[0]), "{file}: {name}");
            }
            assert!(service.restart.is_some() || service.healthcheck.is_none(), "{file}: {name} ends, or stays up");
        }
    }
}

#[test]
fn only_the_edge_is_reached_from_outside_and_only_services_reach_the_engines() {
    let compose = read("compose.yaml");
    assert!(compose.networks["engines"].internal && compose.networks["mesh"].internal);
    for (name, service) in &compose.services {
        let is_public = service.ports.iter().any(|port| !port.starts_with("127.0.0.1:"));
        assert_eq!(is_public, name == "caddy", "{name}");
        let may =
            ["ingest", "aggregate", "query", "admin", "segment", "register", "fluvio-sc", "fluvio-spu", "timescaledb"];
        let reaches = service.networks.iter().any(|network| network == "engines");
        assert_eq!(reaches, may.contains(&name.as_str()), "{name}");
        // Without a network of its own a service is in one that leads outside.
        let has_own = !service.networks.is_empty() || service.network_mode == Some(NoNetwork::None);
        assert!(has_own, "{name}");
    }
}

/// The words after the program, of the services that run it.
fn ours(compose: &Compose) -> impl Iterator<Item = (&String, Vec<String>)> {
    compose.services.iter().filter(|(_, service)| service.image.starts_with("pistats:")).filter_map(
        |(name, service)| match (&service.command, service._entrypoint.is_empty()) {
            (Some(Command::Words(words)), true) => Some((name, words.clone())),
            (Some(Command::Line(line)), true) => Some((name, line.split(' ').map(str::to_owned).collect())),
            _ => None,
        },
    )
}

#[test]
fn every_command_of_ours_is_one_that_the_program_takes() {
    use clap::Parser;
    let mut commands = 0;
    for file in ["compose.yaml", "compose.single.yaml"] {
        for (name, words) in ours(&read(file)) {
            let words = std::iter::once("pistats".to_owned()).chain(words);
            let parsed = pistats::cli::Cli::try_parse_from(words);
            assert!(
                parsed.is_ok(),
                "{file}: {name}: {}",
                parsed.err().map(|error| error.to_string()).unwrap_or_default()
            );
            commands += 1;
        }
    }
    assert_eq!(commands, 7);
}

#[test]
fn each_services_configuration_loads_in_its_role() {
    use pistats::config::{Config, Overrides};
    for role in pistats::roles::Role::ALL {
        let file = root().join("services/pistats/edge/mesh.toml");
        let overrides = Overrides { roles: vec![role], ..Overrides::default() };
        let config = Config::load(Some(&file), &overrides).unwrap_or_else(|error| panic!("{}: {error}", role.name()));
        assert_eq!(config.roles, [role]);
        assert!(config.store.url.starts_with("postgres://"));
        let mesh = &read("compose.yaml").networks["mesh"].ipam.config;
        let subnets: Vec<&str> = mesh.iter().map(|config| config.subnet.as_str()).collect();
        assert_eq!(config.server.trusted_proxies, subnets, "Caddy is believed, and nobody outside of its network");
    }
    let commands = read("compose.yaml");
    for role in pistats::roles::Role::ALL {
        let (_, words) = ours(&commands).find(|(name, _)| *name == role.name()).expect("a service of its name");
        assert_eq!(words.last().map(String::as_str), Some(role.name()));
    }
}
