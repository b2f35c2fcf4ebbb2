//! I-1: an event is answered as accepted only after it is on disk; when the disk cannot promise that, nobody is promised.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bytes::Bytes;
use common::{Bench, bytes, clock, of, records};
use pistats_core::{EventId, Limits, PartitionId};
use pistats_eventlog::disk::{Call, SimDisk, Syncs};
use pistats_eventlog::{Config, Error, EventLog, FileLog, MemoryLog};
use pistats_ingest::{CollectError, Trust};
use pistats_proto::ingest::v1::Event;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Small segments, and no marks of its own, so that every call of the disk is the test's.
fn open(disk: &SimDisk) -> Result<Arc<FileLog>, Error> {
    let config = Config {
        segment_bytes: 64 * 4096,
        group_bytes: 32 * 4096,
        queue_bytes: 1 << 20,
        mark_after: Duration::from_secs(3_600),
        ..Config::default()
    };
    FileLog::open_on(Arc::new(disk.clone()), clock(), "log", config).map(Arc::new)
}

fn bench(disk: &SimDisk) -> Bench<FileLog> {
    Bench::on(open(disk).unwrap(), Limits::default())
}

fn batch(first: usize, count: usize) -> Vec<Bytes> {
    (first..first + count).map(|n| bytes(&of(&format!("visitor-{n}")))).collect()
}

async fn visitors(log: &FileLog) -> BTreeSet<String> {
    let events = records(log).await.into_iter().flat_map(|(_, _, record)| record.events);
    events.map(|event| event.visitor_id).collect()
}

#[tokio::test]
async fn the_answer_comes_after_the_sync_of_what_was_written() {
    let disk = SimDisk::new(1, 1 << 30);
    let bench = bench(&disk);
    for round in 0..5 {
        disk.calls();
        assert_eq!(bench.collect(Trust::Public, &batch(round * 50, 50)).await.accepted, 50);
        disk.note("answered");
        let calls = disk.calls();
        let of_segments = |call: &&Call| match call {
            Call::Write { file, .. } | Call::Sync { file } => file.ends_with(".segment"),
            Call::Note(_) => true,
            _ => false,
        };
        let calls: Vec<&Call> = calls.iter().filter(of_segments).collect();
        let [.., Call::Write { file: written, .. }, Call::Sync { file: synced }, Call::Note("answered")] = calls[..]
        else {
            panic!("not write, sync, answer: {calls:?}");
        };
        assert_eq!(written, synced);
    }
}

#[tokio::test]
async fn what_was_answered_survives_a_power_cut_at_any_call() {
    let mut answered_at_all = 0;
    for cut in 1..60 {
        let disk = SimDisk::new(cut, 1 << 30);
        let first = bench(&disk);
        disk.power_off_after(cut);
        let mut answered = BTreeSet::new();
        for round in 0..20 {
            match first.try_collect(Trust::Public, &batch(round * 20, 20)).await {
                Ok(collected) => {
                    assert_eq!(collected.accepted, 20);
                    answered.extend((round * 20..round * 20 + 20).map(|n| format!("visitor-{n}")));
                }
                Err(error) => {
                    assert!(matches!(error, CollectError::Log(Error::Failed { .. })), "{error}");
                    break;
                }
            }
        }
        drop(first);
        disk.restart();
        let second = bench(&disk);
        let found = visitors(&second.log).await;
        assert!(answered.is_subset(&found), "cut at call {cut}: {} of {} found", found.len(), answered.len());
        answered_at_all += answered.len();
    }
    assert!(answered_at_all > 1_000, "{answered_at_all} answers were put to the test");
}

#[tokio::test]
async fn a_disk_that_lies_is_found_out_by_these_tests() {
    let disk = SimDisk::new(3, 1 << 30);
    let first = bench(&disk);
    disk.set_syncs(Syncs::Never);
    assert_eq!(first.collect(Trust::Public, &batch(0, 20)).await.accepted, 20);
    drop(first);
    disk.restart_keeping(|_| false);
    disk.set_syncs(Syncs::Honestly);
    let found = match open(&disk) {
        Ok(log) => visitors(&log).await.len(),
        Err(_) => 0,
    };
    assert_eq!(found, 0);
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_accepted_and_nothing_counted() {
    let disk = SimDisk::new(1, 1 << 30);
    let bench = bench(&disk);
    bench.collect(Trust::Public, &batch(0, 5)).await;
    disk.fail_sync(1);
    for _ in 0..2 {
        let error = bench.try_collect(Trust::Public, &batch(5, 5)).await.unwrap_err();
        assert!(matches!(error, CollectError::Log(Error::Failed { .. })), "{error}");
    }
    let counts = bench.collector.counters().read();
    assert_eq!((counts.batches, counts.accepted, counts.failed_batches), (1, 5, 2));
}

#[tokio::test]
async fn a_batch_that_failed_is_no_duplicate_when_it_is_sent_again() {
    let log = Arc::new(MemoryLog::new(600, clock()));
    let bench = Bench::on(log, Limits::default());
    let small = [bytes(&common::full("ada"))];
    assert_eq!(bench.collect(Trust::Server, &small).await.accepted, 1);
    let id = EventId::from_parts(1_799_999_999_000, 78).0;
    let other = [bytes(&Event { id: Bytes::copy_from_slice(&id), ..common::full("bob") })];
    let error = bench.try_collect(Trust::Server, &other).await.unwrap_err();
    assert!(matches!(error, CollectError::Log(Error::Full { .. })), "{error}");
    // Room again: all is trimmed.
    for partition in PartitionId::all() {
        let next = bench.log.bounds(partition).await.unwrap().next;
        bench.log.trim(partition, next).await.unwrap();
    }
    let again = bench.collect(Trust::Server, &other).await;
    assert_eq!((again.accepted, again.duplicates), (1, 0));
}
