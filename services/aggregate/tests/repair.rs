//! Replay and set-back checkpoints: nothing missing, nothing changed; something missing, filled in again.

mod common;

use common::{World, assert_rows, caught_up, config, naive};
use pistats_aggregate::{Handle, Progress, ReplayError};
use pistats_core::{Micros, Offset, PartitionId, Zone};
use pistats_eventlog::{EventLog, Position};
use pistats_store::contract::assert_sheets_equal_raw;
use pistats_store::{Refresh, Store as _};
use pistats_testkit::histories::{History, Sent};

fn history(seed: u64) -> History {
    History::random(seed, &Zone::named("Asia/Kolkata").expect("Kolkata"), 300, 24).shuffle(seed)
}

async fn replay(handle: &Handle, position: Position) -> Progress {
    let mut progress = handle.replay(position, &[]).await.expect("started");
    let mut last = Progress::default();
    while let Some(at) = progress.recv().await {
        last = at.expect("no failure");
    }
    assert!(last.done, "{last:?}");
    assert_eq!(last.records, last.records_total);
    last
}

/// Net rows, and every visitor's number.
async fn rows_and_numbers(world: &World) -> (Vec<String>, i64) {
    let numbers = "SELECT sum(hash(visitor, key) % 1000003)::BIGINT FROM (SELECT DISTINCT visitor, key FROM visitor)";
    (world.rows().await, world.number(numbers).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay_from_anywhere_changes_nothing_while_the_writer_goes_on() {
    let history = history(21);
    let world = World::new(&history.zone);
    let handle = world.start(config(50));
    let (before, during) = history.sent.split_at(200);
    world.append(before, 6).await;
    caught_up(&handle).await;
    let middle = world.log.bounds(PartitionId(3)).await.expect("bounds").next.0 / 2;

    let mut appended: Vec<Sent> = before.to_vec();
    let positions = [Position::First, Position::At(Offset(middle)), Position::AppendedAt(Micros(0)), Position::Latest];
    for (position, chunk) in positions.into_iter().zip(during.chunks(during.len() / 4 + 1)) {
        let running = replay(&handle, position);
        let writing = async {
            for event in chunk {
                world.append(std::slice::from_ref(event), 1).await;
                tokio::task::yield_now().await;
            }
        };
        let (progress, ()) = tokio::join!(running, writing);
        assert_eq!(progress.repaired, 0, "{position:?}");
        assert_eq!(progress.records == 0, position == Position::Latest, "{position:?}");
        appended.extend_from_slice(chunk);
        caught_up(&handle).await;
        let signs = "SELECT count(*) FROM session WHERE sign NOT IN (-1, 1)";
        assert_eq!(world.number(signs).await, 0);
        assert_rows(&world.rows().await, &naive(&appended, &history.zone), &format!("{position:?}"));
    }
    // A time after the last record, and an offset past the end of all partitions.
    let idle = replay(&handle, Position::AppendedAt(Micros(i64::MAX))).await;
    assert_eq!(idle.records_total, 0);
    let beyond = handle.replay(Position::At(Offset(1_000_000)), &[]).await;
    assert!(matches!(beyond, Err(ReplayError::Position { .. })));
    handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_has_nothing_to_mend_commits_nothing() {
    let history = history(22);
    let world = World::new(&history.zone);
    let handle = world.start(config(1_000));
    world.append(&history.sent, 10).await;
    caught_up(&handle).await;
    let commits = "SELECT commits FROM generation";
    let before = world.number(commits).await;
    let progress = replay(&handle, Position::First).await;
    assert_eq!(progress.events, history.sent.len() as u64);
    assert_eq!(world.number(commits).await, before);
    handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay_fills_in_whatever_was_deleted() {
    let damages = [
        "DELETE FROM event WHERE hash(id) % 3 = 0",
        "DELETE FROM session WHERE visitor % 3 = 0",
        "DELETE FROM visitor WHERE visitor % 2 = 0",
        "DELETE FROM event",
        "DELETE FROM session",
        "DELETE FROM visitor",
        "DELETE FROM event WHERE hash(id) % 2 = 0; DELETE FROM session WHERE hash(first_id) % 2 = 0",
        // Visitors whose first records tell nothing about their number: a later one does.
        "DELETE FROM visitor; DELETE FROM event WHERE log_offset < 4",
        "DELETE FROM event; DELETE FROM session; DELETE FROM visitor",
    ];
    let everything = damages[damages.len() - 1];
    let history = history(23);
    let expected = naive(&history.sent, &history.zone);
    let world = World::new(&history.zone);
    let handle = world.start(config(40));
    world.append(&history.sent, 5).await;
    caught_up(&handle).await;
    assert_rows(&world.rows().await, &expected, "before");
    let (_, numbers) = rows_and_numbers(&world).await;
    for damage in damages {
        world.tamper(damage).await;
        let progress = replay(&handle, Position::First).await;
        assert_eq!(progress.repaired > 0, damage.contains("FROM event"), "{damage}: {progress:?}");
        let (rows, numbers_after) = rows_and_numbers(&world).await;
        assert_rows(&rows, &expected, damage);
        // Only with every trace of the visitors gone are they numbered anew.
        assert!(numbers_after == numbers || damage == everything, "{damage}: visitors keep their numbers");
    }
    handle.shutdown().await;
}

/// A session counts on the day it starts, what its later events tell included: a repair after midnight changes that day too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_that_were_built_without_a_lost_event_are_built_again_when_it_is_filled_in() {
    const OVERNIGHT: &str = "SELECT count(*) FROM event e JOIN session s ON e.visitor = s.visitor AND e.day > s.day \
                             AND e.time_us BETWEEN s.first_us AND s.last_us WHERE s.sign = 1";
    for seed in 40..46 {
        let history = history(seed);
        let world = World::new(&history.zone);
        let handle = world.start(config(60));
        world.append(&history.sent, 5).await;
        caught_up(&handle).await;
        assert!(world.number(OVERNIGHT).await > 0, "seed {seed} has no session that goes on after midnight");
        world.tamper("DELETE FROM event WHERE hash(id) % 2 = 0; INSERT INTO sheet_dirty SELECT DISTINCT site, day, 1 FROM sheet").await;
        world.duck.refresh(Refresh::EVERYTHING).await.expect("built without the lost events");
        assert!(replay(&handle, Position::First).await.repaired > 0);
        world.duck.refresh(Refresh::EVERYTHING).await.expect("built again");
        assert!(assert_sheets_equal_raw(&*world.duck).await.expect("compared") > 0);
        handle.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn derived_rows_that_were_altered_are_mended() {
    let history = history(24);
    let expected = naive(&history.sent, &history.zone);
    let world = World::new(&history.zone);
    let handle = world.start(config(40));
    world.append(&history.sent, 5).await;
    caught_up(&handle).await;
    for damage in ["UPDATE session SET events = events + 1", "UPDATE visitor SET first_us = first_us + 1"] {
        world.tamper(damage).await;
        let progress = replay(&handle, Position::First).await;
        assert_eq!(progress.repaired, 0, "{damage}");
        assert_rows(&world.rows().await, &expected, damage);
    }
    handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_that_was_set_back_is_a_repair() {
    let history = history(25);
    let (before, after) = history.sent.split_at(250);
    for damage in [
        "",
        "DELETE FROM event WHERE hash(id) % 2 = 0;",
        // The tail of every partition too: no stored event tells how far folding was.
        "DELETE FROM event;",
        "DELETE FROM visitor WHERE visitor % 2 = 1;",
    ] {
        for while_running in [false, true] {
            let world = World::new(&history.zone);
            let mut handle = world.start(config(40));
            world.append(before, 5).await;
            caught_up(&handle).await;
            let setting_back = format!("{damage} UPDATE checkpoint SET next_offset = 0;");
            if while_running {
                world.tamper(&setting_back).await;
            } else {
                handle.shutdown().await;
                world.tamper(&setting_back).await;
                handle = world.start(config(40));
            }
            // The commit of a new event finds itself out of step; everything starts again from the checkpoints.
            world.append(after, 5).await;
            caught_up(&handle).await;
            wait_for_checkpoints(&world).await;
            handle.shutdown().await;
            let what = format!("{damage} running: {while_running}");
            assert_rows(&world.rows().await, &naive(&history.sent, &history.zone), &what);
        }
    }
}

/// The stored checkpoints reach the end of the log: what the process believed before it found itself out of step is not it.
async fn wait_for_checkpoints(world: &World) {
    for _ in 0..600 {
        let mut stands = true;
        for partition in PartitionId::all() {
            let end = world.log.bounds(partition).await.expect("bounds").next.0;
            let sql = format!("SELECT next_offset FROM checkpoint WHERE log_partition = {}", partition.0);
            stands &= world.number(&sql).await == end as i64;
        }
        if stands {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the checkpoints do not reach the end of the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_one_replay_runs_at_a_time() {
    let history = history(26);
    let world = World::new(&history.zone);
    let handle = world.start(config(10));
    world.append(&history.sent, 1).await;
    caught_up(&handle).await;
    let mut first = handle.replay(Position::First, &[]).await.expect("started");
    assert!(matches!(handle.replay(Position::First, &[]).await, Err(ReplayError::Running)));
    while first.recv().await.is_some() {}
    assert!(replay(&handle, Position::Latest).await.done);
    handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_seen_moves_back_by_an_older_event() {
    let history = history(27);
    let world = World::new(&history.zone);
    let handle = world.start(config(1_000));
    let mut event = history.sent[0].clone();
    let newer = event.clone();
    event.time = event.time.plus(-3 * Micros::DAY);
    event.id.0[15] ^= 1;
    world.append(std::slice::from_ref(&newer), 1).await;
    caught_up(&handle).await;
    world.append(std::slice::from_ref(&event), 1).await;
    caught_up(&handle).await;
    handle.shutdown().await;
    assert_rows(&world.rows().await, &naive(&[newer, event.clone()], &history.zone), "moved back");
    assert_eq!(world.number("SELECT sum(sign * first_us)::BIGINT FROM visitor").await, event.time.0);
    assert_eq!(world.number("SELECT count(*) FROM visitor").await, 3, "added, taken back, added");
}
