//! An event and what enrichment says of it, as a row of the warehouse and as a run of one event.

use crate::arrival::Arrival;
use crate::visitors::Run;
use pistats_core::enrich::{Enriched, Enricher, Input, Text};
use pistats_core::event::PAGE_VIEW;
use pistats_core::time::Zone;
use pistats_core::{Offset, PartitionId, Session, SiteId, VisitorNo};
use pistats_store::{EventColumns, EventRow};
use std::sync::{Arc, LazyLock};

static NO_PAGE: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(""));

/// Enriches event after event. One a worker.
#[derive(Default)]
pub(crate) struct Rows {
    enricher: Enricher,
}

/// Where a row comes from, and whose it is.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub partition: PartitionId,
    pub offset: Offset,
    pub received: pistats_core::Micros,
    pub site: SiteId,
    pub zone: &'a Zone,
}

impl Rows {
    pub(crate) fn enrich(&mut self, arrival: &Arrival<'_>) -> Enriched {
        self.enricher.enrich(&Input::of(&arrival.event))
    }
}

/// The event alone, as a session.
pub(crate) fn run(arrival: &Arrival<'_>, enriched: &Enriched) -> Run {
    let is_page_view = arrival.event.name() == PAGE_VIEW;
    Session::of_event((arrival.time, arrival.id), page(enriched), is_page_view, enriched.bot)
}

fn page(enriched: &Enriched) -> Arc<str> {
    match &enriched.page {
        Text::Shared(page) => page.clone(),
        Text::Fixed("") => NO_PAGE.clone(),
        Text::Fixed(page) => Arc::from(*page),
    }
}

/// Appends the event's row.
pub(crate) fn push(
    events: &mut EventColumns,
    origin: Origin<'_>,
    visitor: VisitorNo,
    arrival: &Arrival<'_>,
    enriched: &Enriched,
) {
    let event = &arrival.event;
    let properties = distinct(&event.properties);
    events.push(&EventRow {
        site: origin.site,
        visitor,
        id: arrival.id,
        time: arrival.time,
        day: origin.zone.day_of(arrival.time),
        partition: origin.partition,
        offset: origin.offset,
        received: origin.received,
        client_time: event.client_time,
        name: event.name(),
        url: event.url,
        host: &enriched.host,
        path: &enriched.path,
        referrer: event.referrer,
        source: &enriched.source,
        channel: enriched.channel.as_str(),
        utm_source: &enriched.utm_source,
        utm_medium: &enriched.utm_medium,
        utm_campaign: &enriched.utm_campaign,
        utm_term: &enriched.utm_term,
        utm_content: &enriched.utm_content,
        title: event.title,
        country: enriched.country,
        language: &enriched.language,
        device: enriched.device.as_str(),
        screen: &enriched.screen,
        browser: enriched.browser,
        os: enriched.os,
        user_id: event.user_id,
        bot: enriched.bot,
        value: event.value,
        topics: &event.topics,
        properties: &properties,
    });
}

/// By ascending key; of equal keys the last one counts.
fn distinct<'a>(sent: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut properties: Vec<(&str, &str)> = Vec::with_capacity(sent.len());
    for (key, value) in sent {
        match properties.binary_search_by(|(held, _)| held.cmp(key)) {
            Ok(at) => properties[at].1 = value,
            Err(at) => properties.insert(at, (key, value)),
        }
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_property_keys_the_last_one_counts() {
        assert_eq!(distinct(&[("b", "1"), ("a", "2"), ("b", "3")]), [("a", "2"), ("b", "3")]);
    }
}
