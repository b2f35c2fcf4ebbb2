//! Which key a command shows, and the channel it shows it on.

use crate::cli::Server;
use crate::credentials::{Credentials, INSTANCE_KEY_FILE};
use pistats_core::Scope;
use tonic::Status;

pub use pistats_rpc::client::Channel as Authorized;

/// Messages a server may answer with: an export page or a packed record.
pub const MESSAGE_BYTES: usize = 64 << 20;

/// A channel that connects with its first call.
pub fn channel(address: &str, secret: &str) -> Result<Authorized, String> {
    pistats_rpc::client::lazy(address, secret).map_err(|error| error.to_string())
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
        channel(&self.server, secret.trim())
    }

    /// The secret of a site's key: given, or kept for this user.
    pub fn site_secret(&self, site: Option<&str>, scope: Scope) -> Result<String, String> {
        if let Some(key) = &self.key {
            return Ok(key.clone());
        }
        let kept = Credentials::load()?;
        let found = kept.find(&self.server, site, scope).map(str::to_owned);
        found.ok_or_else(|| {
            let sites = kept.sites(&self.server);
            let known = if sites.is_empty() { "none yet".to_owned() } else { sites.join(", ") };
            format!("no {} key kept for this site; use --site NAME (known: {known}) or --key KEY", scope.name())
        })
    }

    /// A channel with a site's key.
    pub fn of_site(&self, site: Option<&str>, scope: Scope) -> Result<Authorized, String> {
        channel(&self.server, &self.site_secret(site, scope)?)
    }
}

/// What a person reads of a status.
pub fn explain(status: &Status) -> String {
    format!("{}: {}", status.code(), status.message())
}
