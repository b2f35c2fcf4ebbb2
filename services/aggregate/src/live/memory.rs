//! What the warehouse remembers of a site's last minutes, told row by row.

use super::site::{Site, Touch};
use pistats_core::{Micros, VisitorNo};

/// One thing that the warehouse remembers.
#[derive(Clone, Debug)]
pub(crate) enum Memory {
    /// Events of a minute of event time.
    Minute { start: Micros, bot: bool, events: u64 },
    /// Events of a second of receipt.
    Received { second: Micros, bot: bool, events: u64 },
    /// Events of a topic in a minute.
    Topic { topic: String, start: Micros, bot: bool, events: u64 },
    /// When somebody was last seen somewhere.
    Seen(Remembered),
    /// An event whose time was still to come when it was read.
    Waiting(Remembered),
    /// More events wait from this time on than were read.
    Cut { from: Micros },
}

/// An event, as a row tells it.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    pub time: Micros,
    pub visitor: VisitorNo,
    pub bot: bool,
    pub page: String,
    pub source: String,
    pub country: String,
    pub topics: Vec<String>,
}

impl Remembered {
    fn tell(&self, told: impl FnOnce(Touch<'_>)) {
        let Remembered { time, visitor, bot, page, source, country, topics } = self;
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        told(Touch { time: *time, visitor: *visitor, bot: *bot, page, source, country, topics: &topics });
    }
}

impl Site {
    pub(crate) fn recall(&mut self, memory: Memory, now: Micros) {
        match memory {
            Memory::Minute { start, bot, events } => self.count(start, bot, events, now),
            Memory::Received { second, bot, events } => self.receive(second, bot, events),
            Memory::Topic { topic, start, bot, events } => self.talk(&topic, start, bot, events, now),
            Memory::Seen(seen) => seen.tell(|touch| self.see(touch, now)),
            Memory::Waiting(waiting) => waiting.tell(|touch| self.take(touch, now)),
            Memory::Cut { from } => self.cut(from),
        }
    }
}
