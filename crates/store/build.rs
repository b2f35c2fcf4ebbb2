//! Puts DuckDB's library where programs find it, or says plainly that it is missing.
//!
//! The crate links the official prebuilt `libduckdb.so` (building it from source costs 50 CPU-minutes). Programs look
//! for it beside themselves and one folder up (the rpath of `.cargo/config.toml`: `$ORIGIN`, `$ORIGIN/..`), so one
//! copy in `target/<profile>/` serves the binary, the tests in `deps/` and the examples, from any working directory
//! and after the folder is moved. Without this file a missing library would be a linker riddle.
//!
//! With the feature `bundled` DuckDB is compiled from source and nothing is to be done here.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

const REMEDY: &str = "Run `make deps` (it comes from npm), or set DUCKDB_LIB_DIR to a folder that holds DuckDB 1.5.6's \
                      library, or build it from source with the feature `pistats-store/bundled` (about 50 CPU-minutes).";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DUCKDB_LIB_DIR");
    if env::var_os("CARGO_FEATURE_BUNDLED").is_some() {
        return;
    }
    if let Err(why) = provide() {
        // Lines marked so are shown by cargo as they are, without a stack trace.
        println!("cargo::error={why}");
    }
}

fn provide() -> Result<(), String> {
    let dir = PathBuf::from(variable("DUCKDB_LIB_DIR")?);
    let name = match variable("CARGO_CFG_TARGET_OS")?.as_str() {
        "macos" => "libduckdb.dylib",
        "windows" => "duckdb.dll",
        _ => "libduckdb.so",
    };
    let from = dir.join(name);
    println!("cargo:rerun-if-changed={}", from.display());
    if !from.is_file() {
        return Err(format!("DuckDB's library is missing: no file {}. {REMEDY}", from.display()));
    }

    // OUT_DIR is target/<profile>/build/<package>-<hash>/out; cargo offers no shorter way to target/<profile>.
    let out = PathBuf::from(variable("OUT_DIR")?);
    let profile = out.ancestors().nth(3).ok_or_else(|| format!("unexpected OUT_DIR {}", out.display()))?;
    let to = profile.join(name);
    println!("cargo:rerun-if-changed={}", to.display());
    place(&from, &to).map_err(|error| format!("cannot copy {} to {}: {error}", from.display(), to.display()))?;

    // Documentation tests are built in a temporary folder, where no rpath helps: cargo sets their library path to the
    // searched folders that lie in the target folder.
    println!("cargo:rustc-link-search=native={}", profile.display());
    Ok(())
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("the variable {name} cannot be read ({error}). {REMEDY}"))
}

/// Copies by way of a rename, since a running program may have the old file mapped. The copy keeps the source's
/// time: a newer one would make cargo think that it changed after this script, and run it on every build.
fn place(from: &Path, to: &Path) -> io::Result<()> {
    let source = fs::metadata(from)?;
    if let Ok(there) = fs::metadata(to)
        && there.len() == source.len()
        && there.modified()? == source.modified()?
    {
        return Ok(());
    }
    let draft = to.with_extension(format!("draft-{}", std::process::id()));
    fs::copy(from, &draft)?;
    fs::File::options().write(true).open(&draft)?.set_modified(source.modified()?)?;
    fs::rename(&draft, to)
}
