//! What is happening now: the answer's type.

use super::AsOf;
use crate::Micros;
use std::sync::Arc;

/// A site at one moment, from folded events, committed or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Realtime {
    /// The server's clock.
    pub now: Micros,
    /// Distinct visitors with an event in the last 5 minutes.
    pub current_visitors: u64,
    /// Events received in the last 10 whole seconds.
    pub received: u64,
    /// Events by minute of their time, the last 30, oldest first; the last one is unfinished.
    pub minutes: Vec<u64>,
    /// Of the last 5 minutes: distinct visitors, most first, equal ones by value.
    pub top_pages: Vec<(Arc<str>, u64)>,
    pub top_sources: Vec<(Arc<str>, u64)>,
    pub top_countries: Vec<(Arc<str>, u64)>,
    /// Greatest score first, equal ones by topic.
    pub trending: Vec<Trend>,
    /// How far the log is folded.
    pub as_of: AsOf,
    /// More happens than is kept: numbers are lower bounds, lists may lack rows.
    pub is_cut: bool,
}

/// A topic that is talked about more than usual.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    pub topic: Arc<str>,
    pub score: f64,
    /// Events a minute, decayed.
    pub rate: f64,
    /// Events a minute, usually.
    pub usual: f64,
}
