//! The project's own text files, for the tests that guard how they read.

use std::fs;
use std::path::{Path, PathBuf};

/// One file: its path from the project's root, and its text.
pub(crate) struct TextFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The project's root folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the testkit lies two folders down")
}

/// Every text file under `folder` (from the root; "" is the root itself), sorted by path. What git ignores, and what
/// is not text, is left out.
pub(crate) fn files(folder: &str) -> Vec<TextFile> {
    let root = root();
    let mut found = Vec::new();
    walk(&root, &root.join(folder), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<TextFile>) {
    const IGNORED: &[&str] = &["target", "data", "tools/bin"];
    for entry in fs::read_dir(folder).expect("a folder can be listed") {
        let place = entry.expect("an entry can be read").path();
        let path = place.strip_prefix(root).unwrap_or(&place).to_string_lossy().into_owned();
        if IGNORED.contains(&&*path) || path.ends_with("node_modules") || path.ends_with(".git") {
            continue;
        }
        if place.is_dir() {
            walk(root, &place, found);
        } else if let Ok(text) = fs::read_to_string(&place) {
            found.push(TextFile { path, text });
        }
    }
}
