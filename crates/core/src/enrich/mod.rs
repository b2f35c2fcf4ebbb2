//! Enrichment: from what a visitor's browser sent to the columns that people ask about.
//!
//! ```text
//!   url ─────────▶ host, page, path, utm_*   ╮
//!   referrer ────▶ site, source, kind        ├▶ source, channel
//!   user agent ──▶ browser, os, device, bot
//!   language, time zone, country, screen ──▶ the same in canonical form
//! ```
//!
//! Promises: the same input gives the same output for ever on the same version, whatever came before (the cache holds
//! results of pure functions and no state). Nothing fails: what cannot be read is absent, and **the absent value of every
//! column is the empty string**. Each module works alone; [`Enricher`] puts them together and remembers.
//!
//! Not its business: addresses (Ingest resolves the country before an event is written) and what is valid (`limits`).

mod agents;
mod cache;
pub mod campaign;
pub mod channel;
pub mod country;
pub mod language;
pub mod referrer;
pub mod screen;
pub mod sources;
mod text;
pub mod url;
pub mod user_agent;
mod zones;

pub use channel::Channel;
pub use text::Text;
pub use user_agent::{Agent, Device};

use crate::Event;
use cache::Cache;
use campaign::Campaign;
use channel::Verdict;
use referrer::Referrer;

/// What an event says of itself, borrowed. Absent texts are empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input<'a> {
    pub url: &'a str,
    pub referrer: &'a str,
    pub user_agent: &'a str,
    pub language: &'a str,
    pub time_zone: &'a str,
    /// Resolved by the server from the address; the time zone answers if it is absent.
    pub country: Option<&'a str>,
    /// Pixels; 0 = unknown.
    pub screen_width: u32,
    pub screen_height: u32,
}

impl<'a> Input<'a> {
    /// The part of an event that enrichment reads.
    pub fn of(event: &Event<'a>) -> Input<'a> {
        Input {
            url: event.url,
            referrer: event.referrer,
            user_agent: event.user_agent,
            language: event.language,
            time_zone: event.time_zone,
            country: (!event.country.is_empty()).then_some(event.country),
            screen_width: event.screen_width,
            screen_height: event.screen_height,
        }
    }
}

/// The derived columns of an event. Absent = empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Enriched {
    pub host: Text,
    pub page: Text,
    pub path: Text,
    pub source: Text,
    pub channel: Channel,
    pub utm_source: Text,
    pub utm_medium: Text,
    pub utm_campaign: Text,
    pub utm_term: Text,
    pub utm_content: Text,
    pub country: &'static str,
    pub language: Text,
    pub device: Device,
    pub browser: &'static str,
    pub os: &'static str,
    pub screen: Text,
    pub bot: bool,
}

/// Enriches events one after the other. One a worker: it is not shared.
pub struct Enricher {
    urls: Cache<Page>,
    referrers: Cache<Referrer>,
    agents: Cache<Agent>,
    languages: Cache<Text>,
    screens: screen::Sizes,
}

/// What a url says, whoever comes by it.
struct Page {
    host: Text,
    /// The host as referrers are compared with it: without `www.` and port.
    site: Text,
    page: Text,
    path: Text,
    campaign: Campaign,
    verdict: Verdict,
}

impl Page {
    fn read(url: &str) -> Page {
        let parts = url::split(url);
        let campaign = Campaign::read(parts.query);
        let verdict = Verdict::of(&campaign);
        let page = Text::from(parts.page);
        let path = if *page == *parts.path { page.clone() } else { Text::from(parts.path) };
        let site = referrer::without_port(referrer::site(&parts.host));
        Page { site: Text::from(site), host: Text::from(parts.host), page, path, campaign, verdict }
    }
}

/// Entries a generation; a cache holds up to two. An entry of a url takes about 500 bytes, the others less.
const DEFAULT_CACHE_ENTRIES: usize = 4096;

impl Default for Enricher {
    fn default() -> Enricher {
        Enricher::with_capacity(DEFAULT_CACHE_ENTRIES)
    }
}

impl Enricher {
    /// An enricher that remembers up to `2 * entries` distinct urls, as many referrers and as many user agents.
    pub fn with_capacity(entries: usize) -> Enricher {
        Enricher {
            urls: Cache::new(entries),
            referrers: Cache::new(entries),
            agents: Cache::new(entries),
            languages: Cache::new(entries),
            screens: screen::Sizes::default(),
        }
    }

    /// Derives all columns of an event.
    pub fn enrich(&mut self, input: &Input<'_>) -> Enriched {
        let agent = match input.user_agent {
            "" => Agent::default(),
            sent => self.agents.with(sent, user_agent::read, |agent| *agent),
        };
        let language = match input.language {
            "" => Text::EMPTY,
            sent => self.languages.with(sent, language::primary, Text::clone),
        };
        let country = match input.country.map_or("", country::code) {
            "" => country::of_time_zone(input.time_zone),
            code => code,
        };
        let screen = self.screens.get(input.screen_width, input.screen_height);
        let referrers = &mut self.referrers;
        self.urls.with(input.url, Page::read, |page| {
            let (source, channel) = match input.referrer {
                "" => page.verdict.with(None),
                sent => {
                    referrers.with(sent, referrer::read, |from| page.verdict.with(channel::external(from, &page.site)))
                }
            };
            Enriched {
                host: page.host.clone(),
                page: page.page.clone(),
                path: page.path.clone(),
                source,
                channel,
                utm_source: page.campaign.source.clone(),
                utm_medium: page.campaign.medium.clone(),
                utm_campaign: page.campaign.name.clone(),
                utm_term: page.campaign.term.clone(),
                utm_content: page.campaign.content.clone(),
                country,
                language,
                device: agent.device,
                browser: agent.browser,
                os: agent.os,
                screen,
                bot: agent.bot,
            }
        })
    }
}

#[cfg(test)]
mod tests;
