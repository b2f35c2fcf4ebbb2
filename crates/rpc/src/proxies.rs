//! Whose address a request comes from, where proxies stand in between.
//!
//! ```text
//!   client ──▶ proxy ──▶ proxy ──▶ this port          X-Forwarded-For: made up, client, proxy
//!                                                                       ▲       ◀── read from the right
//! ```
//!
//! Each proxy adds the address that it saw to the right of the header; what stands further left anybody may have written. So the
//! list is read from the right, beginning with the connection's own peer, for as long as the last address is one of a proxy that
//! the configuration names; the first other one is the client. `Forwarded` (RFC 7239) is read alike. Where a request has both
//! and they disagree, one of them is not the proxies' own: neither is believed.
//!
//! Addresses are used in memory only: nothing here logs or keeps one.

use http::{HeaderMap, HeaderName};
use std::net::{IpAddr, SocketAddr};

/// A proxy of the list that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network: use an address such as 192.0.2.7, or a network such as 10.0.0.0/8 or fd00::/8")]
pub struct NoNetwork(String);

/// The proxies whose word counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    networks: Vec<Network>,
}

/// An IPv4 network is the part of IPv6's that its addresses are mapped to (RFC 4291, section 2.5.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    base: u128,
    mask: u128,
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().ok()?;
        let own_bits = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(own_bits);
        if bits > own_bits {
            return None;
        }
        let mask = u128::MAX.checked_shl(own_bits - bits).unwrap_or(0);
        // A network of IPv4 has only the last 32 bits to choose from.
        let mask = if address.is_ipv4() { mask | !u128::from(u32::MAX) } else { mask };
        Some(Network { base: number(address) & mask, mask })
    }

    fn holds(self, address: IpAddr) -> bool {
        number(address) & self.mask == self.base
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl Proxies {
    /// Reads a list of addresses and networks (CIDR).
    ///
    /// # Errors
    /// [`NoNetwork`] names the first that is neither.
    pub fn parse<T: AsRef<str>>(list: &[T]) -> Result<Proxies, NoNetwork> {
        let network = |text: &T| Network::parse(text.as_ref()).ok_or_else(|| NoNetwork(text.as_ref().to_owned()));
        Ok(Proxies { networks: list.iter().map(network).collect::<Result<_, _>>()? })
    }

    /// The client's address: the peer's own, unless the peer is a proxy of the list.
    pub fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer?.to_canonical();
        if !self.trusts(peer) {
            return Some(peer);
        }
        let hops = |name: HeaderName, read: fn(&str) -> Vec<Option<IpAddr>>| {
            let lines = headers.get_all(name).iter();
            // A line that is no text hides whoever it names.
            let hops: Vec<_> = lines.flat_map(|line| line.to_str().map_or_else(|_| vec![None], read)).collect();
            (!hops.is_empty()).then(|| self.first_other(peer, &hops))
        };
        match (hops(FORWARDED_FOR, forwarded_for), hops(http::header::FORWARDED, forwarded)) {
            (Some(one), Some(other)) if one != other => Some(peer),
            (Some(client), _) | (None, Some(client)) => Some(client),
            (None, None) => Some(peer),
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(address))
    }

    /// From the right, the first hop that is no proxy of ours; where one cannot be read, the last that could.
    fn first_other(&self, peer: IpAddr, hops: &[Option<IpAddr>]) -> IpAddr {
        let mut last = peer;
        for hop in hops.iter().rev() {
            match hop {
                Some(address) if self.trusts(*address) => last = *address,
                Some(address) => return *address,
                None => return last,
            }
        }
        last
    }
}

/// `X-Forwarded-For`: addresses, separated by commas.
fn forwarded_for(line: &str) -> Vec<Option<IpAddr>> {
    line.split(',').map(|hop| address(hop.trim())).collect()
}

/// `Forwarded`: `for=192.0.2.60;proto=http, for="[2001:db8::1]:4711"`.
fn forwarded(line: &str) -> Vec<Option<IpAddr>> {
    let of_hop = |hop: &str| {
        let named = hop.split(';').filter_map(|pair| pair.split_once('='));
        let mut of_client = named.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
        of_client.next().and_then(|(_, node)| address(node.trim().trim_matches('"')))
    };
    // Addresses have neither commas nor semicolons in them; a hop that hides one in quotes reads as none.
    line.split(',').map(of_hop).collect()
}

/// An address, with or without a port; IPv6 with or without brackets.
fn address(node: &str) -> Option<IpAddr> {
    let bare = node.strip_prefix('[').and_then(|node| node.strip_suffix(']')).unwrap_or(node);
    let with_port = || node.parse::<SocketAddr>().ok().map(|node| node.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn client(proxies: &[&str], peer: &str, headers: &[(&'static str, &str)]) -> IpAddr {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Proxies::parse(proxies).unwrap().client(Some(ip(peer)), &map).unwrap()
    }

    const XFF: &str = "x-forwarded-for";

    #[test]
    fn without_configured_proxies_no_header_is_believed() {
        let spoofed = [(XFF, "203.0.113.9"), ("forwarded", "for=203.0.113.9")];
        assert_eq!(client(&[], "198.51.100.1", &spoofed), ip("198.51.100.1"));
        assert_eq!(client(&["10.0.0.0/8"], "198.51.100.1", &spoofed), ip("198.51.100.1"), "a peer that is no proxy");
    }

    #[test]
    fn a_configured_proxy_names_its_client_in_either_header_and_family() {
        for (headers, expected) in [
            (vec![(XFF, "203.0.113.9")], "203.0.113.9"),
            (vec![(XFF, "203.0.113.9:51000")], "203.0.113.9"),
            (vec![(XFF, "2001:db8::7")], "2001:db8::7"),
            (vec![(XFF, "[2001:db8::7]:443")], "2001:db8::7"),
            (vec![(XFF, "::ffff:203.0.113.9")], "203.0.113.9"),
            (vec![("forwarded", "for=203.0.113.9;proto=https;by=10.0.0.1")], "203.0.113.9"),
            (vec![("forwarded", "proto=https; For=\"[2001:db8::7]:4711\"")], "2001:db8::7"),
            (vec![(XFF, "203.0.113.9"), ("forwarded", "for=203.0.113.9")], "203.0.113.9"),
            (vec![], "10.0.0.2"),
        ] {
            assert_eq!(client(&["10.0.0.0/8"], "10.0.0.2", &headers), ip(expected), "{headers:?}");
        }
        assert_eq!(client(&["fd00::/8"], "fd00::2", &[(XFF, "203.0.113.9")]), ip("203.0.113.9"));
        assert_eq!(client(&["10.0.0.0/8"], "::ffff:10.0.0.2", &[(XFF, "203.0.113.9")]), ip("203.0.113.9"));
    }

    #[test]
    fn what_a_client_wrote_itself_stands_left_of_what_the_proxies_saw_and_does_not_count() {
        let proxies = ["10.0.0.0/8"];
        let client = |headers: &[(&'static str, &str)]| client(&proxies, "10.0.0.2", headers);
        assert_eq!(client(&[(XFF, "1.1.1.1, 203.0.113.9")]), ip("203.0.113.9"));
        assert_eq!(client(&[(XFF, "1.1.1.1, 203.0.113.9, 10.0.0.7")]), ip("203.0.113.9"), "two proxies");
        assert_eq!(client(&[(XFF, "1.1.1.1"), (XFF, "203.0.113.9")]), ip("203.0.113.9"), "two lines are one list");
        assert_eq!(client(&[(XFF, "10.0.0.9, 203.0.113.9")]), ip("203.0.113.9"), "it claims to be a proxy");
        assert_eq!(client(&[("forwarded", "for=1.1.1.1, for=203.0.113.9, for=10.0.0.7")]), ip("203.0.113.9"));
        let both = [(XFF, "203.0.113.9"), ("forwarded", "for=1.1.1.1")];
        assert_eq!(client(&both), ip("10.0.0.2"), "a header that the proxy passed on as it came");
    }

    #[test]
    fn a_hop_that_cannot_be_read_ends_the_chain_at_the_last_one_that_could() {
        let client = |headers: &[(&'static str, &str)]| client(&["10.0.0.0/8"], "10.0.0.2", headers);
        for hidden in ["unknown", "_hidden", "", "example.org", "1.2.3", "203.0.113.9 "] {
            let expected = if hidden.starts_with("203") { "203.0.113.9" } else { "10.0.0.7" };
            assert_eq!(client(&[(XFF, &format!("1.1.1.1, {hidden}, 10.0.0.7"))]), ip(expected), "{hidden:?}");
        }
        assert_eq!(client(&[("forwarded", "for=1.1.1.1, proto=http")]), ip("10.0.0.2"));
        assert_eq!(client(&[("forwarded", "for=\"1.1.1.1, for=2.2.2.2\", for=_x")]), ip("10.0.0.2"));
        assert_eq!(client(&[(XFF, "10.0.0.7, 10.0.0.8")]), ip("10.0.0.7"), "proxies all the way");
    }

    #[test]
    fn a_network_ends_where_its_mask_says() {
        let trusts = |network: &str, address: &str| Proxies::parse(&[network]).unwrap().trusts(ip(address));
        assert!(trusts("172.16.0.0/12", "172.31.255.255") && !trusts("172.16.0.0/12", "172.32.0.0"));
        assert!(trusts("192.0.2.7", "192.0.2.7") && !trusts("192.0.2.7", "192.0.2.8"));
        assert!(trusts("192.0.2.99/24", "192.0.2.1"), "bits behind the mask do not matter");
        assert!(trusts("0.0.0.0/0", "203.0.113.9") && !trusts("0.0.0.0/0", "2001:db8::1"), "IPv4 only");
        assert!(trusts("::/0", "2001:db8::1") && trusts("::/0", "203.0.113.9"));
        assert!(trusts("fd00::/8", "fdff::1") && !trusts("fd00::/8", "fe00::1"));
        for none in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "caddy", "10.0.0.0/-1", "10.0.0.0/"] {
            assert_eq!(Proxies::parse(&[none]), Err(NoNetwork(none.to_owned())));
        }
    }

    #[test]
    fn where_there_is_no_peer_there_is_no_client() {
        assert_eq!(Proxies::default().client(None, &HeaderMap::new()), None);
    }
}
