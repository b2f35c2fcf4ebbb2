//! Several aggregators share the partitions of one log and one warehouse: as if there were one, also when one dies.

#![allow(clippy::unwrap_used)]

mod common;

use common::{SITE, World, assert_rows, config, naive};
use pistats_aggregate::{Clock, Config, Handle};
use pistats_core::report::{Bots, LivePart};
use pistats_core::{Micros, PartitionId, Site, SiteId, Zone};
use pistats_eventlog::EventLog;
use pistats_store::{Leases, Registry, Store};
use pistats_testkit::histories::{History, Sent};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Leases that run out while a test waits.
fn shared() -> Config {
    Config { lease_ms: 600, heartbeat_ms: 100, ..config(50) }
}

async fn world(zone: &Zone) -> World {
    let world = World::new(zone);
    world.duck.put_site(world.directory.load().site(SITE).unwrap()).await.unwrap();
    world
}

/// Waits until everything in the log is committed, by whomever.
async fn settled(world: &World) {
    let since = Instant::now();
    loop {
        let checkpoints = world.duck.checkpoints().await.unwrap();
        let mut behind = 0;
        for checkpoint in checkpoints {
            behind += world.log.bounds(checkpoint.partition).await.unwrap().next.0 - checkpoint.next.0;
        }
        if behind == 0 {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{behind} records are not folded");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the partitions are owned by so many.
async fn owned_by(world: &World, owners: usize) {
    let since = Instant::now();
    loop {
        let leases = world.duck.list().await.unwrap().leases;
        let names: Vec<u128> = leases.iter().filter_map(|lease| lease.owner.as_ref().map(|owner| owner.id)).collect();
        let distinct: std::collections::BTreeSet<u128> = names.iter().copied().collect();
        if names.len() == 8 && distinct.len() == owners {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{leases:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn append_slowly(world: &World, sent: &[Sent]) {
    for part in sent.chunks(30) {
        world.append(part, 5).await;
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_move_between_aggregators_while_events_come_and_each_event_counts_once() {
    for seed in 0..3 {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let world = world(&zone).await;
        let sent = History::random(seed, &zone, 900, 40).shuffle(seed).sent;
        let parts: Vec<&[Sent]> = sent.chunks(sent.len().div_ceil(3)).collect();
        let one = world.start_shared(shared(), None);
        append_slowly(&world, parts[0]).await;
        let two = world.start_shared(shared(), None);
        append_slowly(&world, parts[1]).await;
        owned_by(&world, 2).await;
        let three = world.start_shared(shared(), None);
        append_slowly(&world, parts[2]).await;
        owned_by(&world, 3).await;
        settled(&world).await;
        assert_rows(&world.rows().await, &naive(&sent, &zone), &format!("seed {seed}"));

        // Who goes in order leaves nothing behind: the others have its partitions before its leases would run out.
        one.shutdown().await;
        world.append(&sent[..40], 5).await;
        owned_by(&world, 2).await;
        settled(&world).await;
        assert_rows(&world.rows().await, &naive(&sent, &zone), &format!("seed {seed}, sent again to two"));
        two.shutdown().await;
        three.shutdown().await;
    }
}

/// The dead one's threads go on folding what they hold, as a process does that was only asleep: its commits are refused.
#[test]
fn a_dead_aggregators_partitions_are_taken_over_and_what_it_still_commits_is_refused() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (here, there) = (runtime(), runtime());
    let zone = Zone::utc();
    let (world, sent) = (here.block_on(world(&zone)), History::random(7, &zone, 1_200, 40).shuffle(7).sent);
    let one = here.block_on(async { world.start_shared(shared(), None) });
    let two = there.block_on(async { world.start_shared(shared(), None) });
    here.block_on(async {
        owned_by(&world, 2).await;
        append_slowly(&world, &sent[..300]).await;
        // Much at once, so that it dies with its hands full.
        world.append(&sent[300..900], 3).await;
    });
    there.shutdown_background();
    std::mem::forget(two);
    here.block_on(async {
        append_slowly(&world, &sent[900..]).await;
        owned_by(&world, 1).await;
        settled(&world).await;
        assert_rows(&world.rows().await, &naive(&sent, &zone), "after the take-over");
        one.shutdown().await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_live_parts_of_two_add_up_to_what_one_alone_would_show() {
    let zone = Zone::utc();
    let now = Micros(1_800_000_000_000_000);
    let clock: Clock = Arc::new(move || now);
    let mut sent = History::random(11, &zone, 500, 60).sent;
    for (number, event) in sent.iter_mut().enumerate() {
        // The last minutes, and some still to come.
        event.time = now.plus(Micros::MINUTE - number as i64 * 2 * Micros::SECOND);
        event.topics.push("tea".to_owned());
    }
    let (together, alone) = (world(&zone).await, world(&zone).await);
    let one = together.start_shared(shared(), Some(clock.clone()));
    together.append(&sent[..200], 4).await;
    settled(&together).await;
    // What the first one folded of the other's partitions, the other remembers from the warehouse.
    let two = together.start_shared(shared(), Some(clock.clone()));
    owned_by(&together, 2).await;
    together.append(&sent[200..], 4).await;
    settled(&together).await;
    let whole = alone.start_at(shared(), clock);
    alone.append(&sent, 4).await;
    settled(&alone).await;

    let merged = |bots| {
        let mut part: LivePart = one.observer().part(SITE, bots);
        part.merge(two.observer().part(SITE, bots));
        part
    };
    for bots in [Bots::Exclude, Bots::Include, Bots::Only] {
        let mut partitions: Vec<u16> = merged(bots).next_offsets.iter().map(|(partition, _)| partition.0).collect();
        partitions.sort_unstable();
        assert_eq!(partitions, [0, 1, 2, 3, 4, 5, 6, 7], "each partition is in one part");
        let (together, alone) = (merged(bots).finish(10), whole.observer().realtime(SITE, bots, 10));
        assert_eq!((together.current_visitors, &together.minutes), (alone.current_visitors, &alone.minutes));
        assert_eq!(together.top_pages, alone.top_pages);
        assert_eq!(together.top_countries, alone.top_countries);
        assert_eq!(together.as_of.next_offsets.len(), 8);
    }
    stop([one, two, whole]).await;
}

async fn stop(handles: impl IntoIterator<Item = Handle>) {
    for handle in handles {
        handle.shutdown().await;
    }
}

/// Nobody pauses anybody: whoever folds with the old zone is refused, and begins again with the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_change_of_zone_no_commit_has_days_of_the_old_one() {
    for (seed, name) in ["Pacific/Apia", "America/St_Johns", "Europe/Berlin"].into_iter().enumerate() {
        let (old, new) = (Zone::utc(), Zone::named(name).unwrap());
        let world = world(&old).await;
        let sent = History::random(seed as u64, &old, 800, 30).shuffle(seed as u64).sent;
        let (one, two) = (world.start_shared(shared(), None), world.start_shared(shared(), None));
        owned_by(&world, 2).await;
        let change = async {
            tokio::time::sleep(Duration::from_millis(40)).await;
            let site = Site { zone: new.clone(), ..world.directory.load().site(SITE).unwrap().clone() };
            world.duck.change_zone(&site).await.unwrap();
        };
        tokio::join!(append_slowly(&world, &sent), change);
        settled(&world).await;
        assert_rows(&world.rows().await, &naive(&sent, &new), name);

        // Also who has nothing to commit learns of it.
        let stored = world.duck.checkpoints().await.unwrap()[0].generation.0;
        let since = Instant::now();
        let seen = |handle: &Handle| handle.observer().part(SITE, Bots::Include).generation;
        while seen(&one) < stored || seen(&two) < stored {
            assert!(since.elapsed() < Duration::from_secs(30));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop([one, two]).await;
    }
}

/// A collector elsewhere may know a new site earlier than who folds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_site_that_was_made_a_moment_ago_are_not_dropped() {
    let zone = Zone::utc();
    let world = world(&zone).await;
    let one = world.start_shared(shared(), None);
    owned_by(&world, 1).await;
    let new = Site::new(SiteId(9), "new.example", zone.clone(), Micros(0));
    world.duck.put_site(&new).await.unwrap();
    let event = common::logged(&History::random(1, &zone, 5, 2).sent[0]);
    let of = |site| common::record(site, PartitionId(0), vec![event.clone()], Vec::new());
    world.log.append(vec![of(SiteId(9)), of(SiteId(77))]).await.unwrap();
    settled(&world).await;
    assert_eq!(world.number("SELECT count(*) FROM event WHERE site = 9").await, 1);
    assert_eq!(world.number("SELECT count(*) FROM event").await, 1, "of a site that there is not, nothing");
    one.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_repairs_what_is_folded_here_and_refuses_what_is_not() {
    let zone = Zone::utc();
    let world = world(&zone).await;
    let sent = History::random(5, &zone, 300, 30).sent;
    let (one, two) = (world.start_shared(shared(), None), world.start_shared(shared(), None));
    owned_by(&world, 2).await;
    world.append(&sent, 5).await;
    settled(&world).await;
    let first = pistats_eventlog::Position::First;
    let own = |handle: &Handle| {
        let part = handle.observer().part(SITE, Bots::Include);
        part.next_offsets.iter().map(|(partition, _)| *partition).collect::<Vec<PartitionId>>()
    };
    let refused = one.replay(first, &own(&two)[..1]).await.err().unwrap().to_string();
    assert!(refused.contains("not folded here"), "{refused}");

    world.tamper("DELETE FROM event").await;
    for handle in [&one, &two] {
        let mut replaying = handle.replay(first, &[]).await.unwrap();
        let mut last = None;
        while let Some(at) = replaying.recv().await {
            last = Some(at.unwrap());
        }
        assert!(last.unwrap().done);
    }
    assert_rows(&world.rows().await, &naive(&sent, &zone), "each replayed its own");
    stop([one, two]).await;
}
