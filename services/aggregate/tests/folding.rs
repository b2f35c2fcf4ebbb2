//! Any order, any grouping, any interruption: the same rows.

mod common;

use async_trait::async_trait;
use common::{World, assert_rows, caught_up, config, naive};
use pistats_core::{EventId, PartitionId, SiteId, VisitorKey, VisitorNo, Zone};
use pistats_store::{
    Checkpoint, Commit, DuckStore, Error, Found, KnownVisitor, Lookup, Refresh, Refreshed, SessionsOf, Snapshot, Store,
    VisitorHistory,
};
use pistats_testkit::histories::History;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::{Arc, Mutex};

fn berlin() -> Zone {
    Zone::named("Europe/Berlin").expect("Berlin")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_order_and_any_commit_size_give_the_rows_of_the_naive_fold() {
    for (seed, commit_events, record_events) in [(1, 1, 1), (2, 100, 7), (3, 10_000, 40), (4, 100, 1)] {
        let history = History::random(seed, &berlin(), 400, 25);
        let expected = naive(&history.sent, &history.zone);
        for shuffle in [None, Some(seed), Some(seed + 100)] {
            let sent = shuffle.map_or(history.clone(), |seed| history.shuffle(seed)).sent;
            let world = World::new(&history.zone);
            let handle = world.start(config(commit_events));
            // Half before, half while it runs.
            let (first, second) = sent.split_at(sent.len() / 2);
            world.append(first, record_events).await;
            tokio::task::yield_now().await;
            world.append(second, record_events).await;
            caught_up(&handle).await;
            handle.shutdown().await;
            let what = format!("seed {seed}, shuffle {shuffle:?}, commits of {commit_events}");
            assert_rows(&world.rows().await, &expected, &what);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tiny_caches_change_no_row() {
    let history = History::random(5, &berlin(), 600, 120).shuffle(9);
    let world = World::new(&history.zone);
    let tiny = pistats_aggregate::Config { held_visitors: 16, held_ids: 64, batch_events: 8, ..config(50) };
    let handle = world.start(tiny);
    world.append(&history.sent, 3).await;
    caught_up(&handle).await;
    handle.shutdown().await;
    assert_rows(&world.rows().await, &naive(&history.sent, &history.zone), "tiny caches");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_commit_is_a_place_to_start_again() {
    let history = History::random(6, &berlin(), 120, 12);
    let world = World::new(&history.zone);
    world.append(&history.sent, 2).await;
    let mut starts = 0;
    loop {
        let handle = world.start(config(2));
        let mut commits = handle.commits();
        let done = tokio::select! {
            changed = commits.changed() => changed.is_err(),
            () = caught_up(&handle) => true,
        };
        handle.shutdown().await;
        starts += 1;
        if done {
            break;
        }
    }
    assert!(starts > 5, "{starts} starts");
    assert_rows(&world.rows().await, &naive(&history.sent, &history.zone), "restarts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_id_with_another_visitor_counts_once() {
    let history = History::random(7, &berlin(), 60, 6);
    let mut events = history.sent.clone();
    events.truncate(30);
    let world = World::new(&history.zone);
    let handle = world.start(config(100));
    world.append(&events, 5).await;
    caught_up(&handle).await;
    // The same ids again, from visitors all over the partitions.
    let mut again = events.clone();
    for (index, event) in again.iter_mut().enumerate() {
        event.visitor_id = format!("somebody-else-{index}");
    }
    world.append(&again, 5).await;
    caught_up(&handle).await;
    handle.shutdown().await;
    assert_rows(&world.rows().await, &naive(&events, &history.zone), "other visitors");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_and_lookups_that_fail_at_random_lose_and_double_nothing() {
    let history = History::random(8, &berlin(), 300, 20).shuffle(3);
    let world = World::new(&history.zone);
    let flaky = Arc::new(Flaky {
        inner: world.duck.clone(),
        rng: Mutex::new(StdRng::seed_from_u64(11)),
        failed: Mutex::default(),
    });
    let handle = world.start_on(config(20), flaky.clone(), world.duck.clone());
    for chunk in history.sent.chunks(60) {
        world.append(chunk, 4).await;
        caught_up(&handle).await;
    }
    handle.shutdown().await;
    let failed = *flaky.failed.lock().expect("lock");
    assert!(failed > 5, "only {failed} failures");
    assert_rows(&world.rows().await, &naive(&history.sent, &history.zone), "failures");
}

/// Fails one call in eight: before it did anything, or after it did everything.
struct Flaky {
    inner: Arc<DuckStore>,
    rng: Mutex<StdRng>,
    failed: Mutex<u32>,
}

impl Flaky {
    fn fails(&self, one_in: u32) -> Result<(), Error> {
        if self.rng.lock().expect("lock").random_ratio(1, one_in) {
            *self.failed.lock().expect("lock") += 1;
            return Err(Error::Engine("a failure made for a test".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Flaky {
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error> {
        self.fails(8)?;
        self.inner.checkpoints().await
    }

    async fn minutes(
        &self,
        partition: pistats_core::PartitionId,
        up_to: i64,
        most: usize,
    ) -> Result<Vec<pistats_store::LogMinute>, Error> {
        self.inner.minutes(partition, up_to, most).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), Error> {
        self.fails(8)?;
        self.inner.commit(commit).await?;
        self.fails(8)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        self.inner.snapshot().await
    }

    async fn refresh(&self, work: Refresh) -> Result<Refreshed, Error> {
        self.inner.refresh(work).await
    }

    fn lookup(&self) -> &dyn Lookup {
        self
    }
}

impl Lookup for Flaky {
    fn ids(&self, site: SiteId, from_ms: u64, to_ms: u64) -> Result<Vec<EventId>, Error> {
        self.fails(200)?;
        self.inner.lookup().ids(site, from_ms, to_ms)
    }

    fn visitors(&self, site: SiteId, partition: PartitionId, keys: &[VisitorKey]) -> Result<Vec<KnownVisitor>, Error> {
        self.fails(40)?;
        self.inner.lookup().visitors(site, partition, keys)
    }

    fn sequences(&self, partition: PartitionId) -> Result<Vec<pistats_store::WriterSequence>, Error> {
        self.fails(40)?;
        self.inner.lookup().sequences(partition)
    }

    fn next_ordinal(&self, site: SiteId, partition: PartitionId) -> Result<u64, Error> {
        self.inner.lookup().next_ordinal(site, partition)
    }

    fn sessions(&self, asked: &[SessionsOf]) -> Result<Vec<Found>, Error> {
        self.fails(40)?;
        self.inner.lookup().sessions(asked)
    }

    fn histories(&self, site: SiteId, visitors: &[VisitorNo]) -> Result<Vec<VisitorHistory>, Error> {
        self.inner.lookup().histories(site, visitors)
    }

    fn visitors_of_events(&self, site: SiteId, ids: &[EventId]) -> Result<Vec<(EventId, VisitorNo)>, Error> {
        self.inner.lookup().visitors_of_events(site, ids)
    }
}
