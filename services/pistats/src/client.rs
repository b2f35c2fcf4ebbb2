//! A channel to a server and the key to show on it.

use crate::cli::Server;
use crate::credentials::{Credentials, INSTANCE_KEY_FILE};
use pistats_core::Scope;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A channel that shows a key on every call.
pub type Authorized = InterceptedService<Channel, Bearer>;

/// Messages a server may answer with: an export page or a packed record.
pub const MESSAGE_BYTES: usize = 64 << 20;

/// Adds `authorization: Bearer KEY`.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    pub fn new(secret: &str) -> Result<Bearer, String> {
        let value =
            format!("Bearer {secret}").parse().map_err(|_| "a key has only visible ASCII characters".to_owned())?;
        Ok(Bearer(value))
    }
}

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// The endpoint of an address such as `http://127.0.0.1:8080`.
pub fn endpoint(address: &str) -> Result<Endpoint, String> {
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|error| format!("{address}: {error}"))?;
    Ok(endpoint.connect_timeout(Duration::from_secs(5)).tcp_nodelay(true).http2_adaptive_window(false))
}

/// A channel that connects when it is first used.
pub fn channel(address: &str, secret: &str) -> Result<Authorized, String> {
    let bearer = Bearer::new(secret)?;
    Ok(InterceptedService::new(endpoint(address)?.connect_lazy(), bearer))
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
