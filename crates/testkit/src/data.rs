//! Real inputs that nobody on this project made: where they lie, how they become events, and their published answers.
//!
//! The data is not part of the project. It is looked for in `$PISTATS_TEST_DATA`, else in `shared/data` beside any folder
//! above this crate (`../shared/data` from the project's root). Where it is absent tests print that they are skipped; name
//! `data` in `PISTATS_TEST_REQUIRE` and they fail instead.
//!
//! Events are made once by the data's own `to_events.py` and kept in the target folder.

mod line;
pub mod reference;

pub use line::{Line, lines};

use crate::require;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why the data cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("to_events.py {set} failed ({status}); is python3 installed?")]
    Converter { set: &'static str, status: std::process::ExitStatus },
    #[error("{path}, line {line}: {reason}")]
    Line { path: PathBuf, line: u64, reason: String },
    #[error("{path}: {source}")]
    Json { path: PathBuf, source: serde_json::Error },
}

impl Error {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
        |source| Error::File { path: path.to_owned(), source }
    }
}

/// A set of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Set {
    Usagov,
    Elastic,
    Msnbc,
    Retail,
    /// Without returns: only lines whose quantity and price are above zero.
    RetailClean,
}

impl Set {
    /// As `to_events.py` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Set::Usagov => "usagov",
            Set::Elastic => "elastic",
            Set::Msnbc => "msnbc",
            Set::Retail => "retail",
            Set::RetailClean => "retail-clean",
        }
    }
}

/// The folder of the data; where there is none, prints that the test is skipped.
///
/// # Panics
/// When there is none and `PISTATS_TEST_REQUIRE` lists `data`.
pub fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("PISTATS_TEST_DATA").map(PathBuf::from);
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared/data"));
    let found = named.into_iter().chain(above).find(|folder| folder.join("to_events.py").is_file());
    require::found("data", || found.is_some(), "no ../shared/data; set PISTATS_TEST_DATA to its folder");
    found
}

/// The file with the events of a set, one JSON object a line; `None` (and a printed skip) where the data is absent.
///
/// Made on the first call, which takes a while (msnbc: half a gigabyte); several processes may ask at once.
pub fn events(set: Set) -> Result<Option<PathBuf>, Error> {
    match folder() {
        Some(folder) if require::have("python3") => convert(&folder, set).map(Some),
        _ => Ok(None),
    }
}

fn convert(data: &Path, set: Set) -> Result<PathBuf, Error> {
    let script = data.join("to_events.py");
    let text = std::fs::read(&script).map_err(Error::file(&script))?;
    let mut version = DefaultHasher::new();
    text.hash(&mut version);
    let cache = target_folder().join("data");
    std::fs::create_dir_all(&cache).map_err(Error::file(&cache))?;
    let done = cache.join(format!("{}-{:016x}.ndjson", set.name(), version.finish()));

    let lock_path = cache.join(format!("{}.lock", set.name()));
    let lock = File::create(&lock_path).map_err(Error::file(&lock_path))?;
    lock.lock().map_err(Error::file(&lock_path))?;
    if !done.is_file() {
        let unfinished = tempfile::NamedTempFile::new_in(&cache).map_err(Error::file(&cache))?;
        let output = unfinished.reopen().map_err(Error::file(unfinished.path()))?;
        let mut python = Command::new("python3");
        python.arg(&script).arg(set.name()).stdin(Stdio::null()).stdout(output);
        let status = python.status().map_err(Error::file(&script))?;
        if !status.success() {
            return Err(Error::Converter { set: set.name(), status });
        }
        unfinished.persist(&done).map_err(|error| Error::file(&done)(error.error))?;
    }
    Ok(done)
}

/// Cargo's target folder (it marks it with a file), else a folder for temporary files.
fn target_folder() -> PathBuf {
    let running = std::env::current_exe().unwrap_or_default();
    let marked = running.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    marked.map_or_else(|| std::env::temp_dir().join("pistats-testkit"), Path::to_owned)
}
