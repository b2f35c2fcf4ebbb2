//! The live state of one site.

use super::recent::Recent;
use super::topics::{Counts, Topics, Usual};
use pistats_core::report::Bots;
use pistats_core::report::realtime::{CURRENT_US, LivePart, MINUTES, RATE_SECONDS};
use pistats_core::{Day, Micros, VisitorNo};
use std::collections::BTreeMap;

/// Events of a site that wait for their time, at most; those beyond are not shown when it comes.
pub(crate) const WAITING_MOST: usize = 100_000;

/// How often what is over is swept out.
const SWEEP_EVERY_US: i64 = 10 * Micros::SECOND;

/// A folded event, as far as live state looks at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touch<'a> {
    pub time: Micros,
    pub visitor: VisitorNo,
    pub bot: bool,
    pub page: &'a str,
    pub source: &'a str,
    pub country: &'a str,
    /// As sent: one that is there twice counts once.
    pub topics: &'a [&'a str],
}

/// The same, on its own.
struct Waiting {
    visitor: VisitorNo,
    bot: bool,
    page: Box<str>,
    source: Box<str>,
    country: Box<str>,
    topics: Box<[Box<str>]>,
}

#[derive(Default)]
pub(crate) struct Site {
    /// Of all sites' changes, the number of the latest one here.
    pub moved: u64,
    /// Events folded since the process started.
    pub events: u64,
    /// By second of receipt.
    received: BTreeMap<i64, Counts>,
    /// By minute of event time.
    minutes: BTreeMap<i64, Counts>,
    /// Under one value, the empty one.
    visitors: Recent,
    pages: Recent,
    sources: Recent,
    countries: Recent,
    topics: Topics,
    /// Of this hour and, ahead of its time, of the next; and whether a commit touched its days since.
    usual: Vec<(Usual, bool)>,
    /// Events whose time has not come.
    waiting: BTreeMap<Micros, Vec<Waiting>>,
    waiting_count: usize,
    /// Until when something is missing that found no room.
    cut_until: Option<Micros>,
    swept: Micros,
}

pub(crate) fn minute(at: Micros) -> i64 {
    at.0.div_euclid(Micros::MINUTE)
}

fn oldest_minute(now: Micros) -> i64 {
    minute(now) - MINUTES as i64 + 1
}

impl Site {
    /// Counts events by the second of their receipt.
    pub(crate) fn receive(&mut self, received: Micros, bot: bool, events: u64) {
        self.received.entry(received.0.div_euclid(Micros::SECOND)).or_default().add(bot, events);
    }

    /// Shows an event, or keeps it until its time comes.
    pub(crate) fn take(&mut self, touch: Touch<'_>, now: Micros) {
        if touch.time <= now {
            self.show(touch, now);
        } else if self.waiting_count < WAITING_MOST {
            self.waiting_count += 1;
            self.waiting.entry(touch.time).or_default().push(Waiting {
                visitor: touch.visitor,
                bot: touch.bot,
                page: touch.page.into(),
                source: touch.source.into(),
                country: touch.country.into(),
                topics: touch.topics.iter().map(|topic| (*topic).into()).collect(),
            });
        } else {
            self.cut(touch.time);
        }
    }

    fn show(&mut self, touch: Touch<'_>, now: Micros) {
        self.count(touch.time, touch.bot, 1, now);
        self.see(touch, now);
        for (index, topic) in touch.topics.iter().enumerate() {
            if !touch.topics[..index].contains(topic) {
                self.talk(topic, touch.time, touch.bot, 1, now);
            }
        }
    }

    /// Counts events by their minute.
    pub(crate) fn count(&mut self, time: Micros, bot: bool, events: u64, now: Micros) {
        if minute(time) >= oldest_minute(now) {
            self.minutes.entry(minute(time)).or_default().add(bot, events);
        }
    }

    /// Notes who was there, and where.
    pub(crate) fn see(&mut self, touch: Touch<'_>, now: Micros) {
        let Touch { time, visitor, bot, page, source, country, .. } = touch;
        if time <= now.plus(-CURRENT_US) {
            return;
        }
        let lists = [
            (&mut self.visitors, ""),
            (&mut self.pages, page),
            (&mut self.sources, source),
            (&mut self.countries, country),
        ];
        // Every list takes what it has room for.
        let has_room = lists.into_iter().fold(true, |all, (list, value)| list.add(value, visitor, bot, time) && all);
        if !has_room {
            self.cut(time);
        }
    }

    /// Counts events of a topic by their minute.
    pub(crate) fn talk(&mut self, topic: &str, time: Micros, bot: bool, events: u64, now: Micros) {
        if minute(time) >= oldest_minute(now) && !self.topics.add(topic, minute(time), bot, events) {
            self.cut(time);
        }
    }

    /// Something of this time found no room: it is missing as long as it would be shown.
    pub(crate) fn cut(&mut self, time: Micros) {
        let until = time.plus(MINUTES as i64 * Micros::MINUTE);
        self.cut_until = self.cut_until.max(Some(until));
    }

    /// Whether the usual level of this instant has to be read, in a zone.
    pub(crate) fn lacks_usual(&self, at: Micros, zone: &str) -> bool {
        let known = self.usual.iter().find(|(usual, _)| usual.hours.hold(at) && usual.zone == zone);
        let lacks = known.is_none_or(|(usual, is_stale)| *is_stale && usual.may_be_reread());
        lacks && !self.topics.is_empty()
    }

    pub(crate) fn know_usual(&mut self, usual: Usual, now: Micros) {
        self.usual.retain(|(known, _)| {
            known.hours.to > now && known.zone == usual.zone && known.hours.from != usual.hours.from
        });
        self.usual.push((usual, false));
    }

    /// A commit touched these local days.
    pub(crate) fn touch(&mut self, first: Day, last: Day) {
        for (usual, is_stale) in &mut self.usual {
            *is_stale |= usual.hours.days.0 <= last && first <= usual.hours.days.1;
        }
    }

    /// Sweeps if it is time to.
    pub(crate) fn tidy(&mut self, now: Micros) {
        if now.since(self.swept) > SWEEP_EVERY_US {
            self.sweep(now);
        }
    }

    fn sweep(&mut self, now: Micros) {
        self.swept = now;
        while let Some(first) = self.waiting.first_entry()
            && *first.key() <= now
        {
            let time = *first.key();
            for waiting in first.remove() {
                self.waiting_count -= 1;
                let topics: Vec<&str> = waiting.topics.iter().map(AsRef::as_ref).collect();
                let Waiting { visitor, bot, page, source, country, .. } = &waiting;
                let (visitor, bot) = (*visitor, *bot);
                self.show(Touch { time, visitor, bot, page, source, country, topics: &topics }, now);
            }
        }
        for list in [&mut self.visitors, &mut self.pages, &mut self.sources, &mut self.countries] {
            list.sweep(now);
        }
        self.minutes = self.minutes.split_off(&oldest_minute(now));
        self.topics.sweep(oldest_minute(now));
        self.received = self.received.split_off(&(now.0.div_euclid(Micros::SECOND) - RATE_SECONDS));
        self.cut_until = self.cut_until.filter(|until| *until > now);
    }

    /// The state now, but for how far the log is folded.
    pub(crate) fn part(&mut self, now: Micros, bots: Bots) -> LivePart {
        self.sweep(now);
        let second = now.0.div_euclid(Micros::SECOND);
        let received = self.received.range(second - RATE_SECONDS..second);
        let usual = self.usual.iter().map(|(usual, _)| usual).find(|usual| usual.hours.hold(now));
        LivePart {
            now,
            current_visitors: self.visitors.values(bots).first().map_or(0, |(_, visitors)| *visitors),
            received: received.map(|(_, counts)| counts.get(bots)).sum(),
            minutes: (oldest_minute(now)..=minute(now))
                .map(|minute| self.minutes.get(&minute).map_or(0, |counts| counts.get(bots)))
                .collect(),
            pages: self.pages.values(bots),
            sources: self.sources.values(bots),
            countries: self.countries.values(bots),
            topics: self.topics.sums(bots, now, usual),
            // Where nobody talks, there is nothing to know.
            usual_minutes: match usual {
                Some(usual) => Some(usual.hours.minutes()),
                None => self.topics.is_empty().then_some(0),
            },
            is_cut: self.cut_until.is_some() || usual.is_some_and(|usual| usual.is_cut),
            ..LivePart::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::topics;
    use super::*;

    const NOW: Micros = Micros(1_717_243_230_000_000);

    fn touch<'a>(time: Micros, topics: &'a [&'a str]) -> Touch<'a> {
        Touch { time, visitor: VisitorNo(1), bot: false, page: "/", source: "", country: "", topics }
    }

    #[test]
    fn one_event_more_than_may_wait_is_missing_and_told_as_long_as_it_would_be_shown() {
        let mut site = Site::default();
        let later = NOW.plus(Micros::MINUTE);
        (0..WAITING_MOST).for_each(|_| site.take(touch(later, &[]), NOW));
        assert!(!site.part(NOW, Bots::Include).is_cut);
        site.take(touch(later, &[]), NOW);
        assert!(site.part(NOW, Bots::Include).is_cut);
        let there = site.part(later, Bots::Include);
        assert_eq!((there.minutes.iter().sum::<u64>(), there.is_cut), (WAITING_MOST as u64, true));
        let over = later.plus(MINUTES as i64 * Micros::MINUTE);
        assert!(site.part(over.plus(-1), Bots::Include).is_cut && !site.part(over, Bots::Include).is_cut);
    }

    #[test]
    fn one_topic_more_than_is_held_is_missing_and_told_and_known_ones_still_count() {
        let mut site = Site::default();
        let names: Vec<String> = (0..=topics::HELD_MOST).map(|number| number.to_string()).collect();
        names[1..].iter().for_each(|name| site.take(touch(NOW, &[name]), NOW));
        site.take(touch(NOW, &[&names[1]]), NOW);
        let full = site.part(NOW, Bots::Include);
        assert_eq!((full.topics.len(), full.is_cut), (topics::HELD_MOST, false));
        site.take(touch(NOW, &[&names[0]]), NOW);
        let cut = site.part(NOW, Bots::Include);
        assert_eq!((cut.topics.len(), cut.is_cut), (topics::HELD_MOST, true));
        // Its events count all the same.
        assert_eq!(cut.minutes.iter().sum::<u64>(), topics::HELD_MOST as u64 + 2);
    }
}
