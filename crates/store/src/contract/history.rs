//! Histories for the cases of sheets: a few visitors around midnight, late events, merged sessions, moved first-seen days,
//! bots; folded as Aggregate would fold them, only naively.

use super::sample::{self, START};
use crate::{Commit, EventRow, SessionVersion, Sign};
use pistats_core::{Day, Micros, PartitionId, Session, SiteId, VisitorNo, session};
use std::collections::HashMap;
use std::sync::Arc;

/// The minimal standard generator of Park and Miller (1988): the same rows on every machine.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0 * 48_271 % 0x7fff_ffff;
        self.0 % sides
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }
}

/// The local day of the history's sites: half past two hours behind UTC.
pub(super) fn local_day(time: Micros) -> Day {
    sample::day(time.plus(-150 * Micros::MINUTE))
}

/// What was committed so far.
pub(super) struct History {
    pub(super) dice: Dice,
    number: u128,
    first_seen: HashMap<(SiteId, VisitorNo), Micros>,
    sessions: HashMap<(SiteId, VisitorNo), Vec<Session<Arc<str>>>>,
}

impl History {
    pub(super) fn new(seed: u64) -> History {
        History { dice: Dice(seed), number: 0, first_seen: HashMap::new(), sessions: HashMap::new() }
    }

    /// A commit of some events of two sites, anywhere within a week: most of them are late.
    pub(super) fn commit(&mut self, events: u64) -> Commit {
        let mut commit = Commit::default();
        for _ in 0..events {
            let site = SiteId(7 + u32::from(self.dice.below(4) == 0));
            let ordinal = self.dice.below(12);
            let visitor = VisitorNo::new(PartitionId((ordinal % 8) as u16), ordinal);
            // Within some hours of a local midnight.
            let day = self.dice.below(7) as i64;
            let minute = 270 + self.dice.below(600) as i64 - 300;
            let time = START.plus(day * Micros::DAY + minute * Micros::MINUTE + self.dice.below(3) as i64);
            self.add(&mut commit, site, visitor, time);
        }
        commit
    }

    /// Adds an event whose other values are random.
    pub(super) fn add(&mut self, commit: &mut Commit, site: SiteId, visitor: VisitorNo, time: Micros) {
        let of_visitor = (site, visitor);
        let known = self.first_seen.get(&of_visitor).copied();
        if known.is_none_or(|first| time < first) {
            let version = |first, sign| {
                let day = local_day(first);
                crate::VisitorVersion { site, first_day: day, ..sample::visitor(visitor, first, sign) }
            };
            commit.visitors.extend(known.map(|first| version(first, Sign::Retract)));
            commit.visitors.push(version(time, Sign::Add));
            self.first_seen.insert(of_visitor, time);
        }
        self.number += 1;
        let dice = &mut self.dice;
        let (name, path) = (dice.one_of(&["page_view", "page_view", "click"]), dice.one_of(&["/", "/a", "/b", "/ö"]));
        let row = EventRow {
            site,
            day: local_day(time),
            name,
            path,
            country: dice.one_of(&["DE", "FR", ""]),
            device: dice.one_of(&["desktop", "phone"]),
            browser: dice.one_of(&["Firefox", "Chrome"]),
            os: dice.one_of(&["Linux", "iOS"]),
            channel: dice.one_of(&["search", ""]),
            bot: dice.below(5) == 0,
            value: (dice.below(3) == 0).then(|| dice.below(1_000) as i64 - 500),
            ..sample::event(visitor, time, self.number)
        };
        commit.events.push(&row);

        let page: Arc<str> = format!("{}{}", row.host, row.path).into();
        let run = Session::of_event((time, row.id), page, name == "page_view", row.bot);
        let sessions = self.sessions.entry(of_visitor).or_default();
        let (at, replaced) = session::insert(sessions, run);
        let version = |session: Session<Arc<str>>, sign| {
            let day = local_day(session.first.0);
            SessionVersion { site, visitor, day, session, sign }
        };
        commit.sessions.extend(replaced.into_iter().map(|session| version(session, Sign::Retract)));
        commit.sessions.push(version(sessions[at].clone(), Sign::Add));
    }
}
