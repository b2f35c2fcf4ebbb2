//! Folding into PostgreSQL: the same rows come out, also when the server is killed under it; and a start reads what is recent alone.

mod common;

use common::{World, assert_rows, caught_up, config, naive, rows};
use pistats_core::{Micros, PartitionId, VisitorNo, Zone};
use pistats_store::contract::{Explaining, sample};
use pistats_store::{Commit, PgConfig, PgStore, Refresh, Store};
use pistats_testkit::histories::History;
use pistats_testkit::postgres::{self, Database, Server};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_comes_back_loses_and_doubles_nothing() {
    let Some(server) = Server::start() else { return };
    let database = server.database();
    let settings = PgConfig { connect_timeout: Duration::from_secs(2), ..PgConfig::new(&database.url) };
    let store = Arc::new(PgStore::open(settings).await.expect("a warehouse"));
    let history = History::random(12, &Zone::named("Europe/Berlin").expect("a zone"), 600, 40).shuffle(4);
    let world = World::new(&history.zone);
    let handle = world.start_on(config(20), store.clone(), store.clone());
    let mut chunks = history.sent.chunks(history.sent.len() / 4 + 1);
    for chunk in chunks.by_ref().take(1) {
        world.append(chunk, 4).await;
        caught_up(&handle).await;
    }
    for chunk in chunks {
        // The log goes on taking events while the warehouse is away; some commits are under way when it goes.
        world.append(chunk, 4).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.restart();
        caught_up(&handle).await;
    }
    handle.shutdown().await;
    assert_rows(&rows(store.as_ref()).await, &naive(&history.sent, &history.zone), "kills");
}

/// Events of thirty days, long ago.
const DAYS: i64 = 30;
const A_DAY: i64 = 1_000;

async fn assert_recalled(database: Option<Database>) {
    let Some(database) = database else { return };
    let store = Arc::new(PgStore::open(PgConfig::new(&database.url)).await.expect("a warehouse"));
    let mut commit = Commit::default();
    for number in 0..DAYS * A_DAY {
        let visitor = VisitorNo::new(PartitionId(number as u16 % 8), number as u64 % 300);
        // Whole days: a chunk of few rows stays as it is, and is read whole because that is quicker.
        let time = Micros(sample::START.0 / Micros::DAY * Micros::DAY).plus(number * (Micros::DAY / A_DAY));
        commit.events.push(&sample::event(visitor, time, number as u128 + 1));
    }
    store.commit(commit).await.expect("a commit");
    store.refresh(Refresh::EVERYTHING).await.expect("a refresh");
    // On TimescaleDB the days of long ago become columns.
    while store.convert().await.expect("a look").chunks > 0 {}
    store.keep_statistics().await.expect("statistics");

    let explaining = Arc::new(Explaining::over(store.clone()).await.expect("a store on PostgreSQL"));
    let world = World::new(&Zone::utc());
    let handle = world.start_on(config(20), explaining.clone(), store.clone());
    caught_up(&handle).await;
    handle.shutdown().await;
    let read = explaining.read_since();
    assert!(read.most_loops > 0, "the live state was read");
    assert_eq!(read.raw_rows, 0, "of {} rows", DAYS * A_DAY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_moment_is_recalled_without_a_look_at_events_of_long_ago() {
    assert_recalled(postgres::plain()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_moment_is_recalled_on_timescaledb_without_a_look_at_events_of_long_ago() {
    assert_recalled(postgres::timescale()).await;
}
