//! Who the selected events are of, the last seen first.

use super::{Oracle, Place};
use pistats_core::report::Selection;
use pistats_core::{Micros, Zone};
use std::collections::BTreeSet;

/// A visitor as `Visitors` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitorRow {
    /// The visitor id as it was sent.
    pub visitor: String,
    pub first_seen: Micros,
    pub last: Micros,
    pub events: u64,
    pub page_views: u64,
    pub sessions: u64,
    /// Of the last selected event: page, country, device, browser, os, source, user id.
    pub texts: [String; 7],
}

impl Oracle {
    /// All visitors of the selected events of the range. `key` orders those who were last seen at one instant.
    pub fn visitors<K: Ord>(&self, selection: &Selection, zone: &Zone, key: impl Fn(&str) -> K) -> Vec<VisitorRow> {
        let place = Place { zone, range: selection.range, step: None };
        let mut rows: Vec<VisitorRow> = self
            .selected_by_visitor(selection)
            .into_iter()
            .map(|numbers| numbers.into_iter().filter(|number| place.holds(self.events[*number].time)).collect())
            .filter_map(|numbers: Vec<usize>| self.visitor_row(&numbers))
            .collect();
        rows.sort_by_cached_key(|row| (std::cmp::Reverse(row.last), key(&row.visitor)));
        rows
    }

    /// A visitor by its selected events, in order.
    fn visitor_row(&self, numbers: &[usize]) -> Option<VisitorRow> {
        let last = &self.events[*numbers.last()?];
        let first_ever = self.events_of[self.visitor_of[numbers[0]]][0];
        let sessions: BTreeSet<usize> = numbers.iter().map(|number| self.session_of[*number]).collect();
        let texts = [&last.page, &last.country, &last.device, &last.browser, &last.os, &last.source, &last.user_id];
        Some(VisitorRow {
            visitor: last.visitor.clone(),
            first_seen: self.events[first_ever].time,
            last: last.time,
            events: numbers.len() as u64,
            page_views: numbers.iter().filter(|number| self.events[**number].is_page_view()).count() as u64,
            sessions: sessions.len() as u64,
            texts: texts.map(String::clone),
        })
    }
}
