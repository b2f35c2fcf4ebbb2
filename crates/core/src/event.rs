//! One activity of one visitor, after it was checked: what the collector accepts and the aggregator folds.

use crate::{EventId, Micros};

/// The name of an event that names itself not.
pub const PAGE_VIEW: &str = "page_view";

/// An accepted event, borrowed from the record that carries it. An absent text is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event<'a> {
    pub id: Option<EventId>,
    /// Corrected event time; absent only before the collector stamped it.
    pub time: Option<Micros>,
    /// The client's clock when it sent the event.
    pub sent_at: Option<Micros>,
    /// The client's own time where the collector corrected it.
    pub client_time: Option<Micros>,
    pub visitor_id: &'a str,
    pub user_id: &'a str,
    /// As sent; see [`Event::name`].
    pub raw_name: &'a str,
    pub url: &'a str,
    pub referrer: &'a str,
    pub title: &'a str,
    pub topics: Vec<&'a str>,
    pub language: &'a str,
    pub time_zone: &'a str,
    pub screen_width: u32,
    pub screen_height: u32,
    pub user_agent: &'a str,
    /// Never stored and never logged.
    pub client_address: &'a str,
    pub country: &'a str,
    /// Millionths of the site's unit.
    pub value: Option<i64>,
    /// In the order sent; of equal keys the last one counts.
    pub properties: Vec<(&'a str, &'a str)>,
}

impl<'a> Event<'a> {
    /// What happened: `page_view` unless the event says otherwise.
    pub fn name(&self) -> &'a str {
        if self.raw_name.is_empty() { PAGE_VIEW } else { self.raw_name }
    }
}
