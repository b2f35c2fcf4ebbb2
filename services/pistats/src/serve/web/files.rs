//! The files themselves, by path.

use bytes::Bytes;
use std::collections::HashMap;

/// A file as `build.rs` left it.
struct Built {
    path: &'static str,
    tag: &'static str,
    bytes: &'static [u8],
    gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/web.rs"));

/// A file to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Its content type.
    pub(super) kind: &'static str,
    /// Of its bytes; without quotes.
    pub(super) tag: String,
    /// What `cache-control` says of it.
    pub(super) keep: &'static str,
    pub(super) bytes: Bytes,
    pub(super) gzip: Option<Bytes>,
}

/// Asked for again each time, and answered 304 as long as it is the same.
pub(super) const FRESH: &str = "no-cache";
/// The name holds a hash of what is in it: another content is another name.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// The tracker is loaded by every page view of a site: an hour without asking, and a day in which a new one is fetched
/// behind the page's back. A new release is everywhere within a day.
const TRACKER: &str = "public, max-age=3600, stale-while-revalidate=86400";

/// Files by path, without the slash in front.
#[derive(Default)]
pub(super) struct Files(HashMap<String, File>);

impl Files {
    /// Those that npm had built when the program was compiled; none, where it had not.
    pub(super) fn built() -> Files {
        let file = |built: &Built| {
            let file = File {
                kind: kind(built.path),
                tag: built.tag.to_owned(),
                keep: keep(built.path),
                bytes: Bytes::from_static(built.bytes),
                gzip: built.gzip.map(Bytes::from_static),
            };
            (built.path.to_owned(), file)
        };
        Files(BUILT.iter().map(file).collect())
    }

    pub(super) fn get(&self, path: &str) -> Option<&File> {
        self.0.get(path)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &File)> {
        self.0.iter().map(|(path, file)| (path.as_str(), file))
    }
}

impl FromIterator<(String, File)> for Files {
    fn from_iter<I: IntoIterator<Item = (String, File)>>(files: I) -> Files {
        Files(files.into_iter().collect())
    }
}

fn keep(path: &str) -> &'static str {
    match path.strip_prefix("shop/").unwrap_or(path).split_once('/') {
        Some(("assets", name)) if is_hashed(name) => FOR_EVER,
        Some(("js", _)) => TRACKER,
        _ => FRESH,
    }
}

/// Whether a name ends in `-HASH.extension`, as Vite writes it: at least eight letters of base64url.
fn is_hashed(name: &str) -> bool {
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let hash = |at: usize| stem.get(at..).unwrap_or_default();
    // A hash may itself hold a `-`: the last eight letters, and what is before them.
    let Some(begin) = stem.len().checked_sub(8) else { return false };
    let is_base64 = hash(begin).bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    is_base64 && begin > 0 && stem.as_bytes()[begin - 1] == b'-'
}

/// Content types by extension. An extension that is not here is that of no file: `/example.org` is a page of the dashboard.
const KINDS: &[(&str, &str)] = &[
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("json", "application/json"),
    ("map", "application/json"),
    ("webmanifest", "application/manifest+json"),
    ("txt", "text/plain; charset=utf-8"),
    ("xml", "application/xml"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("ico", "image/x-icon"),
    ("woff2", "font/woff2"),
    ("woff", "font/woff"),
    ("wasm", "application/wasm"),
];

/// Extensions that are asked for by those who look for holes; a page would tell them nothing.
const STRANGE: &[&str] = &["php", "asp", "aspx", "jsp", "cgi", "env", "git", "sql", "bak", "zip", "gz"];

fn extension(path: &str) -> Option<&str> {
    path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension)
}

pub(super) fn kind(path: &str) -> &'static str {
    let known = extension(path).and_then(|extension| KINDS.iter().find(|(known, _)| *known == extension));
    known.map_or("application/octet-stream", |(_, kind)| kind)
}

/// Whether a path names a file, be it there or not, rather than a page of the dashboard.
pub(super) fn names_a_file(path: &str) -> bool {
    extension(path)
        .is_some_and(|extension| KINDS.iter().any(|(known, _)| *known == extension) || STRANGE.contains(&extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        for hashed in [
            "assets/index-BX3k_9aQ.js",
            "assets/index-a-c_e-gh.css",
            "assets/a-12345678.js.map",
            "shop/assets/a-12345678.js",
        ] {
            assert_eq!(keep(hashed), FOR_EVER, "{hashed}");
        }
        for plain in
            ["assets/logo.svg", "assets/a-1234567.js", "assets/12345678.js", "index.html", "shop/a-12345678.js"]
        {
            assert_eq!(keep(plain), FRESH, "{plain}");
        }
        assert_eq!(keep("js/p.js"), TRACKER);
    }

    #[test]
    fn a_host_name_is_a_page_and_not_a_file() {
        for page in ["", "pages", "sites/example.org", "example.com", "a.b/c", "2024.05.01"] {
            assert!(!names_a_file(page), "{page}");
        }
        for file in ["x.js", "assets/x.png", "wp-login.php", ".env", "a/b.map"] {
            assert!(names_a_file(file), "{file}");
        }
    }
}
