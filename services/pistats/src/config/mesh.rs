//! What tells one process of several about the others, and which combinations make sense.

use super::{Config, Error};
use crate::roles::{Role, are_apart};
use pistats_rpc::tls::{ClientTls, IdentityFiles, ServerTls};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where the other processes are. Empty lists: what is needed of them runs in this process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeshConfig {
    pub ingest: Vec<String>,
    pub aggregate: Vec<String>,
    pub tls: MeshTlsConfig,
}

/// How calls to other processes are encrypted; empty: they are not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeshTlsConfig {
    pub ca: String,
    pub cert: String,
    pub key: String,
}

/// How the listener shows who it is; empty: in plain text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTlsConfig {
    pub cert: String,
    pub key: String,
    pub client_ca: String,
}

/// What all processes of an instance share. Empty: files of the data folder, made at the first start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsConfig {
    pub instance_key: String,
    pub visitor_secret: String,
}

impl Config {
    /// How the listener shows who it is, and whom it lets in; none: in plain text.
    pub fn server_tls(&self) -> Option<ServerTls> {
        let ServerTlsConfig { cert, key, client_ca } = &self.server.tls;
        let identity = self.identity(cert, key)?;
        Some(ServerTls { identity, client_ca: self.file(client_ca) })
    }

    /// How calls to other processes are encrypted; none: they are not.
    pub fn mesh_tls(&self) -> Option<ClientTls> {
        let MeshTlsConfig { ca, cert, key } = &self.mesh.tls;
        Some(ClientTls { ca: self.file(ca)?, identity: self.identity(cert, key) })
    }

    fn identity(&self, cert: &str, key: &str) -> Option<IdentityFiles> {
        Some(IdentityFiles { cert: self.file(cert)?, key: self.file(key)? })
    }

    fn file(&self, path: &str) -> Option<PathBuf> {
        (!path.is_empty()).then(|| self.inside(path))
    }
}

/// Refuses what cannot work, with the key to change.
pub(super) fn check(config: &Config) -> Result<(), Error> {
    let has = |role| config.roles.contains(&role);
    let (mesh, tls) = (&config.mesh, &config.server.tls);
    let log_is = |scheme: &str| config.log.url.starts_with(&format!("{scheme}://"));
    let is_duck = config.store.url.starts_with("duckdb:");
    let reads_own_log = log_is("file") || log_is("memory");
    let addresses = || mesh.ingest.iter().chain(&mesh.aggregate);
    let is_encrypted = |address: &String| address.starts_with("https://");
    let faults = [
        (config.roles.is_empty(), "roles", "name at least one: ingest, aggregate, query, admin, segment"),
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
            has(Role::Ingest) && log_is("ingest"),
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
    ];
    match faults.into_iter().find(|(wrong, _, _)| *wrong) {
        Some((_, key, fix)) => Err(Error::Value { key, fix: fix.to_owned() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn load(text: &str) -> Result<Config, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        Config::load(Some(file.path()), &Overrides::default()).map_err(|error| error.to_string())
    }

    const SPLIT: &str =
        "store.url = \"postgres://host/db\"\nmesh.ingest = [\"http://i:1\"]\nmesh.aggregate = [\"http://a:1\"]\n";

    #[test]
    fn each_role_runs_alone_where_the_others_are_named() {
        for role in ["ingest", "query", "admin", "segment"] {
            let config = load(&format!("roles = [\"{role}\"]\n{SPLIT}"));
            assert_eq!(config.map(|config| config.roles.len()), Ok(1), "{role}");
        }
        assert!(load(&format!("roles = [\"aggregate\"]\nlog.url = \"ingest://i:1\"\n{SPLIT}")).is_ok());
        assert_eq!(load("").map(|config| config.roles), Ok(Role::ALL.to_vec()), "all is the default");
    }

    #[test]
    fn a_combination_that_cannot_work_is_refused_with_the_key_to_change() {
        let query = "roles = [\"query\"]\nstore.url = \"postgres://host/db\"\n";
        let cases = [
            ("roles = []", "roles"),
            ("roles = [\"query\"]\nmesh.aggregate = [\"http://a:1\"]", "store.url"),
            ("mesh.aggregate = [\"http://a:1\"]", "store.url"),
            (&format!("roles = [\"aggregate\"]\n{SPLIT}"), "log.url"),
            (&format!("roles = [\"ingest\"]\nlog.url = \"ingest://i:1\"\n{SPLIT}"), "log.url"),
            (query, "mesh.aggregate"),
            ("roles = [\"admin\"]\nstore.url = \"postgres://host/db\"", "mesh.ingest"),
            ("server.tls.cert = \"cert.pem\"", "server.tls.cert"),
            ("server.tls.client_ca = \"ca.pem\"", "server.tls.client_ca"),
            ("mesh.tls.cert = \"cert.pem\"\nmesh.tls.key = \"key.pem\"", "mesh.tls.ca"),
            ("mesh.tls.key = \"key.pem\"\nmesh.tls.ca = \"ca.pem\"", "mesh.tls.cert"),
            (&format!("{query}mesh.aggregate = [\"https://a:1\"]"), "mesh.tls.ca"),
            (&format!("{query}mesh.aggregate = [\"http://a:1\"]\nmesh.tls.ca = \"ca.pem\""), "mesh.tls.ca"),
        ];
        for (text, key) in cases {
            let said = load(text).expect_err(text);
            assert!(said.starts_with(&format!("configuration: {key}: ")), "{text}\n{said}");
        }
        assert!(load("roles = [\"ingress\"]").expect_err("no role").contains("ingress"));
    }
}
