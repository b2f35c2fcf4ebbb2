//! What is done otherwise on TimescaleDB: rollups are continuous aggregates, calm days of events are kept in columns.
//!
//! ```text
//!   event, session   a chunk a day (UTC) ──refresh──▶ traffic_15m, session_15m
//!                      │
//!                      └── calm for a day and a half ──columns──▶ the same rows, a tenth of the bytes
//! ```
//!
//! Both run within the store's own refresh, so by one process at a time, and never from a job of the server: jobs fail on some
//! releases, and nothing here waits for one. Readers see the same relations as on plain PostgreSQL.

mod columns;
mod fold;
mod refresh;

pub use columns::Converted;
pub(super) use columns::{Looked, convert, convert_calm, rewrite_columns};
pub(super) use fold::fold_sessions;
pub(super) use refresh::refresh_hours;
