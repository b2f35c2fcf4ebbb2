//! The warehouse on PostgreSQL: the promises of the contract, on a private server of the system's package, and on the server
//! with TimescaleDB that `PISTATS_TEST_TIMESCALE` names.

use pistats_store::contract;
use pistats_store::{PgConfig, PgStore};
use pistats_testkit::postgres::{self, Database};
use std::sync::Mutex;

/// Databases that live as long as the test.
#[derive(Default)]
struct Fresh(Mutex<Vec<Database>>);

impl Fresh {
    async fn open(&self, database: Database) -> PgStore {
        let store = PgStore::open(PgConfig::new(&database.url)).await.expect("an empty warehouse");
        self.0.lock().expect("no panic").push(database);
        store
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_postgresql_keeps_the_promises() {
    let (Some(_), fresh) = (postgres::plain(), Fresh::default()) else { return };
    let empty = async || fresh.open(postgres::plain().expect("a database")).await;
    contract::suite(empty).await.expect("no error of the engine");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_postgresql_keeps_the_promises_of_leases() {
    let (Some(_), fresh) = (postgres::plain(), Fresh::default()) else { return };
    let empty = async || fresh.open(postgres::plain().expect("a database")).await;
    contract::leasing(empty).await.expect("no error of the engine");
}

/// The same on a server with TimescaleDB.
#[tokio::test(flavor = "multi_thread")]
async fn timescaledb_keeps_the_promises() {
    let (Some(_), fresh) = (postgres::timescale(), Fresh::default()) else { return };
    let empty = async || fresh.open(postgres::timescale().expect("a database")).await;
    contract::suite(empty).await.expect("no error of the engine");
}

#[tokio::test(flavor = "multi_thread")]
async fn timescaledb_keeps_the_promises_of_leases() {
    let (Some(_), fresh) = (postgres::timescale(), Fresh::default()) else { return };
    let empty = async || fresh.open(postgres::timescale().expect("a database")).await;
    contract::leasing(empty).await.expect("no error of the engine");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_postgresql_keeps_the_promises_of_push() {
    let (Some(_), fresh) = (postgres::plain(), Fresh::default()) else { return };
    let empty = async || fresh.open(postgres::plain().expect("a database")).await;
    contract::pushing(empty).await.expect("no error of the engine");
}

#[tokio::test(flavor = "multi_thread")]
async fn timescaledb_keeps_the_promises_of_push() {
    let (Some(_), fresh) = (postgres::timescale(), Fresh::default()) else { return };
    let empty = async || fresh.open(postgres::timescale().expect("a database")).await;
    contract::pushing(empty).await.expect("no error of the engine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_warehouse_opens_with_everything_in_it() {
    let Some(database) = postgres::plain() else { return };
    let open = async || PgStore::open(PgConfig::new(&database.url)).await.expect("the warehouse");
    contract::reopening(open).await.expect("no error of the engine");
}
