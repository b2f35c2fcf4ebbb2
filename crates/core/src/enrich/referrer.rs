//! A referrer as sent → the source behind it: a well-known name, or the host without `www.`.

use super::Text;
use super::sources::{self, Kind, Known};
use super::url;
use std::borrow::Cow;

/// Where a visit came from, as far as the referrer tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Referrer {
    /// The host, comparable with [`site`] of a page; empty if the referrer names none.
    pub site: Text,
    /// The name for reports: `Google`, `example.com`; empty if the referrer names none.
    pub source: Text,
    pub kind: Kind,
}

impl Referrer {
    /// No referrer, or one that names no host (`-`, `direct`, `about:blank`).
    pub const NONE: Referrer = Referrer { site: Text::EMPTY, source: Text::EMPTY, kind: Kind::Site };
}

/// Reads a referrer.
pub fn read(referrer: &str) -> Referrer {
    let parts = url::split(referrer);
    let host = if parts.host.is_empty() { bare_host(referrer) } else { parts.host };
    let host = without_port(site(&host));
    if host.is_empty() {
        return Referrer::NONE;
    }
    match sources::by_host(host) {
        Some(Known { name, kind }) => Referrer { site: Text::from(host), source: Text::Fixed(name), kind },
        None => {
            let site = Text::from(host);
            Referrer { source: site.clone(), site, kind: Kind::Site }
        }
    }
}

/// The site of a host: the same with and without `www.`.
pub fn site(host: &str) -> &str {
    host.strip_prefix("www.").filter(|rest| !rest.is_empty()).unwrap_or(host)
}

/// Drops the port: a visit from the shop on port 8443 to the one on 443 stays inside.
pub fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// The host of a referrer that some clients send without its scheme: `example.com/page`.
fn bare_host(referrer: &str) -> Cow<'_, str> {
    let host = referrer.split(['/', '?', '#']).next().unwrap_or("");
    let is_host = host.contains('.')
        && !host.starts_with('.')
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    if is_host { url::lower(Cow::Borrowed(host.trim_end_matches('.'))) } else { Cow::Borrowed("") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn referrers_name_their_source() {
        for (referrer, source, kind) in [
            ("http://t.co/abc", "Twitter", Kind::Social),
            ("http://www.facebook.com/l.php?u=http%3A%2F%2Fx", "Facebook", Kind::Social),
            ("https://www.google.co.uk/url?sa=t", "Google", Kind::Search),
            ("https://news.ycombinator.com/item?id=1", "news.ycombinator.com", Kind::Social),
            ("http://www.nasa.gov/x", "nasa.gov", Kind::Site),
            ("http://forecast.weather.gov/", "forecast.weather.gov", Kind::Site),
            ("http://intranet2/page", "intranet2", Kind::Site),
            ("http://example.com:8080/x", "example.com", Kind::Site),
            ("HTTP://WWW.Example.COM", "example.com", Kind::Site),
            ("android-app://com.google.android.gm/", "Gmail", Kind::Email),
            ("google.com/search", "Google", Kind::Search),
            ("www.example.org", "example.org", Kind::Site),
            ("http://www./", "www", Kind::Site),
            ("http://[::1]:80/", "[::1]", Kind::Site),
        ] {
            let read = read(referrer);
            assert_eq!((&*read.source, read.kind), (source, kind), "{referrer}");
        }
    }

    #[test]
    fn referrer_without_a_host_is_none() {
        for referrer in [
            "",
            "-",
            "direct",
            "(direct)",
            "about:blank",
            "/internal/path",
            "...",
            "http://",
            "file:///x.html",
            "not a.host",
        ] {
            assert_eq!(read(referrer), Referrer::NONE, "{referrer}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_referrer(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let read = read(&String::from_utf8_lossy(&bytes));
            prop_assert_eq!(read.site.is_empty(), read.source.is_empty());
        }

        #[test]
        fn any_host_of_odd_labels_is_a_source(host in "[a-zé.:-]{1,30}") {
            let read = read(&format!("https://{host}/"));
            prop_assert!(!read.site.contains('/'));
        }
    }
}
