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
                "Android" | "iOS" | "KaiOS" | "Symbian" | "BlackBerry" | "HarmonyOS" | "Bada" | "BREW" => {
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
