//! A stream whose machine lost its memory: what it had acknowledged is gone, and its offsets are given away again.

use crate::house::{PARTITION, all, append, drained, number, seen, settings, spool, start, until};
use pistats_core::Offset;
use pistats_eventlog::faulty::{Fault, FaultyLog};
use pistats_eventlog::{EventLog, MemoryLog};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Settles slowly enough to lose something first.
fn slow(folder: &std::path::Path) -> pistats_ingest::forward::Settings {
    pistats_ingest::forward::Settings { settle: Duration::from_millis(600), ..settings(folder) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stream_lost_after_acknowledging_is_sent_again_as_a_new_writer() {
    let folder = tempfile::tempdir().unwrap();
    let (own, stream) = (Arc::new(MemoryLog::default()), FaultyLog::default());
    let spool = spool(own.clone()).await;
    let forwarding = start(&spool, &stream, slow(folder.path())).await;
    for number in 0..20 {
        spool.append(vec![append(PARTITION, number)]).await.unwrap();
        // Each goes alone.
        drained(&forwarding).await;
    }
    let writer = forwarding.backlog().partitions[PARTITION.index()].writer;
    stream.lose_from(PARTITION, Offset(8)).await.unwrap();
    // Nobody appends any more: it is noticed when the records should have settled.
    until(|| forwarding.backlog().rewinds == 1).await;
    drained(&forwarding).await;
    let records = all(&stream, PARTITION).await;
    let there: HashSet<u64> = records.iter().map(number).collect();
    assert_eq!(there, (0..20).collect());
    // Under the rule for resends nothing of what is sent anew is dropped: what was lost, and what had not settled yet.
    let again = &seen(&records)[8..];
    assert_eq!(again, (again[0]..20).collect::<Vec<_>>());
    assert!(again[0] <= 8, "{again:?}");
    assert_ne!(forwarding.backlog().partitions[PARTITION.index()].writer, writer);
    until(|| forwarding.backlog().records() == 0).await;
    forwarding.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_that_is_given_away_twice_is_noticed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (own, stream) = (Arc::new(MemoryLog::default()), FaultyLog::default());
    let spool = spool(own).await;
    let never = pistats_ingest::forward::Settings { settle: Duration::from_secs(3_600), ..settings(folder.path()) };
    let forwarding = start(&spool, &stream, never).await;
    for number in 0..10 {
        spool.append(vec![append(PARTITION, number)]).await.unwrap();
        drained(&forwarding).await;
    }
    stream.lose_from(PARTITION, Offset(4)).await.unwrap();
    spool.append(vec![append(PARTITION, 10)]).await.unwrap();
    until(|| forwarding.backlog().rewinds == 1).await;
    drained(&forwarding).await;
    let there: HashSet<u64> = all(&stream, PARTITION).await.iter().map(number).collect();
    assert_eq!(there, (0..=10).collect());
    forwarding.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_record_is_noticed_where_the_next_one_took_its_place_and_came_again() {
    // The next one goes to the lost one's place, without an answer, and to the one where it belongs.
    assert_noticed(Duration::from_secs(3_600), Fault::LoseAnswer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_noticed_before_the_spool_forgets_where_nobody_was_told_that_it_came_again() {
    assert_noticed(Duration::from_millis(600), Fault::Twice).await;
}

async fn assert_noticed(settle: Duration, fault: Fault) {
    let folder = tempfile::tempdir().unwrap();
    let (own, stream) = (Arc::new(MemoryLog::default()), FaultyLog::default());
    let spool = spool(own).await;
    let settings = pistats_ingest::forward::Settings { settle, ..settings(folder.path()) };
    let forwarding = start(&spool, &stream, settings).await;
    for number in 0..5 {
        spool.append(vec![append(PARTITION, number)]).await.unwrap();
        drained(&forwarding).await;
    }
    // Longer than a mark of the shorter settling takes, so that both have settled at one look.
    tokio::time::sleep(Duration::from_millis(30)).await;
    stream.lose_from(PARTITION, Offset(4)).await.unwrap();
    let mut faults = [fault].into_iter();
    stream.throw(move || faults.next().unwrap_or(Fault::None));
    spool.append(vec![append(PARTITION, 5)]).await.unwrap();
    until(|| forwarding.backlog().rewinds == 1).await;
    drained(&forwarding).await;
    let there: HashSet<u64> = all(&stream, PARTITION).await.iter().map(number).collect();
    assert_eq!(there, (0..=5).collect());
    forwarding.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spool_forgets_only_what_was_acknowledged_and_settled_and_is_still_there() {
    let folder = tempfile::tempdir().unwrap();
    let (own, stream) = (Arc::new(MemoryLog::default()), FaultyLog::default());
    let spool = spool(own.clone()).await;
    let forwarding = start(&spool, &stream, slow(folder.path())).await;
    let first = async || own.bounds(PARTITION).await.unwrap().first;
    for number in 0..10 {
        spool.append(vec![append(PARTITION, number)]).await.unwrap();
    }
    drained(&forwarding).await;
    stream.always(Fault::Refuse);
    spool.append(vec![append(PARTITION, 10)]).await.unwrap();
    assert_eq!(first().await, Offset(0), "nothing has settled yet");
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(first().await, Offset(0), "a stream that takes nothing is not asked what it holds");
    stream.always(Fault::None);
    drained(&forwarding).await;
    for _ in 0..400 {
        if first().await == Offset(11) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(first().await, Offset(11));
    assert_eq!(seen(&all(&stream, PARTITION).await), (0..=10).collect::<Vec<_>>());
    forwarding.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_stream_or_a_damaged_checkpoint_gets_everything_from_a_new_writer() {
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(Arc::new(MemoryLog::default())).await;
    let keep = pistats_ingest::forward::Settings { settle: Duration::from_secs(3_600), ..settings(folder.path()) };
    let mut writers = HashSet::new();
    for round in 0..3 {
        let stream = FaultyLog::default();
        let name = format!("test://{}", round / 2);
        if round == 1 {
            std::fs::write(&keep.checkpoint, "rubbish").unwrap();
        }
        let forwarding =
            start(&spool, &stream, pistats_ingest::forward::Settings { stream: name, ..keep.clone() }).await;
        spool.append(vec![append(PARTITION, round)]).await.unwrap();
        drained(&forwarding).await;
        assert_eq!(seen(&all(&stream, PARTITION).await), (0..=round).collect::<Vec<_>>());
        writers.insert(forwarding.backlog().partitions[PARTITION.index()].writer);
        forwarding.stop().await;
    }
    assert_eq!(writers.len(), 3);
}
