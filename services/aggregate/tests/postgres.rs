//! Folding into PostgreSQL: the same rows come out, also when the server is killed under it.

mod common;

use common::{World, assert_rows, caught_up, config, naive, rows};
use pistats_core::Zone;
use pistats_store::{PgConfig, PgStore};
use pistats_testkit::histories::History;
use pistats_testkit::postgres::Server;
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
