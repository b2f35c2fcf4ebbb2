//! What a test needs from the machine: found, or a printed skip, or a failure where the run demands it.
//!
//! A test that silently passes because something is missing is worse than none. `PISTATS_TEST_REQUIRE` names, separated
//! by commas or blanks, what must be there (`all`: everything); the continuous run sets it, a laptop need not.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The variable that lists what must not be missing.
pub const VARIABLE: &str = "PISTATS_TEST_REQUIRE";

/// Whether the program of this name is on the `PATH`; if not, prints that the test is skipped.
///
/// # Panics
/// When it is missing and `PISTATS_TEST_REQUIRE` lists it.
pub fn have(program: &str) -> bool {
    found(program, || find(program, std::env::var_os("PATH").as_deref()).is_some(), "no such program on the PATH")
}

/// Whether `is_there` holds for a thing of this name; if not, prints that the test is skipped, and why.
///
/// # Panics
/// When it is missing and `PISTATS_TEST_REQUIRE` lists it.
pub fn found(name: &str, is_there: impl FnOnce() -> bool, why_not: &str) -> bool {
    if is_there() {
        return true;
    }
    let demanded = std::env::var(VARIABLE).unwrap_or_default();
    assert!(!demands(&demanded, name), "{VARIABLE} demands {name}: {why_not}");
    eprintln!("skipped, {name} is missing: {why_not}");
    false
}

fn demands(list: &str, name: &str) -> bool {
    list.split([',', ' ']).any(|item| item == name || item == "all")
}

fn find(program: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    std::env::split_paths(path?).map(|folder| folder.join(program)).find(|file| is_executable(file))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_demanded_when_it_is_listed_or_all_are() {
        assert!(demands("strace,data", "data"));
        assert!(demands("strace data", "strace"));
        assert!(demands("all", "data"));
        assert!(!demands("strace", "data"));
        assert!(!demands("", "data"));
    }

    #[test]
    fn only_an_executable_file_on_the_path_is_a_program() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("text"), "no program").expect("a file");
        let path = Some(folder.path().as_os_str());
        assert_eq!(find("text", path), None);
        assert_eq!(find("absent", path), None);
        assert!(have("sh"));
    }
}
