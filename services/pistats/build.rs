//! Puts what browsers are served into the program: the files that npm built into `dashboard/dist`, each once more compressed,
//! with its kind and its tag.
//!
//! Why inside the program: one file is what is installed, and page and contract are always of the same version. Nothing is
//! built here and npm is not called (`make run` does that); without the folder the program builds, and its page says what
//! to do. `src/serve/web` serves them.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Compressed is kept only what gets smaller by a tenth at least: pictures do not.
const WORTH: f64 = 0.9;

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let dist = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../../dashboard/dist");
    // A folder that is not there counts as changed, every time, and the program would be compiled anew with it.
    fs::create_dir_all(&dist)?;
    println!("cargo:rerun-if-changed={}", dist.display());

    let out = PathBuf::from(variable("OUT_DIR")?);
    let copies = out.join("web");
    fs::create_dir_all(&copies)?;
    let mut names = Vec::new();
    walk(&dist, &mut String::new(), &mut names)?;
    names.sort();
    let mut list = String::from("static BUILT: &[Built] = &[\n");
    for (number, name) in names.iter().enumerate() {
        let bytes = fs::read(dist.join(name))?;
        fs::write(copies.join(number.to_string()), &bytes)?;
        let packed = gzip(&bytes)?;
        let is_worth_it = (packed.len() as f64) < WORTH * bytes.len() as f64;
        let include = |suffix: &str| format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/web/{number}{suffix}\"))");
        let gzip = if is_worth_it {
            fs::write(copies.join(format!("{number}.gz")), &packed)?;
            format!("Some({})", include(".gz"))
        } else {
            "None".to_owned()
        };
        let tag = tag(&bytes);
        writeln!(list, "    Built {{ path: {name:?}, tag: {tag:?}, bytes: {}, gzip: {gzip} }},", include(""))
            .map_err(io::Error::other)?;
    }
    list.push_str("];\n");
    fs::write(out.join("web.rs"), list)
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("the variable {name} cannot be read ({error})")))
}

/// The paths of all files below a folder, with slashes. What begins with a dot is nobody's page.
fn walk(folder: &Path, prefix: &mut String, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| io::Error::other(format!("{name:?} is no UTF-8")))?;
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            let length = prefix.len();
            prefix.push_str(&name);
            prefix.push('/');
            walk(&entry.path(), prefix, names)?;
            prefix.truncate(length);
        } else {
            names.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Equal for equal bytes; that is all that is asked of it.
fn tag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("{:016x}{:x}", hasher.finish(), bytes.len())
}
