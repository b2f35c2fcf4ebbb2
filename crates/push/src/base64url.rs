//! URL-safe base64 without padding, as every part of web push writes keys (RFC 4648, section 5; RFC 7515, appendix C).

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Some libraries of browsers' side pad; what is meant is clear.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(crate) fn write(bytes: &[u8]) -> String {
    LENIENT.encode(bytes)
}

/// None: it is not base64url.
pub(crate) fn read(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(text).ok()
}
