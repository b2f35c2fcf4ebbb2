//! What is happening at a given now: current visitors, minutes, lists and trending topics.
//!
//! Only the time of events counts, not when they arrived: those after now have not happened yet.

use super::Oracle;
use pistats_core::report::{Bots, Dimension, Filter, Selection};
use pistats_core::time::Range;
use pistats_core::{Micros, Zone};
use std::collections::{BTreeMap, BTreeSet};

/// Minutes that are looked at, the unfinished one included.
const MINUTES: i64 = 30;

/// Days whose same hour is the usual.
const USUAL_DAYS: i32 = 7;

/// What `Realtime` is answered with, but for what was received when.
#[derive(Clone, Debug, PartialEq)]
pub struct Realtime {
    pub current_visitors: u64,
    /// Oldest first, the last one unfinished.
    pub minutes: Vec<u64>,
    pub top_pages: Vec<(String, u64)>,
    pub top_sources: Vec<(String, u64)>,
    pub top_countries: Vec<(String, u64)>,
    pub trending: Vec<Trend>,
}

/// A topic that is talked about more than usual.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    pub topic: String,
    pub score: f64,
    /// Events a minute.
    pub rate: f64,
    pub usual: f64,
}

impl Oracle {
    /// Lists are cut to `limit` rows.
    pub fn realtime(&self, bots: Bots, limit: usize, now: Micros, zone: &Zone) -> Realtime {
        let (selected, moment) = self.moment(&[], bots, limit, now);
        Realtime { trending: self.trending(&selected, limit, now, zone), ..moment }
    }

    /// The same of the events that pass filters. Nothing is trending then.
    pub fn realtime_of(&self, filters: &[Filter], bots: Bots, limit: usize, now: Micros) -> Realtime {
        self.moment(filters, bots, limit, now).1
    }

    /// All that does not ask what is usual, and the events that it is about.
    fn moment(&self, filters: &[Filter], bots: Bots, limit: usize, now: Micros) -> (Vec<usize>, Realtime) {
        let past = Range::Times { from: Micros(i64::MIN), to: now.plus(1) };
        let selection = Selection { range: past, filters: filters.to_vec(), bots };
        let selected: Vec<usize> =
            self.selected(&selection).into_iter().filter(|number| self.events[*number].time <= now).collect();
        let is_current = |number: &&usize| self.events[**number].time > now.plus(-5 * Micros::MINUTE);
        let current: Vec<usize> = selected.iter().filter(is_current).copied().collect();
        let visitors: BTreeSet<usize> = current.iter().map(|number| self.visitor_of[*number]).collect();
        let moment = Realtime {
            current_visitors: visitors.len() as u64,
            minutes: (0..MINUTES).rev().map(|age| self.in_minute(&selected, age, now)).collect(),
            top_pages: self.top(&current, &Dimension::Page, limit),
            top_sources: self.top(&current, &Dimension::Source, limit),
            top_countries: self.top(&current, &Dimension::Country, limit),
            trending: Vec::new(),
        };
        (selected, moment)
    }

    /// How many of these events lie in the minute that is so many minutes old.
    fn in_minute(&self, numbers: &[usize], age: i64, now: Micros) -> u64 {
        let minute = |at: Micros| at.0.div_euclid(Micros::MINUTE);
        let lies = |number: &&usize| minute(self.events[**number].time) == minute(now) - age;
        numbers.iter().filter(lies).count() as u64
    }

    /// Values by distinct visitors, equal ones bytewise ascending.
    fn top(&self, numbers: &[usize], dimension: &Dimension, limit: usize) -> Vec<(String, u64)> {
        let mut visitors: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for number in numbers {
            for value in self.values_of(*number, dimension) {
                visitors.entry(value).or_default().insert(self.visitor_of[*number]);
            }
        }
        let mut rows: Vec<(String, u64)> =
            visitors.into_iter().map(|(value, visitors)| (value.to_owned(), visitors.len() as u64)).collect();
        rows.sort_by_key(|(_, visitors)| std::cmp::Reverse(*visitors));
        rows.truncate(limit);
        rows
    }

    fn trending(&self, selected: &[usize], limit: usize, now: Micros, zone: &Zone) -> Vec<Trend> {
        let topics: BTreeSet<&str> =
            selected.iter().flat_map(|number| &self.events[*number].topics).map(String::as_str).collect();
        let minutes = usual_minutes(now, zone);
        let trend = |topic: &str| {
            let has = |number: &&usize| self.events[**number].topics.iter().any(|other| other == topic);
            let about: Vec<usize> = selected.iter().filter(has).copied().collect();
            let weighted: u64 = (0..MINUTES).map(|age| weight(age) * self.in_minute(&about, age, now)).sum();
            let weights: u64 = (0..MINUTES).map(weight).sum();
            let rate = weighted as f64 / weights as f64;
            let before = about.iter().filter(|number| is_usual(self.events[**number].time, now, zone)).count();
            let usual = if minutes == 0 { 0.0 } else { before as f64 / minutes as f64 };
            Trend { topic: topic.to_owned(), score: (rate - usual) / (usual + 1.0).sqrt(), rate, usual }
        };
        let mut trends: Vec<Trend> = topics.into_iter().map(trend).filter(|trend| trend.score > 0.0).collect();
        // Stable: topics of one score stay in their order.
        trends.sort_by(|a, b| b.score.total_cmp(&a.score));
        trends.truncate(limit);
        trends
    }
}

/// 2^(-age/5) in 65,536ths.
fn weight(age: i64) -> u64 {
    (65_536.0 * (-(age as f64) / 5.0).exp2()).round() as u64
}

/// The hour that the clock on the wall shows.
fn hour(at: Micros, zone: &Zone) -> i64 {
    (at.0 + zone.stretch(at).offset_us).rem_euclid(Micros::DAY) / Micros::HOUR
}

/// Whether an instant lies in the same hour of one of the local days before today.
fn is_usual(at: Micros, now: Micros, zone: &Zone) -> bool {
    let today = zone.day_of(now);
    let day = zone.day_of(at);
    today.plus(-USUAL_DAYS) <= day && day < today && hour(at, zone) == hour(now, zone)
}

/// How many minutes the same hour lasted on these days: each minute is asked.
fn usual_minutes(now: Micros, zone: &Zone) -> u64 {
    let this = now.0.div_euclid(Micros::MINUTE);
    let most = (i64::from(USUAL_DAYS) + 2) * 24 * 60;
    (this - most..this).filter(|minute| is_usual(Micros(minute * Micros::MINUTE), now, zone)).count() as u64
}
