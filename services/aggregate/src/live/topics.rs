//! Events of topics by minute, for trends.

use hashbrown::HashMap;
use pistats_core::Micros;
use pistats_core::report::realtime::{MINUTES, TopicSum, weight};
use pistats_core::report::{Bots, UsualHours};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Topics of the last half hour that a site holds at most; each costs about 200 bytes.
pub(crate) const HELD_MOST: usize = 200_000;

/// Topics whose usual level is kept, those with the most events; equal ones by topic.
pub(crate) const USUAL_MOST: usize = 100_000;

/// Events of people and of bots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub people: u64,
    pub bots: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, bot: bool, events: u64) {
        *(if bot { &mut self.bots } else { &mut self.people }) += events;
    }

    pub(crate) fn get(self, bots: Bots) -> u64 {
        match bots {
            Bots::Exclude => self.people,
            Bots::Include => self.people + self.bots,
            Bots::Only => self.bots,
        }
    }
}

/// What is usual at this hour, as the warehouse remembers it.
#[derive(Debug)]
pub(crate) struct Usual {
    /// Name of the zone whose hours they are.
    pub zone: String,
    pub hours: UsualHours,
    pub topics: HashMap<Arc<str>, Counts>,
    /// There were more than [`USUAL_MOST`] topics.
    pub is_cut: bool,
    /// When it was read, and how long that took.
    pub read_at: Instant,
    pub took: Duration,
}

/// Where commits keep changing what is usual, reading it again takes at most one part in so many of the time.
const REREAD_PART: u32 = 20;

impl Usual {
    /// Whether it may be read again.
    pub(crate) fn may_be_reread(&self) -> bool {
        self.read_at.elapsed() >= self.took * REREAD_PART
    }
}

#[derive(Default)]
pub(crate) struct Topics {
    /// By minute, in no order: few, and mostly the newest.
    topics: HashMap<Arc<str>, Vec<(i64, Counts)>>,
}

impl Topics {
    /// Counts events of a topic in a minute. False if there is no room for it.
    pub(crate) fn add(&mut self, topic: &str, minute: i64, bot: bool, events: u64) -> bool {
        if self.topics.len() == HELD_MOST && !self.topics.contains_key(topic) {
            return false;
        }
        let minutes = self.topics.entry_ref(topic).or_default();
        match minutes.iter_mut().rev().find(|(of, _)| *of == minute) {
            Some((_, counts)) => counts.add(bot, events),
            None => {
                let mut counts = Counts::default();
                counts.add(bot, events);
                minutes.push((minute, counts));
            }
        }
        true
    }

    /// Forgets minutes before this one.
    pub(crate) fn sweep(&mut self, oldest: i64) {
        self.topics.retain(|_, minutes| {
            minutes.retain(|(minute, _)| *minute >= oldest);
            !minutes.is_empty()
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// The weighted sums of the half hour that ends with the minute of `now`, in no order.
    pub(crate) fn sums(&self, bots: Bots, now: Micros, usual: Option<&Usual>) -> Vec<TopicSum> {
        let minute = now.0.div_euclid(Micros::MINUTE);
        let age = |of: i64| usize::try_from(minute - of).unwrap_or(MINUTES);
        let sum = |minutes: &[(i64, Counts)]| {
            minutes.iter().map(|(of, counts)| weight(age(*of)) * counts.get(bots)).sum::<u64>()
        };
        let sums = self.topics.iter().map(|(topic, minutes)| (topic, sum(minutes))).filter(|(_, sum)| *sum > 0);
        sums.map(|(topic, weighted)| {
            let usual = usual.and_then(|usual| usual.topics.get(topic)).map_or(0, |counts| counts.get(bots));
            TopicSum { topic: topic.clone(), weighted, usual }
        })
        .collect()
    }
}
