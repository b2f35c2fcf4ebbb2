//! Making keys: 192 random bits, readable by scope, stored as a hash.

use pistats_core::directory::{Key, KeyHash};
use pistats_core::{Micros, Scope, SiteId};
use tonic::Status;

/// Makes a key and its secret, `pst_read_3f…`.
///
/// Status: INTERNAL when the system has no randomness to give.
pub fn new_key(scope: Scope, site: Option<SiteId>, name: &str, now: Micros) -> Result<(Key, String), Status> {
    let secret = format!("pst_{}_{}", scope.name(), random_text()?);
    let hash = KeyHash::of(&secret);
    let key = Key {
        id: format!("key_{}", hex(&hash.0[..8])),
        hash,
        scope,
        site,
        name: name.to_owned(),
        created: now,
        revoked: false,
    };
    Ok((key, secret))
}

/// 192 random bits as hexadecimal digits.
///
/// Status: INTERNAL when the system has no randomness to give.
pub(crate) fn random_text() -> Result<String, Status> {
    let mut random = [0u8; 24];
    getrandom::fill(&mut random).map_err(|error| Status::internal(format!("no randomness for a secret: {error}")))?;
    Ok(hex(&random))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_its_scope_and_never_its_secret() {
        let (key, secret) = new_key(Scope::Read, Some(SiteId(1)), "dashboard", Micros(5)).expect("a key");
        assert!(secret.starts_with("pst_read_") && secret.len() == "pst_read_".len() + 48);
        assert!(!format!("{key:?}").contains(&secret["pst_read_".len()..]));
        assert_eq!(key.hash, KeyHash::of(&secret));
        let (_, another) = new_key(Scope::Read, Some(SiteId(1)), "dashboard", Micros(5)).expect("a key");
        assert_ne!(secret, another);
    }
}
