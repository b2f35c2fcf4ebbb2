//! A user agent → browser, system, device, and whether a program sent it.
//!
//! One automaton (Aho–Corasick) finds all words of the tables in `agents` in one pass over the bytes; then the order of the
//! tables decides. docs/adr/0003 tells why no ready-made parser does this: numbers over 200,000 real user agents.
//!
//! Not its business: versions, models, and browsers that hide (an iPad asking for the desktop page is a Mac; Brave is
//! Chrome). What nothing is known of is absent, never guessed.

use super::agents::{BOT_STARTS, BOTS, BROWSERS, HINTS, NOT_BOTS, SYSTEMS};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::collections::HashMap;
use std::sync::LazyLock;

/// What a user agent tells. Absent names are empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Agent {
    pub browser: &'static str,
    pub os: &'static str,
    pub device: Device,
    /// A program that nobody sits in front of. An empty user agent is unknown, and no bot.
    pub bot: bool,
}

/// The kind of device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Device {
    #[default]
    Unknown,
    Desktop,
    Mobile,
    Tablet,
    Tv,
    Console,
    Watch,
}

impl Device {
    /// The value of the dimension, as stored and shown; empty if unknown.
    pub fn as_str(self) -> &'static str {
        match self {
            Device::Unknown => "",
            Device::Desktop => "Desktop",
            Device::Mobile => "Mobile",
            Device::Tablet => "Tablet",
            Device::Tv => "TV",
            Device::Console => "Console",
            Device::Watch => "Watch",
        }
    }
}

/// What a word hints at, beside names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Hint {
    Tv,
    Console,
    Watch,
    Tablet,
    /// Windows with a pen, which says "tablet" and is none.
    TabletPc,
    Mobile,
    AppleWebKit,
    Darwin,
    Intel,
    Safari,
    AndroidVersion,
    Compatible,
    CompatibleBrowser,
}

/// What one word means: its line in each table, [`NONE`] where it is in none.
#[derive(Clone, Copy)]
struct Meaning {
    browser: u8,
    system: u8,
    hints: u16,
    bot: i8,
    bot_start: bool,
}

const NONE: u8 = u8::MAX;

struct Words {
    automaton: AhoCorasick,
    meanings: Vec<Meaning>,
}

/// `None` only if the tables were too large for the automaton, which a test excludes.
static WORDS: LazyLock<Option<Words>> = LazyLock::new(Words::build);

impl Words {
    fn build() -> Option<Words> {
        let mut list = WordList::default();
        for (rank, (_, words)) in (0u8..).zip(BROWSERS) {
            words.iter().for_each(|word| list.with(word, |m| m.browser = m.browser.min(rank)));
        }
        for (rank, (_, words)) in (0u8..).zip(SYSTEMS) {
            words.iter().for_each(|word| list.with(word, |m| m.system = m.system.min(rank)));
        }
        for (hint, words) in HINTS {
            words.iter().for_each(|word| list.with(word, |m| m.hints |= 1 << *hint as u8));
        }
        BOTS.iter().for_each(|word| list.with(word, |m| m.bot = 1));
        NOT_BOTS.iter().for_each(|word| list.with(word, |m| m.bot = -1));
        BOT_STARTS.iter().for_each(|word| list.with(word, |m| m.bot_start = true));
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&list.words)
            .ok()?;
        Some(Words { automaton, meanings: list.meanings })
    }
}

#[derive(Default)]
struct WordList {
    words: Vec<&'static str>,
    meanings: Vec<Meaning>,
    index: HashMap<&'static str, usize>,
}

impl WordList {
    fn with(&mut self, word: &'static str, mark: impl Fn(&mut Meaning)) {
        let at = *self.index.entry(word).or_insert_with(|| {
            self.words.push(word);
            self.meanings.push(Meaning { browser: NONE, system: NONE, hints: 0, bot: 0, bot_start: false });
            self.words.len() - 1
        });
        mark(&mut self.meanings[at]);
    }
}

/// Everything the words of one user agent say together.
struct Findings {
    browser: u8,
    system: u8,
    hints: u16,
    bots: i32,
}

impl Findings {
    fn of(words: &Words, user_agent: &str) -> Findings {
        let mut found = Findings { browser: NONE, system: NONE, hints: 0, bots: 0 };
        for hit in words.automaton.find_overlapping_iter(user_agent) {
            let meaning = &words.meanings[hit.pattern().as_usize()];
            found.browser = found.browser.min(meaning.browser);
            found.system = found.system.min(meaning.system);
            found.hints |= meaning.hints;
            found.bots += i32::from(meaning.bot) + i32::from(meaning.bot_start && hit.start() == 0);
        }
        found
    }

    fn has(&self, hint: Hint) -> bool {
        self.hints >> hint as u8 & 1 == 1
    }

    fn browser(&self, os: &'static str) -> &'static str {
        let name = BROWSERS.get(usize::from(self.browser)).map_or("", |(name, _)| name);
        match (name, os) {
            ("Safari", "Android") => "Android Browser",
            ("Android WebView", _) if os != "Android" => "Chrome",
            // An app that shows a page in the system's web view: it has WebKit's name, and not Safari's.
            ("" | "Safari", "iOS") if self.has(Hint::AppleWebKit) && !self.has(Hint::Safari) => "Safari (in-app)",
            ("", "Android") if self.has(Hint::AppleWebKit) => "Android Browser",
            ("Safari", _) if !self.has(Hint::AppleWebKit) => "",
            _ => name,
        }
    }

    fn os(&self) -> &'static str {
        match SYSTEMS.get(usize::from(self.system)) {
            Some((name, _)) => name,
            // Apple's network library names the kernel alone: on an Intel chip it is a Mac.
            None if self.has(Hint::Darwin) => {
                if self.has(Hint::Intel) {
                    "macOS"
                } else {
                    "iOS"
                }
            }
            None => "",
        }
    }

    fn device(&self, os: &str) -> Device {
        let tablet = self.has(Hint::Tablet) && !self.has(Hint::TabletPc);
        if self.has(Hint::Console) {
            Device::Console
        } else if self.has(Hint::Tv) {
            Device::Tv
        } else if self.has(Hint::Watch) {
            Device::Watch
        } else {
            match os {
                "Windows" | "macOS" | "Chrome OS" => Device::Desktop,
                _ if tablet => Device::Tablet,
                // Google's rule: an Android browser that does not say "Mobile" is on a tablet.
                "Android" if self.has(Hint::AppleWebKit) && !self.has(Hint::Mobile) => Device::Tablet,
                "Android" | "iOS" | "KaiOS" | "Symbian" | "BlackBerry" | "HarmonyOS" | "MeeGo" | "Bada" | "BREW" => {
                    Device::Mobile
                }
                _ if self.has(Hint::Mobile) => Device::Mobile,
                "" => Device::Unknown,
                "Linux" | "FreeBSD" | "OpenBSD" | "NetBSD" | "Solaris" => Device::Desktop,
                _ => Device::Unknown,
            }
        }
    }

    fn bot(&self) -> bool {
        // "compatible;" was said by a few browsers long ago and is said by crawlers to this day.
        self.bots > 0 || self.has(Hint::Compatible) && !self.has(Hint::CompatibleBrowser)
    }
}

/// Reads a user agent.
pub fn read(user_agent: &str) -> Agent {
    if user_agent.is_empty() {
        return Agent::default();
    }
    let Some(words) = &*WORDS else { return Agent::default() };
    let found = Findings::of(words, user_agent);
    let os = found.os();
    Agent { browser: found.browser(os), os, device: found.device(os), bot: found.bot() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn browsers_systems_and_devices_are_named() {
        for (user_agent, browser, os, device) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
                "Chrome",
                "Windows",
                "Desktop",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
                "Edge",
                "Windows",
                "Desktop",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 OPR/115.0.0.0",
                "Opera",
                "Windows",
                "Desktop",
            ),
            (
                "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
                "Firefox",
                "Linux",
                "Desktop",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
                "Safari",
                "macOS",
                "Desktop",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
                "Chrome",
                "Chrome OS",
                "Desktop",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
                "Safari",
                "iOS",
                "Mobile",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1",
                "Chrome",
                "iOS",
                "Mobile",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 6_0_1 like Mac OS X) AppleWebKit/536.26 (KHTML, like Gecko) Version/6.0 Mobile/10A523 Safari/8536.25",
                "Safari",
                "iOS",
                "Tablet",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 6_0_1 like Mac OS X) AppleWebKit/536.26 (KHTML, like Gecko) Mobile/10A523",
                "Safari (in-app)",
                "iOS",
                "Mobile",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 11_1 like Mac OS X) AppleWebKit/604.3.5 (KHTML, like Gecko) Mobile/15B93 [FBAN/FBIOS;FBAV/163.0.0.54.96]",
                "Facebook",
                "iOS",
                "Mobile",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
                "Chrome",
                "Android",
                "Mobile",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
                "Chrome",
                "Android",
                "Tablet",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
                "Samsung Internet",
                "Android",
                "Mobile",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/130.0.0.0 Mobile Safari/537.36",
                "Android WebView",
                "Android",
                "Mobile",
            ),
            (
                "Mozilla/5.0 (Linux; U; Android 2.3.5; en-us; SCH-I500 Build/GINGERBREAD) AppleWebKit/533.1 (KHTML, like Gecko) Version/4.0 Mobile Safari/533.1",
                "Android Browser",
                "Android",
                "Mobile",
            ),
            ("Mozilla/5.0 (Android 14; Tablet; rv:133.0) Gecko/133.0 Firefox/133.0", "Firefox", "Android", "Tablet"),
            (
                "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; WOW64; Trident/5.0)",
                "Internet Explorer",
                "Windows",
                "Desktop",
            ),
            (
                "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0; Touch; Tablet PC 2.0)",
                "Internet Explorer",
                "Windows",
                "Desktop",
            ),
            (
                "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
                "Internet Explorer",
                "Windows",
                "Desktop",
            ),
            (
                "Mozilla/5.0 (compatible; MSIE 10.0; Windows Phone 8.0; Trident/6.0; IEMobile/10.0; ARM; Touch; NOKIA; Lumia 920)",
                "Internet Explorer Mobile",
                "Windows Phone",
                "Mobile",
            ),
            ("Opera/9.80 (Windows NT 6.1; WOW64) Presto/2.12.388 Version/12.14", "Opera", "Windows", "Desktop"),
            (
                "Opera/9.80 (Android; Opera Mini/7.5.32193/28.3692; U; en) Presto/2.8.119 Version/11.10",
                "Opera Mini",
                "Android",
                "Mobile",
            ),
            (
                "BlackBerry8520/5.0.0.592 Profile/MIDP-2.1 Configuration/CLDC-1.1 VendorID/168",
                "BlackBerry",
                "BlackBerry",
                "Mobile",
            ),
            (
                "Mozilla/5.0 (PlayBook; U; RIM Tablet OS 2.1.0; en-US) AppleWebKit/536.2+ (KHTML, like Gecko) Version/7.2.1.0 Safari/536.2+",
                "BlackBerry",
                "BlackBerry",
                "Tablet",
            ),
            (
                "Mozilla/5.0 (Linux; U; Android 2.3.4; en-us; Kindle Fire Build/GINGERBREAD) AppleWebKit/533.1 (KHTML, like Gecko) Version/4.0 Mobile Safari/533.1",
                "Android Browser",
                "Android",
                "Tablet",
            ),
            (
                "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/4.0 Chrome/76.0.3809.146 TV Safari/537.36",
                "Samsung Internet",
                "Tizen",
                "TV",
            ),
            (
                "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0.4606.128 Safari/537.36 WebAppManager",
                "Chrome",
                "webOS",
                "TV",
            ),
            (
                "Mozilla/5.0 (PlayStation; PlayStation 5/2.26) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.0 Safari/605.1.15",
                "Safari",
                "PlayStation",
                "Console",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/90.0 Safari/537.36 Edge/44.18363.8131",
                "Edge",
                "Xbox",
                "Console",
            ),
            ("Socialite/7845 CFNetwork/596.3.3 Darwin/12.3.0 (x86_64) (Macmini6%2C2)", "", "macOS", "Desktop"),
            ("Mozilla/5.0", "", "", ""),
            ("MyShop/3.2.1", "", "", ""),
            (
                "Mozilla/5.0 (X11; FreeBSD amd64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/30.0.1599.101 Safari/537.36",
                "Chrome",
                "FreeBSD",
                "Desktop",
            ),
        ] {
            let agent = read(user_agent);
            assert_eq!(
                (agent.browser, agent.os, agent.device.as_str(), agent.bot),
                (browser, os, device, false),
                "{user_agent}"
            );
        }
    }

    #[test]
    fn programs_are_bots() {
        for user_agent in [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 6_0 like Mac OS X) AppleWebKit/536.26 (KHTML, like Gecko) Version/6.0 Mobile/10A5376e Safari/8536.25 (compatible; Googlebot-Mobile/2.1)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ChatGPT-User/1.0; +https://openai.com/bot)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "WhatsApp/2.19.258 A",
            "curl/8.5.0",
            "Wget/1.14 (linux-gnu)",
            "python-requests/2.31.0",
            "Go-http-client/2.0",
            "okhttp/4.12.0",
            "Tiny Tiny RSS/1.11 (http://tt-rss.org/)",
            "Feedbin - 1 subscribers",
            "Mozilla/5.0 (compatible; Ezooms/1.0; help@moz.com)",
            "Mozilla/5.0 (compatible; Yahoo! Slurp)",
            "ia_archiver",
        ] {
            assert!(read(user_agent).bot, "{user_agent}");
        }
    }

    #[test]
    fn people_with_odd_words_are_no_bots() {
        for user_agent in [
            "",
            "-",
            "Mozilla/5.0 (Linux; Android 9; CUBOT P20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/80.0 Mobile Safari/537.36",
            "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 5.1; Embedded Web Browser from: http://bsalsa.com/)",
            "MyShop/5.0 grpc-java-okhttp/1.60.0",
            "Mozilla/5.0 (compatible; Konqueror/4.9; Linux) KHTML/4.9.4 (like Gecko)",
        ] {
            assert!(!read(user_agent).bot, "{user_agent}");
        }
        assert!(
            read("Mozilla/5.0 (Linux; Android 9; CUBOT P20) (compatible; Googlebot/2.1)").bot,
            "one word takes back one"
        );
    }

    #[test]
    fn empty_user_agent_is_unknown() {
        assert_eq!(read(""), Agent::default());
    }

    #[test]
    fn tables_fit_the_automaton() {
        assert!(WORDS.is_some());
        assert!(BROWSERS.len() < usize::from(NONE) && SYSTEMS.len() < usize::from(NONE));
        let words = BROWSERS.iter().chain(SYSTEMS).flat_map(|(_, words)| words.iter());
        for word in words.chain(BOTS).chain(BOT_STARTS).chain(NOT_BOTS) {
            assert_eq!(*word, word.to_ascii_lowercase(), "words are kept in lower case");
        }
        for word in NOT_BOTS {
            assert_eq!(BOTS.iter().filter(|bot| word.contains(**bot)).count(), 1, "{word} takes back exactly one");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_user_agent(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let sent = String::from_utf8_lossy(&bytes);
            prop_assert_eq!(read(&sent), read(&sent.to_ascii_uppercase()), "case tells nothing");
        }
    }
}
