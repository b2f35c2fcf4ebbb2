//! A log that lost its end, or another log in its place: noticed, named, folded again from where it is still the same.

mod common;

use common::{SECRET, World, assert_rows, config, naive, records};
use pistats_aggregate::{Aggregator, Handle, Parts};
use pistats_core::{Micros, Offset, PartitionId, Zone};
use pistats_eventlog::faulty::FaultyLog;
use pistats_eventlog::{Append, EventLog};
use pistats_store::Store;
use pistats_testkit::histories::{History, Sent};
use std::sync::Arc;
use std::time::Duration;

const PARTITION: PartitionId = PartitionId(0);

/// Events of one visitor, hence of one partition, in records of two.
fn history(seed: u64, zone: &Zone) -> (Vec<Sent>, Vec<Append>) {
    let mut sent = History::random(seed, zone, 60, 3).sent;
    sent.iter_mut().for_each(|event| event.visitor_id = "one".into());
    let records = records(&sent, 2).into_iter().map(|append| Append { partition: PARTITION, ..append }).collect();
    (sent, records)
}

fn start(world: &World, log: &FaultyLog) -> Handle {
    let (store, directory) = (world.duck.clone(), world.directory.clone());
    Aggregator::start(Parts::new(config(100), Arc::new(log.clone()), store, world.duck.clone(), directory, SECRET))
}

/// Waits until the stored checkpoint is the end of the log.
async fn folded(world: &World, log: &FaultyLog) {
    let end = log.bounds(PARTITION).await.expect("bounds").next;
    let reached = async {
        while world.duck.checkpoints().await.expect("checkpoints")[0].next != end {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reached).await.expect("folded up to the end of the log");
}

async fn checkpoint(world: &World) -> Offset {
    world.duck.checkpoints().await.expect("checkpoints")[0].next
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_was_lost_and_whose_offsets_were_given_away_again_is_folded_again() {
    let zone = Zone::utc();
    let (sent, records) = history(31, &zone);
    let (world, log) = (World::new(&zone), FaultyLog::default());
    log.append(records[..10].to_vec()).await.expect("appended");
    let handle = start(&world, &log);
    folded(&world, &log).await;
    handle.shutdown().await;

    // Four are gone; others stand at their offsets, and more, before anybody looks.
    log.lose_from(PARTITION, Offset(6)).await.expect("lost");
    log.append(records[10..].to_vec()).await.expect("appended");
    assert!(
        log.bounds(PARTITION).await.expect("bounds").next > checkpoint(&world).await,
        "nothing shows by the offsets"
    );
    let handle = start(&world, &log);
    folded(&world, &log).await;
    // What was lost is sent once more, as a forwarder does that noticed: it is known, and counts once.
    log.append(records[6..10].to_vec()).await.expect("appended");
    folded(&world, &log).await;
    handle.shutdown().await;
    assert_rows(&world.rows().await, &naive(&sent, &zone), "every event once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_ends_before_the_checkpoint_is_waited_for_at_its_end() {
    let zone = Zone::utc();
    let (sent, records) = history(32, &zone);
    let (world, log) = (World::new(&zone), FaultyLog::default());
    log.append(records[..10].to_vec()).await.expect("appended");
    let handle = start(&world, &log);
    folded(&world, &log).await;
    assert_eq!(checkpoint(&world).await, Offset(10));

    // While it folds: streams end, and are opened again.
    log.lose_from(PARTITION, Offset(4)).await.expect("lost");
    folded(&world, &log).await;
    assert_eq!(checkpoint(&world).await, Offset(4));
    log.append(records[4..].to_vec()).await.expect("appended");
    folded(&world, &log).await;
    handle.shutdown().await;
    assert_rows(&world.rows().await, &naive(&sent, &zone), "every event once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_log_in_its_place_is_folded_from_its_beginning() {
    let zone = Zone::utc();
    let ((one, first), (two, second)) = (history(33, &zone), history(34, &zone));
    let world = World::new(&zone);
    let log = FaultyLog::default();
    log.append(first).await.expect("appended");
    let handle = start(&world, &log);
    folded(&world, &log).await;
    handle.shutdown().await;

    let log = FaultyLog::default();
    log.append(second).await.expect("appended");
    let handle = start(&world, &log);
    folded(&world, &log).await;
    handle.shutdown().await;
    let all: Vec<Sent> = one.into_iter().chain(two).collect();
    assert_rows(&world.rows().await, &naive(&all, &zone), "both logs, every event once");
    let newest = world.duck.minutes(PARTITION, i64::MAX, 1).await.expect("minutes").remove(0);
    assert_eq!(newest.last.offset.next(), checkpoint(&world).await);
    assert!(newest.minute > Micros(0).0);
}
