//! Which settings go together. What cannot work is refused before anything is opened, with the key to change.
//!
//! ```text
//!   roles × log.url      who collects has a log of its own, who folds elsewhere can reach it
//!   roles × store.url    one process may hold DuckDB's file, several need a server
//!   roles × mesh         who needs another process knows its address
//!   tls                  certificates come with their keys, and addresses say what is spoken
//! ```
//!
//! It is not responsible for what only shows when a file or an address is used. All combinations stand as a table in
//! `tests/mesh/settings.rs`.

use super::{Config, Error};
use crate::roles::{Role, are_apart};
use pistats_eventlog::fluvio;
use std::net::SocketAddr;

const LOGS: &str = "no such log is built in; use file://PATH, fluvio://HOST:PORT/TOPIC or ingest://HOST:PORT";
const STORES: &str = "no such store is built in; use duckdb://PATH or postgres://USER@HOST/DATABASE";

/// Refuses what cannot work.
pub(super) fn check(config: &Config) -> Result<(), Error> {
    let refuse = |key, fix: String| Err(Error::Value { key, fix });
    let fixed = fixed(config).into_iter().find(|(wrong, _, _)| *wrong);
    if let Some((_, key, fix)) = fixed {
        return refuse(key, fix.to_owned());
    }
    if let ("fluvio", rest) = scheme(&config.log.url)
        && let Err(pistats_eventlog::Error::Config { reason, .. }) = fluvio::Config::from_url(rest)
    {
        return refuse("log.url", reason);
    }
    for (key, addresses) in [("mesh.ingest", &config.mesh.ingest), ("mesh.aggregate", &config.mesh.aggregate)] {
        if let Some(wrong) = addresses.iter().find(|address| !is_address(address)) {
            return refuse(
                key,
                format!("{wrong:?} is no address of a process; write http://HOST:PORT or https://HOST:PORT"),
            );
        }
    }
    Ok(())
}

/// What is wrong, which key says so, and what to do.
fn fixed(config: &Config) -> [(bool, &'static str, &'static str); 21] {
    let has = |role| config.roles.contains(&role);
    let (mesh, tls) = (&config.mesh, &config.server.tls);
    let (log, store) = (scheme(&config.log.url), scheme(&config.store.url));
    let is_duck = store.0 == "duckdb";
    let reads_own_log = ["file", "memory"].contains(&log.0);
    let addresses = || mesh.ingest.iter().chain(&mesh.aggregate);
    let is_encrypted = |address: &String| address.starts_with("https://");
    [
        (config.roles.is_empty(), "roles", "name at least one: ingest, aggregate, query, admin, segment"),
        (!["file", "memory", "fluvio", "ingest"].contains(&log.0), "log.url", LOGS),
        (log.0 == "file" && log.1.is_empty(), "log.url", "file:// needs a folder: file://PATH, inside the data folder"),
        (log.0 == "ingest" && !is_host_and_port(log.1), "log.url", "write it as ingest://HOST:PORT"),
        (!["duckdb", "postgres", "postgresql"].contains(&store.0), "store.url", STORES),
        (
            is_duck && (are_apart(&config.roles) || !mesh.aggregate.is_empty()),
            "store.url",
            "duckdb:// is held by one process; where roles are apart use postgres://USER@HOST/DATABASE",
        ),
        (
            has(Role::Aggregate) && !has(Role::Ingest) && reads_own_log,
            "log.url",
            "file:// and memory:// are read in their own process only; an Aggregate elsewhere uses ingest://HOST:PORT or fluvio://",
        ),
        (
            has(Role::Ingest) && log.0 == "ingest",
            "log.url",
            "ingest:// is the log of an Ingest elsewhere; an Ingest appends to its own: use file://PATH",
        ),
        (
            has(Role::Query) && !has(Role::Aggregate) && mesh.aggregate.is_empty(),
            "mesh.aggregate",
            "name the addresses of all Aggregates: a Query without one in its process asks them for the live state",
        ),
        (
            has(Role::Segment) && !has(Role::Aggregate) && mesh.aggregate.is_empty(),
            "mesh.aggregate",
            "name the addresses of all Aggregates: a Segment without one in its process is told of commits by them",
        ),
        (
            has(Role::Admin) && !has(Role::Ingest) && mesh.ingest.is_empty(),
            "mesh.ingest",
            "name the addresses of Ingest: an Admin without one in its process sends refused events there again",
        ),
        (
            has(Role::Aggregate)
                && (has(Role::Query) || has(Role::Segment))
                && !reads_own_log
                && mesh.aggregate.is_empty()
                && !is_duck,
            "mesh.aggregate",
            "name the addresses of all Aggregates, this one's too: others may fold partitions of the same log",
        ),
        (tls.cert.is_empty() != tls.key.is_empty(), "server.tls.cert", "a certificate and its key belong together"),
        (
            tls.cert.is_empty() && !tls.client_ca.is_empty(),
            "server.tls.client_ca",
            "who asks callers for certificates shows one itself: set server.tls.cert and server.tls.key",
        ),
        (
            mesh.tls.cert.is_empty() != mesh.tls.key.is_empty(),
            "mesh.tls.cert",
            "a certificate and its key belong together",
        ),
        (
            mesh.tls.ca.is_empty() && !mesh.tls.cert.is_empty(),
            "mesh.tls.ca",
            "name the authority that the other side's certificates are signed by",
        ),
        (
            mesh.tls.ca.is_empty() && addresses().any(is_encrypted),
            "mesh.tls.ca",
            "name the authority of the https:// addresses of the mesh",
        ),
        (
            !mesh.tls.ca.is_empty() && addresses().any(|address| !is_encrypted(address)),
            "mesh.tls.ca",
            "with it every address of the mesh is https://",
        ),
        (
            !config.secrets.instance_key.trim().bytes().all(|byte| byte.is_ascii_graphic()),
            "secrets.instance_key",
            "a key has visible ASCII characters only",
        ),
        (
            !config.secrets.visitor_secret.is_empty() && !is_secret(config.secrets.visitor_secret.trim()),
            "secrets.visitor_secret",
            "64 hexadecimal digits are needed: openssl rand -hex 32",
        ),
        (
            !config.telemetry.prometheus.is_empty()
                && config.telemetry.prometheus == config.server.listen.to_string()
                && config.server.listen.port() != 0,
            "telemetry.prometheus",
            "it is the port of the services (server.listen); use another one",
        ),
    ]
}

/// `file://log` → (`file`, `log`).
pub(crate) fn scheme(url: &str) -> (&str, &str) {
    url.split_once("://").unwrap_or((url, ""))
}

fn is_secret(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `http://host:port`, with nothing behind it: a path would be ignored.
fn is_address(address: &str) -> bool {
    let (scheme, rest) = scheme(address);
    ["http", "https"].contains(&scheme) && is_host_and_port(rest.strip_suffix('/').unwrap_or(rest))
}

fn is_host_and_port(text: &str) -> bool {
    let is_plain = |host: &str| !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']) && !host.contains(':');
    let by_name = |(host, port): (&str, &str)| is_plain(host) && port.parse::<u16>().is_ok_and(|port| port > 0);
    text.parse::<SocketAddr>().is_ok_and(|address| address.port() > 0) || text.rsplit_once(':').is_some_and(by_name)
}
