//! The demo's shop: pages with the tracker in them, whose key is known only once the demo's site is there.

use super::files::{File, Files};
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// What stands in the shop's pages where the key belongs.
const PLACE: &str = "{{write_key}}";
/// Below which it lies.
pub(super) const FOLDER: &str = "shop/";

/// Closed until it is opened with a key. Clones are the same shop.
#[derive(Clone, Default)]
pub(in crate::serve) struct Shop(Arc<OnceLock<Files>>);

impl Shop {
    /// Opens it for good.
    pub(in crate::serve) fn open(&self, write_key: &str) {
        let built = Files::built();
        let pages = built.iter().filter(|(path, _)| path.starts_with(FOLDER));
        // Opened twice it stays as it is.
        _ = self.0.set(pages.map(|(path, file)| (path.to_owned(), filled(file, write_key))).collect());
    }

    /// The file at a path below the shop's folder: itself, or the page that goes without `.html`.
    pub(super) fn get(&self, path: &str) -> Option<&File> {
        let files = self.0.get()?;
        let page = || match path.strip_suffix('/') {
            Some(_) => files.get(&format!("{path}index.html")),
            None => files.get(&format!("{path}.html")),
        };
        files.get(path).or_else(page)
    }

    /// With files of a test in it.
    #[cfg(test)]
    pub(super) fn of(files: Files, write_key: &str) -> Shop {
        let shop = Shop::default();
        let filled = files.iter().map(|(path, file)| (path.to_owned(), filled(file, write_key)));
        assert!(shop.0.set(filled.collect()).is_ok());
        shop
    }
}

/// The file with the key in its place. Not compressed: these pages are small and seen by whoever tries the demo.
fn filled(file: &File, write_key: &str) -> File {
    match std::str::from_utf8(&file.bytes) {
        Ok(text) if file.kind.starts_with("text/html") && text.contains(PLACE) => {
            let tag = format!("{}-{}", file.tag, blake3::hash(write_key.as_bytes()).to_hex().as_str().split_at(16).0);
            File { tag, bytes: Bytes::from(text.replace(PLACE, write_key)), gzip: None, ..file.clone() }
        }
        _ => file.clone(),
    }
}
