//! query.v1 ↔ `core::report`.
//!
//! ```text
//!   TrafficRequest … ──request.rs──▶ Traffic, Breakdown, Selection      Metrics, AsOf … ──answer.rs──▶ TrafficResponse …
//!
//!   delta   what changed between two answers, for watchers
//! ```

mod answer;
pub mod delta;
mod funnel;
mod journey;
mod realtime;
mod request;
mod retention;
mod visitors;

pub use answer::{as_of, cohort, metrics, row, step};
pub use funnel::{MOST_FUNNEL_STEPS, funnel, funnel_answer};
pub use journey::{DEFAULT_SESSIONS, JourneyQuestion, MOST_SESSIONS, Who, journey};
pub use realtime::{DEFAULT_LIVE_ROWS, MOST_LIVE_ROWS, RealtimeQuestion, realtime, realtime_answer};
pub use request::{ExportQuestion, breakdown, export, traffic};
pub(super) use request::{NO_SEGMENT_ID, bots, day, dimension, unknown, values};
pub use retention::retention;
pub use visitors::{DEFAULT_VISITORS, MOST_VISITORS, VisitorsQuestion, visitors};

/// Filters a request may have.
pub const MOST_FILTERS: usize = 50;
/// Values a filter may have; it needs one.
pub const MOST_VALUES: usize = 100;
/// Bytes of a filter's value: a url may be as long.
pub const MOST_VALUE_BYTES: usize = 8 << 10;
/// Bytes of a property's name.
pub const MOST_PROPERTY_BYTES: usize = 8 << 10;
/// Rows a breakdown may be asked for at a time, and how many it gives when not told.
pub const MOST_ROWS: u32 = 10_000;
pub const DEFAULT_ROWS: u32 = 100;
/// Steps a series may have.
pub const MOST_STEPS: usize = 10_000;
/// Cells that all cohorts of a retention may have together.
pub const MOST_CELLS: usize = 10_000;
