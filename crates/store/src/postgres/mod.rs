//! `postgres://`: the warehouse on a PostgreSQL server (15 or later), shared by several processes.
//!
//! ```text
//!   commit, lookups, refresh, registry, leases ──▶ writers ──┐ a pool: row locks put commits of a partition in order
//!   read ──▶ readers ────────────────────────────────────────┤ a pool of its own: reports never wait for commits
//!                                                            ▼
//!                           PostgreSQL: snapshots, write-ahead log; plain, or TimescaleDB (variant.rs)
//! ```
//!
//! All connections are driven by a runtime of the store's own, so that blocking lookups may be asked from any thread and a
//! caller's runtime that is going down takes nothing with it.
//!
//! Not responsible for when to refresh: the caller has the clock.

mod config;
mod failure;
mod open;
mod variant;

pub use config::PgConfig;
pub use variant::Variant;

use crate::Error;
use open::Pools;
use tokio::runtime::Runtime;

/// The warehouse on PostgreSQL. Dropping it closes its connections; what was not committed is rolled back by the server.
pub struct PgStore {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    pools: Pools,
}

impl PgStore {
    /// Connects, and makes or updates the schema. Several processes may do so at the same time.
    ///
    /// Errors: [`Error::Unavailable`] where the server does not answer, [`Error::Open`] where it is too old, or the warehouse
    /// was made by a newer program.
    pub async fn open(config: PgConfig) -> Result<PgStore, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("store-postgres")
            .enable_all()
            .build()
            .map_err(|error| Error::Open(format!("no threads: {error}")))?;
        let opened = runtime.spawn(async move { open::open(&config).await }).await;
        match opened.map_err(|_| Error::Open("opening panicked".to_owned())).and_then(|opened| opened) {
            Ok(pools) => Ok(PgStore { runtime: Some(runtime), pools }),
            Err(error) => {
                // A runtime must not wait for its threads within another one.
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Which PostgreSQL it is on.
    pub fn variant(&self) -> Variant {
        self.pools.variant
    }
}

impl Drop for PgStore {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
