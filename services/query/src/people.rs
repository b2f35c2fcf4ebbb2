//! Day sets: who was there, by local day. Everything that counts people over days is arithmetic on them.
//!
//! ```text
//!              ┌ a calm day   bitmaps of its sheet: from the cache by (day, version), else fetched ┐
//!   DaysOf  ───┤                                                                                   ├──▶  DaySets
//!              └ a dirty day, or a question that no bitmap answers: SQL on raw rows                ┘
//!
//!   DaySets: day → bitmap of visitor numbers  ──union over a period, intersection──▶  counts
//! ```
//!
//! | module | does |
//! |---|---|
//! | `sets` | the sets and their arithmetic |
//! | `rows` | a set from raw rows: the statement, and its rows as sets |
//! | `kept` | which bitmaps a set is made of, if any |
//! | `gather` | both together: what to read first, what to fetch then |
//! | `cache` | bitmaps that were fetched, bounded by bytes |
//! | `ahead` | bitmaps of days that were just built, fetched before they are asked for |
//!
//! A visitor's number ([`VisitorNo`](pistats_core::VisitorNo)) is dense over all partitions, so that a bitmap of a million
//! visitors is small and uniques over any range are exact (P-5). All is read in one snapshot; a sheet's version never changes
//! its content, so its bitmaps may be kept. What is counted is the planners' business (`plan`); who reads is `reports`.

mod ahead;
mod cache;
mod gather;
mod kept;
mod rows;
mod sets;
mod tally;

pub use ahead::ReadAhead;
pub use cache::BitmapCache;
pub(crate) use cache::BitmapKey;
pub(crate) use gather::{Filled, Gather};
pub(crate) use kept::has_bitmaps;
pub(crate) use rows::DaysOf;
pub(crate) use sets::DaySets;
pub(crate) use tally::Tallies;
pub use tally::Tally;
