//! What is kept of whole days (`pistats_store::sheet`): which days of a range have a sheet, and bitmaps of them.
//!
//! ```text
//!   first read      Days: of each day its version, or that it is dirty (to be read raw), or that it holds nothing
//!   later reads     bitmaps of those versions; where one is gone meanwhile, the question starts over
//! ```
//!
//! A version never changes its content, so bitmaps of a later snapshot belong to the first one as long as their version
//! does. Dirty days change with every commit: all that is read raw of them has to come from one read.

mod bitmaps;
mod counting;
mod days;
mod packed;
mod visitors;

pub(crate) use bitmaps::{Bitmaps, Read, Wanted};
pub(crate) use counting::Counter;
pub(crate) use days::{Days, Span};
pub(crate) use packed::Packed;
pub(crate) use visitors::{Newcomers, People, Visitors};
