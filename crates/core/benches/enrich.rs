//! What enrichment costs an event: everything remembered, and nothing remembered.
//!
//! `cargo bench --profile release -p pistats-core --bench enrich`; takes about two seconds. Prints the best and the median of many rounds:
//! the best tells what the code costs, the median what it costs on this machine now.

// A benchmark is what a clock is for; the crate itself has none.
#![allow(clippy::disallowed_methods)]

use pistats_core::enrich::{Enricher, Input};
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS_FOR: Duration = Duration::from_secs(1);

const USER_AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; WOW64; Trident/5.0)",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];
const REFERRERS: [&str; 5] = [
    "",
    "https://www.google.com/",
    "https://www.example.com/articles/7",
    "http://t.co/x9",
    "https://blog.example.org/a",
];
const TAGS: [&str; 4] = ["", "", "", "?utm_source=newsletter&utm_medium=email&utm_campaign=spring%20sale"];

fn main() {
    let urls: Vec<String> = (0..400)
        .map(|n| format!("https://www.example.com/articles/{n}/a-title-of-usual-length{}", TAGS[n % 4]))
        .collect();
    let events: Vec<Input<'_>> = (0..2_000)
        .map(|n| Input {
            url: &urls[n % urls.len()],
            referrer: REFERRERS[n % REFERRERS.len()],
            user_agent: USER_AGENTS[n % USER_AGENTS.len()],
            language: "en-US,en;q=0.8",
            time_zone: "Europe/Berlin",
            country: None,
            screen_width: 1920,
            screen_height: 1080,
        })
        .collect();
    let mut warm = Enricher::default();
    report("remembered", || {
        events.iter().for_each(|event| drop(black_box(warm.enrich(event))));
    });
    // A cache of one entry a generation forgets everything before it is asked again.
    let mut cold = Enricher::with_capacity(1);
    report("nothing remembered", || {
        events.iter().for_each(|event| drop(black_box(cold.enrich(event))));
    });

    fn report(name: &str, mut round: impl FnMut()) {
        round();
        let (began, mut rounds) = (Instant::now(), Vec::new());
        while began.elapsed() < ROUNDS_FOR {
            let start = Instant::now();
            round();
            rounds.push(start.elapsed().as_nanos() as f64 / 2_000.0);
        }
        rounds.sort_by(f64::total_cmp);
        println!("{name}: best {:.0} ns, median {:.0} ns an event", rounds[0], rounds[rounds.len() / 2]);
    }
}
