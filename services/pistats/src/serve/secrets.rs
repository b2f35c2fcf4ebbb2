//! The two secrets of an instance, made at the first start: there is no default password.

use crate::credentials::{INSTANCE_KEY_FILE, write_secret};
use std::path::{Path, PathBuf};

/// The file of the secret under which visitor ids are hashed. Losing it makes every visitor a new one.
const VISITOR_SECRET_FILE: &str = "visitor.secret";

/// What only the owner of the data folder knows.
pub struct Secrets {
    pub instance_key: String,
    pub key_path: PathBuf,
    pub visitor_secret: [u8; 32],
}

impl Secrets {
    /// Reads both, or makes them where they are not there yet.
    pub fn open(data: &Path) -> Result<Secrets, String> {
        let key_path = data.join(INSTANCE_KEY_FILE);
        let instance_key = match read(&key_path)? {
            Some(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
            None => {
                let key = format!("pst_instance_{}", blake3::Hash::from_bytes(random()?).to_hex());
                write(&key_path, format!("{key}\n").as_bytes())?;
                key
            }
        };
        let path = data.join(VISITOR_SECRET_FILE);
        let visitor_secret = match read(&path)? {
            Some(bytes) => <[u8; 32]>::try_from(bytes)
                .map_err(|_| format!("{}: a visitor secret has 32 bytes; restore it from a backup", path.display()))?,
            None => {
                let secret = random()?;
                write(&path, &secret)?;
                secret
            }
        };
        Ok(Secrets { instance_key, key_path, visitor_secret })
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    write_secret(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}

fn random() -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("the system has no randomness: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_the_same_over_restarts_and_differ_between_instances() {
        let (here, there) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let first = Secrets::open(here.path()).expect("made");
        let again = Secrets::open(here.path()).expect("read");
        assert_eq!((&first.instance_key, first.visitor_secret), (&again.instance_key, again.visitor_secret));
        let other = Secrets::open(there.path()).expect("made");
        assert_ne!(first.instance_key, other.instance_key);
        assert_ne!(first.visitor_secret, other.visitor_secret);
    }

    #[test]
    fn a_damaged_visitor_secret_is_named_and_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(VISITOR_SECRET_FILE), b"short").expect("written");
        let error = Secrets::open(folder.path()).err().expect("refused");
        assert!(error.contains(VISITOR_SECRET_FILE), "{error}");
        assert_eq!(std::fs::read(folder.path().join(VISITOR_SECRET_FILE)).expect("there"), b"short");
    }
}
