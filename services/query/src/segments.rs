//! Who is in a segment: a planned tree (`core::segment`) read from bitmaps, from SQL, or from both in one snapshot.
//!
//! ```text
//!   tree ─core::segment::plan─▶ leaves, sets ──┬─▶ bitmaps   leaves with day sets: from sheets; the others: SQL, one a leaf
//!                                              └─▶ sql       the whole tree as one statement, joins over its leaves
//! ```
//!
//! Both give the same set of visitor numbers (P-4). As a filter of reports a segment is a condition on events, made of the same
//! SQL (`sql::passes`), so that every report that reads raw rows can be cut by it.
//!
//! It is not responsible for what a tree means (`core::segment`), nor for keeping segments (service segment).

mod bitmaps;
pub(crate) mod kept;
mod sql;

pub use crate::reports::{Audience, Clock};
pub(crate) use bitmaps::{Reading, Step, visitors};
pub(crate) use sql::members;
pub use sql::statement;

use pistats_core::segment::{Plan, SegmentId};
use std::collections::HashMap;

/// Segments that filters may name, planned for the moment of asking.
pub type Plans = HashMap<SegmentId, Plan>;

/// What a segment was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Bitmaps of whole days, and raw rows of the days that have none yet.
    Bitmaps,
    /// Bitmaps, and SQL for the leaves that have none.
    Mixed,
    /// One statement.
    Sql,
}
