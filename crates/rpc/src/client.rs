//! The other side: a channel with the server's settings that carries a key.

use crate::status::causes;
use crate::tls::ClientTls;
use pistats_telemetry::trace;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;
use tonic::{Request, Status};

/// A channel whose calls carry a key; what every generated client is made of.
pub type Channel = InterceptedService<tonic::transport::Channel, BearerKey>;

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{endpoint}` is no endpoint; write it as http://host:port, or as https://host:port where TLS is set up")]
    Endpoint { endpoint: String },
    #[error("certificates for {endpoint}: {source}")]
    Tls { endpoint: String, source: crate::tls::Error },
    #[error("certificates for {endpoint} cannot be used: {}", causes(.source))]
    Certificates { endpoint: String, source: tonic::transport::Error },
    #[error("the key holds characters that no key has; copy it again")]
    Key,
    #[error("cannot connect to {endpoint}: {}", causes(.source))]
    Connect { endpoint: String, source: tonic::transport::Error },
}

/// Adds `authorization: Bearer KEY` to every call.
#[derive(Clone)]
pub struct BearerKey(MetadataValue<Ascii>);

impl BearerKey {
    /// # Errors
    /// [`Error::Key`] when the key is not visible ASCII.
    pub fn new(key: &str) -> Result<BearerKey, Error> {
        let mut value: MetadataValue<Ascii> = format!("Bearer {key}").parse().map_err(|_| Error::Key)?;
        value.set_sensitive(true);
        Ok(BearerKey(value))
    }
}

impl Interceptor for BearerKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        continue_trace(&mut request);
        Ok(request)
    }
}

/// Tells the server which trace the call belongs to, if the caller's work is part of one.
pub fn continue_trace(request: &mut Request<()>) {
    if let Some(at) = trace::current_any()
        && let Ok(header) = at.header().as_str().parse()
    {
        request.metadata_mut().insert("traceparent", header);
    }
}

/// Connects to `http://host:port` with a key. The channel reconnects by itself afterwards.
///
/// # Errors
/// [`Error::Endpoint`] and [`Error::Key`] before anything is sent; [`Error::Connect`] when nobody listens there.
pub async fn connect(endpoint: &str, key: &str) -> Result<Channel, Error> {
    let key = BearerKey::new(key)?;
    Ok(InterceptedService::new(connect_open(endpoint).await?, key))
}

/// A channel that connects with its first call: nobody need listen yet. With `tls` to `https://host:port`.
///
/// # Errors
/// [`Error::Endpoint`], [`Error::Key`]; [`Error::Tls`] and [`Error::Certificates`] name the file.
pub fn lazy(address: &str, key: &str, tls: Option<&ClientTls>) -> Result<Channel, Error> {
    let key = BearerKey::new(key)?;
    Ok(InterceptedService::new(endpoint(address, tls)?.connect_lazy(), key))
}

/// The same without a key, for what is open to all: health and reflection.
///
/// # Errors
/// As [`lazy`].
pub fn lazy_open(address: &str, tls: Option<&ClientTls>) -> Result<tonic::transport::Channel, Error> {
    Ok(endpoint(address, tls)?.connect_lazy())
}

/// Connects at once and without a key.
///
/// # Errors
/// [`Error::Endpoint`], [`Error::Connect`].
pub async fn connect_open(endpoint: &str) -> Result<tonic::transport::Channel, Error> {
    let failed = |source| Error::Connect { endpoint: endpoint.to_owned(), source };
    settings(endpoint)?.connect().await.map_err(failed)
}

fn settings(address: &str) -> Result<Endpoint, Error> {
    endpoint(address, None)
}

/// An endpoint with the house's settings. With `tls` its scheme is `https`, without it `http`: a channel that was meant to be
/// encrypted never is not.
pub(crate) fn endpoint(address: &str, tls: Option<&ClientTls>) -> Result<Endpoint, Error> {
    let no_endpoint = || Error::Endpoint { endpoint: address.to_owned() };
    let settings = Endpoint::from_shared(address.to_owned()).map_err(|_| no_endpoint())?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    if settings.uri().scheme_str() != Some(scheme) || settings.uri().host().is_none() {
        return Err(no_endpoint());
    }
    let settings = match tls {
        Some(tls) => {
            let tls = tls.read().map_err(|source| Error::Tls { endpoint: address.to_owned(), source })?;
            let failed = |source| Error::Certificates { endpoint: address.to_owned(), source };
            settings.tls_config(tls).map_err(failed)?
        }
        None => settings,
    };
    Ok(settings
        // Without it a small call waits for the peer's delayed acknowledgement: 44 ms.
        .tcp_nodelay(true)
        .connect_timeout(Duration::from_secs(5))
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_goes_with_every_call_and_is_not_printed() {
        let request = BearerKey::new("k1").unwrap().call(Request::new(())).unwrap();
        let value = request.metadata().get("authorization").unwrap();
        assert_eq!(value.to_str().unwrap(), "Bearer k1");
        assert!(!format!("{value:?}").contains("k1"));
        assert!(matches!(BearerKey::new("line\nbreak"), Err(Error::Key)));
    }

    #[tokio::test]
    async fn a_wrong_endpoint_is_named() {
        for endpoint in ["localhost", "ftp://host:1", "not an endpoint", ""] {
            let error = connect(endpoint, "k").await.map(|_| ()).unwrap_err();
            assert!(matches!(&error, Error::Endpoint { .. }), "{endpoint}: {error}");
        }
    }
}
