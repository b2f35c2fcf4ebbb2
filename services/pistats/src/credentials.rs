//! Keys that this user was told, so that commands need none: a file only the user can read.
//!
//! `PISTATS_CREDENTIALS`, else `$XDG_CONFIG_HOME/pistats/credentials.toml`, else `~/.config/pistats/credentials.toml`.

use pistats_core::Scope;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The file with the instance key in a server's data folder.
pub const INSTANCE_KEY_FILE: &str = "instance.key";

/// Secrets by server, site and scope.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Credentials {
    #[serde(default)]
    servers: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>,
}

impl Credentials {
    /// Where the file is.
    pub fn path() -> Option<PathBuf> {
        if let Some(path) = std::env::var_os("PISTATS_CREDENTIALS") {
            return Some(path.into());
        }
        let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        let config = config.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".config")))?;
        Some(config.join("pistats").join("credentials.toml"))
    }

    /// Reads the file; one that is not there is empty.
    pub fn load() -> Result<Credentials, String> {
        let Some(path) = Credentials::path() else { return Ok(Credentials::default()) };
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Credentials::default()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// The secret kept for a site. Without a name: the only site of the server, if there is one only.
    pub fn find(&self, server: &str, site: Option<&str>, scope: Scope) -> Option<&str> {
        let sites = self.servers.get(server)?;
        let keys = match site {
            Some(site) => sites.get(site)?,
            None if sites.len() == 1 => sites.values().next()?,
            None => return None,
        };
        keys.get(scope.name()).map(String::as_str)
    }

    /// Names of the sites kept for a server.
    pub fn sites(&self, server: &str) -> Vec<&str> {
        self.servers.get(server).map(|sites| sites.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    pub fn keep(&mut self, server: &str, site: &str, scope: &str, secret: &str) {
        let sites = self.servers.entry(server.to_owned()).or_default();
        sites.entry(site.to_owned()).or_default().insert(scope.to_owned(), secret.to_owned());
    }

    /// Keeps a site's secrets under its new name. False: there is nothing to rename.
    pub fn rename(&mut self, server: &str, from: &str, to: &str) -> bool {
        let Some(sites) = self.servers.get_mut(server).filter(|_| from != to) else { return false };
        let Some(keys) = sites.remove(from) else { return false };
        sites.insert(to.to_owned(), keys);
        true
    }

    /// Writes the file, whole or not at all.
    pub fn save(&self) -> Result<PathBuf, String> {
        let path = Credentials::path().ok_or("no home folder to keep keys in; set PISTATS_CREDENTIALS")?;
        let text = toml::to_string_pretty(self).map_err(|error| error.to_string())?;
        write_secret(&path, text.as_bytes()).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }
}

/// Writes a file that only its owner can read, whole or not at all, durably.
pub fn write_secret(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let new = path.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_site_needs_no_name() {
        let mut kept = Credentials::default();
        kept.keep("http://a", "one", "read", "secret-1");
        assert_eq!(kept.find("http://a", None, Scope::Read), Some("secret-1"));
        assert_eq!(kept.find("http://b", None, Scope::Read), None);
        kept.keep("http://a", "two", "read", "secret-2");
        assert_eq!(kept.find("http://a", None, Scope::Read), None);
        assert_eq!(kept.find("http://a", Some("two"), Scope::Read), Some("secret-2"));
    }

    #[test]
    fn secrets_go_with_a_sites_new_name() {
        let mut kept = Credentials::default();
        kept.keep("http://a", "one", "read", "secret-1");
        assert!(kept.rename("http://a", "one", "two"));
        assert_eq!(kept.find("http://a", Some("two"), Scope::Read), Some("secret-1"));
        assert_eq!(kept.find("http://a", Some("one"), Scope::Read), None);
        assert!(!kept.rename("http://a", "two", "two") && !kept.rename("http://b", "two", "three"));
        assert_eq!(kept.sites("http://a"), ["two"]);
    }

    #[test]
    fn a_secret_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep").join("secret");
        write_secret(&path, b"one").expect("written");
        write_secret(&path, b"two").expect("written over");
        assert_eq!(std::fs::read(&path).expect("read"), b"two");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }
}
