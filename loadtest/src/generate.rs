//! Made-up events as a file: any volume, any number of visitors, equal for equal flags.
//!
//! A fixed number of visitors walk about at once. Each event is the next step of one of them; now and then a walk ends and
//! another visitor sets out: one who was never there, as often as it takes for all to come until the end, else one who
//! was. So there are sessions, newcomers every day, returning visitors and short gaps, as in real traffic, in order of
//! time and in constant memory. Believable people, nights and trends are the demo's business (`pistats serve --demo`).

use crate::Failure;
use pistats_core::{Day, Micros};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::io::Write;
use std::path::PathBuf;

/// Flags of `generate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Events in all
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Visitors they come from
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    visitors: u64,
    /// Days they are spread over
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// First day, UTC
    #[arg(long, default_value = "2024-01-01", value_parser = parse_day)]
    from: Day,
    /// Other seeds, other events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// File to write [default: standard output]
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Args {
    /// The flags that another scenario needs.
    pub(crate) fn of(events: u64, visitors: u64, days: u32, from: &str, out: PathBuf) -> Result<Args, Failure> {
        Ok(Args { events, visitors, days, from: parse_day(from)?, seed: 1, out: Some(out) })
    }
}

fn parse_day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| format!("{text:?} is no day; write it as 2024-01-31"))
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let written = match &args.out {
        Some(path) => std::fs::File::create(path).and_then(|file| write(args, file)),
        None => write(args, std::io::stdout().lock()),
    };
    written.map_err(|error| format!("cannot write the events: {error}"))
}

/// Seconds between two steps of a walk, on average.
const STEP_SECONDS: f64 = 40.0;
/// A walk ends after a step with this chance: five steps on average.
const END: f64 = 0.2;

#[rustfmt::skip]
const AGENTS: [&str; 5] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
];
const REFERRERS: [&str; 6] =
    ["", "", "", "https://www.google.com/", "https://www.reddit.com/r/rust/", "https://news.ycombinator.com/"];
const PLACES: [(&str, &str, &str); 5] = [
    ("DE", "de-DE", "Europe/Berlin"),
    ("US", "en-US", "America/New_York"),
    ("IN", "en-IN", "Asia/Kolkata"),
    ("BR", "pt-BR", "America/Sao_Paulo"),
    ("JP", "ja-JP", "Asia/Tokyo"),
];

/// A visitor on the way.
struct Walk {
    visitor: u64,
    referrer: &'static str,
}

fn write(args: &Args, out: impl Write) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::with_capacity(1 << 20, out);
    let mut dice = StdRng::seed_from_u64(args.seed);
    let span_seconds = f64::from(args.days) * 86_400.0;
    let rate = args.events as f64 / span_seconds;
    let walking = (rate * STEP_SECONDS).ceil().clamp(1.0, args.visitors as f64) as usize;
    let mut crowd = Crowd { visitors: args.visitors, seen: 0 };
    let mut walks: Vec<Walk> = (0..walking).map(|_| crowd.set_out(args.events, &mut dice)).collect();
    for index in 0..args.events {
        let at_seconds = (index as f64 / rate) as i64;
        let at = Micros(i64::from(args.from.0) * Micros::DAY).plus(at_seconds * Micros::SECOND);
        let chosen = dice.random_range(0..walks.len());
        let walk = &mut walks[chosen];
        step(&mut out, at, walk, &mut dice)?;
        walk.referrer = "";
        if dice.random_bool(END) {
            *walk = crowd.set_out(args.events - index, &mut dice);
        }
    }
    out.flush()
}

/// Who may come.
struct Crowd {
    visitors: u64,
    /// Those who have come, 0 to this.
    seen: u64,
}

impl Crowd {
    /// The next walk, with so many events still to come.
    fn set_out(&mut self, events_left: u64, dice: &mut StdRng) -> Walk {
        let walks_left = events_left as f64 * END;
        let newcomers = (self.visitors - self.seen) as f64;
        let visitor = if self.seen == 0 || dice.random_bool((newcomers / walks_left.max(1.0)).min(1.0)) {
            self.seen = (self.seen + 1).min(self.visitors);
            self.seen - 1
        } else {
            // Squared, so that some visitors come often and most seldom.
            let skew: f64 = dice.random::<f64>().powi(2);
            ((skew * self.seen as f64) as u64).min(self.seen - 1)
        };
        Walk { visitor, referrer: REFERRERS[dice.random_range(0..REFERRERS.len())] }
    }
}

fn step(out: &mut impl Write, at: Micros, walk: &Walk, dice: &mut StdRng) -> std::io::Result<()> {
    // What a visitor is stays what it is: taken from the number, not from the dice.
    let (country, lang, tz) = PLACES[(walk.visitor / 7 % PLACES.len() as u64) as usize];
    let ua = AGENTS[(walk.visitor % AGENTS.len() as u64) as usize];
    let page: f64 = dice.random::<f64>().powi(3) * 1_000.0;
    let seconds = at.0 / Micros::SECOND;
    let (day, second) = (Day((seconds / 86_400) as i32), seconds % 86_400);
    write!(
        out,
        r#"{{"ts":"{day}T{:02}:{:02}:{:02}Z","visitor":"g{}","ip":"","ua":"{ua}","url":"https://shop.example/page/{}","referrer":"{}","country":"{country}","lang":"{lang}","tz":"{tz}""#,
        second / 3_600,
        second / 60 % 60,
        second % 60,
        walk.visitor,
        page as u64,
        walk.referrer,
    )?;
    if dice.random_bool(0.02) {
        write!(out, r#","name":"purchase","value":{}.{:02}"#, dice.random_range(1..200), dice.random_range(0..100))?;
    }
    out.write_all(b"}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn args(seed: u64) -> Args {
        Args { events: 5_000, visitors: 300, days: 3, from: parse_day("2024-02-28").unwrap(), seed, out: None }
    }

    fn lines(seed: u64) -> Vec<serde_json::Value> {
        let mut bytes = Vec::new();
        write(&args(seed), &mut bytes).unwrap();
        bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|l| serde_json::from_slice(l).unwrap())
            .collect()
    }

    #[test]
    fn equal_flags_make_equal_events_and_another_seed_others() {
        assert_eq!(lines(1), lines(1));
        assert_ne!(lines(1), lines(2));
    }

    #[test]
    fn as_many_events_as_asked_in_order_within_the_days() {
        let lines = lines(1);
        assert_eq!(lines.len(), 5_000);
        let times: Vec<&str> = lines.iter().map(|line| line["ts"].as_str().unwrap()).collect();
        assert!(times.is_sorted());
        // The three days cross a leap day.
        assert!(times[0].starts_with("2024-02-28T00:00:00Z") && times[4_999].starts_with("2024-03-01T23:59:"));
    }

    #[test]
    fn visitors_return_and_stay_who_they_are() {
        let mut agents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut events: BTreeMap<String, u32> = BTreeMap::new();
        for line in lines(1) {
            let visitor = line["visitor"].as_str().unwrap().to_owned();
            agents.entry(visitor.clone()).or_default().insert(line["ua"].to_string());
            *events.entry(visitor).or_default() += 1;
        }
        assert!((290..=300).contains(&agents.len()), "nearly all come: {}", agents.len());
        assert!(agents.values().all(|agents| agents.len() == 1));
        assert!(events.values().any(|count| *count > 50));
    }
}
