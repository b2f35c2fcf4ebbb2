//! Who sends: the `Authorization` header of a message (RFC 8292), a token signed with ES256 (RFC 7515, RFC 7518).

use crate::base64url;
use crate::key::VapidKey;
use std::fmt;
use std::time::Duration;

/// How long a token holds. RFC 8292 allows 24 hours; half of it leaves room for a push service whose clock is wrong.
const HOLDS: Duration = Duration::from_secs(12 * 60 * 60);

/// Bytes of a contact: a mail address has up to 254 (RFC 5321), the rest is for web addresses.
const CONTACT_BYTES: usize = 512;

/// In whose name messages are sent: a key, and whom a push service may write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    key: VapidKey,
    contact: Contact,
}

/// Whom the operator of a push service writes to when messages do harm: `mailto:ops@example.org` or an `https:` page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact(String);

/// Why a text is no contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadContact {
    #[error("contact: it must begin with mailto: or https: and name somebody, as mailto:ops@example.org does")]
    Form,
    #[error("contact: it has {0} bytes, at most {CONTACT_BYTES} are sent")]
    TooLong(usize),
}

impl Contact {
    /// Reads a contact. Push services refuse one that nobody can write to, so `localhost` is refused here.
    pub fn read(text: &str) -> Result<Contact, BadContact> {
        let text = text.trim();
        if text.len() > CONTACT_BYTES {
            return Err(BadContact::TooLong(text.len()));
        }
        let url = url::Url::parse(text).map_err(|_| BadContact::Form)?;
        // What stands in the claims needs no escape then.
        if !url.as_str().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
            return Err(BadContact::Form);
        }
        let named = match url.scheme() {
            "mailto" => url
                .path()
                .split_once('@')
                .is_some_and(|(who, at)| !who.is_empty() && !at.is_empty() && at != "localhost"),
            "https" => url.host_str().is_some_and(|host| host != "localhost"),
            _ => false,
        };
        if named { Ok(Contact(url.into())) } else { Err(BadContact::Form) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Identity {
    pub fn new(key: VapidKey, contact: Contact) -> Identity {
        Identity { key, contact }
    }

    pub fn key(&self) -> &VapidKey {
        &self.key
    }

    /// The value of `Authorization` for a push service: its origin (`https://push.example.net`), and the seconds since 1970
    /// of now. None: the machine gives no random numbers to sign with.
    pub(crate) fn authorization(&self, origin: &str, now_unix_s: u64) -> Option<String> {
        // Neither text has a quote, a backslash or a control character: both were read that way.
        let claims = format!(
            r#"{{"aud":"{origin}","exp":{},"sub":"{}"}}"#,
            now_unix_s.saturating_add(HOLDS.as_secs()),
            self.contact
        );
        let head = base64url::write(br#"{"typ":"JWT","alg":"ES256"}"#);
        let signed = format!("{head}.{}", base64url::write(claims.as_bytes()));
        let signature = self.key.sign(signed.as_bytes())?;
        Some(format!("vapid t={signed}.{}, k={}", base64url::write(&signature), self.key.public_text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use serde_json::{Value, json};

    /// The claims, after the signature was checked.
    fn opened(authorization: &str) -> Value {
        let (token, key) =
            authorization.strip_prefix("vapid t=").and_then(|rest| rest.split_once(", k=")).expect("t, k");
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let bytes = |text: &str| base64url::read(text).expect("base64url");
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes(key))
            .verify(signed.as_bytes(), &bytes(signature))
            .expect("signed by the key it names");
        let (head, claims) = signed.split_once('.').expect("two parts");
        let head: Value = serde_json::from_slice(&bytes(head)).expect("JSON");
        assert_eq!(head, json!({"typ": "JWT", "alg": "ES256"}));
        serde_json::from_slice(&bytes(claims)).expect("JSON")
    }

    #[test]
    fn the_token_of_the_rfc_opens_and_a_changed_one_does_not() {
        // RFC 8292, section 2.4: our way of reading a token is the RFC's.
        let token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3\
            NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysaz\
            NjjvW2L9OkSSHzvoD1oA";
        let key = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs";
        let expected =
            json!({"aud": "https://push.example.net", "exp": 1_453_523_768, "sub": "mailto:push@example.com"});
        assert_eq!(opened(&format!("vapid t={token}, k={key}")), expected);
        let other = format!("vapid t={}, k={key}", token.replacen("eyJhdWQ", "eyJhdWR", 1));
        assert!(std::panic::catch_unwind(|| opened(&other)).is_err());
    }

    #[test]
    fn a_token_names_the_push_service_the_contact_and_an_end_within_a_day() {
        let contact = Contact::read("mailto:ops@example.org").expect("a contact");
        let identity = Identity::new(VapidKey::generate().expect("a key"), contact);
        let header = identity.authorization("https://push.example.net:8443", 1_700_000_000).expect("signed");
        let expected = json!({
            "aud": "https://push.example.net:8443", "exp": 1_700_043_200, "sub": "mailto:ops@example.org"
        });
        assert_eq!(opened(&header), expected);
        assert!(header.ends_with(&identity.key().public_text()));
    }

    #[test]
    #[ignore = "a measurement: cargo test --release -p pistats-push --lib measured -- --ignored --nocapture"]
    fn measured_tokens_a_second() {
        let contact = Contact::read("mailto:ops@example.org").expect("a contact");
        let identity = Identity::new(VapidKey::generate().expect("a key"), contact);
        let begun = std::time::Instant::now();
        for now in 0..2_000 {
            assert!(identity.authorization("https://push.example.net", now).is_some());
        }
        println!("signing a token: {:?}", begun.elapsed() / 2_000);
    }

    #[test]
    fn a_contact_is_somebody_who_can_be_written_to() {
        for good in ["mailto:ops@example.org", "https://example.org/push", " mailto:a@b.example "] {
            assert!(Contact::read(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "ops@example.org",
            "mailto:",
            "mailto:ops",
            "mailto:@x",
            "mailto:a@localhost",
            "http://example.org",
            "https://localhost/",
        ] {
            assert_eq!(Contact::read(bad), Err(BadContact::Form), "{bad}");
        }
        let long = |bytes: usize| format!("mailto:{}@example.org", "a".repeat(bytes - 19));
        assert!(Contact::read(&long(512)).is_ok());
        assert_eq!(Contact::read(&long(513)), Err(BadContact::TooLong(513)));
    }

    #[test]
    fn a_contact_cannot_break_out_of_the_claims() {
        for bad in ["mailto:a\"b@example.org", "mailto:a\\b@example.org", "mailto:a@b.example\",\"sub\":\"x"] {
            assert_eq!(Contact::read(bad), Err(BadContact::Form), "{bad}");
        }
        let contact = Contact::read("https://example.org/\"},\\?\"").expect("escaped");
        let identity = Identity::new(VapidKey::generate().expect("a key"), contact.clone());
        let claims = opened(&identity.authorization("https://push.example.net", 1).expect("signed"));
        assert_eq!(claims["sub"], json!(contact.as_str()));
    }
}
