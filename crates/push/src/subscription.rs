//! Where a browser can be reached: what `pushManager.subscribe` answered, checked field by field.

use crate::address::{Reach, Refused};
use crate::base64url;
use crate::key::{self, PUBLIC_BYTES};
use crate::seal::Receiver;
use p256::PublicKey;
use std::fmt;
use std::net::IpAddr;
use url::{Host, Url};

/// Bytes of an endpoint; those in use have 150 to 500.
pub const MOST_ENDPOINT_BYTES: usize = 2048;

/// Bytes of the secret that a browser shares with us (RFC 8291, section 3.2).
pub const AUTH_BYTES: usize = 16;

/// Where, and encrypted for whom, messages to one browser go. Who has all three can send to it once a key is known: what
/// debugging shows of it is the push service alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscription {
    endpoint: Endpoint,
    public: PublicKey,
    auth: [u8; AUTH_BYTES],
}

/// The three fields of a subscription, as `toJSON()` of a browser names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    Endpoint,
    P256dh,
    Auth,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Endpoint => "endpoint",
            Field::P256dh => "p256dh",
            Field::Auth => "auth",
        })
    }
}

/// Why this is no subscription: which field, what is wrong, what mends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field}: {fault}")]
pub struct BadSubscription {
    pub field: Field,
    pub fault: Fault,
}

/// What is wrong with a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    #[error("it has {bytes} bytes, at most {MOST_ENDPOINT_BYTES} are kept; send what the browser answered")]
    TooLong { bytes: usize },
    #[error("it is no address of a push service; send what the browser answered")]
    NoUrl,
    #[error("it must be an https address")]
    Scheme,
    #[error("it carries a user name, a password or a fragment; push services give none")]
    Extra,
    #[error("{0}")]
    Address(Refused),
    #[error("it is not base64url; send the key as toJSON() of the subscription writes it")]
    Base64,
    #[error("it has {bytes} bytes and must have {must}; send the key as toJSON() of the subscription writes it")]
    Length { bytes: usize, must: usize },
    #[error("it is no point of the curve P-256; send the key as toJSON() of the subscription writes it")]
    NoPoint,
}

impl Subscription {
    /// Reads the three fields as text. `reach` says whether a loopback address without TLS is a push service, too.
    ///
    /// A name is not looked up here: whose address it is tells the moment of sending.
    pub fn read(endpoint: &str, p256dh: &str, auth: &str, reach: Reach) -> Result<Subscription, BadSubscription> {
        let bad = |field| move |fault| BadSubscription { field, fault };
        let endpoint = Endpoint::read(endpoint, reach).map_err(bad(Field::Endpoint))?;
        let point: [u8; PUBLIC_BYTES] = read_bytes(p256dh).map_err(bad(Field::P256dh))?;
        let public = PublicKey::from_sec1_bytes(&point).map_err(|_| bad(Field::P256dh)(Fault::NoPoint))?;
        let auth = read_bytes(auth).map_err(bad(Field::Auth))?;
        Ok(Subscription { endpoint, public, auth })
    }

    /// The same of keys as bytes.
    pub fn from_bytes(
        endpoint: &str,
        p256dh: &[u8],
        auth: &[u8],
        reach: Reach,
    ) -> Result<Subscription, BadSubscription> {
        let bad = |field| move |fault| BadSubscription { field, fault };
        let endpoint = Endpoint::read(endpoint, reach).map_err(bad(Field::Endpoint))?;
        let length = |bytes: &[u8], must| Fault::Length { bytes: bytes.len(), must };
        if p256dh.len() != PUBLIC_BYTES {
            return Err(bad(Field::P256dh)(length(p256dh, PUBLIC_BYTES)));
        }
        let public = PublicKey::from_sec1_bytes(p256dh).map_err(|_| bad(Field::P256dh)(Fault::NoPoint))?;
        let auth = auth.try_into().map_err(|_| bad(Field::Auth)(length(auth, AUTH_BYTES)))?;
        Ok(Subscription { endpoint, public, auth })
    }

    /// The endpoint in its one normal form: equal texts, equal subscription.
    pub fn endpoint(&self) -> &str {
        self.endpoint.url.as_str()
    }

    /// The browser's public key as text.
    pub fn p256dh(&self) -> String {
        base64url::write(&key::point(&self.public))
    }

    /// The shared secret as text.
    pub fn auth(&self) -> String {
        base64url::write(&self.auth)
    }

    /// The browser's public key: the uncompressed point.
    pub fn p256dh_bytes(&self) -> [u8; PUBLIC_BYTES] {
        key::point(&self.public)
    }

    /// The shared secret.
    pub fn auth_bytes(&self) -> [u8; AUTH_BYTES] {
        self.auth
    }

    /// The push service: scheme, host, and the port if it is not the scheme's own.
    pub fn push_service(&self) -> &str {
        self.endpoint.origin()
    }

    pub(crate) fn place(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn receiver(&self) -> Receiver<'_> {
        Receiver { public: &self.public, auth: &self.auth }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({}/…)", self.push_service())
    }
}

/// Exactly `N` bytes of base64url.
fn read_bytes<const N: usize>(text: &str) -> Result<[u8; N], Fault> {
    // Four characters hold three bytes; what is longer even with padding is not decoded.
    if text.len() > N.div_ceil(3) * 4 {
        return Err(Fault::Length { bytes: text.len() / 4 * 3, must: N });
    }
    let bytes = base64url::read(text).ok_or(Fault::Base64)?;
    let found = bytes.len();
    bytes.try_into().map_err(|_| Fault::Length { bytes: found, must: N })
}

/// The address of a subscription at its push service, taken apart once.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    url: Url,
    origin: String,
    /// Path and query: what the request line says.
    target: http::Uri,
    port: u16,
}

impl Endpoint {
    fn read(text: &str, reach: Reach) -> Result<Endpoint, Fault> {
        if text.len() > MOST_ENDPOINT_BYTES {
            return Err(Fault::TooLong { bytes: text.len() });
        }
        let url = Url::parse(text).map_err(|_| Fault::NoUrl)?;
        let plain = url.scheme() == "http";
        if url.scheme() != "https" && !(plain && reach.allows_plain()) {
            return Err(Fault::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(Fault::Extra);
        }
        // Escapes make it longer; the limit holds for what is kept.
        if url.as_str().len() > MOST_ENDPOINT_BYTES {
            return Err(Fault::TooLong { bytes: url.as_str().len() });
        }
        // Browsers let more into a name than DNS knows hosts by; here it also goes into headers and claims as it is.
        if let Some(Host::Domain(name)) = url.host()
            && !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
        {
            return Err(Fault::NoUrl);
        }
        let target = url[url::Position::BeforePath..].parse().map_err(|_| Fault::NoUrl)?;
        let port = url.port_or_known_default().filter(|port| *port != 0).ok_or(Fault::NoUrl)?;
        let endpoint = Endpoint { origin: url.origin().ascii_serialization(), target, port, url };
        if let Some(address) = endpoint.address() {
            reach.check(address).map_err(Fault::Address)?;
        }
        Ok(endpoint)
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn target(&self) -> &http::Uri {
        &self.target
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// The host's name in punycode; an IPv6 address in brackets.
    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The host, with the port if it is not the scheme's own: the header `Host`.
    pub(crate) fn authority(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// The host's address if the endpoint names one instead of a host.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self.url.host()? {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }
}

#[cfg(test)]
mod tests;
