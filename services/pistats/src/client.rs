//! Which key a command shows, and the channel it shows it on.

use crate::cli::{Server, Tls};
use crate::credentials::{Credentials, INSTANCE_KEY_FILE};
use pistats_core::Scope;
use pistats_rpc::tls::{ClientTls, IdentityFiles};
use tonic::Status;

pub use pistats_rpc::client::Channel as Authorized;

/// Messages a server may answer with: an export page or a packed record.
pub const MESSAGE_BYTES: usize = 64 << 20;

/// A channel that connects with its first call; in plain text, or believing the authorities of the web.
pub fn channel(address: &str, secret: &str) -> Result<Authorized, String> {
    let tls = Tls::default().to(address)?;
    pistats_rpc::client::lazy(address, secret, tls.as_ref()).map_err(|error| error.to_string())
}

impl Tls {
    /// How to speak to this address.
    pub fn to(&self, address: &str) -> Result<Option<ClientTls>, String> {
        let Tls { ca, cert, cert_key } = self;
        let identity = match (cert, cert_key) {
            (Some(cert), Some(key)) => Some(IdentityFiles { cert: cert.clone(), key: key.clone() }),
            (None, None) => None,
            _ => return Err("--cert, --cert-key: a certificate and its key belong together".to_owned()),
        };
        // Files for an address in plain text are for the other servers of the same environment.
        Ok(address.starts_with("https://").then(|| ClientTls { ca: ca.clone(), identity }))
    }
}

impl Server {
    /// A channel with the instance key: given, or left in the data folder by the server.
    pub fn instance(&self) -> Result<Authorized, String> {
        let secret = match &self.key {
            Some(key) => key.clone(),
            None => {
                let path = self.data.join(INSTANCE_KEY_FILE);
                let read = std::fs::read_to_string(&path);
                read.map_err(|error| format!("no instance key: {}: {error}; use --key, or --data DIR", path.display()))?
            }
        };
        self.channel(secret.trim())
    }

    /// A channel with a key, encrypted as the command line says.
    pub fn channel(&self, secret: &str) -> Result<Authorized, String> {
        let tls = self.tls.to(&self.server)?;
        pistats_rpc::client::lazy(&self.server, secret, tls.as_ref()).map_err(|error| error.to_string())
    }

    /// The secret of a site's key: given, or kept for this user.
    pub fn site_secret(&self, site: Option<&str>, scope: Scope) -> Result<String, String> {
        if let Some(key) = &self.key {
            return Ok(key.clone());
        }
        let kept = Credentials::load()?;
        let found = kept.find(&self.server, site, scope).map(str::to_owned);
        found.ok_or_else(|| missing(site, scope, &kept.sites(&self.server)))
    }

    /// A channel with a site's key.
    pub fn of_site(&self, site: Option<&str>, scope: Scope) -> Result<Authorized, String> {
        self.channel(&self.site_secret(site, scope)?)
    }
}

/// What to do about a key that is not kept; without a name the site is the only one there is.
fn missing(site: Option<&str>, scope: Scope, known: &[&str]) -> String {
    let scope = scope.name();
    let named = site.or(if let [only] = known { Some(only) } else { None });
    if let Some(site) = named.filter(|site| known.contains(site)) {
        return format!(
            "no {scope} key of {site} is kept for you: `pistats key create --site {site} --scope {scope}` makes one \
             and keeps it, or show yours with --key"
        );
    }
    let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
    format!("no {scope} key kept for this site; use --site NAME (known: {known}) or --key KEY")
}

/// What a person reads of a status. Of a connection that could not be made it says why.
pub fn explain(status: &Status) -> String {
    let mut text = format!("{}: {}", status.code(), status.message());
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_not_kept_is_explained_by_what_is_missing() {
        let two = ["one", "two"];
        for (site, known) in [(Some("one"), &two[..]), (None, &two[..1])] {
            let hint = missing(site, Scope::Manage, known);
            assert!(hint.contains("`pistats key create --site one --scope manage`"), "{hint}");
        }
        for site in [None, Some("three")] {
            let hint = missing(site, Scope::Read, &two);
            assert!(hint.contains("--site NAME (known: one, two)") && !hint.contains("key create"), "{hint}");
        }
        assert!(missing(None, Scope::Read, &[]).contains("known: none yet"));
    }
}
