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

mod campaigns;
mod cells;
mod commit;
mod config;
mod copy;
mod deliveries;
mod failure;
mod leases;
mod lives;
mod lookup;
mod open;
mod places;
mod plain;
mod read;
mod refresh;
mod registry;
mod rows;
mod segments;
mod sheets;
mod statistics;
mod subscriptions;
mod timescale;
mod variant;
mod zone;

pub use config::PgConfig;
pub use timescale::Converted;
pub use variant::Variant;

use crate::{Checkpoint, Commit, Engine, Error, LogMinute, Lookup, Refresh, Refreshed, Snapshot, Store};
use async_trait::async_trait;
use failure::engine;
use futures::future::BoxFuture;
use open::Pools;
use parking_lot::Mutex;
use pistats_core::PartitionId;
use sqlx::{PgConnection, PgPool};
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::{Handle, Runtime};

/// The warehouse on PostgreSQL. Dropping it closes its connections; what was not committed is rolled back by the server.
pub struct PgStore {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    pools: Pools,
    upkeep: Arc<Upkeep>,
}

/// What this process remembers between refreshes.
#[derive(Default)]
struct Upkeep {
    /// Days that can never have a sheet.
    unfit: sheets::Unfit,
    /// When signed rows were looked at for pairs that cancel out.
    folded: Mutex<Option<Instant>>,
    /// When chunks were looked at that could be turned into columns.
    looked: timescale::Looked,
    statistics: statistics::Statistics,
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
            Ok(pools) => Ok(PgStore { runtime: Some(runtime), pools, upkeep: Arc::default() }),
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

    /// Folds pairs of signed rows that cancel out, worth it or not: for tests, whose tables are small. Returns how many rows
    /// went. No sum changes.
    pub async fn fold_all(&self) -> Result<u64, Error> {
        let variant = self.pools.variant;
        self.run(move |conn| Box::pin(refresh::fold_all(conn, variant))).await
    }

    /// On TimescaleDB, turns the newest calm chunk of events into columns: a refresh does so now and then. No answer changes.
    pub async fn convert(&self) -> Result<Converted, Error> {
        match self.pools.variant {
            Variant::Plain => Ok(Converted::default()),
            Variant::Timescale => self.run(|conn| Box::pin(refresh::convert(conn))).await,
        }
    }

    /// Brings the planner's statistics up to date where a tenth of a table has changed, as a refresh does now and then.
    pub async fn keep_statistics(&self) -> Result<(), Error> {
        let (variant, upkeep) = (self.pools.variant, self.upkeep.clone());
        self.run(move |conn| Box::pin(async move { statistics::keep_calm(conn, variant, &upkeep.statistics).await }))
            .await
    }

    fn handle(&self) -> Result<&Handle, Error> {
        self.runtime.as_ref().map(Runtime::handle).ok_or(Error::Closed)
    }

    /// Runs a job on a connection of its own, to its end also where nobody waits for it any more.
    async fn run<T: Send + 'static>(&self, job: impl Job<T>) -> Result<T, Error> {
        let pool = self.pools.writers.clone();
        self.handle()?.spawn(on(pool, job)).await.map_err(|_| Error::Closed)?
    }

    /// The same, waited for on this thread. Works on any thread, also on one of another runtime.
    fn wait<T: Send + 'static>(&self, job: impl Job<T>) -> Result<T, Error> {
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        let pool = self.pools.writers.clone();
        self.handle()?.spawn(async move {
            // Nobody waits any more: a lookup has no effect.
            let _ = reply.send(on(pool, job).await);
        });
        answer.recv().map_err(|_| Error::Closed)?
    }
}

/// What is done with a connection.
trait Job<T>: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static {}

impl<T, J: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static> Job<T> for J {}

async fn on<T: Send + 'static>(pool: PgPool, job: impl Job<T>) -> Result<T, Error> {
    let mut conn = pool.acquire().await.map_err(engine)?;
    let result = job(&mut conn).await;
    if result.is_err() {
        // It may be in the middle of a message or hold a lock: both end with its session.
        conn.close_on_drop();
    }
    result
}

#[async_trait]
impl Store for PgStore {
    fn engine(&self) -> Engine {
        self.pools.variant.engine()
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error> {
        self.run(|conn| Box::pin(commit::checkpoints(conn))).await
    }

    async fn minutes(&self, partition: PartitionId, up_to: i64, most: usize) -> Result<Vec<LogMinute>, Error> {
        self.run(move |conn| Box::pin(places::minutes(conn, partition, up_to, most))).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), Error> {
        let (variant, rows) = (self.pools.variant, commit.events.len());
        self.run(move |conn| Box::pin(async move { commit::commit(conn, variant, &commit).await })).await?;
        if self.upkeep.statistics.committed(rows) {
            let (pool, upkeep) = (self.pools.writers.clone(), self.upkeep.clone());
            // Beside the next commits: nobody waits for it.
            self.handle()?.spawn(async move { statistics::after_commits(&pool, variant, &upkeep.statistics).await });
        }
        Ok(())
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        let (readers, control) = (self.pools.readers.clone(), self.pools.writers.clone());
        read::snapshot(self.handle()?, readers, control, self.pools.variant.snapshot()).await
    }

    async fn refresh(&self, work: Refresh) -> Result<Refreshed, Error> {
        let (pool, variant, upkeep) = (self.pools.writers.clone(), self.pools.variant, self.upkeep.clone());
        let refresh = async move { refresh::refresh(&pool, variant, work, &upkeep).await };
        self.handle()?.spawn(refresh).await.map_err(|_| Error::Closed)?
    }

    fn lookup(&self) -> &dyn Lookup {
        self
    }
}

impl Drop for PgStore {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
