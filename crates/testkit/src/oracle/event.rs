//! One event with everything that was derived from it: the oracle's input.

use pistats_core::event::PAGE_VIEW;
use pistats_core::report::Dimension;
use pistats_core::segment::Facts;
use pistats_core::{Enriched, Event, EventId, Micros, Zone};
use std::net::IpAddr;

/// An event and its derived values, owned. An absent text is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OracleEvent {
    pub id: EventId,
    pub time: Micros,
    /// The visitor id as it was sent.
    pub visitor: String,
    pub user_id: String,
    /// `page_view` where the sender named nothing.
    pub name: String,
    pub url: String,
    pub host: String,
    pub page: String,
    pub path: String,
    pub title: String,
    pub referrer: String,
    pub source: String,
    pub channel: String,
    pub utm_source: String,
    pub utm_medium: String,
    pub utm_campaign: String,
    pub utm_term: String,
    pub utm_content: String,
    pub country: String,
    pub language: String,
    pub device: String,
    pub screen: String,
    pub browser: String,
    pub os: String,
    pub topics: Vec<String>,
    /// In the order sent; of equal keys the last one counts.
    pub properties: Vec<(String, String)>,
    /// Millionths.
    pub value: Option<i64>,
    pub bot: bool,
}

impl OracleEvent {
    /// A page view of which nothing else is known.
    pub fn new(id: EventId, time: Micros, visitor: impl Into<String>) -> OracleEvent {
        let none = String::new;
        OracleEvent {
            id,
            time,
            visitor: visitor.into(),
            user_id: none(),
            name: PAGE_VIEW.to_owned(),
            url: none(),
            host: none(),
            page: none(),
            path: none(),
            title: none(),
            referrer: none(),
            source: none(),
            channel: none(),
            utm_source: none(),
            utm_medium: none(),
            utm_campaign: none(),
            utm_term: none(),
            utm_content: none(),
            country: none(),
            language: none(),
            device: none(),
            screen: none(),
            browser: none(),
            os: none(),
            topics: Vec::new(),
            properties: Vec::new(),
            value: None,
            bot: false,
        }
    }

    /// An accepted event with what enrichment derived from it; `None` while it lacks its id or its time.
    pub fn from_core(event: &Event<'_>, enriched: &Enriched) -> Option<OracleEvent> {
        Some(OracleEvent {
            id: event.id?,
            time: event.time?,
            visitor: event.visitor_id.to_owned(),
            user_id: event.user_id.to_owned(),
            name: event.name().to_owned(),
            url: event.url.to_owned(),
            host: enriched.host.to_string(),
            page: enriched.page.to_string(),
            path: enriched.path.to_string(),
            title: event.title.to_owned(),
            referrer: event.referrer.to_owned(),
            source: enriched.source.to_string(),
            channel: enriched.channel.as_str().to_owned(),
            utm_source: enriched.utm_source.to_string(),
            utm_medium: enriched.utm_medium.to_string(),
            utm_campaign: enriched.utm_campaign.to_string(),
            utm_term: enriched.utm_term.to_string(),
            utm_content: enriched.utm_content.to_string(),
            country: enriched.country.to_owned(),
            language: enriched.language.to_string(),
            device: enriched.device.as_str().to_owned(),
            screen: enriched.screen.to_string(),
            browser: enriched.browser.to_owned(),
            os: enriched.os.to_owned(),
            topics: event.topics.iter().map(|topic| (*topic).to_owned()).collect(),
            properties: event.properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            value: event.value,
            bot: enriched.bot,
        })
    }

    /// The same event where there are no cookies: its visitor is whoever comes with this address and user agent on that local day.
    pub fn without_cookies(self, address: IpAddr, user_agent: &str, zone: &Zone) -> OracleEvent {
        let visitor = format!("{} {address} {user_agent}", zone.day_of(self.time));
        OracleEvent { visitor, ..self }
    }

    /// Whether the event counts as a page view.
    pub fn is_page_view(&self) -> bool {
        self.name == PAGE_VIEW
    }

    /// The value of a property; the last one of equal keys, empty where there is none.
    pub fn property(&self, key: &str) -> &str {
        let mut found = "";
        for (name, value) in &self.properties {
            if name == key {
                found = value;
            }
        }
        found
    }
}

/// The event as the live matcher is shown it.
impl Facts for OracleEvent {
    fn id(&self) -> EventId {
        self.id
    }

    fn time(&self) -> Micros {
        self.time
    }

    fn is_by_bot(&self) -> bool {
        self.bot
    }

    fn value(&self) -> Option<i64> {
        self.value
    }

    fn text(&self, dimension: &Dimension) -> &str {
        match dimension {
            Dimension::Url => &self.url,
            Dimension::Page => &self.page,
            Dimension::Path => &self.path,
            Dimension::Host => &self.host,
            Dimension::Title => &self.title,
            Dimension::Referrer => &self.referrer,
            Dimension::Source => &self.source,
            Dimension::Channel => &self.channel,
            Dimension::UtmSource => &self.utm_source,
            Dimension::UtmMedium => &self.utm_medium,
            Dimension::UtmCampaign => &self.utm_campaign,
            Dimension::UtmTerm => &self.utm_term,
            Dimension::UtmContent => &self.utm_content,
            Dimension::Country => &self.country,
            Dimension::Language => &self.language,
            Dimension::Device => &self.device,
            Dimension::Screen => &self.screen,
            Dimension::Browser => &self.browser,
            Dimension::Os => &self.os,
            Dimension::EventName => &self.name,
            Dimension::UserId => &self.user_id,
            Dimension::Property(key) => self.property(key),
            Dimension::Topic | Dimension::EntryPage | Dimension::ExitPage | Dimension::Segment => "",
        }
    }

    fn any_topic(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        if self.topics.is_empty() { test("") } else { self.topics.iter().any(|topic| test(topic)) }
    }
}
