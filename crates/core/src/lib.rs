//! The pure domain of piStats: no I/O, no async, no clock of its own.
//!
//! ```text
//!   ids      what things are called          time     instants, local days, zones, buckets
//!   event    one activity, checked           limits   what an event may be
//!   refusal  why one was refused             session  sessions as an algebra: order never matters
//!   enrich   pure functions of an event      report   questions and answers
//!   change   what a commit touched         segment  which visitors: clauses, and who meets them
//!   origin   which pages may collect         cookieless   visitors of a day
//!   push     campaigns and their messages
//! ```
//!
//! Promises: every function here is deterministic; equal inputs give equal answers on every machine and backend.
//! It is not responsible for the wire (the contract package), for disks or for SQL.

pub mod change;
pub mod cookieless;
pub mod directory;
pub mod enrich;
pub mod event;
pub mod ids;
pub mod limits;
pub mod origin;
pub mod push;
pub mod refusal;
pub mod report;
pub mod segment;
pub mod session;
pub mod time;

pub use change::{Changes, SiteChange};
pub use cookieless::{DaySalt, Salts};
pub use directory::{Directory, Scope, Site};
pub use enrich::{Enriched, Enricher};
pub use event::Event;
pub use ids::{EventId, Generation, Offset, PartitionId, SiteId, VisitorKey, VisitorNo};
pub use limits::Limits;
pub use refusal::{Reason, Refusal};
pub use session::Session;
pub use time::{Day, Micros, Zone};
