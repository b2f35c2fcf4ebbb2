//! Every report against a real warehouse in memory, filled as Aggregate would fill it.
//!
//! ```text
//!   oracle     random histories and questions: the service's answers are the oracle's
//!   rollups    one history worked out by hand; rollups fresh, behind and half of each
//!   filters    every operator, over one value and over several     pages   entry and exit pages, lists and their order
//!   zones      steps over changes of the clock                     export  order, pages, back-pressure, one as_of
//!   funnel     steps, limit, order, re-entry and periods, by hand
//!   people     random questions about people, from bitmaps and from rows; sheets that are built anew under a question
//!   retention  cohorts of a history worked out by hand, by days, weeks and months
//!   journey    whose, page by page                                lists   breakdowns from sheets of clean, dirty and mixed days
//!   segments who is in random segments, by SQL and by bitmaps        cut    reports of every kind, cut by them
//!   shown    the statement that a preview of a segment shows
//!   flips    whether the comparison of segments would find a wrong comparison in the SQL
//!   realtime   what the living side says, of the key's site; under filters, what the oracle says
//!   visitors   who was seen last, page by page, as the oracle says
//!   refusals   what is refused, and the field that is named
//! ```
#![allow(clippy::unwrap_used)]

mod ask;
mod cut;
mod export;
mod filters;
mod flips;
mod funnel;
mod journey;
mod lists;
mod oracle;
mod pages;
mod people;
mod realtime;
mod refusals;
mod retention;
mod rollups;
mod sample;
mod segments;
mod shown;
mod visitors;
mod warehouse;
mod zones;

use crate::warehouse::Emptied;
use pistats_store::{DuckConfig, DuckStore};
use std::sync::Arc;

/// Random segments that are compared in every run; `PISTATS_TREES` says another number.
const TREES: u64 = 1_000;

/// An empty warehouse on the engine that this program tests; `reports_on_postgres` is the same with another one.
fn empty_store() -> Emptied {
    let store = Arc::new(DuckStore::open(DuckConfig::memory()).unwrap());
    Emptied { store: store.clone(), registry: store.clone(), segments: store }
}
