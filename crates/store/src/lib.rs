//! The warehouse behind traits: [`Store`] (progress, commits, reads, rollups), [`Registry`] (sites, keys, refusals), [`Leases`] (who
//! folds which partition), [`Segments`] (the trees that people keep), and for push [`Subscriptions`], [`Campaigns`] and
//! [`Deliveries`].
//!
//! ```text
//!   Aggregate ──lookups──▶ ┌───────┐ ◀──statements── Query (plans, SQL text, bound values)
//!             ──commit───▶ │ Store │ ◀──registry──── Admin
//!                          └───────┘
//! ```
//!
//! It is not responsible for what a report means (services/query) or how an event is folded (services/aggregate): it keeps
//! rows, and promises what [`Store`] says.

mod campaigns;
mod columns;
mod commit;
pub mod contract;
mod duck;
mod error;
mod lease;
mod lookup;
mod place;
mod postgres;
mod read;
mod registry;
mod segments;
pub mod sheet;
mod store;
mod zone;

pub use campaigns::{
    CampaignRow, Campaigns, Deliveries, Due, Planned, Pushing, Settled, SiteLease, Step, SubscriptionRow,
    Subscriptions, Tally,
};
pub use columns::{EventColumns, EventRow, ListColumn, TextColumn};
pub use commit::{Commit, Progress, SessionVersion, Sign, VisitorVersion, WriterSequence};
pub use duck::{DuckConfig, DuckStore, Folded, SCHEMA_VERSION};
pub use error::Error;
pub use lease::{Fence, HEARTBEAT, Held, LEASE_TTL, Lease, LeaseEpoch, Leases, Leasing, Owner};
pub use lookup::{Found, HistoryEvent, KnownVisitor, SessionsOf, VisitorHistory};
pub use place::{KEPT_MINUTES, LogMinute, Mark, Rewind, offset_of};
pub use postgres::{Converted, PgConfig, PgStore, Variant};
pub use read::{Answer, Cell, Rows, Shape, Snapshot, Statement};
pub use registry::{REJECTED_KEPT, Registry, RejectedQuery, RejectedRow};
pub use segments::{SegmentRow, Segments};
pub use sheet::SheetDimension;
pub use store::{Checkpoint, Engine, Lookup, Refresh, Refreshed, Store, hour_of, minute_of};
