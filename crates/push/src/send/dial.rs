//! From an endpoint to a connection: look the name up, check every address, connect to a checked one, TLS (W-2).

use super::connection::Connection;
use super::resolve::Resolve;
use super::settings::{BadSettings, Settings};
use crate::address::Reach;
use crate::outcome::NotSent;
use crate::subscription::Endpoint;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Addresses of one name that are tried, in the order of the resolver.
const MOST_ADDRESSES: usize = 6;

/// Makes connections.
pub(super) struct Dialer {
    reach: Reach,
    connect_within: Duration,
    resolver: Arc<dyn Resolve>,
    tls: TlsConnector,
}

impl Dialer {
    pub(super) fn new(settings: &Settings, resolver: Arc<dyn Resolve>) -> Result<Dialer, BadSettings> {
        let tls = TlsConnector::from(Arc::new(tls(settings.authorities.as_deref())?));
        Ok(Dialer { reach: settings.reach, connect_within: settings.connect_within, resolver, tls })
    }

    pub(super) async fn dial(&self, endpoint: &Endpoint) -> Result<Connection, NotSent> {
        if endpoint.is_plain() && !self.reach.allows_plain() {
            return Err(NotSent::Plain);
        }
        let addresses = self.allowed(endpoint).await?;
        let stream = self.connect(&addresses, endpoint.port()).await?;
        if endpoint.is_plain() {
            return Connection::over(stream).await;
        }
        let name = server_name(endpoint)?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| NotSent::Tls(error.to_string()))?;
        Connection::over(stream).await
    }

    /// The addresses of an endpoint that may be connected to; at least one.
    async fn allowed(&self, endpoint: &Endpoint) -> Result<Vec<IpAddr>, NotSent> {
        let found = match endpoint.address() {
            Some(address) => vec![address],
            None => {
                let found = self.resolver.resolve(endpoint.host()).await;
                found.map_err(|error| NotSent::Resolve(error.to_string()))?
            }
        };
        let mut first_refused = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.reach.check(address) {
                Err(refused) => first_refused = first_refused.or(Some(NotSent::Address(refused))),
                // Without TLS nobody proves who answers: on this machine alone, for tests.
                Ok(()) if endpoint.is_plain() && !address.is_loopback() => first_refused = Some(NotSent::Plain),
                Ok(()) if allowed.contains(&address) || allowed.len() == MOST_ADDRESSES => {}
                Ok(()) => allowed.push(address),
            }
        }
        if allowed.is_empty() {
            return Err(first_refused.unwrap_or_else(|| NotSent::Resolve("the name has no address".to_owned())));
        }
        Ok(allowed)
    }

    /// Connects to the first address that answers. These are numbers: nothing is looked up any more.
    async fn connect(&self, addresses: &[IpAddr], port: u16) -> Result<TcpStream, NotSent> {
        let mut last = String::new();
        for address in addresses {
            let address = SocketAddr::new(*address, port);
            match timeout(self.connect_within, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // A request is one write, and nothing follows that could be gathered with it.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => last = format!("{address}: {error}"),
                Err(_) => last = format!("{address}: no answer within {:?}", self.connect_within),
            }
        }
        Err(NotSent::Connect(last))
    }
}

/// Who must answer: the endpoint's host, by a certificate for that name or address.
fn server_name(endpoint: &Endpoint) -> Result<ServerName<'static>, NotSent> {
    if let Some(address) = endpoint.address() {
        return Ok(ServerName::IpAddress(address.into()));
    }
    ServerName::try_from(endpoint.host().to_owned()).map_err(|error| NotSent::Tls(error.to_string()))
}

fn tls(authorities: Option<&str>) -> Result<ClientConfig, BadSettings> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = authorities {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| BadSettings::Authorities(error.to_string()))?;
            roots.add(certificate).map_err(|error| BadSettings::Authorities(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(BadSettings::Authorities("there is no certificate in it".to_owned()));
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| BadSettings::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
