//! Who visits: where they live, what they hold in their hands, how faithful they are.

use super::dice::Dice;

/// How often somebody comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Loyalty {
    /// Comes once.
    Passing,
    /// Looks in now and then for some weeks.
    Occasional,
    /// Every other day, for a month or two.
    Regular,
    /// Nearly every day for a season, sometimes twice.
    Devoted,
    /// A crawler or a monitor: never sleeps.
    Bot,
}

/// A loyalty class in numbers.
pub(super) struct Class {
    pub(super) loyalty: Loyalty,
    /// How many begin a day.
    pub(super) new_a_day: f64,
    /// For how many days they may come, the first included.
    pub(super) days: i32,
    /// Chance of a visit on the day after the first.
    pub(super) returns: f64,
    /// After so many days the chance is half as great: people forget.
    pub(super) half_life_days: f64,
    /// Visits on such a day at the most.
    pub(super) visits: u64,
}

impl Class {
    /// Chance of a visit so many days after the first.
    pub(super) fn chance(&self, age: i32) -> f64 {
        if age == 0 { 1.0 } else { self.returns * (-f64::from(age - 1) / self.half_life_days).exp2() }
    }
}

#[rustfmt::skip]
pub(super) const CLASSES: [Class; 4] = [
    Class { loyalty: Loyalty::Passing,    new_a_day: 1_350.0, days: 1,   returns: 0.0,  half_life_days: 1.0,  visits: 1 },
    Class { loyalty: Loyalty::Occasional, new_a_day: 520.0,   days: 80,  returns: 0.17, half_life_days: 12.0, visits: 1 },
    Class { loyalty: Loyalty::Regular,    new_a_day: 60.0,    days: 120, returns: 0.52, half_life_days: 35.0, visits: 1 },
    Class { loyalty: Loyalty::Devoted,    new_a_day: 10.0,    days: 180, returns: 0.85, half_life_days: 90.0, visits: 2 },
];

/// A place to live: weight, IANA zone, country, Accept-Language.
pub(super) struct Home {
    weight: u32,
    pub(super) zone: &'static str,
    pub(super) country: &'static str,
    pub(super) language: &'static str,
}

const fn home(weight: u32, zone: &'static str, country: &'static str, language: &'static str) -> Home {
    Home { weight, zone, country, language }
}

pub(super) const HOMES: [Home; 20] = [
    home(30, "Europe/Berlin", "DE", "de-DE,de;q=0.9,en;q=0.8"),
    home(5, "Europe/Vienna", "AT", "de-AT,de;q=0.9"),
    home(5, "Europe/Zurich", "CH", "de-CH,de;q=0.9,fr;q=0.7"),
    home(14, "Europe/London", "GB", "en-GB,en;q=0.9"),
    home(9, "Europe/Paris", "FR", "fr-FR,fr;q=0.9,en;q=0.7"),
    home(6, "Europe/Amsterdam", "NL", "nl-NL,nl;q=0.9,en;q=0.8"),
    home(4, "Europe/Warsaw", "PL", "pl-PL,pl;q=0.9"),
    home(4, "Europe/Madrid", "ES", "es-ES,es;q=0.9"),
    home(4, "Europe/Rome", "IT", "it-IT,it;q=0.9"),
    home(2, "Europe/Istanbul", "TR", "tr-TR,tr;q=0.9,en;q=0.6"),
    home(11, "America/New_York", "US", "en-US,en;q=0.9"),
    home(5, "America/Chicago", "US", "en-US,en;q=0.9,es;q=0.5"),
    home(8, "America/Los_Angeles", "US", "en-US,en;q=0.9"),
    home(3, "America/Toronto", "CA", "en-CA,en;q=0.9,fr;q=0.6"),
    home(4, "America/Sao_Paulo", "BR", "pt-BR,pt;q=0.9"),
    home(7, "Asia/Kolkata", "IN", "en-IN,en;q=0.9,hi;q=0.8"),
    home(6, "Asia/Tokyo", "JP", "ja,en;q=0.6"),
    home(4, "Asia/Singapore", "SG", "en-SG,en;q=0.9,zh;q=0.7"),
    home(4, "Australia/Sydney", "AU", "en-AU,en;q=0.9"),
    home(1, "Africa/Lagos", "NG", "en-NG,en;q=0.9"),
];

/// A device: weight, user agent, screen in CSS pixels.
struct Device {
    weight: u32,
    agent: &'static str,
    screens: &'static [(u32, u32)],
}

const DESKTOP: &[(u32, u32)] = &[(1920, 1080), (1536, 864), (2560, 1440), (1366, 768), (1440, 900)];
const MAC: &[(u32, u32)] = &[(1440, 900), (1512, 982), (1728, 1117), (2560, 1440)];
const IPHONE: &[(u32, u32)] = &[(390, 844), (393, 852), (430, 932), (375, 667)];
const ANDROID: &[(u32, u32)] = &[(412, 915), (360, 800), (384, 854)];

const fn device(weight: u32, screens: &'static [(u32, u32)], agent: &'static str) -> Device {
    Device { weight, agent, screens }
}

#[rustfmt::skip]
const DEVICES: [Device; 17] = [
    device(22, DESKTOP, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"),
    device(7, DESKTOP, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0"),
    device(5, DESKTOP, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0"),
    device(2, DESKTOP, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 OPR/122.0.0.0"),
    device(8, MAC, "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15"),
    device(5, MAC, "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"),
    device(2, DESKTOP, "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"),
    device(1, DESKTOP, "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"),
    device(20, IPHONE, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"),
    device(16, ANDROID, "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36"),
    device(5, ANDROID, "Mozilla/5.0 (Linux; Android 15; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36"),
    device(1, ANDROID, "Mozilla/5.0 (Android 15; Mobile; rv:142.0) Gecko/142.0 Firefox/142.0"),
    device(3, &[(820, 1180), (810, 1080)], "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1"),
    device(1, &[(800, 1280)], "Mozilla/5.0 (Linux; Android 14; SM-X910) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"),
    device(2, IPHONE, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 390.0.0.28.85 (iPhone15,2; iOS 18_5; de_DE; de; scale=3.00; 1179x2556)"),
    device(1, &[(1920, 1080)], "Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/7.0 Chrome/108.0.5359.1 TV Safari/537.36"),
    device(1, &[(1920, 1080)], "Mozilla/5.0 (PlayStation; PlayStation 5/9.40) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.0 Safari/605.1.15"),
];

#[rustfmt::skip]
pub(super) const BOTS: [&str; 10] = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    "curl/8.14.1",
    "python-requests/2.32.4",
];
/// Visits of each bot a day.
pub(super) const BOT_VISITS: f64 = 45.0;

/// A visitor. What somebody is follows from the visitor's number alone and never changes.
pub(super) struct Person {
    pub(super) number: u64,
    pub(super) loyalty: Loyalty,
    pub(super) home: &'static Home,
    pub(super) agent: &'static str,
    pub(super) screen: (u32, u32),
    /// Index into [`HOMES`].
    pub(super) home_index: usize,
    /// Which of two designs the shop shows.
    pub(super) variant: &'static str,
    /// An account, from some point of the first visits on.
    pub(super) member: bool,
}

impl Person {
    pub(super) fn of(number: u64, loyalty: Loyalty) -> Person {
        let mut dice = Dice::named(&[number, 0]);
        let home_index = dice.weighted(HOMES.iter().map(|home| home.weight));
        let device = &DEVICES[dice.weighted(DEVICES.iter().map(|device| device.weight))];
        let variant = if dice.happens(0.5) { "short-checkout" } else { "long-checkout" };
        let member = dice.happens(match loyalty {
            Loyalty::Passing | Loyalty::Bot => 0.0,
            Loyalty::Occasional => 0.1,
            Loyalty::Regular => 0.4,
            Loyalty::Devoted => 0.9,
        });
        let screen = *dice.pick(device.screens);
        Person { number, loyalty, home: &HOMES[home_index], agent: device.agent, screen, home_index, variant, member }
    }

    /// The one who calls itself so.
    pub(super) fn bot(number: u64, index: usize) -> Person {
        // A crawler's own clock: the first home's.
        Person {
            agent: BOTS[index],
            screen: (0, 0),
            home: &HOMES[0],
            home_index: 0,
            ..Person::of(number, Loyalty::Bot)
        }
    }
}

/// How busy the hours of a day are where somebody lives. Nobody sits at a screen at four.
pub(super) const HOURS: [u32; 24] =
    [30, 15, 7, 4, 4, 9, 32, 65, 92, 104, 108, 106, 118, 110, 102, 100, 104, 112, 128, 150, 170, 158, 110, 62];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_stays_who_they_are() {
        let (first, again) = (Person::of(7, Loyalty::Regular), Person::of(7, Loyalty::Regular));
        assert_eq!((first.agent, first.screen, first.home.zone), (again.agent, again.screen, again.home.zone));
    }

    #[test]
    fn every_agent_is_understood_and_only_the_bots_are_bots() {
        use pistats_core::enrich::user_agent::read;
        for device in &DEVICES {
            let agent = read(device.agent);
            assert!(!agent.bot && !agent.browser.is_empty() && !agent.os.is_empty(), "{}", device.agent);
        }
        assert!(BOTS.iter().all(|agent| read(agent).bot));
    }

    #[test]
    fn every_home_has_a_zone_of_its_country() {
        for home in &HOMES {
            assert!(pistats_core::Zone::named(home.zone).is_ok(), "{}", home.zone);
            assert_eq!(pistats_core::enrich::country::of_time_zone(home.zone), home.country);
        }
    }
}
