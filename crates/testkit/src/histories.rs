//! Seeded random histories, and random questions about them: small, dense, and full of what goes wrong.
//!
//! A history is what clients send to one site, in the order in which it arrives: out of order, some of it twice, around
//! the moments at which a zone's clocks or days do something special, with sessions whose gaps are exactly 30:00 or a
//! microsecond more, and with few distinct values, so that filters hit. Equal seeds give equal histories and questions.

mod kinds;
mod people;
mod questions;
mod trees;
mod values;
mod waves;

pub use kinds::{KINDS, Spread};
pub use people::{BITMAP_DIMENSIONS, PeopleQuestion, people_questions};
pub use questions::{Question, dimensions, questions};
pub use trees::{SegmentCase, Trees};

use pistats_core::enrich::Input;
use pistats_core::{Enricher, Event, EventId, Micros, Zone};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use std::net::IpAddr;

use crate::{Oracle, OracleEvent};

/// Names of the zones that histories play in, each with the instants at which something special happens.
const ZONES: [(&str, &[&str]); 6] = [
    // Clocks go forward, and back.
    ("Europe/Berlin", &["2024-03-31T01:00:00Z", "2024-10-27T01:00:00Z"]),
    // Never changes, but its days begin at half past an hour of UTC; a year begins, a leap day ends.
    ("Asia/Kolkata", &["2023-12-31T18:30:00Z", "2024-02-29T18:30:00Z"]),
    // Went back at 00:01, so that a minute of the new day came before the last hour of the old one; and forward at 00:01.
    ("America/St_Johns", &["2010-11-07T02:31:00Z", "2011-03-13T03:31:00Z"]),
    // Changes by half an hour.
    ("Australia/Lord_Howe", &["2024-04-06T15:00:00Z", "2024-10-05T15:30:00Z"]),
    // Skipped 2011-12-30.
    ("Pacific/Apia", &["2011-12-30T10:00:00Z"]),
    ("UTC", &["2024-02-29T00:00:00Z", "2024-12-30T00:00:00Z"]),
];

/// The zones that every comparison runs in.
pub fn zones() -> Vec<Zone> {
    ZONES.iter().filter_map(|(name, _)| Zone::named(name).ok()).collect()
}

/// The instants of a zone at which its clocks or days do something special; of an unlisted zone, a turn of the year.
pub fn moments(zone: &Zone) -> Vec<Micros> {
    let listed = ZONES.iter().find(|(name, _)| *name == zone.name());
    let texts = listed.map_or(&["2024-01-01T00:00:00Z"][..], |(_, moments)| moments);
    let parsed = texts.iter().filter_map(|text| text.parse::<jiff::Timestamp>().ok());
    parsed.map(|moment| Micros(moment.as_microsecond())).collect()
}

/// An event as a client sends it: what the service is given, and what the oracle's events are derived from.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub id: EventId,
    pub time: Micros,
    pub visitor_id: String,
    pub user_id: String,
    /// Empty: a page view.
    pub name: String,
    pub url: String,
    pub referrer: String,
    pub title: String,
    pub topics: Vec<String>,
    pub language: String,
    pub time_zone: String,
    pub screen_width: u32,
    pub screen_height: u32,
    pub user_agent: String,
    pub country: String,
    pub value: Option<i64>,
    /// No key twice: a wire map cannot say so.
    pub properties: Vec<(String, String)>,
}

impl Sent {
    /// Where the visitor's requests come from, one visitor always from the same: two share an address, and every other address is
    /// IPv6.
    pub fn address(&self) -> IpAddr {
        let number: u16 = self.visitor_id.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        match number / 2 {
            pair if pair.is_multiple_of(2) => IpAddr::from([192, 0, 2, (pair % 250) as u8 + 1]),
            pair => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, pair]),
        }
    }

    /// The same as the domain's event.
    pub fn as_core(&self) -> Event<'_> {
        Event {
            id: Some(self.id),
            time: Some(self.time),
            visitor_id: &self.visitor_id,
            user_id: &self.user_id,
            raw_name: &self.name,
            url: &self.url,
            referrer: &self.referrer,
            title: &self.title,
            topics: self.topics.iter().map(String::as_str).collect(),
            language: &self.language,
            time_zone: &self.time_zone,
            screen_width: self.screen_width,
            screen_height: self.screen_height,
            user_agent: &self.user_agent,
            country: &self.country,
            value: self.value,
            properties: self.properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
            ..Event::default()
        }
    }
}

/// What was sent to one site, in the order of arrival, resent events included.
#[derive(Clone, Debug)]
pub struct History {
    pub seed: u64,
    /// The site's zone.
    pub zone: Zone,
    pub sent: Vec<Sent>,
}

impl History {
    /// A history of `events` distinct events of at most `visitors` visitors; about one in ten is sent twice or more.
    pub fn random(seed: u64, zone: &Zone, events: usize, visitors: usize) -> History {
        History::make(seed, zone, events, visitors, |rng, moments, last| next_time(rng, zone, moments, last))
    }

    /// The same of visitors who come back after days, weeks and months, and whose days are found out of order.
    pub fn returning(seed: u64, zone: &Zone, events: usize, visitors: usize) -> History {
        History::make(seed, zone, events, visitors, |rng, moments, last| match last {
            Some(last) if rng.random_ratio(1, 3) => {
                let days = [-30, -8, -7, -2, -1, 1, 1, 2, 6, 7, 8, 30, 31].choose(rng).copied().unwrap_or(1);
                last.plus(days * Micros::DAY)
            }
            _ => next_time(rng, zone, moments, last),
        })
    }

    fn make(
        seed: u64,
        zone: &Zone,
        events: usize,
        visitors: usize,
        mut next: impl FnMut(&mut StdRng, &[Micros], Option<Micros>) -> Micros,
    ) -> History {
        let mut rng = StdRng::seed_from_u64(seed);
        let moments = moments(zone);
        let mut last: Vec<Option<Micros>> = vec![None; visitors.max(1)];
        let mut sent: Vec<(Micros, Sent)> = Vec::with_capacity(events + events / 8);
        for _ in 0..events {
            let visitor = rng.random_range(0..last.len());
            let time = next(&mut rng, &moments, last[visitor]);
            last[visitor] = Some(time);
            let event = values::event(&mut rng, format!("visitor-{visitor}"), time);
            let mut arrival = time.plus(delay(&mut rng));
            sent.push((arrival, event.clone()));
            while rng.random_ratio(1, 10) {
                arrival = arrival.plus(delay(&mut rng));
                sent.push((arrival, event.clone()));
            }
        }
        sent.sort_by_key(|(arrival, _)| *arrival);
        History { seed, zone: zone.clone(), sent: sent.into_iter().map(|(_, event)| event).collect() }
    }

    /// The same in another order of arrival. Equal seeds give equal orders.
    pub fn shuffle(&self, seed: u64) -> History {
        let mut shuffled = self.clone();
        shuffled.sent.shuffle(&mut StdRng::seed_from_u64(seed));
        shuffled
    }

    /// The events as the oracle wants them, in the order of arrival, resent ones included.
    pub fn events(&self) -> Vec<OracleEvent> {
        let mut enricher = Enricher::default();
        let derive = |sent: &Sent| {
            let event = sent.as_core();
            let enriched = enricher.enrich(&Input::of(&event));
            OracleEvent::from_core(&event, &enriched)
        };
        self.sent.iter().filter_map(derive).collect()
    }

    /// Who knows all answers about this history where visitors have no cookies.
    pub fn oracle_without_cookies(&self) -> Oracle {
        let derive =
            |(event, sent): (OracleEvent, &Sent)| event.without_cookies(sent.address(), &sent.user_agent, &self.zone);
        Oracle::new(self.events().into_iter().zip(&self.sent).map(derive).collect())
    }

    /// Who knows all answers about this history.
    pub fn oracle(&self) -> Oracle {
        Oracle::new(self.events())
    }
}

/// When a visitor does something next: mostly within a session or right at its edge, sometimes elsewhere.
fn next_time(rng: &mut StdRng, zone: &Zone, moments: &[Micros], last: Option<Micros>) -> Micros {
    const HALF_HOUR: i64 = 30 * Micros::MINUTE;
    if let Some(last) = last.filter(|_| rng.random_ratio(4, 5)) {
        let gap = match rng.random_range(0..10) {
            0 => 0,
            1 => HALF_HOUR,
            2 => HALF_HOUR + 1,
            3 => HALF_HOUR - 1,
            4 => -HALF_HOUR,
            5 => 1,
            6 => rng.random_range(0..90) * Micros::MINUTE,
            7 => rng.random_range(0..3 * Micros::HOUR),
            _ => rng.random_range(0..20) * Micros::MINUTE,
        };
        return last.plus(gap);
    }
    let moment = moments.choose(rng).copied().unwrap_or_default();
    let near = |rng: &mut StdRng| [-1, 0, 1, -Micros::SECOND, 10 * Micros::MINUTE].choose(rng).copied().unwrap_or(0);
    match rng.random_range(0..4) {
        0 => moment.plus(near(rng)),
        1 => zone.start_of(zone.day_of(moment).plus(rng.random_range(-3..=3))).plus(near(rng)),
        2 => moment.plus(rng.random_range(-90..=90) * Micros::MINUTE),
        _ => moment.plus(rng.random_range(-3 * Micros::DAY..=3 * Micros::DAY)),
    }
}

/// How much later than it happened an event arrives: mostly soon, sometimes days late.
fn delay(rng: &mut StdRng) -> i64 {
    match rng.random_range(0..10) {
        0 => rng.random_range(0..4 * Micros::DAY),
        1..3 => rng.random_range(0..2 * Micros::HOUR),
        _ => rng.random_range(0..Micros::MINUTE),
    }
}
