//! Encryption of a message for one browser (RFC 8291), as one record of `aes128gcm` (RFC 8188).
//!
//! ```text
//!   body   salt 16 │ record size 4 │ 65 │ our one-time public key 65 │ AES-128-GCM( payload │ 2 ) + tag 16
//!          └──────────────── 86 bytes ─────────────────────────────┘
//! ```
//!
//! Each message has a key pair and a salt of its own, so equal messages look different and nothing can be read later with what
//! we keep.

use crate::key::{self, PUBLIC_BYTES};
use p256::SecretKey;
use p256::ecdh::diffie_hellman;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};

/// The longest body that every push service must take (RFC 8030, section 7.2).
pub const MOST_BODY_BYTES: usize = 4096;

/// Salt, record size, length of the key id, key id (RFC 8188, section 2.1).
const HEAD_BYTES: usize = 16 + 4 + 1 + PUBLIC_BYTES;

/// The delimiter of the last record and the tag.
const TAIL_BYTES: usize = 1 + 16;

/// The longest payload: what of 4,096 bytes is left, 3,993 (RFC 8291, section 4).
pub const MOST_PAYLOAD_BYTES: usize = MOST_BODY_BYTES - HEAD_BYTES - TAIL_BYTES;

/// Written into the head whatever the payload's length, as the example of the RFC does: one record, never longer than this.
const RECORD_BYTES: u32 = 4096;

/// Closes the last record (RFC 8188, section 2).
const LAST_RECORD: u8 = 2;

/// Whom a message is encrypted for: the browser's public key and the secret it shares with us.
pub(crate) struct Receiver<'a> {
    pub(crate) public: &'a p256::PublicKey,
    pub(crate) auth: &'a [u8; 16],
}

/// Encrypts with a fresh key and salt. None: the machine gives no random numbers. The payload is at most
/// [`MOST_PAYLOAD_BYTES`] long; a [`crate::Message`] is.
pub(crate) fn seal(payload: &[u8], to: &Receiver<'_>) -> Option<Vec<u8>> {
    let mut salt = [0; 16];
    SystemRandom::new().fill(&mut salt).ok()?;
    seal_with(payload, to, &key::random_secret()?, &salt)
}

/// Encrypts with a given key and salt; both must never be used twice.
fn seal_with(payload: &[u8], to: &Receiver<'_>, ours: &SecretKey, salt: &[u8; 16]) -> Option<Vec<u8>> {
    let public = key::point(&ours.public_key());
    let shared = diffie_hellman(ours.to_nonzero_scalar(), to.public.as_affine());
    let input = input_key(shared.raw_secret_bytes(), to, &public)?;
    let random = Salt::new(HKDF_SHA256, salt).extract(&input);
    let key: [u8; 16] = expand(&random, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce: [u8; 12] = expand(&random, &[b"Content-Encoding: nonce\0"])?;

    let mut record = Vec::with_capacity(payload.len() + TAIL_BYTES);
    record.extend_from_slice(payload);
    record.push(LAST_RECORD);
    // The nonce of record 0 is the base itself, and there is only that one.
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?);
    cipher.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record).ok()?;

    let mut body = Vec::with_capacity(HEAD_BYTES + record.len());
    body.extend_from_slice(salt);
    body.extend_from_slice(&RECORD_BYTES.to_be_bytes());
    body.push(PUBLIC_BYTES as u8);
    body.extend_from_slice(&public);
    body.extend_from_slice(&record);
    Some(body)
}

/// What RFC 8188 starts from, made of both keys and the shared secret (RFC 8291, section 3.4).
fn input_key(shared: &[u8], to: &Receiver<'_>, ours: &[u8]) -> Option<[u8; 32]> {
    let random = Salt::new(HKDF_SHA256, to.auth).extract(shared);
    expand(&random, &[b"WebPush: info\0", &key::point(to.public), ours])
}

fn expand<const N: usize>(random: &ring::hkdf::Prk, info: &[&[u8]]) -> Option<[u8; N]> {
    struct Bytes(usize);
    impl KeyType for Bytes {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = [0; N];
    random.expand(info, Bytes(N)).ok()?.fill(&mut out).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base64url;
    use p256::PublicKey;

    /// Decrypts as a browser does, from what RFC 8188 and 8291 say about the receiving side.
    fn open(body: &[u8], secret: &SecretKey, auth: &[u8; 16]) -> Option<Vec<u8>> {
        let (head, sealed) = body.split_at_checked(HEAD_BYTES)?;
        let (salt, sender) = (&head[..16], &head[21..]);
        assert_eq!(&head[16..21], [0, 0, 16, 0, 65]);
        let theirs = PublicKey::from_sec1_bytes(sender).ok()?;
        let shared = diffie_hellman(secret.to_nonzero_scalar(), theirs.as_affine());
        let receiver = Receiver { public: &secret.public_key(), auth };
        let input = input_key(shared.raw_secret_bytes(), &receiver, sender)?;
        let random = Salt::new(HKDF_SHA256, salt).extract(&input);
        let key: [u8; 16] = expand(&random, &[b"Content-Encoding: aes128gcm\0"])?;
        let nonce: [u8; 12] = expand(&random, &[b"Content-Encoding: nonce\0"])?;
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?);
        let mut record = sealed.to_vec();
        let plain = cipher.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record).ok()?;
        plain.strip_suffix(&[LAST_RECORD]).map(<[u8]>::to_vec)
    }

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        base64url::read(text).expect("base64url").try_into().expect("the length")
    }

    #[test]
    fn equals_the_example_of_rfc_8291_byte_for_byte() {
        // Section 5 and appendix A.
        let ours = SecretKey::from_slice(&bytes::<32>("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")).expect("a key");
        let theirs: [u8; 65] =
            bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let public = PublicKey::from_sec1_bytes(&theirs).expect("a point");
        let receiver = Receiver { public: &public, auth: &bytes("BTBZMqHH6r4Tts7J_aSIgg") };
        let body =
            seal_with(b"When I grow up, I want to be a watermelon", &receiver, &ours, &bytes("DGv6ra1nlYgDCS1FRnbzlw"));
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEq\
            KK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(base64url::write(&body.expect("sealed")), expected);
    }

    #[test]
    fn w1_only_the_browser_opens_a_message_and_no_byte_can_be_changed() {
        let browser = key::random_secret().expect("a key");
        let (public, auth) = (browser.public_key(), [7; 16]);
        let body = seal(b"hello", &Receiver { public: &public, auth: &auth }).expect("sealed");
        assert_eq!(open(&body, &browser, &auth).as_deref(), Some(&b"hello"[..]));
        assert_eq!(open(&body, &browser, &[8; 16]), None);
        assert_eq!(open(&body, &key::random_secret().expect("a key"), &auth), None);
        // The record size is not authenticated (RFC 8188, section 4.5), and what is behind it is.
        for at in (0..16).chain(21..body.len()) {
            let mut changed = body.clone();
            changed[at] ^= 1;
            assert_eq!(open(&changed, &browser, &auth), None, "byte {at}");
        }
    }

    #[test]
    fn equal_messages_look_different() {
        let browser = key::random_secret().expect("a key");
        let receiver = Receiver { public: &browser.public_key(), auth: &[7; 16] };
        let bodies = [seal(b"x", &receiver).expect("sealed"), seal(b"x", &receiver).expect("sealed")];
        assert_ne!(bodies[0][..16], bodies[1][..16]);
        assert_ne!(bodies[0][21..86], bodies[1][21..86]);
    }

    #[test]
    #[ignore = "a measurement: cargo test --release -p pistats-push --lib measured -- --ignored --nocapture"]
    fn measured_messages_a_second() {
        let browser = key::random_secret().expect("a key");
        let receiver = Receiver { public: &browser.public_key(), auth: &[7; 16] };
        let begun = std::time::Instant::now();
        for _ in 0..2_000 {
            assert!(seal(&[b'a'; 500], &receiver).is_some());
        }
        println!("sealing 500 bytes: {:?}", begun.elapsed() / 2_000);
    }

    #[test]
    fn the_greatest_payload_fills_the_greatest_body() {
        let browser = key::random_secret().expect("a key");
        let receiver = Receiver { public: &browser.public_key(), auth: &[7; 16] };
        assert_eq!(MOST_PAYLOAD_BYTES, 3993);
        for (payload, body) in [(0, 103), (1, 104), (3992, 4095), (3993, 4096), (3994, 4097)] {
            let sealed = seal(&vec![b'a'; payload], &receiver).expect("sealed");
            assert_eq!(sealed.len(), body);
            assert_eq!(open(&sealed, &browser, &[7; 16]), Some(vec![b'a'; payload]));
        }
    }
}
