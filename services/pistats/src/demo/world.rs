//! Who comes when: the demo's world, as a pure function of a seed.
//!
//! ```text
//!   day × class ─▶ newcomers ─▶ each of their later days ─▶ visit? ─▶ local hour ─▶ instant ─▶ events (visit.rs)
//! ```
//!
//! Nothing is remembered and nothing depends on where one starts to look: the events of two neighbouring ranges are those of
//! the range over both. So a restart makes the same events with the same ids again, and they count once.
//!
//! Nobody comes before the day on which a site opened. Those who come back add up from then on, so that history grows into
//! today's level, at `level` 1 to 24,000 events a day. Where the day of opening moves
//! on with a restart, those of before stay away, and nobody else changes. `level` lets in only the first so many of each
//! day's newcomers.

use super::dice::Dice;
use super::people::{BOT_VISITS, BOTS, CLASSES, Class, HOMES, HOURS, Loyalty, Person};
use super::place::Place;
use super::visit::{LONGEST_US, Visit};
use pistats_core::{Micros, Zone};
use pistats_proto::ingest::v1::Event;

/// A world of visitors.
#[derive(Clone)]
pub(super) struct World {
    seed: u64,
    place: &'static Place,
    /// Part of the people of [`CLASSES`] who come, 0 to 1.
    level: f64,
    /// Local day.
    opened: i32,
    /// Of [`HOMES`], in order.
    zones: Vec<Zone>,
}

/// What is decided; the first part of a dice's name.
const PERSON: u64 = 1;
const DAY: u64 = 2;
const TREND: u64 = 3;
const BOT: u64 = 4;

impl World {
    /// # Errors
    /// A zone of the world is unknown to this build.
    pub(super) fn new(seed: u64, place: &'static Place, level: f64, opened: Micros) -> Result<World, String> {
        let zones = HOMES.iter().map(|home| Zone::named(home.zone)).collect::<Result<_, _>>();
        let zones = zones.map_err(|error| error.to_string())?;
        Ok(World { seed, place, level, opened: utc_day(opened), zones })
    }

    /// Everything that happens from an instant (included) to another (excluded), in order of time.
    pub(super) fn events(&self, from: Micros, to: Micros) -> Vec<Event> {
        let mut events = Vec::new();
        let mut keep = |visit: &Visit| {
            if visit.start < to && visit.start.plus(LONGEST_US) > from {
                visit.events(|event| events.extend(within(event, from, to)));
            }
        };
        // A local day begins up to 14 hours before the same day in UTC and ends up to 12 hours after it.
        for day in utc_day(from) - 1..=utc_day(to) + 1 {
            for (index, class) in CLASSES.iter().enumerate() {
                for age in 0..class.days.min(day - self.opened + 1) {
                    self.cohort(index, class, day, age, &mut keep);
                }
            }
            self.bots(day, &mut keep);
        }
        events.sort_by(|a, b| (a.time_us, &a.id).cmp(&(b.time_us, &b.id)));
        events
    }

    /// The visits on a local day of those of a class whose first day was `age` days before.
    fn cohort(&self, index: usize, class: &Class, day: i32, age: i32, keep: &mut impl FnMut(&Visit)) {
        let born = day - age;
        let newcomers = class.new_a_day * self.level * self.wave(born);
        let chance = if age == 0 { 1.0 } else { class.chance(age) * self.wave(day) };
        for rank in 0..self.whole(newcomers, &[index as u64, born as u64]) {
            let number = Dice::named(&[self.seed, PERSON, index as u64, born as u64, rank]).next();
            let mut dice = Dice::named(&[number, DAY, day as u64]);
            if !dice.happens(chance) {
                continue;
            }
            let person = Person::of(number, class.loyalty);
            for nth in 0..class.visits {
                if nth > 0 && !dice.happens(0.4) {
                    break;
                }
                let hour = dice.weighted(HOURS.into_iter()) as i64;
                let start = self.instant(&person, day, hour, &mut dice);
                keep(&Visit {
                    place: self.place,
                    person: &person,
                    day,
                    nth,
                    start,
                    first: age == 0 && nth == 0,
                    trend: self.trend(start),
                });
            }
        }
    }

    fn bots(&self, day: i32, keep: &mut impl FnMut(&Visit)) {
        if day < self.opened {
            return;
        }
        for index in 0..BOTS.len() {
            let bot = Person::bot(Dice::named(&[self.seed, BOT, index as u64]).next(), index);
            for nth in 0..self.whole(BOT_VISITS * self.level, &[BOT, index as u64, day as u64]) {
                let mut dice = Dice::named(&[bot.number, DAY, day as u64, nth]);
                let hour = dice.below(24) as i64;
                let start = self.instant(&bot, day, hour, &mut dice);
                keep(&Visit { place: self.place, person: &bot, day, nth, start, first: false, trend: None });
            }
        }
    }

    /// An instant within an hour of a local day. An hour that a zone skips is the one after it.
    fn instant(&self, person: &Person, day: i32, hour: i64, dice: &mut Dice) -> Micros {
        let within_hour = (dice.unit() * Micros::HOUR as f64) as i64;
        let local = Micros(i64::from(day) * Micros::DAY + hour * Micros::HOUR + within_hour);
        local.plus(-self.zones[person.home_index].stretch(local).offset_us)
    }

    /// How busy a day is: weekdays differ, and no two are the same.
    fn wave(&self, day: i32) -> f64 {
        // 1970-01-01 was a Thursday.
        let weekday = (day + 3).rem_euclid(7);
        let usual = [1.04, 1.0, 1.0, 1.02, 0.94, 0.8, 0.96][weekday as usize];
        usual * (0.92 + 0.16 * Dice::named(&[self.seed, DAY, day as u64]).unit())
    }

    /// A number of people; a half one comes every other day.
    fn whole(&self, number: f64, name: &[u64]) -> u64 {
        let rest = Dice::named(&[&[self.seed], name].concat()).unit();
        number as u64 + u64::from(rest < number.fract())
    }

    /// What everybody talks about at an instant, if there is something: now and then a topic, for two hours.
    pub(super) fn trend(&self, at: Micros) -> Option<&'static str> {
        const EVERY: i64 = 5 * Micros::HOUR;
        let mut dice = Dice::named(&[self.seed, TREND, at.0.div_euclid(EVERY) as u64]);
        let begins = dice.below(180) as i64 * Micros::MINUTE;
        let topic = *dice.pick(self.place.topics);
        let during = (begins..begins + 2 * Micros::HOUR).contains(&at.0.rem_euclid(EVERY));
        (dice.happens(0.6) && during).then_some(topic)
    }
}

fn utc_day(at: Micros) -> i32 {
    at.0.div_euclid(Micros::DAY) as i32
}

fn within(event: Event, from: Micros, to: Micros) -> Option<Event> {
    let at = Micros(event.time_us.unwrap_or_default());
    (from <= at && at < to).then_some(event)
}

impl Loyalty {
    /// Whether somebody goes where all others go.
    pub(super) fn follows_trends(self) -> bool {
        matches!(self, Loyalty::Passing | Loyalty::Occasional)
    }
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
