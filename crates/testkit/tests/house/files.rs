//! How files read: no path of somebody's machine, no registry's address, no file that grew too long, no link that leads nowhere.

use crate::tree::{self, TextFile};

/// A hint says 200 lines, rarely over 400; beyond this a file is two files.
const MOST_LINES: usize = 600;

#[test]
fn no_rust_file_is_over_600_lines() {
    let rust: Vec<_> = tree::files("").into_iter().filter(|file| file.path.ends_with(".rs")).collect();
    assert!(rust.len() > 20, "only {} files were read", rust.len());
    assert_eq!(too_long(&rust), Vec::<String>::new());
}

#[test]
fn a_file_of_601_lines_is_reported_and_one_of_600_is_not() {
    assert_eq!(too_long(&[file("a.rs", &"\n".repeat(MOST_LINES))]), Vec::<String>::new());
    assert_eq!(too_long(&[file("a.rs", &"\n".repeat(MOST_LINES + 1))]), ["a.rs has 601 lines"]);
}

#[test]
fn no_file_names_a_place_of_somebodys_machine_or_a_registry() {
    assert_eq!(foreign_places(&tree::files("")), Vec::<String>::new());
}

#[test]
fn a_machine_path_is_reported_and_a_path_of_the_project_is_not() {
    // Put together here, so that this file passes its own test.
    for place in ["work", "root", "farm"] {
        let text = format!("see \"/{place}/notes.txt\"");
        assert_eq!(foreign_places(&[file("a.md", &text)]).len(), 1, "{text} went unnoticed");
    }
    let registry = ["registry", "npmjs", "org"].join(".");
    assert_eq!(foreign_places(&[file("a.json", &format!("https://{registry}/x"))]).len(), 1);
    for text in ["../shared/data/usagov", "/var/lib/pistats", "proto/work/x", "https://example.org/root/", "src/farm/x"]
    {
        assert_eq!(foreign_places(&[file("a.md", text)]), Vec::<String>::new());
    }
}

#[test]
fn the_npm_lock_pins_checksums_and_no_addresses() {
    let lock = tree::files("tools").into_iter().find(|file| file.path.ends_with("package-lock.json"));
    let text = lock.expect("tools/package-lock.json is committed").text;
    assert!(text.contains("\"integrity\""), "the lock pins no checksum");
    assert!(!text.contains("\"resolved\""), "the lock names the registry that wrote it; see tools/.npmrc");
}

#[test]
fn every_link_within_the_project_leads_somewhere() {
    let documents: Vec<_> = tree::files("").into_iter().filter(|file| file.path.ends_with(".md")).collect();
    assert!(documents.len() > 20, "only {} documents were read", documents.len());
    assert_eq!(dead_links(&documents), Vec::<String>::new());
}

#[test]
fn a_dead_link_is_reported_and_a_living_or_foreign_one_is_not() {
    let dead = "[a](b.md), ![c](../docs/none.png) and [d](adr/none.md#e)";
    assert_eq!(
        dead_links(&[file("docs/x.md", dead)]),
        ["docs/x.md: b.md", "docs/x.md: ../docs/none.png", "docs/x.md: adr/none.md"]
    );
    let living =
        "[a](adr/README.md#b), ![c](../README.md), [d](https://example.org/none), [e](#f), [g](mailto:h@example.org)";
    assert_eq!(dead_links(&[file("docs/x.md", living)]), Vec::<String>::new());
}

/// `path: link` of every link of a document to a file or folder that is not there.
fn dead_links(documents: &[TextFile]) -> Vec<String> {
    let mut found = Vec::new();
    for document in documents {
        let folder = tree::root().join(&document.path).with_file_name("");
        for part in document.text.split("](").skip(1) {
            let link = part.split([')', '#', ' ']).next().unwrap_or_default();
            let is_elsewhere = link.is_empty() || link.contains(':');
            if !is_elsewhere && !folder.join(link).exists() {
                found.push(format!("{}: {link}", document.path));
            }
        }
    }
    found
}

fn too_long(files: &[TextFile]) -> Vec<String> {
    let lines = |file: &TextFile| file.text.lines().count();
    let long = files.iter().filter(|file| lines(file) > MOST_LINES);
    long.map(|file| format!("{} has {} lines", file.path, lines(file))).collect()
}

/// `path:line: text` of every line that names a folder of one machine, or the host of a package registry.
fn foreign_places(files: &[TextFile]) -> Vec<String> {
    let folders = ["work", "root", "farm"].map(|name| format!("/{name}/"));
    let hosts = [["registry", "npmjs"], ["crates", "io/api"], ["proxy", "golang"]].map(|host| host.join("."));
    let mut found = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            if folders.iter().any(|folder| starts_a_path(line, folder)) || hosts.iter().any(|host| line.contains(host))
            {
                found.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    found
}

/// Whether `folder` stands in `line` as the start of an absolute path, not inside a longer path or an address.
fn starts_a_path(line: &str, folder: &str) -> bool {
    let inside = |before: char| before.is_alphanumeric() || "._-*)}/".contains(before);
    line.match_indices(folder).any(|(at, _)| !line[..at].chars().next_back().is_some_and(inside))
}

fn file(path: &str, text: &str) -> TextFile {
    TextFile { path: path.to_owned(), text: text.to_owned() }
}
