//! Each definition on a handful of events, small enough to check in the head.
//!
//! ```text
//!   counts     traffic, lists, sessions, filters      funnels    runs, limits, re-entry
//!   retention  cohorts and cells                      journeys   sessions of one visitor
//!   realtime   current visitors, trending
//! ```

mod counts;
mod funnels;
mod journeys;
mod realtime;
mod retention;

use pistats_core::report::{Bots, Dimension, Filter, Operator, Selection};
use pistats_core::time::Range;
use pistats_core::{Day, EventId, Micros};
use pistats_testkit::OracleEvent;

const MINUTE: i64 = Micros::MINUTE;

/// An event of a visitor on a page, at a minute of 1970-01-01.
fn at(minute: i64, visitor: &str, page: &str) -> OracleEvent {
    on(Micros(minute * MINUTE), visitor, page)
}

/// An event of a visitor on a page, at an instant.
fn on(time: Micros, visitor: &str, page: &str) -> OracleEvent {
    let text = format!("{} {visitor} {page}", time.0);
    let entropy = text.bytes().fold(0u128, |sum, byte| (sum * 257 + u128::from(byte)) % (1 << 61));
    let mut event = OracleEvent::new(EventId::from_parts(0, entropy), time, visitor);
    event.page = page.to_owned();
    event
}

/// An instant of RFC 3339.
fn instant(text: &str) -> Micros {
    Micros(text.parse::<jiff::Timestamp>().expect("an instant").as_microsecond())
}

fn times(from_minute: i64, to_minute: i64) -> Range {
    Range::Times { from: Micros(from_minute * MINUTE), to: Micros(to_minute * MINUTE) }
}

fn days(first: &str, last: &str) -> Range {
    let day = |text| Day::parse(text).expect("a day");
    Range::Days { first: day(first), last: day(last) }
}

fn all_of(range: Range) -> Selection {
    Selection { range, filters: Vec::new(), bots: Bots::Include }
}

fn is(dimension: Dimension, operator: Operator, values: &[&str]) -> Filter {
    Filter { dimension, operator, values: values.iter().map(|value| (*value).to_owned()).collect() }
}

/// The events on a page.
fn page(value: &str) -> Vec<Filter> {
    vec![is(Dimension::Page, Operator::Is, &[value])]
}
