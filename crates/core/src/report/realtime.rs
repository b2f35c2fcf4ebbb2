//! What is happening now: the state of a site at one moment, and how parts of it add up.
//!
//! A visitor lives in one partition, so whoever folds some of the partitions holds a part of the state, and parts add
//! up exactly: counts, distinct visitors, and the integer sums that trends are made of. The last step is the same for
//! one part and for many: [`LivePart::finish`] ranks, cuts and divides.

mod trend;

pub use trend::{Trend, UsualHours, weight, weights};

use super::AsOf;
use crate::ids::PARTITIONS;
use crate::{Generation, Micros, Offset, PartitionId};
use std::collections::HashMap;
use std::sync::Arc;

/// Who was seen in this long is current, microseconds.
pub const CURRENT_US: i64 = 5 * Micros::MINUTE;

/// Minutes shown and looked at for trends, the unfinished one included.
pub const MINUTES: usize = 30;

/// Whole seconds that the rate of receipt is the mean of.
pub const RATE_SECONDS: i64 = 10;

/// A value and its distinct visitors.
pub type Ranked = (Arc<str>, u64);

/// A site at one moment, from folded events, committed or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Realtime {
    /// The server's clock.
    pub now: Micros,
    /// Distinct visitors with an event in the last 5 minutes.
    pub current_visitors: u64,
    /// Events received in the last 10 whole seconds.
    pub received: u64,
    /// Events by minute of their time, the last 30, oldest first; the last one is unfinished.
    pub minutes: Vec<u64>,
    /// Of the last 5 minutes: distinct visitors, most first, equal ones by value.
    pub top_pages: Vec<Ranked>,
    pub top_sources: Vec<Ranked>,
    pub top_countries: Vec<Ranked>,
    /// Greatest score first, equal ones by topic.
    pub trending: Vec<Trend>,
    /// How far the log is folded.
    pub as_of: AsOf,
    /// More happens than is kept: numbers are lower bounds, lists may lack rows.
    pub is_cut: bool,
}

/// What the holder of some partitions knows of a site at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LivePart {
    /// The holder's clock.
    pub now: Micros,
    pub current_visitors: u64,
    pub received: u64,
    /// [`MINUTES`] numbers, oldest first, the last one of the minute of `now`.
    pub minutes: Vec<u64>,
    /// In no order.
    pub pages: Vec<Ranked>,
    pub sources: Vec<Ranked>,
    pub countries: Vec<Ranked>,
    pub topics: Vec<TopicSum>,
    /// How long the hours lasted that `TopicSum::usual` counts; none while the usual level is not known (yet).
    pub usual_minutes: Option<u64>,
    pub generation: u64,
    /// The first offset that is not in the part, of the partitions that the holder folds.
    pub next_offsets: Vec<(PartitionId, Offset)>,
    pub is_cut: bool,
}

/// What a part knows of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSum {
    pub topic: Arc<str>,
    /// Sum of [`weight`] × events, by age in minutes.
    pub weighted: u64,
    /// Events in the usual hours, of the whole site: every part has the same number.
    pub usual: u64,
}

impl LivePart {
    /// Adds what another holder knows. The parts' clocks may differ: the merged one is as of the later, each number as
    /// of the clock of its part.
    pub fn merge(&mut self, other: LivePart) {
        self.now = self.now.max(other.now);
        self.current_visitors += other.current_visitors;
        self.received += other.received;
        self.minutes.resize(self.minutes.len().max(other.minutes.len()), 0);
        self.minutes.iter_mut().zip(&other.minutes).for_each(|(sum, events)| *sum += events);
        add(&mut self.pages, other.pages);
        add(&mut self.sources, other.sources);
        add(&mut self.countries, other.countries);
        let mut topics: HashMap<Arc<str>, TopicSum> =
            self.topics.drain(..).map(|topic| (topic.topic.clone(), topic)).collect();
        for topic in other.topics {
            match topics.get_mut(&topic.topic) {
                Some(sum) => {
                    sum.weighted += topic.weighted;
                    sum.usual = sum.usual.max(topic.usual);
                }
                None => drop(topics.insert(topic.topic.clone(), topic)),
            }
        }
        self.topics = topics.into_values().collect();
        self.usual_minutes = self.usual_minutes.zip(other.usual_minutes).map(|(ours, theirs)| ours.max(theirs));
        self.generation = self.generation.max(other.generation);
        self.next_offsets.extend(other.next_offsets);
        self.is_cut |= other.is_cut;
    }

    /// The state of the site, with lists of at most `limit` rows.
    pub fn finish(self, limit: usize) -> Realtime {
        let mut next_offsets = vec![Offset(0); usize::from(PARTITIONS)];
        for (partition, next) in self.next_offsets {
            if let Some(of) = next_offsets.get_mut(partition.index()) {
                *of = next;
            }
        }
        let trending = self.usual_minutes.map_or(Vec::new(), |minutes| trend::rank(self.topics, minutes, limit));
        Realtime {
            now: self.now,
            current_visitors: self.current_visitors,
            received: self.received,
            minutes: self.minutes,
            top_pages: top(self.pages, limit),
            top_sources: top(self.sources, limit),
            top_countries: top(self.countries, limit),
            trending,
            as_of: AsOf { generation: Generation(self.generation), next_offsets },
            is_cut: self.is_cut,
        }
    }

    /// Keeps at most so many rows of each list, those that rank first (topics by their weighted sum), in order; says so
    /// where rows went.
    pub fn cut(&mut self, most: usize) {
        let mut is_cut = false;
        for list in [&mut self.pages, &mut self.sources, &mut self.countries] {
            is_cut |= list.len() > most;
            *list = top(std::mem::take(list), most);
        }
        is_cut |= self.topics.len() > most;
        self.topics.sort_unstable_by(|a, b| b.weighted.cmp(&a.weighted).then_with(|| a.topic.cmp(&b.topic)));
        self.topics.truncate(most);
        self.is_cut |= is_cut;
    }
}

fn add(list: &mut Vec<Ranked>, other: Vec<Ranked>) {
    let mut sums: HashMap<Arc<str>, u64> = list.drain(..).collect();
    for (value, visitors) in other {
        *sums.entry(value).or_default() += visitors;
    }
    list.extend(sums);
}

/// Most first, equal ones by value.
fn top(mut list: Vec<Ranked>, most: usize) -> Vec<Ranked> {
    let order = |a: &Ranked, b: &Ranked| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0));
    if most > 0 && list.len() > most {
        list.select_nth_unstable_by(most - 1, order);
    }
    list.truncate(most);
    list.sort_unstable_by(order);
    list
}

#[cfg(test)]
mod tests;
