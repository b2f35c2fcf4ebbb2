//! The two secrets of an instance, made at the first start: there is no default password. All its processes share them.

use crate::config::SecretsConfig;
use crate::credentials::{INSTANCE_KEY_FILE, write_secret};
use pistats_store::Registry;
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
    /// Those of the configuration, else those of the data folder; made where they are not there yet.
    pub fn open(data: &Path, given: &SecretsConfig) -> Result<Secrets, String> {
        std::fs::create_dir_all(data).map_err(|error| format!("{}: {error}", data.display()))?;
        let key_path = data.join(INSTANCE_KEY_FILE);
        let instance_key = match read(&key_path)? {
            _ if !given.instance_key.is_empty() => given.instance_key.trim().to_owned(),
            Some(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
            None => {
                let key = format!("pst_instance_{}", blake3::Hash::from_bytes(random()?).to_hex());
                write(&key_path, format!("{key}\n").as_bytes())?;
                key
            }
        };
        let path = data.join(VISITOR_SECRET_FILE);
        let visitor_secret = match read(&path)? {
            _ if !given.visitor_secret.is_empty() => *blake3::Hash::from_hex(given.visitor_secret.trim())
                .map_err(|_| "secrets.visitor_secret: 64 hexadecimal digits are needed".to_owned())?
                .as_bytes(),
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

/// Why a process may not take part.
#[derive(Debug, thiserror::Error)]
pub enum Disagreement {
    /// Nobody knows.
    #[error("store: {0}")]
    Unanswered(pistats_store::Error),
    #[error("secrets.{name}: this warehouse was made with another one: {fix}")]
    Another { name: &'static str, fix: &'static str },
}

impl Secrets {
    /// Makes sure that all processes of a warehouse have the same secrets: only hashes are kept of them.
    pub async fn agree(&self, registry: &dyn Registry) -> Result<(), Disagreement> {
        let hash = |of: &[u8]| blake3::derive_key("piStats 2026 fingerprint of a shared secret", of);
        let facts = [
            (
                "visitor_secret",
                hash(&self.visitor_secret),
                "every visitor would be a new one; give this process the visitor secret of the others \
                 (secrets.visitor_secret, or the file visitor.secret in its data folder)",
            ),
            (
                "instance_key",
                hash(self.instance_key.as_bytes()),
                "the other processes would not let it in; give it the instance key of the others \
                 (secrets.instance_key, or the file instance.key in its data folder)",
            ),
        ];
        for (name, own, fix) in facts {
            let own = blake3::Hash::from_bytes(own).to_hex().to_string();
            let agreed = registry.agree(name, &own).await.map_err(Disagreement::Unanswered)?;
            if agreed != own {
                return Err(Disagreement::Another { name, fix });
            }
        }
        Ok(())
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
    use pistats_store::{DuckConfig, DuckStore};

    #[test]
    fn secrets_stay_the_same_over_restarts_and_differ_between_instances() {
        let (here, there) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let first = Secrets::open(here.path(), &SecretsConfig::default()).expect("made");
        let again = Secrets::open(here.path(), &SecretsConfig::default()).expect("read");
        assert_eq!((&first.instance_key, first.visitor_secret), (&again.instance_key, again.visitor_secret));
        let other = Secrets::open(there.path(), &SecretsConfig::default()).expect("made");
        assert_ne!(first.instance_key, other.instance_key);
        assert_ne!(first.visitor_secret, other.visitor_secret);
    }

    #[test]
    fn a_damaged_visitor_secret_is_named_and_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(VISITOR_SECRET_FILE), b"short").expect("written");
        let error = Secrets::open(folder.path(), &SecretsConfig::default()).err().expect("refused");
        assert!(error.contains(VISITOR_SECRET_FILE), "{error}");
        assert_eq!(std::fs::read(folder.path().join(VISITOR_SECRET_FILE)).expect("there"), b"short");
    }

    #[test]
    fn given_secrets_go_before_files_and_a_wrong_one_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let given = |visitor_secret: &str| SecretsConfig {
            instance_key: " the key\n".to_owned(),
            visitor_secret: visitor_secret.to_owned(),
        };
        let secrets = Secrets::open(folder.path(), &given(&"0a".repeat(32))).expect("read");
        assert_eq!((secrets.instance_key.as_str(), secrets.visitor_secret), ("the key", [10; 32]));
        let error = Secrets::open(folder.path(), &given("0a")).err().expect("refused");
        assert!(error.contains("secrets.visitor_secret"), "{error}");
    }

    #[tokio::test]
    async fn a_process_with_another_secret_is_refused() {
        let registry = DuckStore::open(DuckConfig::memory()).expect("a warehouse");
        let secrets = |key: &str, byte| Secrets {
            instance_key: key.to_owned(),
            key_path: PathBuf::new(),
            visitor_secret: [byte; 32],
        };
        secrets("k", 1).agree(&registry).await.expect("the same");
        secrets("k", 1).agree(&registry).await.expect("the same");
        for (other, key) in [(secrets("k", 2), "secrets.visitor_secret"), (secrets("j", 1), "secrets.instance_key")] {
            let error = other.agree(&registry).await.expect_err("refused").to_string();
            assert!(error.starts_with(key), "{error}");
        }
    }
}
