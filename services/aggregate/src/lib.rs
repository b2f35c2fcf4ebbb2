//! Aggregate folds the event log into the warehouse: each event once, in any order, across any crash.
//!
//! ```text
//!   log ─reader─▶ inbox ─worker─▶ window ╮                   reader     one a partition, async
//!   log ─reader─▶ inbox ─worker─▶ window ├─committer─▶ store  worker     one a partition, a thread: decode, ids, enrich, sessions
//!        …                               ╯     │             committer  one transaction of all partitions
//!                          └─▶ live            ├─▶ commits    supervisor starts all again after a failure (epoch)
//!                                              └─▶ follow     who enters and leaves segments that somebody follows
//! ```
//!
//! | part | files |
//! |---|---|
//! | the whole: start, failure, shutdown | `aggregator` `epoch` `config` `error` |
//! | which partitions: leases, shares | `holding` |
//! | folding | `reader` `sameness` `inbox` `worker` `arrival` `resends` `ids` `visitors` `enriched` `window` |
//! | committing | `gate` `committer` `notices` |
//! | repair | `repair` `lost` `replay` `position` |
//! | beside it | `observer` `live` `recall` `usual` `follow` `stats` `figures` `times` `upkeep` `service` |
//!
//! Invariants, and where they are kept:
//! - **Each (site, id) takes effect once** (P-2): `ids` claims it, and rows and checkpoint commit together.
//! - **Order never matters**: sessions are an algebra (`core::session`), first seen is a minimum, and a commit holds the
//!   net difference of two states (`window`). Only visitors' numbers depend on the order of arrival.
//! - **All state can be lost**: it is rebuilt from the warehouse and the log at the checkpoint.
//! - **One folds a partition**: every commit names the leases and the generation that it was folded under, and the store
//!   refuses what is stale; `holding` sees to it that little is.
//! - **Memory is bounded**: ids, visitors, inboxes and windows each have a bound in [`Config`].
//!
//! It is not responsible for reports (Query), for what an event may be (Ingest), nor for how rows are kept (the store).

mod aggregator;
mod arrival;
mod committer;
mod config;
mod enriched;
mod epoch;
mod error;
mod figures;
mod follow;
mod gate;
mod holding;
mod ids;
mod inbox;
mod live;
mod lost;
mod notices;
mod observer;
mod pauses;
mod position;
mod reader;
mod recall;
mod repair;
mod replay;
mod resends;
mod sameness;
mod service;
mod stats;
#[cfg(test)]
mod testing;
mod times;
mod upkeep;
mod usual;
mod visitors;
mod window;
mod worker;

pub use aggregator::{Aggregator, Handle, Parts, Reload};
pub use config::Config;
pub use error::Error;
pub use figures::{Figures, PartitionFigures, Watched};
pub use follow::Following;
pub use holding::new_owner;
pub use live::Clock;
pub use observer::Observer;
pub use pauses::Pauses;
pub use replay::{Progress, ReplayError, Replaying};
pub use service::{Refusals, Service};
