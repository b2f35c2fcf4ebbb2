//! Few distinct values a field, each with a reason: text that patterns and quoting trip over, orders that differ by
//! encoding, absent values, bots.

use super::Sent;
use pistats_core::{EventId, Micros};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

const URLS: &[&str] = &[
    "https://shop.example/",
    "https://shop.example/pricing",
    "https://shop.example/pricing?utm_source=letter&utm_medium=email&utm_campaign=spring",
    "https://blog.example/pricing?utm_source=ads&utm_medium=cpc&utm_term=shoes&utm_content=red",
    "https://blog.example/100%25_off?q=1#top",
    "https://shop.example/Zürich",
    "/without-host?x=y",
    "",
];

const REFERRERS: &[&str] = &[
    "",
    "https://www.google.com/",
    "https://t.co/abc",
    "https://news.example/list?page=2",
    "https://mail.google.com/mail/u/0/",
    "https://shop.example/pricing",
];

/// `%`, `_` and `\` mean something in patterns; U+FFEE and the emoji are ordered one way in UTF-8, the other in UTF-16.
const TITLES: &[&str] =
    &["", "Home", "home", "100%_off\\", "100 off", "Zürich", "zebra", "\u{ffee} half", "😀 smile", "it's \"quoted\""];

const USER_AGENTS: &[&str] = &[
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 \
     Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.7.1",
    "",
];

const NAMES: &[&str] = &["", "", "page_view", "signup", "purchase", "Signup"];
const USER_IDS: &[&str] = &["", "", "", "account-1", "account-2"];
const TOPICS: &[&str] = &["news", "news/local", "sports", "weather", "日本"];
const LANGUAGES: &[&str] = &["", "de-DE,de;q=0.9,en;q=0.8", "en-US", "en-GB,en;q=0.5", "pt-BR"];
const TIME_ZONES: &[&str] = &["", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata"];
const COUNTRIES: &[&str] = &["", "", "DE", "US", "IN"];
const SCREENS: &[(u32, u32)] = &[(0, 0), (1920, 1080), (1366, 768), (390, 844)];

/// A dot, a quote and a dollar mean something in paths into JSON.
pub(super) const PROPERTY_KEYS: &[&str] = &["plan", "a.b", "k\"ey", "$", "größe"];
/// Some are numbers.
const PROPERTY_VALUES: &[&str] = &["free", "pro", "Pro", "50%", "", "ünï", "7", "-3.5", "12.250", "1e3"];

/// The last two are the least and the greatest that default limits accept.
const VALUES: &[i64] = &[0, 1, -1, 4_990_000, -5_000_000, 19_990_000, -1_000_000_000_000_000, 1_000_000_000_000_000];

fn one<'a>(rng: &mut StdRng, pool: &[&'a str]) -> &'a str {
    // An absent value a quarter of the time would be too many, the pools say how often.
    pool.choose(rng).copied().unwrap_or("")
}

/// An event of a visitor at an instant, everything else at random.
pub(super) fn event(rng: &mut StdRng, visitor_id: String, time: Micros) -> Sent {
    // Most ids are made when the event happens; some clients make them at another time.
    let created =
        if rng.random_ratio(1, 10) { time.plus(rng.random_range(-40 * Micros::DAY..=Micros::DAY)) } else { time };
    let id = EventId::from_parts(u64::try_from(created.0 / 1_000).unwrap_or(0), rng.random());
    let (screen_width, screen_height) = SCREENS.choose(rng).copied().unwrap_or_default();
    let topics = (0..rng.random_range(0..4)).map(|_| one(rng, TOPICS).to_owned()).collect();
    let mut properties = Vec::new();
    for key in PROPERTY_KEYS {
        if rng.random_ratio(1, 3) {
            properties.push(((*key).to_owned(), one(rng, PROPERTY_VALUES).to_owned()));
        }
    }
    Sent {
        id,
        time,
        visitor_id,
        user_id: one(rng, USER_IDS).to_owned(),
        name: one(rng, NAMES).to_owned(),
        url: one(rng, URLS).to_owned(),
        referrer: one(rng, REFERRERS).to_owned(),
        title: one(rng, TITLES).to_owned(),
        topics,
        language: one(rng, LANGUAGES).to_owned(),
        time_zone: one(rng, TIME_ZONES).to_owned(),
        screen_width,
        screen_height,
        user_agent: one(rng, USER_AGENTS).to_owned(),
        country: one(rng, COUNTRIES).to_owned(),
        value: if rng.random_ratio(1, 3) { VALUES.choose(rng).copied() } else { None },
        properties,
    }
}
