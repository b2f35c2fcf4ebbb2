//! The screen of a visitor as one value: `1920x1080`.

use super::Text;
use std::fmt::Write;

/// Width and height in pixels as one text; absent unless both are known.
pub fn size(width: u32, height: u32) -> Text {
    if width == 0 || height == 0 {
        return Text::EMPTY;
    }
    // Two numbers of ten digits at most: one allocation, the shared one.
    let mut text = String::with_capacity(21);
    match write!(text, "{width}x{height}") {
        Ok(()) => Text::from(text.as_str()),
        Err(_) => Text::EMPTY,
    }
}

/// Remembers the texts of the sizes seen last: there are few, and each would be an allocation an event.
///
/// A size has one place, by its hash; another size in that place takes it over.
#[derive(Default)]
pub(super) struct Sizes {
    places: Vec<(u32, u32, Text)>,
}

impl Sizes {
    const PLACES: usize = 256;

    pub(super) fn get(&mut self, width: u32, height: u32) -> Text {
        if width == 0 || height == 0 {
            return Text::EMPTY;
        }
        if self.places.is_empty() {
            self.places.resize(Self::PLACES, (0, 0, Text::EMPTY));
        }
        // Multiplicative hashing (Knuth, The Art of Computer Programming, vol. 3, section 6.4): the top byte is mixed best.
        let mixed = (u64::from(width) << 32 | u64::from(height)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = &mut self.places[(mixed >> 56) as usize];
        if (place.0, place.1) != (width, height) {
            *place = (width, height, size(width, height));
        }
        place.2.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_needs_both_sides() {
        for (width, height, text) in
            [(1920, 1080, "1920x1080"), (0, 1080, ""), (1920, 0, ""), (0, 0, ""), (u32::MAX, 1, "4294967295x1")]
        {
            assert_eq!(size(width, height), text);
        }
    }

    #[test]
    fn remembered_sizes_are_the_sizes() {
        let mut sizes = Sizes::default();
        for width in 0..100 {
            for height in [0, 1, 99, u32::MAX] {
                assert_eq!(sizes.get(width, height), size(width, height));
                assert_eq!(sizes.get(width, height), size(width, height));
            }
        }
    }
}
