//! One visit: the pages somebody walks through, what goes into the cart, and when it ends.

use super::dice::Dice;
use super::people::{Loyalty, Person};
use super::place::shop::{CART, CHECKOUT, THANKS};
use super::place::{Kind, Page, Place};
use super::source::{self, Source};
use pistats_core::{EventId, Micros};
use pistats_proto::ingest::v1::Event;

/// No visit lasts longer.
pub(super) const LONGEST_US: i64 = 2 * Micros::HOUR;
/// The last steps of a visit take less than this: nobody begins another after it.
const LAST_CALL_US: i64 = LONGEST_US - 30 * Micros::MINUTE;
const MOST_VIEWS: u32 = 25;

/// A visit, before it is walked.
pub(super) struct Visit<'a> {
    pub(super) place: &'static Place,
    pub(super) person: &'a Person,
    /// Local day.
    pub(super) day: i32,
    /// Of the person's visits that day, from 0.
    pub(super) nth: u64,
    pub(super) start: Micros,
    /// The first visit ever.
    pub(super) first: bool,
    /// What everybody talks about just then.
    pub(super) trend: Option<&'static str>,
}

impl Visit<'_> {
    /// Hands out the visit's events in order.
    pub(super) fn events(&self, out: impl FnMut(Event)) {
        let person = self.person;
        let mut dice = Dice::named(&[person.number, self.day as u64, self.nth]);
        let trend = self.trend.filter(|_| person.loyalty.follows_trends() && dice.happens(0.4));
        let source = match trend {
            Some(_) => source::of_trend(&mut dice),
            None => source::of_visit(person, self.first, &mut dice),
        };
        let landing = match trend {
            Some(topic) => {
                choose(self.place, &mut dice, |page| page.kind == Kind::Post && page.topics.contains(&topic))
            }
            None => land(self.place, source, &mut dice),
        };
        let mut walk = Walk { visit: self, at: self.start, index: 0, out };
        walk.view(landing, source.referrer, source.query);
        let cart = walk.browse(landing, &mut dice);
        if self.first && person.member {
            walk.pause(&mut dice, 20.0);
            let method = *dice.pick(&["email", "email", "passkey", "single sign-on"]);
            walk.happen("signup", "/account", &[("method", method)], None);
        }
        if !cart.is_empty() {
            walk.check_out(&cart, &mut dice);
        }
    }
}

/// A visit on its way.
struct Walk<'a, F> {
    visit: &'a Visit<'a>,
    at: Micros,
    /// Of the next event in the visit.
    index: u64,
    out: F,
}

impl<F: FnMut(Event)> Walk<'_, F> {
    /// From page to page until it is enough. Returns what was put into the cart.
    fn browse(&mut self, landing: &'static Page, dice: &mut Dice) -> Vec<&'static Page> {
        let loyalty = self.visit.person.loyalty;
        // Chances to leave after the first page, to go on after a later one, to take a product.
        let (leaves, goes_on, takes) = match loyalty {
            Loyalty::Passing => (0.50, 0.76, 0.05),
            Loyalty::Occasional => (0.34, 0.79, 0.09),
            Loyalty::Regular => (0.22, 0.81, 0.12),
            Loyalty::Devoted => (0.15, 0.83, 0.15),
            Loyalty::Bot => (0.5, 0.7, 0.0),
        };
        let mut cart = Vec::new();
        let mut page = landing;
        let mut stays = !dice.happens(leaves);
        let mut views = 1;
        while stays && views < MOST_VIEWS && self.at.since(self.visit.start) < LAST_CALL_US {
            if page.kind == Kind::Product && dice.happens(takes) {
                self.pause(dice, 20.0);
                // Only what is paid has a value: the sum over all events is the revenue.
                let category = page.topics.first().copied().unwrap_or("gifts");
                self.happen("add_to_cart", page.path, &[("product", slug(page)), ("category", category)], None);
                cart.push(page);
            }
            self.beside(page, dice);
            self.pause(dice, if page.kind == Kind::Post { 240.0 } else { 100.0 });
            page = next(self.visit.place, page, dice);
            self.view(page, "", "");
            views += 1;
            stays = dice.happens(goes_on);
        }
        cart
    }

    /// What people do on a page beside reading it.
    fn beside(&mut self, page: &'static Page, dice: &mut Dice) {
        if self.visit.person.loyalty == Loyalty::Bot {
            return;
        }
        if page.path == "/search" {
            self.pause(dice, 20.0);
            let term = *dice.pick(self.visit.place.terms);
            let results = dice.below(14).to_string();
            self.happen("search", page.path, &[("term", term), ("results", &results)], None);
        } else if page.kind == Kind::Post && dice.happens(0.03) {
            self.pause(dice, 120.0);
            let place = *dice.pick(&["end of post", "end of post", "sidebar"]);
            self.happen("newsletter", page.path, &[("place", place)], None);
        } else if page.kind == Kind::Post && dice.happens(0.02) {
            self.pause(dice, 120.0);
            let network = *dice.pick(&["mail", "whatsapp", "reddit", "copied link"]);
            self.happen("share", page.path, &[("network", network)], None);
        }
    }

    /// Some get there. The short way loses fewer.
    fn check_out(&mut self, cart: &[&'static Page], dice: &mut Dice) {
        let short = self.visit.person.variant == "short-checkout";
        let steps = [(&CART, 0.85), (&CHECKOUT, if short { 0.72 } else { 0.62 })];
        for (page, chance) in steps {
            if !dice.happens(chance) {
                return;
            }
            self.pause(dice, 40.0);
            self.view(page, "", "");
        }
        if dice.happens(if short { 0.86 } else { 0.74 }) {
            self.pause(dice, 150.0);
            let items = cart.len().to_string();
            let sum = cart.iter().map(|product| product.price_cents).sum();
            let payment = *dice.pick(&["card", "card", "card", "paypal", "paypal", "invoice"]);
            let told = [("items", items.as_str()), ("payment", payment)];
            self.happen("purchase", CHECKOUT.path, &told, Some(sum));
            self.view(&THANKS, "", "");
        }
    }

    /// Time passes: seldom long, `most` seconds and a little at the longest. Programs do not dwell.
    fn pause(&mut self, dice: &mut Dice, most: f64) {
        let seconds = match self.visit.person.loyalty {
            Loyalty::Bot => 1.0 + dice.unit(),
            _ => 4.0 + most * dice.unit() * dice.unit(),
        };
        self.at = self.at.plus((seconds * Micros::SECOND as f64) as i64);
    }

    fn view(&mut self, page: &Page, referrer: &str, query: &str) {
        let event = Event {
            url: format!("{}{}{query}", self.visit.place.origin, page.path),
            referrer: referrer.to_owned(),
            title: page.title.to_owned(),
            topics: page.topics.iter().map(|topic| (*topic).to_owned()).collect(),
            ..self.event(&[])
        };
        (self.out)(event);
    }

    fn happen(&mut self, name: &str, path: &str, properties: &[(&str, &str)], value_cents: Option<i64>) {
        let event = Event {
            name: name.to_owned(),
            url: format!("{}{path}", self.visit.place.origin),
            value_micros: value_cents.map(|cents| cents * 10_000),
            ..self.event(properties)
        };
        (self.out)(event);
    }

    /// What every event of the visit says, and the id of this one.
    fn event(&mut self, properties: &[(&str, &str)]) -> Event {
        let Visit { person, day, nth, first, .. } = *self.visit;
        let mut dice = Dice::named(&[person.number, day as u64, nth, self.index]);
        self.index += 1;
        let entropy = u128::from(dice.next()) << 64 | u128::from(dice.next());
        let id = EventId::from_parts(self.at.0.max(0) as u64 / 1_000, entropy);
        let bot = person.loyalty == Loyalty::Bot;
        let known = person.member && !first;
        let plan = match person.loyalty {
            _ if !known => "guest",
            Loyalty::Devoted => "plus",
            _ => "free",
        };
        let kept = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let everywhere = [("plan", plan), ("variant", person.variant)];
        let everywhere = everywhere.into_iter().filter(|_| !bot).map(|(key, value)| (key.to_owned(), value.to_owned()));
        let browser = |text: &str| if bot { String::new() } else { text.to_owned() };
        Event {
            id: id.0.to_vec().into(),
            time_us: Some(self.at.0),
            visitor_id: format!("{:016x}", person.number),
            user_id: if known { format!("member-{:08x}", person.number >> 32) } else { String::new() },
            language: browser(person.home.language),
            time_zone: browser(person.home.zone),
            country: if bot { "US" } else { person.home.country }.to_owned(),
            screen_width: person.screen.0,
            screen_height: person.screen.1,
            user_agent: person.agent.to_owned(),
            properties: kept.chain(everywhere).collect(),
            ..Event::default()
        }
    }
}

fn land(place: &'static Place, source: &Source, dice: &mut Dice) -> &'static Page {
    match dice.below(10) {
        _ if source.reads => choose(place, dice, |page| page.kind == Kind::Post),
        0..5 => choose(place, dice, |page| page.kind == Kind::Home),
        5..7 if place.has(Kind::Shelf) => choose(place, dice, |page| page.kind == Kind::Shelf),
        _ if place.has(Kind::Product) => choose(place, dice, |page| page.kind == Kind::Product),
        _ => choose(place, dice, |page| page.kind == Kind::Post),
    }
}

fn next(place: &'static Place, page: &Page, dice: &mut Dice) -> &'static Page {
    // home, shelf, product, post, other
    let weights: [u32; 5] = match page.kind {
        Kind::Home => [0, 55, 15, 20, 10],
        Kind::Shelf => [3, 20, 67, 4, 6],
        Kind::Product => [4, 30, 42, 9, 15],
        Kind::Post => [10, 22, 14, 46, 8],
        Kind::Other => [25, 35, 20, 10, 10],
    };
    let kinds = [Kind::Home, Kind::Shelf, Kind::Product, Kind::Post, Kind::Other];
    let weights = weights.into_iter().zip(kinds).map(|(weight, kind)| if place.has(kind) { weight } else { 0 });
    let kind = kinds[dice.weighted(weights)];
    // A step leads elsewhere: the same page again would be a reload.
    choose(place, dice, |other| other.kind == kind && other.path != page.path)
}

fn choose(place: &'static Place, dice: &mut Dice, of: impl Fn(&Page) -> bool) -> &'static Page {
    let weights = place.pages.iter().map(|page| if of(page) { page.weight } else { 0 });
    &place.pages[dice.weighted(weights)]
}

fn slug(page: &Page) -> &'static str {
    page.path.rsplit('/').next().unwrap_or(page.path)
}
