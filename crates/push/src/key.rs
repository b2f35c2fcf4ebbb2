//! VAPID keys: the pair that a site signs its messages with, and that its browsers subscribe to (RFC 8292).
//!
//! As text both halves are base64url: the secret one 32 bytes, the public one the 65 bytes of the uncompressed point, which is
//! what `applicationServerKey` of a page wants. Browsers bind a subscription to the public key: who loses the secret one loses
//! all subscribers.

use crate::base64url;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::{PublicKey, SecretKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use std::fmt;
use std::sync::Arc;

/// Bytes of an uncompressed point of P-256 (SEC 1, section 2.3.3).
pub const PUBLIC_BYTES: usize = 65;

/// Bytes of a secret key.
pub const SECRET_BYTES: usize = 32;

/// A key pair. What debugging shows of it is the public half.
#[derive(Clone)]
pub struct VapidKey {
    secret: SecretKey,
    public: [u8; PUBLIC_BYTES],
    signer: Arc<EcdsaKeyPair>,
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("vapid key: it is not base64url; give the 43 characters of the secret key")]
    Base64,
    #[error("vapid key: it has {0} bytes, a secret key of P-256 has 32; give the secret key, not the public one")]
    Length(usize),
    #[error("vapid key: the number is zero or beyond the curve's order; make a new key")]
    Range,
    #[error("the machine gives no random numbers; no key can be made")]
    NoRandom,
}

impl VapidKey {
    /// Makes a new key.
    pub fn generate() -> Result<VapidKey, BadKey> {
        VapidKey::of(random_secret().ok_or(BadKey::NoRandom)?)
    }

    /// Reads what [`VapidKey::secret_text`] wrote.
    pub fn from_text(text: &str) -> Result<VapidKey, BadKey> {
        let bytes = base64url::read(text.trim()).ok_or(BadKey::Base64)?;
        if bytes.len() != SECRET_BYTES {
            return Err(BadKey::Length(bytes.len()));
        }
        VapidKey::of(SecretKey::from_slice(&bytes).map_err(|_| BadKey::Range)?)
    }

    /// Reads what [`VapidKey::secret_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<VapidKey, BadKey> {
        if bytes.len() != SECRET_BYTES {
            return Err(BadKey::Length(bytes.len()));
        }
        VapidKey::of(SecretKey::from_slice(bytes).map_err(|_| BadKey::Range)?)
    }

    fn of(secret: SecretKey) -> Result<VapidKey, BadKey> {
        let public = point(&secret.public_key());
        let signer = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &secret.to_bytes(),
            &public,
            &SystemRandom::new(),
        );
        Ok(VapidKey { secret, public, signer: Arc::new(signer.map_err(|_| BadKey::Range)?) })
    }

    /// The secret half, 43 characters: to be kept like a password.
    pub fn secret_text(&self) -> String {
        base64url::write(&self.secret.to_bytes())
    }

    /// The secret half: to be kept like a password.
    pub fn secret_bytes(&self) -> [u8; SECRET_BYTES] {
        self.secret.to_bytes().into()
    }

    /// The public half: the uncompressed point.
    pub fn public_bytes(&self) -> [u8; PUBLIC_BYTES] {
        self.public
    }

    /// The public half, 87 characters: what a page passes to `pushManager.subscribe` as `applicationServerKey`.
    pub fn public_text(&self) -> String {
        base64url::write(&self.public)
    }

    /// The ES256 signature of a text: 64 bytes (RFC 7518, section 3.4). None: the machine gives no random numbers.
    pub(crate) fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        let signature = self.signer.sign(&SystemRandom::new(), text).ok()?;
        Some(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VapidKey({})", self.public_text())
    }
}

impl PartialEq for VapidKey {
    fn eq(&self, other: &VapidKey) -> bool {
        self.public == other.public
    }
}

impl Eq for VapidKey {}

/// A fresh secret number of the curve. None: the machine gives no random numbers.
pub(crate) fn random_secret() -> Option<SecretKey> {
    let random = SystemRandom::new();
    // One in 2^32 numbers lies beyond the order; more than a few in a row is no chance.
    for _ in 0..8 {
        let mut bytes = [0; SECRET_BYTES];
        random.fill(&mut bytes).ok()?;
        if let Ok(secret) = SecretKey::from_slice(&bytes) {
            return Some(secret);
        }
    }
    None
}

/// The uncompressed point.
pub(crate) fn point(public: &PublicKey) -> [u8; PUBLIC_BYTES] {
    let point = public.to_sec1_point(false);
    let mut bytes = [0; PUBLIC_BYTES];
    bytes.copy_from_slice(point.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_after_text() {
        let key = VapidKey::generate().expect("a key");
        let text = key.secret_text();
        assert_eq!((text.len(), key.public_text().len()), (43, 87));
        let again = VapidKey::from_text(&format!(" {text}\n")).expect("the same key");
        assert_eq!((again.secret_text(), again.public_text()), (text, key.public_text()));
        assert_ne!(VapidKey::generate().expect("another"), key);
        let again = VapidKey::from_bytes(&key.secret_bytes()).expect("the same key");
        assert_eq!((again.secret_bytes(), again.public_bytes()), (key.secret_bytes(), key.public_bytes()));
        assert_eq!(VapidKey::from_bytes(&[1; 31]).err(), Some(BadKey::Length(31)));
    }

    #[test]
    fn the_public_half_of_a_known_secret_is_the_known_one() {
        // RFC 8291, appendix A: the application server's keys.
        let key = VapidKey::from_text("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw").expect("a key");
        let known = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
        assert_eq!(key.public_text(), known);
    }

    #[test]
    fn what_is_no_key_says_why() {
        let public = VapidKey::generate().expect("a key").public_text();
        assert_eq!(VapidKey::from_text("not a key!").err(), Some(BadKey::Base64));
        assert_eq!(VapidKey::from_text(&public).err(), Some(BadKey::Length(65)));
        assert_eq!(VapidKey::from_text(&base64url::write(&[1; 31])).err(), Some(BadKey::Length(31)));
        assert_eq!(VapidKey::from_text(&base64url::write(&[0; 32])).err(), Some(BadKey::Range));
        assert_eq!(VapidKey::from_text(&base64url::write(&[0xff; 32])).err(), Some(BadKey::Range));
    }

    #[test]
    fn debugging_shows_no_secret() {
        let key = VapidKey::generate().expect("a key");
        assert!(!format!("{key:?}").contains(&key.secret_text()));
    }
}
