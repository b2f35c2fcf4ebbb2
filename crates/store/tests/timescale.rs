//! What TimescaleDB adds: rows that were turned into columns are the same rows, for whoever reads them and whatever comes late.
//!
//! Runs on the server that `PISTATS_TEST_TIMESCALE` names.

use pistats_core::directory::Site;
use pistats_core::{Micros, PartitionId, VisitorNo, Zone};
use pistats_store::contract::{assert_sheets_equal_raw, sample};
use pistats_store::{
    Cell, Commit, Converted, Error, EventColumns, EventRow, PgConfig, PgStore, Refresh, Registry, Sign, Statement,
    Store, Variant,
};
use pistats_testkit::postgres::{self, Database};
use std::sync::Arc;
use std::time::Duration;

/// Rows of `sample::commit` lie in one UTC day, long ago.
const EVENTS: u64 = 1_500;

const TRAFFIC_WRONG: &str = "SELECT count(*) FROM (\
     SELECT site, bucket * 900000000 AS at, day, bot, events, page_views, value_count, value_sum, value_min, value_max FROM traffic_15m \
     EXCEPT SELECT site, time_us - time_us % 900000000, day, bot, count(*), count(*) FILTER (WHERE name = 'page_view'), \
       count(value), coalesce(sum(value), 0), min(value), max(value) FROM event GROUP BY 1, 2, 3, 4) AS x";

async fn warehouse() -> Option<(Arc<PgStore>, Database)> {
    let database = postgres::timescale()?;
    let store = PgStore::open(PgConfig::new(&database.url)).await.expect("a warehouse");
    assert_eq!(store.variant(), Variant::Timescale);
    Some((Arc::new(store), database))
}

async fn number(store: &PgStore, sql: &str) -> i64 {
    sample::number(store, sql).await.expect("a number")
}

async fn refreshed(store: &PgStore) {
    let refreshed = store.refresh(Refresh::EVERYTHING).await.expect("a refresh");
    assert_eq!((refreshed.hours_left, refreshed.days_left), (0, 0));
}

/// Late events of the same day, of visitors that are there already.
fn late(events: u64) -> Commit {
    let mut columns = EventColumns::default();
    for number in 0..events {
        let visitor = VisitorNo::new(PartitionId(1), number);
        let time = sample::START.plus(number as i64 * Micros::SECOND + 500_000);
        let row = sample::event(visitor, time, u128::from((1_u64 << 40) + number));
        columns.push(&EventRow { value: Some(1), name: "click", ..row });
    }
    Commit { events: columns, ..Commit::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn calm_rows_become_columns_and_stay_the_same_rows_whatever_comes_late() {
    let Some((store, _database)) = warehouse().await else { return };
    store.commit(sample::commit(PartitionId(1), 0, 1, EVENTS)).await.expect("a commit");
    let none = store.convert().await.expect("a look");
    assert_eq!(none, Converted::default(), "a day that waits for a refresh is not calm");

    // The refresh itself goes on to convert what is calm then.
    refreshed(&store).await;
    let rows = "SELECT site, visitor, id, time_us, day, value, name, topics, url FROM event ORDER BY time_us, id";
    let columns = "SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed";
    assert_eq!(number(&store, columns).await, 1);
    assert_eq!(number(&store, "SELECT count(*) FROM event").await, EVENTS as i64);

    store.commit(late(EVENTS)).await.expect("late rows are taken");
    let before = sample::ask(&*store, rows, vec![]).await.expect("rows");
    assert_eq!(before.len() as u64, 2 * EVENTS);
    refreshed(&store).await;
    assert_eq!(number(&store, TRAFFIC_WRONG).await, 0);
    assert_sheets_equal_raw(&*store).await.expect("sheets");
    let converted = store.convert().await.expect("a conversion");
    assert_eq!(converted, Converted { chunks: 1, left: 0 }, "late rows become columns too");
    assert_eq!(sample::ask(&*store, rows, vec![]).await.expect("rows"), before);
    assert_eq!(store.convert().await.expect("a look"), Converted::default());

    let again = store.commit(late(1)).await;
    assert!(matches!(again, Err(Error::Duplicate(_))), "P-2 holds for rows that are columns: {again:?}");
}

/// The server moves rows between relations; a snapshot of before must not look for them where they were.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_began_before_a_conversion_sees_every_row() {
    let Some((store, database)) = warehouse().await else { return };
    store.commit(sample::commit(PartitionId(1), 0, 1, EVENTS)).await.expect("a commit");
    refreshed(&store).await;
    store.commit(late(EVENTS)).await.expect("a commit");
    refreshed(&store).await;
    // The refresh looks for chunks once a minute, so the late rows still lie beside the columns.
    let reading = store.clone();
    let slow = ["SELECT count(*) FROM (SELECT pg_sleep(2)) AS slow", "SELECT count(*) FROM event"];
    let read = tokio::spawn(async move { reading.read(slow.map(|sql| Statement::new(sql, vec![])).to_vec()).await });
    tokio::time::sleep(Duration::from_millis(700)).await;
    let during = store.convert().await.expect("a look");
    assert_eq!(during, Converted { chunks: 0, left: 1 }, "a conversion gives way to a reader");
    let answer = read.await.expect("no panic").expect("an answer");
    assert_eq!(answer.results[1].rows, [[Cell::Int(2 * EVENTS as i64)]]);
    assert_eq!(store.convert().await.expect("a conversion").chunks, 1);
    assert_eq!(number(&store, "SELECT count(*) FROM event").await, 2 * EVENTS as i64);
    drop(database);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_zone_moves_rows_that_are_columns() {
    let Some((store, _database)) = warehouse().await else { return };
    let site = |zone: &str| Site::new(sample::SITE, "s", Zone::named(zone).expect("a zone"), Micros(0));
    store.put_site(&site("UTC")).await.expect("a site");
    store.commit(sample::commit(PartitionId(1), 0, 1, EVENTS)).await.expect("a commit");
    refreshed(&store).await;
    store.convert().await.expect("a conversion");
    // The rows are of 22:00 UTC: in Moscow that is the next day.
    let zone = site("Europe/Moscow");
    store.change_zone(&zone).await.expect("a change");
    let day = i64::from(zone.zone.day_of(sample::START).0);
    assert_eq!(number(&store, &format!("SELECT count(*) FROM event WHERE day <> {day}")).await, 0);
    assert_eq!(number(&store, &format!("SELECT count(*) FROM event WHERE day = {day}")).await, EVENTS as i64);
    refreshed(&store).await;
    assert_eq!(number(&store, TRAFFIC_WRONG).await, 0);
    assert_eq!(number(&store, "SELECT sum(events) FROM traffic_15m").await, EVENTS as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn pairs_of_sessions_are_folded_in_every_chunk_and_no_sum_changes() {
    let Some((store, _database)) = warehouse().await else { return };
    let mut commit = Commit::default();
    for number in 0..40_i64 {
        let (visitor, time) = (VisitorNo(number as u64), sample::START.plus(number * 6 * Micros::HOUR));
        for sign in [Sign::Add, Sign::Retract, Sign::Add] {
            commit.sessions.push(sample::session(visitor, time, time.plus(Micros::MINUTE), 2, sign));
        }
    }
    store.commit(commit).await.expect("a commit");
    refreshed(&store).await;
    let sums = "SELECT CAST(sum(sign) AS bigint) * 1000 + CAST(sum(sign * page_views) AS bigint) FROM session";
    let before = number(&store, sums).await;
    assert_eq!(store.fold_all().await.expect("a fold"), 80);
    assert_eq!((number(&store, sums).await, number(&store, "SELECT count(*) FROM session").await), (before, 40));
    assert_eq!(number(&store, "SELECT sum(sessions) FROM session_15m").await, 40);
}

/// Jobs of the server may be late, failed or switched off: there are none.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_to_jobs_of_the_server() {
    let Some((store, _database)) = warehouse().await else { return };
    let jobs = "SELECT count(*) FROM timescaledb_information.jobs WHERE hypertable_name IS NOT NULL";
    assert_eq!(number(&store, jobs).await, 0);
}
