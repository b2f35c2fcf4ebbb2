//! Made-up traffic with the shape of real traffic: visits of a few events, few popular pages and many rare ones.

use pistats_core::{Day, EventId, Micros, Offset, PartitionId, Session, SiteId, VisitorKey, VisitorNo};
use pistats_store::{Commit, EventColumns, EventRow, SessionVersion, Sign, VisitorVersion};
use std::collections::HashMap;
use std::sync::Arc;

pub(crate) const SITE: SiteId = SiteId(1);
pub(crate) const DAYS: i64 = 30;
/// 2023-11-01T00:00:00Z.
const START: i64 = 1_698_796_800_000_000;

/// xorshift64* (Vigna 2016).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.max(1))
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        self.number() % sides
    }

    /// Small numbers often, large ones rarely: roughly Zipf with exponent 1.
    fn ranked(&mut self, sides: u64) -> u64 {
        let unit = (self.number() >> 11) as f64 / (1u64 << 53) as f64;
        ((sides as f64).powf(unit) as u64 - 1).min(sides - 1)
    }
}

/// Pages with their titles, referrers with their sources.
struct Names {
    pages: Vec<(String, String)>,
    referrers: Vec<(String, String)>,
}

type Stored = Session<Arc<str>>;

struct Visit {
    number: u64,
    visitor: u64,
    session: Option<Stored>,
}

pub(crate) struct Traffic {
    dice: Dice,
    names: Names,
    visitors: u64,
    seen: HashMap<u64, VisitorNo>,
    ordinals: [u64; 8],
    number: u128,
    pub(crate) now: i64,
    step: i64,
    active: Vec<Visit>,
    /// Visits that ended in the commit being made.
    ended: Vec<Visit>,
    visits: u64,
}

const COUNTRIES: [&str; 12] = ["US", "DE", "GB", "FR", "IN", "BR", "JP", "CA", "NL", "ES", "IT", "PL"];
const BROWSERS: [&str; 6] = ["Chrome", "Safari", "Firefox", "Edge", "Samsung Internet", "Opera"];
const SYSTEMS: [&str; 5] = ["Windows", "Android", "iOS", "macOS", "Linux"];
const DEVICES: [&str; 3] = ["desktop", "mobile", "tablet"];
const CHANNELS: [&str; 6] = ["direct", "search", "social", "referral", "mail", "paid"];
const SCREENS: [&str; 6] = ["1920x1080", "390x844", "1536x864", "1440x900", "360x800", "2560x1440"];

impl Traffic {
    pub(crate) fn new(events: u64) -> Traffic {
        let pages = (0..2_000).map(|n| (format!("/section-{}/article-{n}", n % 20), format!("Article number {n}")));
        let referrers = (0..300).map(|n| (format!("https://site-{n}.example/some/page"), format!("site-{n}.example")));
        Traffic {
            dice: Dice::new(42),
            names: Names { pages: pages.collect(), referrers: referrers.collect() },
            visitors: (events / 10).max(1_000),
            seen: HashMap::new(),
            ordinals: [0; 8],
            number: 0,
            now: START,
            step: DAYS * Micros::DAY / events as i64,
            active: Vec::new(),
            ended: Vec::new(),
            visits: 0,
        }
    }

    /// The next events in time order, with the sessions and visitors that they change.
    pub(crate) fn commit(&mut self, events: usize) -> Commit {
        let mut commit = Commit::default();
        let mut columns = EventColumns::default();
        // Which visits had a stored session before this commit, and what it was.
        let mut touched: HashMap<u64, (VisitorNo, Option<Stored>)> = HashMap::new();
        for _ in 0..events {
            self.now += self.step.max(1);
            self.number += 1;
            let at = self.visit();
            let visitor = self.active[at].visitor;
            let no = self.known(visitor, &mut commit);
            let row_id =
                EventId::from_parts(self.now as u64 / 1_000, u128::from(self.dice.number()) << 32 | self.number);
            let page = self.dice.ranked(self.names.pages.len() as u64) as usize;
            let run = {
                let (path, _) = &self.names.pages[page];
                Session::of_event((Micros(self.now), row_id), Arc::from(format!("example.com{path}")), true, false)
            };
            let before = self.active[at].session.take();
            touched.entry(self.active[at].number).or_insert_with(|| (no, before.clone()));
            self.active[at].session = Some(match before {
                Some(session) => session.join(run),
                None => run,
            });
            self.push(&mut columns, no, visitor, row_id, page);
        }
        for visit in self.active.iter().chain(&self.ended) {
            if let (Some((no, before)), Some(now)) = (touched.get(&visit.number), &visit.session) {
                let version = |session: &Stored, sign| SessionVersion {
                    site: SITE,
                    visitor: *no,
                    day: day(session.first.0.0),
                    session: session.clone(),
                    sign,
                };
                commit.sessions.extend(before.iter().map(|before| version(before, Sign::Retract)));
                commit.sessions.push(version(now, Sign::Add));
            }
        }
        self.ended.clear();
        commit.events = columns;
        commit
    }

    /// A visit that goes on, or a new one: four events a visit in the mean, 300 at a time.
    fn visit(&mut self) -> usize {
        if self.active.len() < 300 || self.dice.below(4) == 0 {
            let visitor = self.dice.ranked(self.visitors * 4) % self.visitors;
            if let Some(at) = self.active.iter().position(|visit| visit.visitor == visitor) {
                return at;
            }
            self.visits += 1;
            let visit = Visit { number: self.visits, visitor, session: None };
            if self.active.len() < 300 {
                self.active.push(visit);
                return self.active.len() - 1;
            }
            let at = self.dice.below(300) as usize;
            self.ended.push(std::mem::replace(&mut self.active[at], visit));
            return at;
        }
        self.dice.below(self.active.len() as u64) as usize
    }

    fn known(&mut self, visitor: u64, commit: &mut Commit) -> VisitorNo {
        if let Some(no) = self.seen.get(&visitor) {
            return *no;
        }
        let partition = (visitor % 8) as usize;
        let no = VisitorNo::new(PartitionId(partition as u16), self.ordinals[partition]);
        self.ordinals[partition] += 1;
        self.seen.insert(visitor, no);
        commit.visitors.push(VisitorVersion {
            site: SITE,
            visitor: no,
            key: key(visitor),
            first_seen: Micros(self.now),
            first_day: day(self.now),
            sign: Sign::Add,
        });
        no
    }

    fn push(&mut self, columns: &mut EventColumns, no: VisitorNo, visitor: u64, id: EventId, page: usize) {
        let pick = |list: &'static [&'static str], salt: u64| {
            // The square makes the first ones common.
            let unit = Dice::new(visitor * 31 + salt).below(1_000) as usize;
            list[unit * unit * list.len() / 1_000_000]
        };
        let (path, title) = &self.names.pages[page];
        let (referrer, source) = &self.names.referrers[self.dice.ranked(300) as usize];
        columns.push(&EventRow {
            site: SITE,
            visitor: no,
            id,
            time: Micros(self.now),
            day: day(self.now),
            partition: no.partition(),
            offset: Offset((self.number / 500) as u64),
            received: Micros(self.now + 20_000),
            client_time: None,
            name: "page_view",
            url: &format!("https://example.com{path}?ref={}", self.dice.ranked(1_000)),
            host: "example.com",
            path,
            referrer,
            source,
            channel: pick(&CHANNELS, 5),
            utm_source: "",
            utm_medium: "",
            utm_campaign: "",
            utm_term: "",
            utm_content: "",
            title,
            country: pick(&COUNTRIES, 1),
            language: "en-US",
            device: pick(&DEVICES, 2),
            screen: pick(&SCREENS, 3),
            browser: pick(&BROWSERS, 4),
            os: pick(&SYSTEMS, 6),
            user_id: "",
            bot: false,
            value: None,
            topics: &[],
            properties: &[],
        });
    }
}

pub(crate) fn day(us: i64) -> Day {
    Day(us.div_euclid(Micros::DAY) as i32)
}

/// The key of a made-up visitor: as random as a keyed hash.
pub(crate) fn key(visitor: u64) -> VisitorKey {
    VisitorKey(u128::from(Dice::new(visitor + 1).number()) << 64 | u128::from(visitor))
}
