//! Segment: trees of clauses, kept by name; who is in them, counted, listed and watched.
//!
//! ```text
//!   calls ──▶ service ──▶ kept      rows ↔ segments: names, versions, used in      (store::Segments)
//!                 │
//!                 ├─────▶ Reading   who is in a tree: bitmaps and SQL               (Query's readers, wired by the binary)
//!                 └─────▶ watch     the same again after commits, edits and midnights; who entered, who left
//!
//!   pages, people ──▶ campaign      push.v1 ([`Push`]): who gets which message when, and what became of it
//! ```
//!
//! It is not responsible for what a tree means (`core::segment`), for how members are read ([`Reading`]), nor for how a message
//! reaches a browser (crates/push). Definitions are read from the store at every call: what one process changed, all others see at once.

mod campaign;
mod kept;
mod members;
mod reading;
mod service;
mod sizes;
mod status;
mod watch;

pub use campaign::{Channel, Enters, Push, PushSettings, Sending};
pub use reading::{Members, Reader, Reading, Written};
pub use service::{Segment, Settings};
