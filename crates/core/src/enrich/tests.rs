//! The parts together: one event in, all columns out.

use super::*;
use proptest::prelude::*;

#[test]
fn event_gets_all_its_columns() {
    let mut enricher = Enricher::default();
    let input = Input {
        url: "https://Shop.Example.com/sale?utm_source=google&utm_medium=cpc&utm_campaign=spring+sale&utm_term=shoe&utm_content=b",
        referrer: "https://www.google.de/",
        user_agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
        language: "de-de,de;q=0.9",
        time_zone: "Europe/Berlin",
        country: None,
        screen_width: 390,
        screen_height: 844,
    };
    let expected = Enriched {
        host: Text::Fixed("shop.example.com"),
        page: Text::Fixed("shop.example.com/sale"),
        path: Text::Fixed("/sale"),
        source: Text::Fixed("Google"),
        channel: Channel::PaidSearch,
        utm_source: Text::Fixed("google"),
        utm_medium: Text::Fixed("cpc"),
        utm_campaign: Text::Fixed("spring sale"),
        utm_term: Text::Fixed("shoe"),
        utm_content: Text::Fixed("b"),
        country: "DE",
        language: Text::Fixed("de-DE"),
        device: Device::Mobile,
        browser: "Safari",
        os: "iOS",
        screen: Text::Fixed("390x844"),
        bot: false,
    };
    assert_eq!(enricher.enrich(&input), expected);
    assert_eq!(enricher.enrich(&input), expected, "from the cache");
}

#[test]
fn event_that_says_nothing_has_only_absent_columns() {
    assert_eq!(Enricher::default().enrich(&Input::default()), Enriched::default());
}

#[test]
fn resolved_country_goes_before_the_time_zone() {
    let mut enricher = Enricher::default();
    for (country, time_zone, expected) in [
        (Some("FR"), "Europe/Berlin", "FR"),
        (Some("A1"), "Europe/Berlin", "DE"),
        (None, "Europe/Berlin", "DE"),
        (None, "UTC", ""),
    ] {
        let input = Input { country, time_zone, ..Input::default() };
        assert_eq!(enricher.enrich(&input).country, expected);
    }
}

#[test]
fn own_pages_are_no_source() {
    let mut enricher = Enricher::default();
    for (url, referrer, source, channel) in [
        ("https://www.example.com/b", "https://example.com/a", "", Channel::Direct),
        ("http://example.com:8080/b", "http://example.com:8080/a", "", Channel::Direct),
        ("https://example.com/b", "https://other.example.com/a", "other.example.com", Channel::Referral),
        ("/b", "https://example.com/a", "example.com", Channel::Referral),
    ] {
        let enriched = enricher.enrich(&Input { url, referrer, ..Input::default() });
        assert_eq!((&*enriched.source, enriched.channel), (source, channel), "{url} from {referrer}");
    }
}

proptest! {
    #[test]
    fn cache_never_changes_an_answer(events in proptest::collection::vec(("[a-c/:?=]{0,8}", "(http://)?[a-c.]{0,6}", "(bot|Chrome/| ){0,3}"), 0..60)) {
        let mut small = Enricher::with_capacity(2);
        for (url, referrer, user_agent) in &events {
            let input = Input { url, referrer, user_agent, ..Input::default() };
            prop_assert_eq!(small.enrich(&input), Enricher::with_capacity(1).enrich(&input));
        }
    }

    #[test]
    fn any_bytes_are_enriched(bytes in proptest::collection::vec(any::<u8>(), 0..120), width: u32, height: u32) {
        let sent = String::from_utf8_lossy(&bytes);
        let input = Input {
            url: &sent, referrer: &sent, user_agent: &sent, language: &sent, time_zone: &sent, country: Some(&sent),
            screen_width: width, screen_height: height,
        };
        let enriched = Enricher::default().enrich(&input);
        prop_assert_eq!(&*enriched.page, format!("{}{}", enriched.host, enriched.path));
    }
}
