//! Every commit tells which days of which sites it touched, when it is durable, and a failure is told too.

mod common;

use common::{SITE, World, caught_up, config, logged, record};
use pistats_core::{Changes, Day, EventId, Micros, PartitionId, SiteChange, SiteId, Zone};
use pistats_eventlog::EventLog;
use pistats_store::{Checkpoint, Commit, Error, Lookup, Refresh, Refreshed, Snapshot, Store};
use pistats_testkit::histories::{History, Sent};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::broadcast::Receiver;

fn at(text: &str) -> Micros {
    Micros(text.parse::<jiff::Timestamp>().expect("a timestamp").as_microsecond())
}

fn event(number: u128, visitor: &str, time: &str) -> Sent {
    let shape = History::random(1, &Zone::utc(), 1, 1).sent.remove(0);
    let id = EventId::from_parts(at(time).0 as u64 / 1_000, number);
    Sent { id, time: at(time), visitor_id: visitor.into(), ..shape }
}

fn stretch(first: &str, last: &str) -> SiteChange {
    let day = |text: &str| Day::parse(text).expect("a day");
    SiteChange { site: SITE, first: day(first), last: day(last) }
}

async fn next(changes: &mut Receiver<Arc<Changes>>) -> Arc<Changes> {
    tokio::time::timeout(Duration::from_secs(20), changes.recv()).await.expect("in time").expect("a notice")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_tells_the_days_of_its_events_sessions_and_first_events() {
    let world = World::new(&Zone::named("Europe/Berlin").expect("Berlin"));
    let now = at("2024-06-10T12:00:00Z");
    let handle = world.start_at(config(1_000), Arc::new(move || now));
    let mut changes = handle.observer().changes();
    let expected =
        |number, sites: &[SiteChange]| Changes { number, committed: now, is_reset: false, sites: sites.to_vec() };

    // Local days: half past ten in the evening, UTC, is the next day in Berlin.
    world.append(&[event(1, "ada", "2024-06-03T22:30:00Z")], 1).await;
    assert_eq!(*next(&mut changes).await, expected(1, &[stretch("2024-06-04", "2024-06-04")]));
    assert_eq!(world.number("SELECT count(*) FROM event").await, 1, "the notice comes after the commit");

    // Over midnight: the event's day, and the day of the session that it prolongs.
    world.append(&[event(2, "ada", "2024-06-04T21:50:00Z")], 1).await;
    assert_eq!(*next(&mut changes).await, expected(2, &[stretch("2024-06-04", "2024-06-04")]));
    world.append(&[event(3, "ada", "2024-06-04T22:10:00Z")], 1).await;
    assert_eq!(*next(&mut changes).await, expected(3, &[stretch("2024-06-04", "2024-06-05")]));

    // An older event moves first seen back: the new first day and the old one.
    world.append(&[event(4, "ada", "2024-05-20T10:00:00Z")], 1).await;
    let sites = [stretch("2024-05-20", "2024-05-20"), stretch("2024-06-04", "2024-06-04")];
    assert_eq!(*next(&mut changes).await, expected(4, &sites));

    // What was there already is no news; the next number follows.
    world.append(&[event(4, "ada", "2024-05-20T10:00:00Z")], 1).await;
    caught_up(&handle).await;
    world.append(&[event(5, "bob", "2024-06-07T10:00:00Z")], 1).await;
    assert_eq!(*next(&mut changes).await, expected(5, &[stretch("2024-06-07", "2024-06-07")]));
    handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replay_repairs_is_told() {
    let world = World::new(&Zone::utc());
    let handle = world.start(config(1_000));
    world.append(&[event(1, "ada", "2024-06-03T10:00:00Z"), event(2, "bob", "2024-06-05T10:00:00Z")], 1).await;
    caught_up(&handle).await;
    world.tamper("DELETE FROM event WHERE time_us < (SELECT max(time_us) FROM event)").await;
    let mut changes = handle.observer().changes();
    let mut progress = handle.replay(pistats_eventlog::Position::First, &[]).await.expect("started");
    while let Some(step) = progress.recv().await {
        step.expect("no failure");
    }
    let told = next(&mut changes).await;
    assert_eq!((told.is_reset, &told.sites[..]), (false, &[stretch("2024-06-03", "2024-06-03")][..]));
    handle.shutdown().await;
}

/// A warehouse whose commit fails after it took effect.
struct Doubtful {
    inner: Arc<dyn Store>,
    commits: AtomicU64,
    fails_at: u64,
}

#[async_trait::async_trait]
impl Store for Doubtful {
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error> {
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
        self.inner.commit(commit).await?;
        match self.commits.fetch_add(1, Ordering::SeqCst) + 1 == self.fails_at {
            true => Err(Error::Engine("the connection was lost".into())),
            false => Ok(()),
        }
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        self.inner.snapshot().await
    }

    async fn refresh(&self, work: Refresh) -> Result<Refreshed, Error> {
        self.inner.refresh(work).await
    }

    fn lookup(&self) -> &dyn Lookup {
        self.inner.lookup()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_nobody_was_told_of_ends_in_a_reset() {
    let world = World::new(&Zone::utc());
    let store = Arc::new(Doubtful { inner: world.duck.clone(), commits: AtomicU64::new(0), fails_at: 2 });
    let handle = world.start_on(config(1_000), store, world.duck.clone());
    let mut changes = handle.observer().changes();
    world.append(&[event(1, "ada", "2024-06-03T10:00:00Z")], 1).await;
    assert!(!next(&mut changes).await.is_reset);
    world.append(&[event(2, "ada", "2024-06-04T10:00:00Z")], 1).await;
    let reset = next(&mut changes).await;
    assert_eq!((reset.number, reset.is_reset, reset.sites.len()), (2, true, 0));
    assert_eq!(world.number("SELECT count(*) FROM event").await, 2, "who reads after the reset sees the commit");
    world.append(&[event(3, "ada", "2024-06-05T10:00:00Z")], 1).await;
    let after = next(&mut changes).await;
    assert_eq!((after.number, &after.sites[..]), (3, &[stretch("2024-06-05", "2024-06-05")][..]));
    handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_touches_no_row_is_not_told() {
    let world = World::new(&Zone::utc());
    let handle = world.start(config(1_000));
    let mut changes = handle.observer().changes();
    let stray = logged(&event(1, "eve", "2024-06-01T10:00:00Z"));
    let stray = record(SiteId(9), PartitionId(0), vec![stray], Vec::new());
    world.log.append(vec![stray]).await.expect("appended");
    caught_up(&handle).await;
    world.append(&[event(2, "ada", "2024-06-03T10:00:00Z")], 1).await;
    let told = next(&mut changes).await;
    assert_eq!((told.number, &told.sites[..]), (1, &[stretch("2024-06-03", "2024-06-03")][..]));
    handle.shutdown().await;
}
