//! The country of a visitor where nobody looked up the address: the one of the browser's time zone.
//!
//! A zone belongs to one country, the one of its city (`Europe/Berlin` → DE), so that the answer is a good guess and no
//! more: a visitor on a journey keeps the zone of the device. The address, if Ingest knew it, goes before.

use super::zones::ZONES;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Countries without a time zone of their own, and one that ISO has left to its users (Kosovo).
const WITHOUT_ZONE: [&str; 3] = ["BV", "HM", "XK"];

static COUNTRY_OF: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    ZONES.iter().flat_map(|(country, zones)| zones.split_ascii_whitespace().map(move |zone| (zone, *country))).collect()
});

/// The country of an IANA time zone; absent for zones that belong to none (`UTC`) and for unknown names.
pub fn of_time_zone(zone: &str) -> &'static str {
    if zone.is_empty() { "" } else { COUNTRY_OF.get(zone).copied().unwrap_or("") }
}

/// An ISO 3166-1 alpha-2 code in capitals; absent if no country has that code (`EU`, `A1`, `T1`).
pub fn code(sent: &str) -> &'static str {
    let Ok(letters) = <[u8; 2]>::try_from(sent.as_bytes()) else { return "" };
    let upper = letters.map(|b| b.to_ascii_uppercase());
    match ZONES.binary_search_by(|(country, _)| country.as_bytes().cmp(&upper)) {
        Ok(at) => ZONES[at].0,
        Err(_) => WITHOUT_ZONE.into_iter().find(|country| country.as_bytes() == upper).unwrap_or(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn time_zones_know_their_country() {
        for (zone, country) in [
            ("Europe/Berlin", "DE"),
            ("America/New_York", "US"),
            ("America/Indianapolis", "US"),
            ("Asia/Calcutta", "IN"),
            ("Asia/Kolkata", "IN"),
            ("America/Rainy_River", "CA"),
            ("Australia/Lord_Howe", "AU"),
            ("Pacific/Apia", "WS"),
            ("Europe/Oslo", "NO"),
            ("Atlantic/Reykjavik", "IS"),
            ("Iceland", "IS"),
            ("Chile/Continental", "CL"),
            ("US/Samoa", "AS"),
            ("Africa/Asmera", "ER"),
            ("UTC", ""),
            ("Etc/GMT+3", ""),
            ("EST5EDT", ""),
            ("", ""),
            ("Mars/Olympus", ""),
        ] {
            assert_eq!(of_time_zone(zone), country, "{zone}");
        }
    }

    #[test]
    fn codes_are_assigned_or_absent() {
        for (sent, country) in [
            ("US", "US"),
            ("de", "DE"),
            ("xk", "XK"),
            ("BV", "BV"),
            ("UK", ""),
            ("EU", ""),
            ("A1", ""),
            ("ZZ", ""),
            ("", ""),
            ("D", ""),
            ("DEU", ""),
            ("é", ""),
        ] {
            assert_eq!(code(sent), country, "{sent}");
        }
    }

    #[test]
    fn table_is_sorted_and_no_zone_is_in_it_twice() {
        assert!(ZONES.is_sorted_by(|a, b| a.0 < b.0));
        let zones: usize = ZONES.iter().map(|(_, zones)| zones.split_ascii_whitespace().count()).sum();
        assert_eq!(COUNTRY_OF.len(), zones);
        assert_eq!(zones, 542);
        assert_eq!(ZONES.len() + WITHOUT_ZONE.len(), 250, "ISO 3166-1 has 249 countries, and Kosovo");
    }

    proptest! {
        #[test]
        fn any_text_is_a_country_or_absent(sent in ".{0,4}") {
            prop_assert!(matches!(code(&sent).len(), 0 | 2));
            prop_assert!(matches!(of_time_zone(&sent).len(), 0 | 2));
        }
    }
}
