//! The order of calls, full disks, failed syncs, closing: what the contract suite cannot show without a disk.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use common::*;
use futures::StreamExt;
use pistats_core::{Offset, PartitionId};
use pistats_eventlog::contract::take;
use pistats_eventlog::disk::{Call, SimDisk, Syncs};
use pistats_eventlog::{Config, Error, EventLog, FileLog, Position};

/// The answers at which a segment held bytes that were written and not synced: breaches of L-1.
fn answers_too_early(calls: &[Call]) -> Vec<String> {
    let mut written = BTreeSet::new();
    let mut early = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        match call {
            Call::Write { file, .. } if file.ends_with(".segment") => {
                written.insert(file.clone());
            }
            Call::Sync { file } => {
                written.remove(file);
            }
            Call::Note("answered") => early.extend(written.iter().map(|file| format!("{file} at call {at}"))),
            _ => {}
        }
    }
    early
}

/// Forty answers over four segments, one request at a time.
async fn forty_answers(syncs: Syncs) -> (SimDisk, FileLog, Vec<Call>) {
    let disk = disk();
    let log = open(&disk, config()).unwrap();
    disk.set_syncs(syncs);
    disk.calls();
    for byte in 1..=40 {
        append(&log, 0, byte, PAGE_OF_PAYLOAD).await.unwrap();
        disk.note("answered");
    }
    let calls = disk.calls();
    (disk, log, calls)
}

/// L-1.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_comes_after_the_sync_of_its_bytes() {
    let (disk, log, calls) = forty_answers(Syncs::Honestly).await;
    assert_eq!(calls.iter().filter(|call| **call == Call::Note("answered")).count(), 40);
    assert_eq!(answers_too_early(&calls), [] as [String; 0]);
    disk.restart_keeping(|_| false);
    drop(log);
    assert_eq!(bytes_of(&open(&disk, config()).unwrap(), 0).await, (1..=40).collect::<Vec<u8>>());
}

/// The check above can fail: it does when the sync is left out, and when it comes after the answer.
#[tokio::test(flavor = "multi_thread")]
async fn the_order_check_notices_a_missing_and_a_late_sync() {
    for lie in [Syncs::Never, Syncs::Late] {
        let mut kept = 40;
        // A late sync comes with the next write, and a segment that is prepared beside the answers may be that one.
        for _ in 0..20 {
            let (disk, log, calls) = forty_answers(lie).await;
            assert!(answers_too_early(&calls).len() >= 30, "{lie:?}");
            disk.restart_keeping(|_| false);
            drop(log);
            kept = kept.min(match open(&disk, config()) {
                Ok(log) => bytes_of(&log, 0).await.len(),
                Err(_) => 0,
            });
        }
        assert!(kept < 40, "{lie:?} lost nothing");
    }
}

/// Group commit: what queues up during one sync is made durable by the next one alone.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_share_a_sync() {
    let disk = disk();
    let log = Arc::new(open(&disk, config()).unwrap());
    disk.calls();
    let requests = (0..64).map(|number| {
        let log = log.clone();
        async move { append(&log, number % 8, 1, 20).await }
    });
    // Polled in one task: all are queued before the committer can answer one.
    assert!(futures::future::join_all(requests).await.iter().all(Result::is_ok));
    let syncs = disk.calls().iter().filter(|call| matches!(call, Call::Sync { .. })).count();
    assert!(syncs < 64, "{syncs} syncs for 64 requests");
}

/// L-8: the bound of the log. Nothing that is still needed is dropped for it; room made by a trim is used again.
#[tokio::test(flavor = "multi_thread")]
async fn at_its_bound_the_log_refuses_and_goes_on_after_a_trim() {
    let disk = disk();
    let bound = 3 * SEGMENT;
    let log = open(&disk, Config { max_bytes: bound, ..config() }).unwrap();
    let mut taken = 0;
    let refused = loop {
        match append(&log, 0, 1, PAGE_OF_PAYLOAD).await {
            Ok(_) if taken == 100 => panic!("the bound does not hold"),
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(refused.is_retryable() && matches!(refused, Error::Full { bound_bytes, .. } if bound_bytes == bound));
    // 14 frames of a page fit beside the header and the room for a mark.
    assert_eq!(taken, 3 * 14);
    assert!(log.usage().bytes <= bound);
    // A small request still fits into the last segment, a page does not.
    assert!(append(&log, 0, 1, 100).await.is_ok());
    assert!(append(&log, 0, 1, PAGE_OF_PAYLOAD).await.is_err());
    assert_eq!(bytes_of(&log, 0).await.len(), 43);

    // Trimmed within the first segment: no whole segment can go, still full.
    log.trim(PartitionId(0), Offset(13)).await.unwrap();
    assert!(matches!(append(&log, 0, 1, PAGE_OF_PAYLOAD).await, Err(Error::Full { .. })));
    log.trim(PartitionId(0), Offset(14)).await.unwrap();
    assert_eq!(append(&log, 0, 1, PAGE_OF_PAYLOAD).await.unwrap(), Offset(43));
    assert_eq!(log.bounds(PartitionId(0)).await.unwrap().first, Offset(14));
    assert!(log.usage().bytes <= bound);
}

/// L-8: no room on the disk for the next segment; the log's own room is used up first.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_takes_again_once_there_is_room() {
    // Room for the first segment and half of the next.
    let disk = SimDisk::new(1, SEGMENT * 3 / 2);
    let log = open(&disk, config()).unwrap();
    for byte in 0..14 {
        append(&log, 0, byte, PAGE_OF_PAYLOAD).await.unwrap();
    }
    for _ in 0..3 {
        let refused = append(&log, 0, 99, PAGE_OF_PAYLOAD).await.unwrap_err();
        assert!(matches!(refused, Error::Full { free_bytes, .. } if free_bytes < SEGMENT), "{refused}");
    }
    disk.set_free_bytes(SEGMENT * 4);
    assert_eq!(append(&log, 0, 14, PAGE_OF_PAYLOAD).await.unwrap(), Offset(14));
    assert_eq!(bytes_of(&log, 0).await, (0..15).collect::<Vec<u8>>());
    // Half-made files are not left behind; the next one is made ahead until the log is closed.
    log.close();
    assert!(disk.names().iter().all(|name| disk.content(name).len() as u64 == SEGMENT));
}

/// L-3, L-8: a disk that fills up in the midst of a group (copy-on-write): nothing of the group stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_within_a_write_leaves_nothing_of_it() {
    for fits in [0, 47, 48, 4096, 5000] {
        let disk = disk();
        let log = open(&disk, config()).unwrap();
        append(&log, 0, 1, 10).await.unwrap();
        disk.fill_up_in_next_write(fits);
        let refused = log.append(vec![record(0, 2, PAGE_OF_PAYLOAD), record(0, 3, PAGE_OF_PAYLOAD)]).await.unwrap_err();
        assert!(matches!(refused, Error::Full { .. }), "{refused}");
        assert_eq!(append(&log, 0, 4, 10).await.unwrap(), Offset(1), "after {fits} bytes");
        disk.kill();
        drop(log);
        assert_eq!(bytes_of(&open(&disk, config()).unwrap(), 0).await, [1, 4], "after {fits} bytes");
    }
}

/// L-3: what a write that found the disk full left behind may reach the disk by itself. It must not complete a later
/// group that is cut short at the same place.
#[tokio::test(flavor = "multi_thread")]
async fn the_remains_of_a_refused_group_never_complete_a_later_one() {
    for cut_after in [2, 4] {
        let disk = disk();
        let log = open(&disk, config()).unwrap();
        append(&log, 0, 1, PAGE_OF_PAYLOAD).await.unwrap();
        let group = |from: u8| (from..from + 3).map(|byte| record(0, byte, PAGE_OF_PAYLOAD)).collect::<Vec<_>>();
        disk.fill_up_in_next_write(2 * 4096);
        assert!(matches!(log.append(group(2)).await, Err(Error::Full { .. })));
        disk.write_back();
        // Wipe, sync, write, sync: the power goes in one of the writes or syncs.
        disk.power_off_after(cut_after);
        assert!(log.append(group(5)).await.is_err());
        // Of the new group the first and the last page arrive, the middle one does not.
        disk.restart_keeping(|page| page != 3);
        drop(log);
        assert_eq!(bytes_of(&open(&disk, config()).unwrap(), 0).await, [1], "cut after {cut_after} calls");
    }
}

/// L-8: after a failed sync nothing is taken, the sync is not tried again, readers get what is durable and then the
/// error; opening again goes on, and what it serves then is durable although the kernel thinks the pages clean.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_stops_the_log_until_it_is_opened_again() {
    let disk = disk();
    let log = open(&disk, config()).unwrap();
    append(&log, 0, 1, 10).await.unwrap();
    let mut tail = log.read(PartitionId(0), Position::First).await.unwrap();
    disk.fail_sync(1);
    disk.calls();
    assert!(matches!(append(&log, 0, 2, 10).await, Err(Error::Failed { .. })));
    for _ in 0..3 {
        let refused = append(&log, 0, 3, 10).await.unwrap_err();
        assert!(matches!(refused, Error::Failed { .. }) && !refused.is_retryable());
    }
    let after: Vec<_> = disk.calls();
    assert!(after.iter().all(|call| !matches!(call, Call::Sync { .. })), "{after:?}");
    assert_eq!(after.len(), 1, "one write, and no call after the failed sync: {after:?}");
    assert_eq!(take(&mut tail, 1).await[0].payload[0], 1);
    assert!(matches!(tail.next().await, Some(Err(Error::Failed { .. }))));
    assert!(tail.next().await.is_none());
    drop(log);

    let log = open(&disk, config()).unwrap();
    let served = bytes_of(&log, 0).await;
    assert_eq!(served, [1, 2]);
    disk.restart_keeping(|_| false);
    drop(log);
    assert_eq!(bytes_of(&open(&disk, config()).unwrap(), 0).await, served);
}

/// A failed sync of a file that is only being made ready stops the log as well: that disk cannot be trusted.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_of_the_next_segment_stops_the_log_and_loses_nothing() {
    let disk = disk();
    let log = open(&disk, Config { spare_segments: 0, ..config() }).unwrap();
    for byte in 0..14 {
        append(&log, 0, byte, PAGE_OF_PAYLOAD).await.unwrap();
    }
    disk.fail_sync(1);
    assert!(matches!(append(&log, 0, 14, PAGE_OF_PAYLOAD).await, Err(Error::Failed { .. })));
    disk.calls();
    assert!(matches!(append(&log, 0, 14, 1).await, Err(Error::Failed { .. })));
    drop(log);
    assert_eq!(disk.calls(), [], "nothing is written after a failed sync");
    assert_eq!(bytes_of(&open(&disk, config()).unwrap(), 0).await, (0..14).collect::<Vec<u8>>());
}

/// The bound of a request, both sides.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_exactly_one_group_is_taken_and_a_byte_more_is_not() {
    let log = open(&disk(), config()).unwrap();
    let most = 32_768 - HEADER;
    assert!(append(&log, 0, 1, most).await.is_ok());
    let refused = append(&log, 0, 1, most + 1).await.unwrap_err();
    assert!(matches!(refused, Error::TooLarge { bytes: 32_776, bound: 32_768 }) && !refused.is_retryable());
    assert_eq!(bytes_of(&log, 0).await.len(), 1);
}

/// L-9.
#[tokio::test(flavor = "multi_thread")]
async fn append_times_do_not_go_back_with_the_clock_nor_over_a_restart() {
    let (disk, clock) = (disk(), HandClock::default());
    let log = open_at(&disk, config(), &clock).unwrap();
    for (time, byte) in [(100, 1), (50, 2), (120, 3)] {
        clock.set(time);
        append(&log, 0, byte, 10).await.unwrap();
    }
    drop(log);
    clock.set(7);
    let log = open_at(&disk, config(), &clock).unwrap();
    append(&log, 0, 4, 10).await.unwrap();
    let mut records = log.read(PartitionId(0), Position::First).await.unwrap();
    let times: Vec<_> = take(&mut records, 4).await.iter().map(|record| record.appended_at.0).collect();
    assert_eq!(times, [100, 100, 120, 120]);
}

/// L-5: by time over segments, both sides of each record, also where records share a time or a segment begins.
#[tokio::test(flavor = "multi_thread")]
async fn a_time_finds_its_first_record_in_any_segment() {
    let (disk, clock) = (disk(), HandClock::default());
    let log = open_at(&disk, config(), &clock).unwrap();
    let times: Vec<i64> = (0..60).map(|number| 1_000 + number / 3 * 10).collect();
    for time in &times {
        clock.set(*time);
        append(&log, 0, 1, PAGE_OF_PAYLOAD).await.unwrap();
    }
    assert!(log.usage().segments >= 4);
    for time in 995..1_195 {
        let expected = times.iter().position(|appended| *appended >= time).unwrap_or(60);
        if expected == 60 {
            continue;
        }
        let from = Position::AppendedAt(pistats_core::Micros(time));
        let mut records = log.read(PartitionId(0), from).await.unwrap();
        assert_eq!(take(&mut records, 1).await[0].offset.0, expected as u64, "time {time}");
    }
}

/// Closing writes what is queued, ends readers and frees the directory.
#[tokio::test(flavor = "multi_thread")]
async fn closing_keeps_what_was_queued_and_lets_another_open() {
    let disk = disk();
    let log = Arc::new(open(&disk, config()).unwrap());
    assert!(matches!(open(&disk, config()), Err(Error::Locked { .. })));
    let mut tail = log.read(PartitionId(0), Position::First).await.unwrap();
    append(&log, 0, 1, 10).await.unwrap();
    log.close();
    assert!(matches!(append(&log, 0, 2, 10).await, Err(Error::Closed)));
    assert_eq!(take(&mut tail, 1).await[0].payload[0], 1);
    assert!(matches!(tail.next().await, Some(Err(Error::Closed))));
    assert_eq!(bytes_of(&open(&disk, config()).unwrap(), 0).await, [1]);
}

/// The mark that closes the window of the torn-tail rule comes by itself.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_log_marks_its_end_once() {
    let disk = disk();
    let log = open(&disk, Config { mark_after: Duration::from_millis(5), ..config() }).unwrap();
    append(&log, 0, 1, 10).await.unwrap();
    let is_mark = |call: &Call| matches!(call, Call::Write { file, bytes: 48, .. } if file.ends_with(".segment"));
    let mut marks = 0;
    until(|| {
        marks += disk.calls().iter().filter(|call| is_mark(call)).count();
        marks == 1
    })
    .await;
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(disk.calls().iter().filter(|call| is_mark(call)).count(), 0);
}
