//! Certificates for tests: an authority of its own, and what it signed, as files in a folder.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::{Path, PathBuf};

/// An authority whose certificates lie in a folder.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Signed {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// A new one, in a folder of its name.
    ///
    /// # Panics
    /// Where the folder cannot be written.
    pub fn new(folder: &Path, name: &str) -> Authority {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        std::fs::write(folder.join("ca.pem"), issuer.pem()).expect("written");
        Authority { issuer, folder }
    }

    /// Its own certificate: whom to believe.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate that it signed, for these hosts: names or addresses.
    ///
    /// # Panics
    /// Where the folder cannot be written, or a name is none.
    pub fn signed(&self, file: &str, names: &[&str]) -> Signed {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("names");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        let path = |kind: &str| self.folder.join(format!("{file}-{kind}.pem"));
        std::fs::write(path("cert"), cert.pem()).expect("written");
        std::fs::write(path("key"), key.serialize_pem()).expect("written");
        Signed { cert: path("cert"), key: path("key") }
    }
}
