//! What the planner knows of the tables is kept up by the store: by commits while rows come in, and by refreshes afterwards.
//!
//! The server's own autovacuum may do so too, later: it is told apart by what the server says of who analyzed a table.

use pistats_core::PartitionId;
use pistats_store::contract::sample;
use pistats_store::{Commit, PgConfig, PgStore, Refresh, Store, Variant};
use pistats_testkit::postgres::{self, Database};
use std::time::{Duration, Instant};

/// Rows of a table, or of its chunks, as the planner knows them; those that it was never told of are none.
fn known(table: &str, variant: Variant) -> String {
    match variant {
        Variant::Plain => {
            format!("SELECT CAST(greatest(reltuples, 0) AS bigint) FROM pg_class WHERE oid = '{table}'::regclass")
        }
        Variant::Timescale => format!(
            "SELECT CAST(coalesce(sum(greatest(c.reltuples, 0)), 0) AS bigint) \
             FROM show_chunks('{table}') AS chunk (oid) JOIN pg_class AS c ON c.oid = chunk.oid"
        ),
    }
}

/// How often tables were analyzed on demand, not by autovacuum.
const ANALYZED: &str = "SELECT CAST(sum(analyze_count) AS bigint) FROM pg_stat_all_tables \
                        WHERE relname = 'event' OR relname LIKE '\\_hyper\\_%chunk'";

struct Warehouse {
    store: PgStore,
    _database: Database,
}

impl Warehouse {
    async fn on(database: Option<Database>) -> Option<Warehouse> {
        let database = database?;
        let store = PgStore::open(PgConfig::new(&database.url)).await.expect("a warehouse");
        Some(Warehouse { store, _database: database })
    }

    async fn number(&self, sql: &str) -> i64 {
        sample::number(&self.store, sql).await.expect("a number")
    }

    async fn known(&self, table: &str) -> i64 {
        self.number(&known(table, self.store.variant())).await
    }

    /// Commits so many events of one day, from the so manieth on.
    async fn commit(&self, from: u64, events: u64) {
        let partition = PartitionId(1);
        let mut commit = Commit::default();
        for number in from..from + events {
            let visitor = pistats_core::VisitorNo::new(partition, number % 500);
            let time = sample::START.plus(number as i64 * 1_000);
            commit.events.push(&sample::event(visitor, time, u128::from(number) + 1));
        }
        self.store.commit(commit).await.expect("a commit");
    }
}

async fn assert_known_while_rows_come_in(database: Option<Database>) {
    let Some(warehouse) = Warehouse::on(database).await else { return };
    warehouse.commit(0, 900).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(warehouse.known("event").await, 0, "a few rows are planned well enough");
    warehouse.commit(900, 5_000).await;
    let since = Instant::now();
    // No refresh, and autovacuum looks once a minute.
    while warehouse.known("event").await < 5_000 {
        assert!(since.elapsed() < Duration::from_secs(30), "nobody looked at the table");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(warehouse.number(ANALYZED).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_analyzed_while_an_import_goes_on() {
    assert_known_while_rows_come_in(postgres::plain()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_are_analyzed_while_an_import_goes_on() {
    assert_known_while_rows_come_in(postgres::timescale()).await;
}

async fn assert_a_tenth_is_enough(database: Option<Database>) {
    let Some(warehouse) = Warehouse::on(database).await else { return };
    warehouse.commit(0, 20_000).await;
    warehouse.store.keep_statistics().await.expect("statistics");
    let since = Instant::now();
    // The commit's own look may be under way.
    while warehouse.known("event").await < 20_000 {
        assert!(since.elapsed() < Duration::from_secs(30), "nobody looked at the table");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let before = warehouse.number(ANALYZED).await;
    warehouse.commit(20_000, 1_999).await;
    warehouse.store.keep_statistics().await.expect("statistics");
    assert_eq!(warehouse.number(ANALYZED).await, before, "less than a tenth has changed");
    warehouse.commit(21_999, 1).await;
    warehouse.store.keep_statistics().await.expect("statistics");
    assert_eq!(warehouse.number(ANALYZED).await, before + 1, "a tenth has changed");
    assert!((21_000..=23_000).contains(&warehouse.known("event").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_analyzed_again_once_a_tenth_of_it_has_changed() {
    assert_a_tenth_is_enough(postgres::plain()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_is_analyzed_again_once_a_tenth_of_it_has_changed() {
    assert_a_tenth_is_enough(postgres::timescale()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_leaves_nothing_behind_looks_at_the_rollups_too() {
    let Some(warehouse) = Warehouse::on(postgres::plain()).await else { return };
    // A sheet of a day has some rows for each page.
    warehouse.store.commit(sample::commit(PartitionId(1), 0, 1, 4_000)).await.expect("a commit");
    assert_eq!(warehouse.known("visitor_bitmap").await, 0);
    warehouse.store.refresh(Refresh::EVERYTHING).await.expect("a refresh");
    let bitmaps = warehouse.number("SELECT count(*) FROM visitor_bitmap").await;
    let expected = if bitmaps >= 1_000 { bitmaps } else { 0 };
    assert_eq!(warehouse.known("visitor_bitmap").await, expected);
    assert_eq!(warehouse.known("event").await, 4_000);
}
