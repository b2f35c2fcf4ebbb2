//! Which addresses a message may be sent to.
//!
//! Endpoints come from browsers, so from anybody: `https://10.0.0.5/` or a name that resolves to it would make the sender knock
//! at doors inside of its own network (server-side request forgery). An address is allowed if it is a plain public one. Whatever
//! is not in that set is refused, also what translates to an IPv4 address at the next router.
//!
//! The ranges are those of the IANA special-purpose registries (RFC 6890), and one that clouds use without asking.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far messages may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reach {
    /// Public addresses, by TLS alone.
    #[default]
    Public,
    /// Loopback too, and there also without TLS: for tests, never for a server.
    PublicAndLoopback,
}

/// Why an address is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Unspecified,
    Loopback,
    Private,
    /// 100.64.0.0/10, between a provider and its customers (RFC 6598).
    Shared,
    LinkLocal,
    Multicast,
    Documentation,
    Benchmarking,
    /// Set aside by the IETF, for protocols or for later.
    Reserved,
    /// Answers inside of a cloud's machine though it looks public.
    Metadata,
    /// An IPv4 address written as an IPv6 one.
    Mapped,
    /// NAT64, 6to4, Teredo: an IPv4 address is inside, and somebody else unpacks it.
    Translated,
    UniqueLocal,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Unspecified => "an unspecified",
            Kind::Loopback => "a loopback",
            Kind::Private => "a private",
            Kind::Shared => "a carrier's shared",
            Kind::LinkLocal => "a link-local",
            Kind::Multicast => "a multicast",
            Kind::Documentation => "a documentation",
            Kind::Benchmarking => "a benchmarking",
            Kind::Reserved => "a reserved",
            Kind::Metadata => "a cloud's metadata",
            Kind::Mapped => "an IPv4-mapped",
            Kind::Translated => "a translated",
            Kind::UniqueLocal => "a unique-local",
        })
    }
}

/// An address that must not be connected to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{address} is {kind} address; messages go to public addresses only")]
pub struct Refused {
    pub address: IpAddr,
    pub kind: Kind,
}

impl Reach {
    /// Whether an address may be connected to.
    pub fn check(self, address: IpAddr) -> Result<(), Refused> {
        let kind = match address {
            IpAddr::V4(v4) => kind_of_v4(v4),
            IpAddr::V6(v6) => kind_of_v6(v6),
        };
        match kind {
            None => Ok(()),
            Some(Kind::Loopback) if self == Reach::PublicAndLoopback => Ok(()),
            Some(kind) => Err(Refused { address, kind }),
        }
    }

    /// Whether an endpoint without TLS is read at all; its address must still be a loopback one.
    pub(crate) fn allows_plain(self) -> bool {
        self == Reach::PublicAndLoopback
    }
}

/// None: public.
fn kind_of_v4(address: Ipv4Addr) -> Option<Kind> {
    // Azure's virtual machines reach their host here; it is an ordinary address everywhere else.
    const AZURE_HOST: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
    if address == AZURE_HOST {
        return Some(Kind::Metadata);
    }
    Some(match address.octets() {
        [0, ..] => Kind::Unspecified,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Kind::Private,
        [100, 64..=127, ..] => Kind::Shared,
        [127, ..] => Kind::Loopback,
        [169, 254, ..] => Kind::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Kind::Documentation,
        // Protocols (RFC 6890), AS112 (RFC 7534, 7535), AMT (RFC 7450).
        [192, 0, 0, _] | [192, 31, 196, _] | [192, 175, 48, _] | [192, 52, 193, _] => Kind::Reserved,
        // Relays of 6to4, deprecated by RFC 7526.
        [192, 88, 99, _] => Kind::Translated,
        [198, 18..=19, ..] => Kind::Benchmarking,
        [224..=239, ..] => Kind::Multicast,
        [240..=255, ..] => Kind::Reserved,
        _ => return None,
    })
}

/// None: public. Only 2000::/3 is given out as public (RFC 4291, section 2.4; IANA), so all else is refused by some name.
fn kind_of_v6(address: Ipv6Addr) -> Option<Kind> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Kind::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Loopback,
        // ::ffff:0:0/96, and the older ::a.b.c.d and ::ffff:0:a.b.c.d.
        [0, 0, 0, 0, 0, 0xffff | 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => Kind::Mapped,
        // 64:ff9b::/96 (RFC 6052) and 64:ff9b:1::/48 (RFC 8215), with what lies between.
        [0x64, 0xff9b, ..] => Kind::Translated,
        [0x2001, 0, ..] | [0x2002, ..] => Kind::Translated,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Kind::Documentation,
        [0x2001, 2, 0, ..] => Kind::Benchmarking,
        // 2001::/23, for protocols (RFC 2928).
        [0x2001, 0..=0x1ff, ..] => Kind::Reserved,
        [0xfe80..=0xfebf, ..] => Kind::LinkLocal,
        // Site-local, deprecated by RFC 3879, still in use somewhere.
        [0xfec0..=0xfeff, ..] => Kind::Private,
        [0xfc00..=0xfdff, ..] => Kind::UniqueLocal,
        [0xff00..=0xffff, ..] => Kind::Multicast,
        [0x2000..=0x3fff, ..] => return None,
        _ => Kind::Reserved,
    })
}

#[cfg(test)]
mod tests;
