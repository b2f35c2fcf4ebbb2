//! Every case of `reports` once more, on PostgreSQL: the same questions, the same oracle, the same numbers.
//!
//! Each warehouse is a database of its own on a private server, or on the server with TimescaleDB that
//! `PISTATS_TEST_TIMESCALE` names, if it does. Where there is neither, a skip is printed and DuckDB stands in.
#![allow(clippy::unwrap_used)]

#[path = "../reports/ask.rs"]
mod ask;
#[path = "../reports/cut.rs"]
mod cut;
#[path = "../reports/export.rs"]
mod export;
#[path = "../reports/filters.rs"]
mod filters;
#[path = "../reports/flips.rs"]
mod flips;
#[path = "../reports/funnel.rs"]
mod funnel;
#[path = "../reports/journey.rs"]
mod journey;
#[path = "../reports/lists.rs"]
mod lists;
#[path = "../reports/oracle.rs"]
mod oracle;
#[path = "../reports/pages.rs"]
mod pages;
#[path = "../reports/people.rs"]
mod people;
#[path = "../reports/realtime.rs"]
mod realtime;
#[path = "../reports/refusals.rs"]
mod refusals;
#[path = "../reports/retention.rs"]
mod retention;
#[path = "../reports/rollups.rs"]
mod rollups;
#[path = "../reports/sample.rs"]
mod sample;
#[path = "../reports/segments.rs"]
mod segments;
#[path = "../reports/visitors.rs"]
mod visitors;
#[path = "../reports/warehouse.rs"]
mod warehouse;
#[path = "../reports/zones.rs"]
mod zones;

mod raw_rows;

use crate::warehouse::Emptied;
use async_trait::async_trait;
use pistats_store::{
    Checkpoint, Commit, DuckConfig, DuckStore, Engine, Error, Lookup, PgConfig, PgStore, Refresh, Refreshed, Snapshot,
    Store, Variant,
};
use pistats_testkit::postgres::{self, Database};
use std::sync::Arc;

/// Random segments that are compared in every run; `PISTATS_TREES` says another number.
const TREES: u64 = 100;

/// What the cases run on; `None`: on DuckDB.
fn variant() -> Option<Variant> {
    let timescale = std::env::var(postgres::TIMESCALE).is_ok_and(|server| !server.is_empty());
    if timescale { Some(Variant::Timescale) } else { postgres::plain().map(|_| Variant::Plain) }
}

fn empty_store() -> Emptied {
    let timescale = std::env::var(postgres::TIMESCALE).is_ok_and(|server| !server.is_empty());
    let database = if timescale { postgres::timescale() } else { postgres::plain() };
    let Some(database) = database else {
        let store = Arc::new(DuckStore::open(DuckConfig::memory()).unwrap());
        return Emptied { store: store.clone(), registry: store.clone(), segments: store };
    };
    let config = PgConfig { readers: 4, writers: 3, ..PgConfig::new(&database.url) };
    let store = Arc::new(futures::executor::block_on(PgStore::open(config)).unwrap());
    let on_database = Arc::new(OnDatabase { store: store.clone(), _database: database });
    Emptied { store: on_database, registry: store.clone(), segments: store }
}

/// A store and the database under it: services outlive the warehouse that they were made of.
struct OnDatabase {
    store: Arc<PgStore>,
    _database: Database,
}

#[async_trait]
impl Store for OnDatabase {
    fn engine(&self) -> Engine {
        self.store.engine()
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error> {
        self.store.checkpoints().await
    }

    async fn minutes(
        &self,
        partition: pistats_core::PartitionId,
        up_to: i64,
        most: usize,
    ) -> Result<Vec<pistats_store::LogMinute>, Error> {
        self.store.minutes(partition, up_to, most).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), Error> {
        self.store.commit(commit).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        self.store.snapshot().await
    }

    async fn refresh(&self, work: Refresh) -> Result<Refreshed, Error> {
        self.store.refresh(work).await
    }

    fn lookup(&self) -> &dyn Lookup {
        self.store.lookup()
    }
}
