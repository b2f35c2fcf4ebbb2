//! Day sets: who was there, by local day. Everything that counts people over days is arithmetic on them.
//!
//! ```text
//!   DaysOf  ──read──▶  DaySets: day → bitmap of visitor numbers  ──union over a period, intersection──▶  counts
//! ```
//!
//! A visitor's number ([`VisitorNo`](pistats_core::VisitorNo)) is dense over all partitions, so that a bitmap of a million
//! visitors is small and uniques over any range are exact (P-5). It is not responsible for what is counted: that is the
//! planners' business (`plan`).

mod read;
mod sets;

pub(crate) use read::{DaysOf, gather, statement};
pub(crate) use sets::DaySets;
