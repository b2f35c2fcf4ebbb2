//! Which pages may collect for a site: rules over the origin that a browser names (RFC 6454; Fetch standard, "`Origin` header").
//!
//! ```text
//!   example.org        that host and every host below it, on any scheme and port
//!   localhost:3000     that port only
//!   [::1]:3000         an address: only itself, never what only ends like it
//!   *                  every page, also one without an origin (`null`: a file, a sandboxed frame)
//! ```
//!
//! A rule keeps other people's pages from filling a site by a key that everybody can read in its snippet. It is no secret and
//! no proof: a program writes any origin it likes. Who must not be able to write at all gets no key.

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Bytes of a host name (RFC 1035, section 2.3.4, in text form).
const HOST_BYTES: usize = 253;
/// Bytes of a label of one.
const LABEL_BYTES: usize = 63;

/// One rule. Its text is canonical: lower case, punycode, the short form of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginRule {
    /// `*`.
    Any,
    /// A host, and a port if one is pinned.
    Host { host: Host, port: Option<u16> },
}

/// A host as a browser names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Lower case, punycode, no dot at the end.
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// Why a text is no rule: what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoRule(String);

/// Where a page came from: host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin {
    pub host: Host,
    /// None: a scheme without a port that is known, and none named.
    pub port: Option<u16>,
}

impl OriginRule {
    /// The rule that a site's name is, if it looks like a host: a name with a dot, `localhost`, an address.
    pub fn of_name(name: &str) -> Option<OriginRule> {
        let rule = name.parse().ok()?;
        match &rule {
            OriginRule::Host { host: Host::Name(name), .. } => {
                (name.contains('.') || name == "localhost").then_some(rule)
            }
            OriginRule::Host { .. } => Some(rule),
            OriginRule::Any => None,
        }
    }

    /// Whether the rule lets such a page in. None: an origin that names no host.
    pub fn allows(&self, origin: Option<&WebOrigin>) -> bool {
        match (self, origin) {
            (OriginRule::Any, _) => true,
            (OriginRule::Host { host, port }, Some(origin)) => {
                port.is_none_or(|pinned| origin.port == Some(pinned)) && host.covers(&origin.host)
            }
            (OriginRule::Host { .. }, None) => false,
        }
    }
}

impl Host {
    /// Reads a host as it stands in an address or a rule; an IPv6 address in brackets.
    fn read(text: &str) -> Option<Host> {
        if let Some(address) = text.strip_prefix('[') {
            return address.strip_suffix(']')?.parse().ok().map(Host::V6);
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let name = lower(name)?;
        // What ends in a number is an address or nothing (URL standard, "ends in a number").
        if name
            .rsplit('.')
            .next()
            .is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return name.parse().ok().map(Host::V4);
        }
        let is_label = |label: &str| {
            (1..=LABEL_BYTES).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        (name.len() <= HOST_BYTES && name.split('.').all(is_label)).then(|| Host::Name(name.into_owned()))
    }

    /// Itself, or for a name what lies below it. `evilexample.org` ends like `example.org` and is neither.
    fn covers(&self, other: &Host) -> bool {
        match (self, other) {
            (Host::Name(own), Host::Name(other)) => {
                other.strip_suffix(own.as_str()).is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
            _ => self == other,
        }
    }
}

/// Lower case; a name in other letters as punycode (UTS #46).
fn lower(name: &str) -> Option<Cow<'_, str>> {
    if name.is_ascii() {
        let has_upper = name.bytes().any(|byte| byte.is_ascii_uppercase());
        return Some(if has_upper { name.to_ascii_lowercase().into() } else { name.into() });
    }
    idna::domain_to_ascii(name).ok().map(Cow::Owned)
}

impl WebOrigin {
    /// Reads an `Origin`, or the origin of a page's address (`Referer`). None: it names no host, as `null` does.
    pub fn read(text: &str) -> Option<WebOrigin> {
        let (scheme, rest) = text.trim().split_once("://")?;
        let authority = rest.split(['/', '?', '#', '\\']).next()?;
        // What stands before the last @ is a user, whatever it looks like.
        let authority = authority.rsplit('@').next()?;
        let (host, port) = split_port(authority)?;
        let standard = match scheme.to_ascii_lowercase().as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        Some(WebOrigin { host: Host::read(host)?, port: port.or(standard) })
    }
}

/// `host:port` → both. None: the port is no number from 1 to 65,535.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_address = authority.rfind(']').map_or(0, |end| end + 1);
    match authority[after_address..].find(':') {
        None => Some((authority, None)),
        Some(colon) => {
            let (host, port) = authority.split_at(after_address + colon);
            let port = port[1..].parse().ok().filter(|port| *port > 0)?;
            Some((host, Some(port)))
        }
    }
}

impl FromStr for OriginRule {
    type Err = NoRule;

    fn from_str(text: &str) -> Result<OriginRule, NoRule> {
        let text = text.trim();
        let refused = |fix: &str| Err(NoRule(format!("{text:?} is no origin: {fix}")));
        if text == "*" {
            return Ok(OriginRule::Any);
        }
        if let Ok(address) = text.parse() {
            return Ok(OriginRule::Host { host: Host::V6(address), port: None });
        }
        if let Some((_, rest)) = text.split_once("://") {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            return refused(&format!("leave out scheme and path, they do not matter: write {host:?}"));
        }
        if let Some(below) = text.strip_prefix("*.") {
            return refused(&format!("hosts below it are included: write {below:?}"));
        }
        let Some((host, port)) = split_port(text) else {
            return refused("a port is a number from 1 to 65535, and an IPv6 address stands in brackets");
        };
        match Host::read(host) {
            Some(host) => Ok(OriginRule::Host { host, port }),
            None => refused(
                "write a host such as example.org, with a port such as localhost:3000 if only that counts, or *",
            ),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::V4(address) => address.fmt(f),
            Host::V6(address) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for OriginRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OriginRule::Any => f.write_str("*"),
            OriginRule::Host { host, port: None } => host.fmt(f),
            OriginRule::Host { host, port: Some(port) } => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rule: &str, origin: &str) -> bool {
        rule.parse::<OriginRule>().unwrap().allows(WebOrigin::read(origin).as_ref())
    }

    #[test]
    fn a_host_allows_itself_and_what_lies_below_on_any_scheme_and_port() {
        for origin in [
            "https://example.org",
            "http://example.org",
            "http://example.org:8080",
            "https://www.example.org",
            "https://a.b.example.org:8443",
            "HTTPS://WWW.EXAMPLE.ORG",
            "https://example.org.",
        ] {
            assert!(allows("example.org", origin), "{origin}");
        }
    }

    #[test]
    fn what_only_looks_alike_is_foreign() {
        for origin in [
            "https://evilexample.org",
            "https://example.org.evil.net",
            "https://example.org@evil.net",
            "https://evil.net/example.org",
            "https://evil.net?example.org",
            "https://evil.net#.example.org",
            "https://evil.net\\.example.org",
            "https://example.orgs",
            "https://xample.org",
            "https://org",
            "null",
            "",
            "example.org",
            "file://",
        ] {
            assert!(!allows("example.org", origin), "{origin}");
        }
    }

    #[test]
    fn a_pinned_port_is_the_only_one_and_a_schemes_own_counts_as_named() {
        assert!(allows("127.0.0.1:3000", "http://127.0.0.1:3000"));
        assert!(!allows("127.0.0.1:3000", "http://127.0.0.1:3001"));
        assert!(!allows("127.0.0.1:3000", "http://127.0.0.1"));
        assert!(allows("127.0.0.1", "http://127.0.0.1:3001"));
        assert!(allows("example.org:443", "https://example.org") && !allows("example.org:443", "http://example.org"));
        assert!(allows("example.org:80", "http://www.example.org"));
        assert!(!allows("example.org:80", "app://example.org"), "a scheme without a known port");
    }

    #[test]
    fn an_address_covers_nothing_but_itself() {
        assert!(allows("[::1]:3000", "http://[::1]:3000") && !allows("[::1]:3000", "http://[::1]:3001"));
        assert!(allows("[2001:DB8::1]", "https://[2001:db8:0:0:0:0:0:1]"), "however it is written");
        assert!(allows("::1", "http://[::1]:8080"));
        assert!(!allows("127.0.0.1", "http://1127.0.0.1") && !allows("127.0.0.1", "http://a.127.0.0.1"));
    }

    #[test]
    fn a_page_without_an_origin_needs_the_star() {
        assert!(allows("*", "null") && allows("*", "https://anywhere.example"));
        assert!(!allows("example.org", "null"));
    }

    #[test]
    fn names_in_other_letters_are_the_same_as_their_punycode() {
        assert_eq!("Bücher.example".parse::<OriginRule>().unwrap().to_string(), "xn--bcher-kva.example");
        assert!(allows("bücher.example", "https://shop.xn--bcher-kva.example"));
        assert!(allows("xn--bcher-kva.example", "https://bücher.example"));
    }

    #[test]
    fn a_rule_is_kept_in_one_form_and_reads_back_as_itself() {
        for (written, kept) in [
            (" Example.ORG. ", "example.org"),
            ("LocalHost:3000", "localhost:3000"),
            ("::1", "[::1]"),
            ("[0:0::1]:80", "[::1]:80"),
            ("*", "*"),
            ("my_shop.example", "my_shop.example"),
        ] {
            let rule: OriginRule = written.parse().unwrap();
            assert_eq!(rule.to_string(), kept);
            assert_eq!(kept.parse(), Ok(rule));
        }
    }

    #[test]
    fn what_is_no_rule_says_what_to_write() {
        let fix = |text: &str| text.parse::<OriginRule>().unwrap_err().to_string();
        assert!(fix("https://example.org/path").contains("write \"example.org\""));
        assert!(fix("*.example.org").contains("write \"example.org\""));
        for none in
            ["", " ", "a b", "example..org", ".", "-/-", "a:0", "a:65536", "a:b", "1.2.3", "300.1.1.1", "[::1", "a,b"]
        {
            assert!(none.parse::<OriginRule>().is_err(), "{none:?}");
        }
        let label = "l".repeat(63);
        assert!(format!("{label}.org").parse::<OriginRule>().is_ok());
        assert!(format!("{label}l.org").parse::<OriginRule>().is_err());
        let long = format!("{label}.{label}.{label}.{}", "l".repeat(61));
        assert!(long.len() == 253 && long.parse::<OriginRule>().is_ok());
        assert!(format!("{long}l").parse::<OriginRule>().is_err());
    }

    #[test]
    fn a_sites_name_is_a_rule_only_if_it_looks_like_a_host() {
        let of = |name: &str| OriginRule::of_name(name).map(|rule| rule.to_string());
        assert_eq!(of("www.Example.org"), Some("www.example.org".to_owned()));
        assert_eq!(of("localhost"), Some("localhost".to_owned()));
        assert_eq!(of("127.0.0.1:3000"), Some("127.0.0.1:3000".to_owned()));
        assert_eq!((of("demo"), of("My shop"), of("*"), of("Shop & Co.")), (None, None, None, None));
    }
}
