//! `Realtime`, asked and answered.

use super::super::{Invalid, Violations};
use super::answer::as_of;
use super::request::{bots, filters};
use crate::query::v1;
use pistats_core::report::realtime::{RATE_SECONDS, Ranked};
use pistats_core::report::{Bots, Filter, Realtime, Trend};

/// Rows of each list: when the request names none, and at most.
pub const DEFAULT_LIVE_ROWS: u32 = 10;
pub const MOST_LIVE_ROWS: u32 = 100;

/// Which events of the last half hour count, and how they are shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RealtimeQuestion {
    /// All of them must pass. None: the live state answers, committed or not.
    pub filters: Vec<Filter>,
    pub bots: Bots,
    /// Rows of each list.
    pub limit: usize,
}

/// Reads a request.
pub fn realtime(request: &v1::RealtimeRequest) -> Result<RealtimeQuestion, Invalid> {
    let mut wrong = Violations::default();
    let filters = filters(&mut wrong, "", &request.filters);
    let bots = bots(&mut wrong, request.bots);
    let limit = match request.limit {
        0 => Some(DEFAULT_LIVE_ROWS as usize),
        limit if limit <= MOST_LIVE_ROWS => Some(limit as usize),
        limit => wrong.add("limit", format!("{limit} rows are too many, ask for at most {MOST_LIVE_ROWS}")),
    };
    let question = (|| Some(RealtimeQuestion { filters: filters?, bots: bots?, limit: limit? }))();
    wrong.unless_any(question)
}

/// The state of a site as a message.
pub fn realtime_answer(state: &Realtime) -> v1::RealtimeResponse {
    v1::RealtimeResponse {
        now_us: state.now.0,
        current_visitors: state.current_visitors,
        events_per_second: state.received as f64 / RATE_SECONDS as f64,
        minutes: state.minutes.clone(),
        top_pages: rows(&state.top_pages),
        top_sources: rows(&state.top_sources),
        top_countries: rows(&state.top_countries),
        trending: state.trending.iter().map(trend).collect(),
        as_of: Some(as_of(&state.as_of)),
        is_cut: state.is_cut,
    }
}

fn rows(rows: &[Ranked]) -> Vec<v1::LiveRow> {
    rows.iter().map(|(value, visitors)| v1::LiveRow { value: value.to_string(), visitors: *visitors }).collect()
}

fn trend(trend: &Trend) -> v1::Trend {
    v1::Trend { topic: trend.topic.to_string(), score: trend.score, rate: trend.rate, usual: trend.usual }
}
