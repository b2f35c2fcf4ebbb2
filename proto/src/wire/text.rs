//! Is it text? Most texts of an event are short and ASCII, so that is asked first, sixteen bytes at a time.

/// Why bytes are no text of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoText {
    NotUtf8,
    Nul,
}

/// Whether bytes are UTF-8 without NUL.
#[inline]
pub fn check(bytes: &[u8]) -> Result<(), NoText> {
    if is_ascii_without_nul(bytes) { Ok(()) } else { check_slowly(bytes) }
}

#[cold]
fn check_slowly(bytes: &[u8]) -> Result<(), NoText> {
    if simdutf8::basic::from_utf8(bytes).is_err() {
        return Err(NoText::NotUtf8);
    }
    if bytes.contains(&0) { Err(NoText::Nul) } else { Ok(()) }
}

/// All bytes within 1 to 127. The last block overlaps the one before it, so that no text of eight bytes or more is read byte
/// by byte.
#[inline]
fn is_ascii_without_nul(bytes: &[u8]) -> bool {
    let mut blocks = bytes.chunks_exact(16);
    for block in &mut blocks {
        let Some((low, high)) = block.split_first_chunk::<8>() else { return false };
        if !(word_is_plain(low) && last_word_is_plain(high)) {
            return false;
        }
    }
    let rest = blocks.remainder();
    if rest.is_empty() {
        return true;
    }
    if let Some((low, _)) = rest.split_first_chunk::<8>() {
        return word_is_plain(low) && last_word_is_plain(rest);
    }
    if bytes.len() >= 8 {
        return last_word_is_plain(bytes);
    }
    rest.iter().all(|byte| (1..=127).contains(byte))
}

#[inline]
fn last_word_is_plain(bytes: &[u8]) -> bool {
    bytes.last_chunk::<8>().is_some_and(word_is_plain)
}

/// Eight bytes at once: no byte has its high bit, and every byte has it after 127 was added, that is, none was 0.
#[inline]
fn word_is_plain(bytes: &[u8; 8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_ne_bytes(*bytes);
    word & HIGH == 0 && word.wrapping_add(!HIGH) & HIGH == HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(bytes: &[u8]) -> Result<(), NoText> {
        match std::str::from_utf8(bytes) {
            Err(_) => Err(NoText::NotUtf8),
            Ok(text) if text.contains('\0') => Err(NoText::Nul),
            Ok(_) => Ok(()),
        }
    }

    #[test]
    fn one_odd_byte_is_found_at_every_place_of_every_length() {
        for length in 0..70 {
            let plain = vec![b'a'; length];
            assert_eq!(check(&plain), Ok(()));
            for place in 0..length {
                for odd in [0, 1, 127, 128, 255] {
                    let mut bytes = plain.clone();
                    bytes[place] = odd;
                    assert_eq!(check(&bytes), naive(&bytes), "{odd} at {place} of {length}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_as_the_standard_library_does(text in ".{0,80}", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(check(text.as_bytes()), naive(text.as_bytes()));
            prop_assert_eq!(check(&bytes), naive(&bytes));
        }
    }
}
