//! What tells one process of several about the others.

use super::Config;
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
        Some(ClientTls { ca: Some(self.file(ca)?), identity: self.identity(cert, key) })
    }

    fn identity(&self, cert: &str, key: &str) -> Option<IdentityFiles> {
        Some(IdentityFiles { cert: self.file(cert)?, key: self.file(key)? })
    }

    fn file(&self, path: &str) -> Option<PathBuf> {
        (!path.is_empty()).then(|| self.inside(path))
    }
}
