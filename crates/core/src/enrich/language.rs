//! The language a visitor wants, in its canonical form: `en-us,en;q=0.5` → `en-US`.

use super::Text;

/// The longest tag taken for one; RFC 5646 (section 4.4.1) asks to support 35.
const LONGEST_TAG_BYTES: usize = 35;

/// The preferred language of an `Accept-Language` list (RFC 9110, section 12.5.4) or of a single tag.
///
/// Preferred is the tag of the greatest `q`, the first one of equals; one that is no tag (`*`, `C`) does not count, nor one
/// with `q=0`. Case is canonical (RFC 5646, section 2.1.1): `zh-hant-tw` → `zh-Hant-TW`. POSIX names are read as well:
/// `en_US.UTF-8` → `en-US`. Absent if no tag is left.
pub fn primary(list: &str) -> Text {
    let mut best: Option<(u32, &str)> = None;
    for item in list.split(',') {
        let (tag, parameters) = item.split_once(';').unwrap_or((item, ""));
        let tag = tag.split(['.', '@']).next().unwrap_or("").trim();
        let weight = weight(parameters);
        if weight > best.map_or(0, |(weight, _)| weight) && is_tag(tag) {
            best = Some((weight, tag));
        }
    }
    best.map_or(Text::EMPTY, |(_, tag)| Text::from(canonical(tag).as_str()))
}

/// Thousandths; 1000 where none is given or it cannot be read.
fn weight(parameters: &str) -> u32 {
    let value = parameters.split(';').find_map(|p| {
        let (key, value) = p.split_once('=')?;
        key.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    let Some(value) = value else { return 1000 };
    match value.parse::<f32>() {
        // Lossless: three digits are all that the standard allows.
        Ok(q) if (0.0..=1.0).contains(&q) => (q * 1000.0).round() as u32,
        _ => 1000,
    }
}

/// Two or three letters (eight at most), then parts of one to eight letters and digits.
fn is_tag(tag: &str) -> bool {
    let mut parts = tag.split(['-', '_']);
    let primary = parts.next().unwrap_or("");
    tag.len() <= LONGEST_TAG_BYTES
        && (2..=8).contains(&primary.len())
        && primary.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn canonical(tag: &str) -> String {
    let mut text = String::with_capacity(tag.len());
    let mut private = false;
    for (index, part) in tag.split(['-', '_']).enumerate() {
        if index > 0 {
            text.push('-');
        }
        let start = text.len();
        text.push_str(part);
        let letters = part.bytes().all(|b| b.is_ascii_alphabetic());
        text[start..].make_ascii_lowercase();
        match part.len() {
            // Region; what follows a single letter is an extension and stays in lower case.
            2 if index > 0 && letters && !private => text[start..].make_ascii_uppercase(),
            // Script.
            4 if index > 0 && letters && !private => text[start..start + 1].make_ascii_uppercase(),
            1 => private = true,
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn preferred_tag_is_found_in_canonical_case() {
        for (list, tag) in [
            ("en-us", "en-US"),
            ("en-US,en;q=0.8", "en-US"),
            ("EN", "en"),
            ("fr,fr-fr;q=0.8,en-us;q=0.5", "fr"),
            ("en;q=0.1, de-de;q=0.9", "de-DE"),
            ("en-GB, en-US", "en-GB"),
            ("en;q=0.5,*;q=0.9", "en"),
            ("en;q=0,de", "de"),
            ("en;q=0", ""),
            ("es-419,es;q=0.8", "es-419"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("zh_CN", "zh-CN"),
            ("en_US.UTF-8", "en-US"),
            ("de_DE@euro", "de-DE"),
            ("en-us-u-ca-gregory", "en-US-u-ca-gregory"),
            ("sl-rozaj-biske", "sl-rozaj-biske"),
            (" de ", "de"),
            ("en;q=high", "en"),
            ("en;Q=0.2,fr;q=0.3", "fr"),
            ("", ""),
            ("*", ""),
            ("C", ""),
            ("-", ""),
            ("e", ""),
            ("en-", ""),
            ("en--us", ""),
            ("12-34", ""),
            ("日本語", ""),
            ("abcdefgh", "abcdefgh"),
            ("abcdefghi", ""),
            ("en-a2345678", "en-a2345678"),
            ("en-a23456789", ""),
        ] {
            assert_eq!(primary(list), tag, "{list}");
        }
    }

    #[test]
    fn tag_of_thirty_five_bytes_is_the_longest() {
        let longest = "en-aaaaaaaa-bbbbbbbb-cccccccc-ddddd";
        assert_eq!(longest.len(), LONGEST_TAG_BYTES);
        assert_eq!(primary(longest), longest);
        assert_eq!(primary(&format!("{longest}e")), "");
    }

    proptest! {
        #[test]
        fn any_text_gives_a_tag_or_nothing(list in ".{0,80}") {
            let tag = primary(&list);
            prop_assert!(tag.is_empty() || is_tag(&tag));
            prop_assert_eq!(primary(&tag), tag);
        }
    }
}
