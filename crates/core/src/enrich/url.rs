//! A url as sent, taken apart. Every string is a legal url here: nothing fails, nothing is refused, nothing is repaired.
//!
//! ```text
//!   https://user@Shop.Example.com:443/a/B%20c?q=1&utm_source=x#top
//!                ╰──── host ────────╯╰ path ╯ ╰──── query ───╯
//!                      page = host + path = shop.example.com/a/B%20c
//! ```
//!
//! Rules, in order:
//! 1. The fragment starts at the first `#`, the query before it at the first `?`.
//! 2. There is a host after `scheme://` or a leading `//`, up to the next `/`. Anything else (`/news`, `mailto:a@b`,
//!    `about:blank`, the empty string) has no host, and its path is all of it.
//! 3. The host loses user name and password, the default port of its scheme, an empty port and the root dot; its ASCII
//!    letters become lower case. Other ports stay. International names stay as sent: browsers send punycode.
//! 4. The path stays byte for byte as sent; the empty path of a url with a host is `/`.
//! 5. Page = host + path.
//!
//! Why not the `url` crate: it refuses what visitors really send (spaces in hosts, relative urls) and rewrites what it
//! accepts (percent-encodes, resolves dots), so that a report would show pages that nobody sent.

use std::borrow::Cow;

/// The parts of a url; see the module for the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlParts<'a> {
    /// Lower-case host, with its port where that is not the default; empty if there is none.
    pub host: Cow<'a, str>,
    /// Host and path, without query and fragment.
    pub page: Cow<'a, str>,
    pub path: &'a str,
    /// Between `?` and `#`, as sent.
    pub query: &'a str,
}

/// Takes a url apart.
pub fn split(url: &str) -> UrlParts<'_> {
    let address = url.split_once('#').map_or(url, |(before, _)| before);
    let (address, query) = address.split_once('?').unwrap_or((address, ""));
    let Some((scheme, rest)) = authority_start(address) else {
        return UrlParts { host: Cow::Borrowed(""), page: Cow::Borrowed(address), path: address, query };
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let host = host_of(scheme, authority);
    if host.is_empty() {
        return UrlParts { host: Cow::Borrowed(""), page: Cow::Borrowed(path), path, query };
    }
    // Where the host is in its plain form already, the page is a piece of the url itself.
    let page = match &host {
        Cow::Borrowed(plain) if plain.len() == authority.len() && !path.is_empty() => Cow::Borrowed(rest),
        _ if path.is_empty() => Cow::Owned(format!("{host}/")),
        _ => Cow::Owned(format!("{host}{path}")),
    };
    UrlParts { host, page, path: if path.is_empty() { "/" } else { path }, query }
}

/// The scheme (empty if there is none) and what follows `//`, if the address has a host at all.
fn authority_start(address: &str) -> Option<(&str, &str)> {
    if let Some(rest) = address.strip_prefix("//") {
        return Some(("", rest));
    }
    // RFC 3986, section 3.1: a letter, then letters, digits, "+", "-", "."
    let (scheme, rest) = address.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    Some((scheme, rest.strip_prefix("//")?)).filter(|_| is_scheme)
}

/// The host of an authority, in its plain form.
fn host_of<'a>(scheme: &str, authority: &'a str) -> Cow<'a, str> {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (name, port) = match host.rsplit_once(':') {
        // The colons inside "[::1]" are no port.
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (name, port),
        _ => (host, ""),
    };
    let bare = name.trim_end_matches('.');
    let keeps_port = !port.is_empty() && !bare.is_empty() && default_port(scheme) != Some(port);
    let kept = match (keeps_port, bare.len() == name.len()) {
        (false, _) => Cow::Borrowed(bare),
        (true, true) => Cow::Borrowed(host),
        (true, false) => Cow::Owned(format!("{bare}:{port}")),
    };
    lower(kept)
}

fn default_port(scheme: &str) -> Option<&'static str> {
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if is("http") || is("ws") {
        Some("80")
    } else if is("https") || is("wss") {
        Some("443")
    } else {
        None
    }
}

/// ASCII letters in lower case, copied only where there is one to change.
pub(super) fn lower(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) { Cow::Owned(text.to_ascii_lowercase()) } else { text }
}

/// The `key=value` pairs of a query, values as sent. A separator that was escaped for HTML (`&amp;`) counts as one.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key.strip_prefix("amp;").unwrap_or(key), value)
    })
}

/// The value of a query parameter, decoded: `+` is a space and `%XX` a byte.
///
/// An escape that is none stays as sent, and so does `%00`, which databases cannot hold in a text. What is not UTF-8 after
/// decoding becomes U+FFFD.
pub fn decode(value: &str) -> Cow<'_, str> {
    let Some(first) = value.bytes().position(|b| b == b'%' || b == b'+') else {
        return Cow::Borrowed(value);
    };
    let bytes = value.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    decoded.extend_from_slice(&bytes[..first]);
    let mut at = first;
    while let Some(&byte) = bytes.get(at) {
        let escape = if byte == b'%' { hex(bytes.get(at + 1), bytes.get(at + 2)) } else { None };
        match (byte, escape) {
            (_, Some(escaped)) if escaped != 0 => {
                decoded.push(escaped);
                at += 3;
                continue;
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(byte),
        }
        at += 1;
    }
    match String::from_utf8(decoded) {
        Ok(text) => Cow::Owned(text),
        Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

fn hex(high: Option<&u8>, low: Option<&u8>) -> Option<u8> {
    let digit = |b: Option<&u8>| char::from(*b?).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls_split_into_host_page_and_path() {
        for (url, host, page, path) in [
            ("http://www.nasa.gov/a/b.html", "www.nasa.gov", "www.nasa.gov/a/b.html", "/a/b.html"),
            ("https://Shop.Example.COM", "shop.example.com", "shop.example.com/", "/"),
            ("https://example.com?q=1", "example.com", "example.com/", "/"),
            ("https://example.com#top", "example.com", "example.com/", "/"),
            ("https://example.com/A%20b?q=/x#y?z", "example.com", "example.com/A%20b", "/A%20b"),
            ("https://example.com/a#b?c", "example.com", "example.com/a", "/a"),
            ("//cdn.example.com/x.js", "cdn.example.com", "cdn.example.com/x.js", "/x.js"),
            ("http://example.com:80/", "example.com", "example.com/", "/"),
            ("https://example.com:443/", "example.com", "example.com/", "/"),
            ("https://example.com:80/", "example.com:80", "example.com:80/", "/"),
            ("HTTPS://example.com:443", "example.com", "example.com/", "/"),
            ("http://localhost:8080/x", "localhost:8080", "localhost:8080/x", "/x"),
            ("http://example.com:/x", "example.com", "example.com/x", "/x"),
            ("http://example.com./x", "example.com", "example.com/x", "/x"),
            ("http://Example.com.:81/x", "example.com:81", "example.com:81/x", "/x"),
            ("http://me:secret@example.com/x", "example.com", "example.com/x", "/x"),
            ("http://a@b@example.com/x", "example.com", "example.com/x", "/x"),
            ("http://[2001:DB8::1]:8080/x", "[2001:db8::1]:8080", "[2001:db8::1]:8080/x", "/x"),
            ("http://[::1]/x", "[::1]", "[::1]/x", "/x"),
            ("http://münchen.de/ä", "münchen.de", "münchen.de/ä", "/ä"),
            ("http://not a host/x y", "not a host", "not a host/x y", "/x y"),
            ("android-app://com.google.android.gm/", "com.google.android.gm", "com.google.android.gm/", "/"),
        ] {
            let parts = split(url);
            assert_eq!((&*parts.host, &*parts.page, parts.path), (host, page, path), "{url}");
        }
    }

    #[test]
    fn url_without_a_host_is_legal() {
        for (url, path) in [
            ("", ""),
            ("/", "/"),
            ("/news", "/news"),
            ("/presentations/x.pdf?y=1#2", "/presentations/x.pdf"),
            ("mailto:someone@example.com", "mailto:someone@example.com"),
            ("about:blank", "about:blank"),
            ("javascript:void(0)", "javascript:void(0)"),
            ("?q=1", ""),
            ("#top", ""),
            ("http:", "http:"),
            ("http:/one/slash", "http:/one/slash"),
            ("http://", ""),
            ("http:///three", "/three"),
            ("http://:80/x", "/x"),
            ("http://user@/x", "/x"),
            ("file:///home/x", "/home/x"),
            ("C:\\dir\\file", "C:\\dir\\file"),
            ("1http://example.com", "1http://example.com"),
            ("://x/y", "://x/y"),
            ("a b://x/y", "a b://x/y"),
            ("%zz%", "%zz%"),
            ("\0", "\0"),
        ] {
            let parts = split(url);
            assert_eq!((&*parts.host, &*parts.page, parts.path), ("", path, path), "{url}");
        }
    }

    #[test]
    fn plain_url_is_borrowed_and_not_copied() {
        let parts = split("https://example.com/a?b");
        assert!(matches!(parts.host, Cow::Borrowed(_)) && matches!(parts.page, Cow::Borrowed(_)));
    }

    #[test]
    fn values_are_percent_and_plus_decoded() {
        for (sent, decoded) in [
            ("", ""),
            ("plain", "plain"),
            ("a+b", "a b"),
            ("a%20b", "a b"),
            ("%23MSPB", "#MSPB"),
            ("caf%C3%A9", "café"),
            ("100%", "100%"),
            ("%4", "%4"),
            ("%zz+", "%zz "),
            ("%%41", "%A"),
            ("%+1", "% 1"),
            ("%e9", "\u{fffd}"),
            ("a%00b", "a%00b"),
            ("%2B", "+"),
        ] {
            assert_eq!(decode(sent), decoded, "{sent}");
        }
    }

    #[test]
    fn query_pairs_survive_what_is_missing_or_doubled() {
        let pairs: Vec<_> = query_pairs("a=1&b&=2&&c=3=4&amp;d=5").collect();
        assert_eq!(pairs, [("a", "1"), ("b", ""), ("", "2"), ("", ""), ("c", "3=4"), ("d", "5")]);
    }

    proptest! {
        #[test]
        fn any_bytes_split_by_the_rules(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            holds_the_rules(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn anything_like_a_url_splits_by_the_rules(url in "([a-zA-Z]{0,5}:)?/{0,3}[a-zA-Z@:.\\[\\] é%0-9]{0,20}[/?#&=a-zé%+ ]{0,20}") {
            holds_the_rules(&url);
        }

        #[test]
        fn any_value_decodes_to_no_more_bytes(value in ".{0,100}") {
            prop_assert!(decode(&value).len() <= value.len());
        }
    }

    fn holds_the_rules(url: &str) {
        let parts = split(url);
        assert_eq!(*parts.page, format!("{}{}", parts.host, parts.path));
        assert!(!parts.host.bytes().any(|b| b.is_ascii_uppercase() || matches!(b, b'/' | b'?' | b'#' | b'@')));
        assert!(!parts.path.contains(['?', '#']));
        assert!(parts.host.is_empty() || parts.path.starts_with('/'));
        assert!(parts.path == "/" || url.contains(parts.path));
        // A page is a fixed point: the same page sent again as a url of its own is the same page.
        if !parts.host.is_empty() && !parts.host.ends_with(['.', ':']) {
            let sent_again = format!("x://{}", parts.page);
            assert_eq!(split(&sent_again).page, parts.page, "{url}");
        }
    }
}
