//! Visitors without cookies: who comes with the same address and browser on the same local day is one visitor, and nobody can
//! tell afterwards who it was.
//!
//! ```text
//!   visitor = first 128 bits of BLAKE3, keyed with the salt of (zone, local day), of site ‖ address ‖ user agent
//!
//!   local day    D-1 ────────▶ D ────────▶ D+1 ────────▶ D+2          salt of D: made up to 7 days ahead,
//!   salt of D            [ ═══ used ═══ | ═ late events ═ ]           destroyed 48 hours after D began
//! ```
//!
//! A salt is random, and shared by all collectors of an instance. Once it is destroyed neither its day's visitors can be found
//! again from an address, nor two days of one be told to belong together. It is of a zone and not of a site, so that an instance
//! with ten thousand sites keeps a few salts; the site is hashed, too, so that visitors of two sites never meet.
//!
//! Not responsible for making, sharing and destroying salts (the registry and the program do), nor for where an address comes from.

use crate::{Day, Micros, SiteId, Zone};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

/// How long after its day began a salt lives. The day's events may so be late by as much as a day.
pub const LIFE: i64 = 48 * Micros::HOUR;
/// Salts are made so many days ahead: a store that is away for no longer keeps nobody from collecting.
pub const AHEAD_DAYS: i32 = 7;

/// The secret of one local day of a zone.
#[derive(Clone, PartialEq, Eq)]
pub struct DaySalt {
    pub zone: String,
    pub day: Day,
    /// From here on it must not be used, and not be there.
    pub until: Micros,
    pub secret: [u8; 32],
}

impl DaySalt {
    /// The salt of a day of this zone, of a secret that the caller drew.
    pub fn of(zone: &Zone, day: Day, secret: [u8; 32]) -> DaySalt {
        DaySalt { zone: zone.name().to_owned(), day, until: zone.start_of(day).plus(LIFE), secret }
    }

    /// The visitor of a request, as a visitor id. Without the salt nothing leads back from it.
    pub fn visitor(&self, site: SiteId, address: IpAddr, user_agent: &str) -> VisitorOfDay {
        let address = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(&site.0.to_be_bytes());
        hasher.update(&address.octets());
        hasher.update(user_agent.as_bytes());
        let hash = hasher.finalize();
        let mut id = [0; 32];
        let digits = hash.as_bytes()[..16].iter().flat_map(|byte| [byte >> 4, byte & 15]);
        for (place, digit) in id.iter_mut().zip(digits) {
            *place = b"0123456789abcdef"[usize::from(digit)];
        }
        VisitorOfDay(id)
    }
}

impl fmt::Debug for DaySalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DaySalt({} {} …)", self.zone, self.day)
    }
}

/// A derived visitor id: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VisitorOfDay([u8; 32]);

impl VisitorOfDay {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The days of a zone that a salt should be there for: yesterday, where late events belong, to [`AHEAD_DAYS`] from now.
pub fn days_wanted(zone: &Zone, now: Micros) -> impl Iterator<Item = Day> + use<> {
    let today = zone.day_of(now);
    (-1..=AHEAD_DAYS).map(move |ahead| today.plus(ahead))
}

/// Why there is no salt for an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoSalt {
    /// The day's salt was destroyed: its visitors can no longer be told.
    Over,
    /// It was not made yet: ask again when it is.
    NotYet,
}

/// The salts that an instance has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Salts {
    zones: HashMap<String, Vec<DaySalt>>,
}

impl Salts {
    pub fn new(salts: impl IntoIterator<Item = DaySalt>) -> Salts {
        let mut zones: HashMap<String, Vec<DaySalt>> = HashMap::new();
        for salt in salts {
            zones.entry(salt.zone.clone()).or_default().push(salt);
        }
        zones.values_mut().for_each(|of_zone| of_zone.sort_by_key(|salt| salt.day));
        Salts { zones }
    }

    /// All of them, by zone and day.
    pub fn all(&self) -> Vec<&DaySalt> {
        let mut all: Vec<&DaySalt> = self.zones.values().flatten().collect();
        all.sort_by(|a, b| (&a.zone, a.day).cmp(&(&b.zone, b.day)));
        all
    }

    /// Those that may still be used.
    pub fn living(&self, now: Micros) -> Salts {
        Salts::new(self.all().into_iter().filter(|salt| salt.until > now).cloned())
    }

    /// Days that a salt is wanted for and is not there, of these zones.
    pub fn missing<'a>(&self, zones: impl IntoIterator<Item = &'a Zone>, now: Micros) -> Vec<(&'a Zone, Day)> {
        let lacking = |zone: &'a Zone| {
            let absent = move |day: &Day| self.find(zone, *day).is_none() && zone.start_of(*day).plus(LIFE) > now;
            days_wanted(zone, now).filter(absent).map(move |day| (zone, day))
        };
        zones.into_iter().flat_map(lacking).collect()
    }

    /// The salt of a day, at an instant.
    ///
    /// # Errors
    /// [`NoSalt`].
    pub fn at(&self, zone: &Zone, day: Day, now: Micros) -> Result<&DaySalt, NoSalt> {
        // By the clock, not by who got to destroying it: nobody uses a salt past its time.
        if zone.start_of(day).plus(LIFE) <= now {
            return Err(NoSalt::Over);
        }
        self.find(zone, day).ok_or(NoSalt::NotYet)
    }

    fn find(&self, zone: &Zone, day: Day) -> Option<&DaySalt> {
        let salts = self.zones.get(zone.name())?;
        salts.binary_search_by_key(&day, |salt| salt.day).ok().map(|at| &salts[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn salt(zone: &Zone, day: Day, secret: u8) -> DaySalt {
        DaySalt::of(zone, day, [secret; 32])
    }

    fn berlin() -> Zone {
        Zone::named("Europe/Berlin").unwrap()
    }

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn one_address_and_browser_are_one_visitor_of_a_site_and_a_day() {
        let salt = salt(&berlin(), Day(20_000), 1);
        let visitor = salt.visitor(SiteId(1), v4(1), "Browser/1");
        assert_eq!(visitor, salt.visitor(SiteId(1), v4(1), "Browser/1"));
        let others = [
            salt.visitor(SiteId(2), v4(1), "Browser/1"),
            salt.visitor(SiteId(1), v4(2), "Browser/1"),
            salt.visitor(SiteId(1), v4(1), "Browser/2"),
            self::salt(&berlin(), Day(20_001), 2).visitor(SiteId(1), v4(1), "Browser/1"),
        ];
        assert!(others.iter().all(|other| *other != visitor));
        assert!(visitor.as_bytes().iter().all(|digit| b"0123456789abcdef".contains(digit)));
    }

    #[test]
    fn an_ipv4_address_is_the_same_in_either_form() {
        let salt = salt(&berlin(), Day(20_000), 1);
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(salt.visitor(SiteId(1), v4(1), ""), salt.visitor(SiteId(1), mapped, ""));
    }

    #[test]
    fn a_salt_lives_for_48_hours_from_the_start_of_its_local_day() {
        let zone = berlin();
        let day = Day::parse("2024-05-10").unwrap();
        let salts = Salts::new([salt(&zone, day, 1)]);
        let end = zone.start_of(day).plus(LIFE);
        assert!(salts.at(&zone, day, end.plus(-1)).is_ok());
        assert_eq!(salts.at(&zone, day, end), Err(NoSalt::Over));
        assert_eq!(salts.at(&zone, day.plus(1), end), Err(NoSalt::NotYet));
        assert_eq!((salts.living(end.plus(-1)).all().len(), salts.living(end).all().len()), (1, 0));
    }

    #[test]
    fn a_day_of_the_clock_change_ends_its_salt_48_hours_after_it_began_all_the_same() {
        let zone = berlin();
        let day = Day::parse("2024-10-27").unwrap();
        assert_eq!(salt(&zone, day, 1).until, zone.start_of(day).plus(48 * Micros::HOUR));
        assert_eq!(zone.end_of(day).since(zone.start_of(day)), 25 * Micros::HOUR);
    }

    #[test]
    fn salts_are_wanted_from_yesterday_to_a_week_ahead_and_what_is_there_is_not_missing() {
        let zone = berlin();
        let today = Day::parse("2024-05-10").unwrap();
        let noon = zone.start_of(today).plus(12 * Micros::HOUR);
        let missing = Salts::default().missing([&zone], noon);
        let days: Vec<i32> = missing.iter().map(|(_, day)| day.0 - today.0).collect();
        assert_eq!(days, [-1, 0, 1, 2, 3, 4, 5, 6, 7]);
        let salts = Salts::new(missing.iter().map(|(zone, day)| salt(zone, *day, 1)));
        assert!(salts.missing([&zone], noon).is_empty());
        assert_eq!(salts.missing([&zone], noon.plus(Micros::DAY)).len(), 1, "the day after has one more");
    }

    #[test]
    fn the_secret_is_never_printed() {
        let printed = format!("{:?}", salt(&berlin(), Day(20_000), 0x5a));
        assert!(!printed.contains("90") && !printed.contains("5a"), "{printed}");
    }
}
