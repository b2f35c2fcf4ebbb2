//! `duckdb://`: the warehouse in one file (or in memory), inside the process.
//!
//! ```text
//!   commit, registry ──▶ writer ──────┐ one connection, one thread: commits are serial anyway
//!   read ──▶ queue ──▶ readers 0..n ──┤ each one connection, one thread; a dropped read interrupts its statement
//!   refresh, fold ──▶ maintenance ────┤ one connection, one thread, beside the writer
//!   lookups ──▶ spare connections ────┘ on the caller's own thread
//!                                     ▼
//!                        DuckDB: snapshots, write-ahead log, one file
//! ```
//!
//! DuckDB gives snapshot isolation: the maintenance deletes and rewrites rows that nobody else touches (rollups, sheets, marks,
//! pairs of signed rows), the writer only appends beside it, so the two never conflict. A change of zone alone rewrites days on
//! the writer's connection, and takes turns with the maintenance.
//!
//! Not responsible for when to refresh: the caller has the clock. A refresh that leaves nothing dirty folds signed rows
//! next, where that is worth it.

mod append;
mod campaigns;
mod cells;
mod config;
mod deliveries;
mod failure;
mod fold;
mod fresh;
mod leases;
mod lookup;
mod open;
mod places;
mod reader;
mod refresh;
mod registry;
mod segments;
mod sheets;
mod subscriptions;
mod worker;
mod writer;
mod zone;

pub use config::DuckConfig;
pub use fold::Folded;

use crate::{Checkpoint, Commit, Engine, Error, LogMinute, Lookup, Refresh, Refreshed, Snapshot, Store};
use async_trait::async_trait;
use lookup::Lookups;
use parking_lot::Mutex;
use pistats_core::PartitionId;
use reader::Readers;
use std::sync::Arc;
use worker::Worker;

/// The version of `schema.sql`. A file of version 1 is brought up to it when it is opened, of any other it is not opened.
pub const SCHEMA_VERSION: i32 = 2;

/// The warehouse on DuckDB. Dropping it waits for the running statements and closes the file.
pub struct DuckStore {
    // Dropped in this order: all threads end and all connections close before the file's claim is given back.
    writer: Worker,
    maintenance: Worker,
    readers: Readers,
    lookups: Lookups,
    /// Held by who rewrites or deletes rows of the large tables: maintenance, and a change of zone.
    rewriting: Arc<Mutex<()>>,
    /// Days that can never have a sheet. Locked by the maintenance alone.
    unfit: Arc<sheets::Unfit>,
    leases: Arc<Mutex<leases::Table>>,
    /// Who sends for which site.
    senders: Arc<Mutex<deliveries::Senders>>,
    _claim: open::Claim,
}

impl DuckStore {
    /// Opens or creates the warehouse. Blocking (it may replay a write-ahead log).
    ///
    /// Errors: [`Error::Open`] if another process has the file open, if it was made by another schema version, or if
    /// it is no DuckDB file.
    pub fn open(config: DuckConfig) -> Result<DuckStore, Error> {
        let (claim, first) = open::open(&config)?;
        let readers = Readers::start(config.readers.max(1), || open::another(&first))?;
        let lookups = Lookups::new(config.lookups.max(1), || open::another(&first))?;
        let maintenance = Worker::start("store-maintenance", open::another(&first)?)?;
        let writer = Worker::start("store-writer", first)?;
        Ok(DuckStore {
            writer,
            maintenance,
            readers,
            lookups,
            rewriting: Arc::default(),
            unfit: Arc::default(),
            leases: Arc::default(),
            senders: Arc::default(),
            _claim: claim,
        })
    }

    /// Folds pairs of signed rows that cancel out, where that is worth it (a refresh does so too). No sum changes.
    pub async fn fold(&self) -> Result<Folded, Error> {
        self.fold_when(fold::When::Worthwhile).await
    }

    /// The same, worth it or not: for tests, whose tables are small.
    pub async fn fold_all(&self) -> Result<Folded, Error> {
        self.fold_when(fold::When::Always).await
    }

    async fn fold_when(&self, when: fold::When) -> Result<Folded, Error> {
        let rewriting = self.rewriting.clone();
        let fold = move |conn: &duckdb::Connection| {
            let _only = rewriting.lock();
            fold::fold(conn, when)
        };
        self.maintenance.run(fold).await
    }

    /// Stores a commit, and whatever `also` does on the same connection, in one transaction.
    ///
    /// For benchmarks that try out relations, and for tests that play a trick on the warehouse behind its back.
    pub async fn commit_with(
        &self,
        commit: Commit,
        also: impl FnOnce(&duckdb::Connection) -> duckdb::Result<()> + Send + 'static,
    ) -> Result<(), Error> {
        let leases = self.leases.clone();
        let store = move |conn: &duckdb::Connection| {
            leases.lock().check(&commit.fence)?;
            writer::commit(conn, commit, |conn| also(conn).map_err(failure::engine))
        };
        self.writer.run(store).await
    }

    /// Writes the log into the file now, so that the next open is quick.
    pub async fn checkpoint_file(&self) -> Result<(), Error> {
        self.writer.run(|conn| conn.execute_batch("CHECKPOINT").map_err(failure::engine)).await
    }
}

#[async_trait]
impl Store for DuckStore {
    fn engine(&self) -> Engine {
        Engine::DuckDb
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error> {
        self.writer.run(writer::checkpoints).await
    }

    async fn minutes(&self, partition: PartitionId, up_to: i64, most: usize) -> Result<Vec<LogMinute>, Error> {
        self.writer.run(move |conn| places::minutes(conn, partition, up_to, most)).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), Error> {
        self.commit_with(commit, |_| Ok(())).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        self.readers.snapshot().await
    }

    async fn refresh(&self, work: Refresh) -> Result<Refreshed, Error> {
        let (rewriting, unfit) = (self.rewriting.clone(), self.unfit.clone());
        let refresh = move |conn: &duckdb::Connection| {
            let _only = rewriting.lock();
            refresh::refresh(conn, work, &unfit)
        };
        self.maintenance.run(refresh).await
    }

    fn lookup(&self) -> &dyn Lookup {
        &self.lookups
    }
}
