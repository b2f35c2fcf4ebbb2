//! Certificates of both sides, as files in PEM.
//!
//! ```text
//!   ServerTls   who we are (cert, key)            client_ca: who may connect at all (mutual TLS)
//!   ClientTls   whom we believe (ca)              identity:  who we are, where the other side asks
//! ```
//!
//! Files are read when the listener or the channel is made, so that a wrong path is told at the start and by its setting. They
//! are not read again: new certificates come with a restart. The handshakes are rustls'.

use std::path::{Path, PathBuf};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

/// A certificate with its chain, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// How a listener shows who it is, and whom it lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    pub identity: IdentityFiles,
    /// With it (mutual TLS) a connection that shows no certificate signed by one of these authorities is refused, also for
    /// health and reflection.
    pub client_ca: Option<PathBuf>,
}

/// How a channel knows the other side, and shows who it is itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// The authorities that servers' certificates are signed by; none: the public ones of the web, as Mozilla lists them.
    pub ca: Option<PathBuf>,
    pub identity: Option<IdentityFiles>,
}

/// A file that is not what its setting needs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what} {path}: {source}")]
    Unreadable { what: &'static str, path: String, source: std::io::Error },
    #[error("{what} {path}: there is no {wanted} in it; it has to be PEM")]
    NoPem { what: &'static str, path: String, wanted: &'static str },
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Error`] names the file; whether key and certificate belong together shows when the listener starts.
    pub fn read(&self) -> Result<ServerTlsConfig, Error> {
        let config = ServerTlsConfig::new().identity(self.identity.read()?);
        Ok(match &self.client_ca {
            Some(path) => config.client_ca_root(authority("client authority", path)?),
            None => config,
        })
    }
}

impl ClientTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Error`] names the file.
    pub fn read(&self) -> Result<ClientTlsConfig, Error> {
        let config = match &self.ca {
            Some(path) => ClientTlsConfig::new().ca_certificate(authority("authority", path)?),
            None => ClientTlsConfig::new().trust_anchors(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        };
        Ok(match &self.identity {
            Some(identity) => config.identity(identity.read()?),
            None => config,
        })
    }
}

impl IdentityFiles {
    fn read(&self) -> Result<Identity, Error> {
        let cert = pem("certificate", &self.cert, "CERTIFICATE")?;
        let key = pem("key", &self.key, "PRIVATE KEY")?;
        Ok(Identity::from_pem(cert, key))
    }
}

fn authority(what: &'static str, path: &Path) -> Result<Certificate, Error> {
    pem(what, path, "CERTIFICATE").map(Certificate::from_pem)
}

/// What to look at when an encrypted connection fails, by what rustls says of it: its `Error` and the alerts of RFC 8446, section
/// 6.2, as it prints them. None: it fails for something else.
pub(crate) fn advice(said: &str) -> Option<&'static str> {
    let says = |any: &[&str]| any.iter().any(|text| said.contains(text));
    if says(&["UnknownIssuer", "BadSignature"]) {
        Some("is mesh.tls.ca the authority that its server.tls.cert is signed by?")
    } else if says(&["not valid for name"]) {
        Some("its server.tls.cert has to name the host of the address as a subject alternative name")
    } else if says(&["certificate expired", "certificate not valid yet"]) {
        Some("its server.tls.cert is out of date, or a clock is")
    } else if says(&["CorruptMessage", "corrupt message"]) {
        Some("does it speak TLS? https:// addresses need server.tls.cert there")
    } else if says(&["fatal alert", "connection closed", "reset", "broken pipe", "unexpected end of file"]) {
        // It does not wait for us to read why.
        Some(
            "it may ask for certificates: is mesh.tls.cert set, and signed by the authority in its server.tls.client_ca?",
        )
    } else {
        None
    }
}

/// The text of a file that has such a block.
fn pem(what: &'static str, path: &Path, wanted: &'static str) -> Result<String, Error> {
    let named = || path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable { what, path: named(), source })?;
    // `BEGIN EC PRIVATE KEY` is a key, too.
    let has_block = text.lines().any(|line| line.starts_with("-----BEGIN ") && line.contains(wanted));
    if has_block { Ok(text) } else { Err(Error::NoPem { what, path: named(), wanted }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_absent_or_no_pem_is_named_with_what_it_should_be() {
        let folder = std::env::temp_dir().join(format!("pistats-rpc-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = |name: &str| folder.join(name);
        std::fs::write(path("cert.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
        std::fs::write(path("key.pem"), "not a key").unwrap();
        let tls = |key: &str, client_ca: Option<&str>| ServerTls {
            identity: IdentityFiles { cert: path("cert.pem"), key: path(key) },
            client_ca: client_ca.map(path),
        };
        let said = |tls: ServerTls| tls.read().map(|_| ()).unwrap_err().to_string();
        assert!(said(tls("absent.pem", None)).starts_with("key "), "{}", said(tls("absent.pem", None)));
        assert!(said(tls("key.pem", None)).contains("no PRIVATE KEY"));
        std::fs::write(path("key.pem"), "-----BEGIN EC PRIVATE KEY-----\n").unwrap();
        assert!(tls("key.pem", None).read().is_ok());
        assert!(said(tls("key.pem", Some("ca.pem"))).starts_with("client authority "));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
