//! A site gets another zone while events come in: all rows end in the days of the new one, as if there had been no other.

#![allow(clippy::unwrap_used)]

mod common;

use common::{SITE, World, assert_rows, caught_up, config, naive};
use pistats_core::{Directory, Site, Zone};
use pistats_store::{Refresh, Registry, Store};
use pistats_testkit::histories::History;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap()
}

fn with_zone(world: &World, zone: &Zone) -> Site {
    Site { zone: zone.clone(), ..world.directory.load().site(SITE).unwrap().clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_before_during_and_after_a_change_lie_in_the_days_of_the_new_zone() {
    for seed in 0..6 {
        let (old, new) = (zone("America/St_Johns"), zone(["Pacific/Apia", "Europe/Berlin", "UTC"][seed as usize % 3]));
        let world = World::new(&old);
        let sent = History::random(seed, &old, 400, 25).shuffle(seed).sent;
        let handle = world.start(config(20));
        let (early, late) = sent.split_at(sent.len() / 2);
        world.append(early, 7).await;
        if seed % 2 == 0 {
            caught_up(&handle).await;
            world.duck.refresh(Refresh::EVERYTHING).await.unwrap();
        }
        let (duck, directory, site) = (world.duck.clone(), world.directory.clone(), with_zone(&world, &new));
        let change = async move {
            duck.change_zone(&site).await.unwrap();
            // The log is appended to meanwhile, and nothing of it is folded.
            tokio::time::sleep(Duration::from_millis(20)).await;
            directory.store(Arc::new(Directory::new([site], [])));
        };
        let pauses = handle.pauses();
        let ((), changed) = tokio::join!(
            async {
                for part in late.chunks(40) {
                    world.append(part, 7).await;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            },
            pauses.during(change)
        );
        changed.unwrap();
        caught_up(&handle).await;
        assert_rows(&world.rows().await, &naive(&sent, &new), &format!("seed {seed}, {}", new.name()));
        handle.shutdown().await;
        // Versions that were taken back moved with their partners: they still cancel out, row by row.
        world.duck.refresh(Refresh::EVERYTHING).await.unwrap();
        assert_rows(&world.rows().await, &naive(&sent, &new), &format!("seed {seed}, folded"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_folded_during_a_pause_and_everything_before_it_is_committed() {
    let utc = Zone::utc();
    let world = World::new(&utc);
    let sent = History::random(3, &utc, 200, 25).sent;
    let mut slow = config(1_000);
    // Nothing would be committed for a minute but for the pause.
    (slow.commit_idle_ms, slow.commit_max_ms) = (60_000, 60_000);
    let handle = world.start(slow);
    let (early, late) = sent.split_at(100);
    world.append(early, 5).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let events = "SELECT count(*) FROM event";
    assert_eq!(world.number(events).await, 0);
    let (duck, log) = (world.duck.clone(), world.log.clone());
    let records = common::records(late, 5);
    let pauses = handle.pauses();
    let seen = pauses.during(async move {
        let count = async |sql: &str| {
            let statement = pistats_store::Statement::new(sql, vec![]);
            duck.read(vec![statement]).await.unwrap().results[0].rows[0][0].int()
        };
        let before = count("SELECT count(*) FROM event").await;
        pistats_eventlog::EventLog::append(log.as_ref(), records).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        (before, count("SELECT count(*) FROM event").await)
    });
    let (before, after) = seen.await.unwrap();
    assert_eq!(
        (before, after),
        (common::naive(early, &utc).iter().filter(|row| row.starts_with("event")).count() as i64, before)
    );
    handle.shutdown().await;
    let handle = world.start(config(1_000));
    caught_up(&handle).await;
    handle.shutdown().await;
    assert_rows(&world.rows().await, &naive(&sent, &utc), "what came during the pause is folded after it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_nobody_waits_for_is_done_all_the_same() {
    let world = World::new(&Zone::utc());
    let handle = world.start(config(10));
    let done = Arc::new(AtomicBool::new(false));
    let (mark, pauses) = (done.clone(), handle.pauses());
    let waiting = tokio::spawn(async move {
        pauses
            .during(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                mark.store(true, Ordering::SeqCst);
            })
            .await
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    waiting.abort();
    // The next pause comes after it; one that panics harms none.
    let panicked = handle.pauses().during(async { panic!("meant to") }).await;
    assert!(panicked.is_err() && done.load(Ordering::SeqCst));
    assert_eq!(handle.pauses().during(async { 5 }).await.ok(), Some(5));
    let pauses = handle.pauses();
    handle.shutdown().await;
    assert!(pauses.during(async {}).await.is_err(), "a stopped aggregator says so");
}
