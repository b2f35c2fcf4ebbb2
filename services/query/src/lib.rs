//! Query: reports from one contract.
//!
//! ```text
//!   request ─convert─▶ question ─plan (pure)─▶ statements ─Store::read, one snapshot─▶ rows ─plan─▶ answer
//!                                  ▲
//!                      site and zone: from the key alone
//! ```
//!
//! | module | does |
//! |---|---|
//! | `plan` | question + tenant → statements, rows → answer; no I/O |
//! | `people` | sets of visitors by day, from which uniques and retention are counted |
//! | `segments` | who is in a segment: from bitmaps, from SQL, or both |
//! | `sheets` | what is kept of whole days: which days, and bitmaps of them |
//! | `lists` | Breakdown from sheets: candidates, bitmaps of the best, the page |
//! | `sql` | the one place where SQL is put together; values are always bound |
//! | `reports` | a request of a tenant → the answer message: plan, one read, message; shared by calls and Watch |
//! | `service` | the calls: who asks, until when |
//! | `live` | what is needed of the living side: notices of commits, the state of this moment |
//! | `walk` | the runs of a funnel, told apart in memory; pure |
//! | `export` | the stream of events, page by page |
//! | `watch` | reports as they change, evaluated once for all who watch |
//!
//! It is not responsible for keeping rows (crate `store`) nor for what the definitions mean (DESIGN section 5; the naive
//! oracle in `testkit` is their executable form). No question can be planned without a [`Tenant`], and a tenant is made of
//! the directory's site only: no query sees another site's rows (P-7).

mod answer;
mod config;
mod deadline;
mod export;
pub mod lists;
mod live;
mod people;
pub mod plan;
mod reports;
pub mod segments;
mod service;
mod sheets;
mod sql;
mod status;
mod walk;
mod watch;

pub use config::Config;
pub use live::{Living, Nothing, Unreachable};
pub use people::{ReadAhead, Tally};
pub use plan::Tenant;
pub use service::{Query, Watching};
