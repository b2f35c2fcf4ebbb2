//! Torn tails, flipped bytes, zeroed pages: each with its outcome (the table is in docs/adr/0002).

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use common::*;
use pistats_core::{Offset, PartitionId};
use pistats_eventlog::disk::SimDisk;
use pistats_eventlog::{Error, EventLog, Position};

/// Four groups of one record each, every frame a page: 1 to 4 in partition 0. `clean` closes the log, so that a mark
/// follows; else the process dies.
async fn four_groups(clean: bool) -> SimDisk {
    let disk = disk();
    let log = open(&disk, config()).unwrap();
    for byte in 1..=4 {
        append(&log, 0, byte, PAGE_OF_PAYLOAD).await.unwrap();
    }
    if !clean {
        disk.kill();
    }
    drop(log);
    disk.kill();
    disk
}

fn flip(disk: &SimDisk, path: &Path, position: usize) {
    disk.damage(path, |bytes| bytes[position] ^= 0x10);
}

fn frame(number: usize) -> usize {
    DATA + number * 4096
}

fn corrupt_at(error: &Error, number: u32, at: usize) -> bool {
    matches!(error, Error::Corrupt { segment, position, .. } if *segment == number && *position == at as u64)
}

/// L-7: a byte of any group that is not the last one, header, payload or group number, is damage and is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_before_the_last_group_is_reported_with_its_place() {
    for number in 0..3 {
        for within in (0..HEADER).chain((HEADER..4096).step_by(211)).chain([4095]) {
            let disk = four_groups(false).await;
            flip(&disk, &segment(1), frame(number) + within);
            let refused = open(&disk, config()).err().unwrap();
            assert!(corrupt_at(&refused, 1, frame(number)), "byte {within} of group {number}: {refused}");
        }
    }
}

/// L-7: after a clean end (or a quarter of a second of rest) the last group is no exception: the mark proves it.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_the_last_group_is_reported_if_a_mark_follows() {
    for within in (0..HEADER).chain([HEADER, 4095]) {
        let disk = four_groups(true).await;
        flip(&disk, &segment(1), frame(3) + within);
        let refused = open(&disk, config()).err().unwrap();
        assert!(corrupt_at(&refused, 1, frame(3)), "byte {within}: {refused}");
    }
}

/// Without a mark a damaged last group looks like one whose writing a crash cut short, and is cut.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_an_unmarked_last_group_cuts_that_group_alone() {
    for within in (0..HEADER).chain([HEADER, 4095]) {
        let disk = four_groups(false).await;
        flip(&disk, &segment(1), frame(3) + within);
        let log = open(&disk, config()).unwrap();
        assert_eq!(bytes_of(&log, 0).await, [1, 2, 3], "byte {within}");
        assert_eq!(append(&log, 0, 9, 10).await.unwrap(), Offset(3));
        assert_eq!(bytes_of(&log, 0).await, [1, 2, 3, 9]);
    }
}

/// A damaged mark costs nothing but itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_a_mark_loses_no_record() {
    for within in 0..HEADER {
        let disk = four_groups(true).await;
        flip(&disk, &segment(1), frame(4) + within);
        let log = open(&disk, config()).unwrap();
        assert_eq!(bytes_of(&log, 0).await, [1, 2, 3, 4], "byte {within}");
    }
}

/// L-7, and its limit: a zeroed page in the last, unmarked group cuts it; anywhere else it is reported.
#[tokio::test(flavor = "multi_thread")]
async fn a_zeroed_page_is_reported_unless_it_lies_in_the_unmarked_last_group() {
    for number in 0..4 {
        for clean in [false, true] {
            let disk = four_groups(clean).await;
            disk.damage(segment(1), |bytes| bytes[frame(number)..frame(number + 1)].fill(0));
            match open(&disk, config()) {
                Ok(log) => {
                    assert!(number == 3 && !clean, "page {number}, clean {clean}");
                    assert_eq!(bytes_of(&log, 0).await, [1, 2, 3]);
                }
                Err(error) => {
                    assert!(number < 3 || clean, "page {number}, clean {clean}");
                    assert!(corrupt_at(&error, 1, frame(number)), "{error}");
                }
            }
        }
    }
}

/// Pages reach a disk in any order: of a group of four frames that was not synced every subset of pages may be
/// there. Only the whole group counts (L-3), nothing before it is touched, and what is written next is not mixed
/// with what was left (L-2).
#[tokio::test(flavor = "multi_thread")]
async fn a_group_cut_short_is_there_whole_or_not_at_all_whichever_pages_arrived() {
    for arrived in 0..16usize {
        let disk = disk();
        let log = open(&disk, config()).unwrap();
        append(&log, 0, 1, PAGE_OF_PAYLOAD).await.unwrap();
        // The write goes through, the sync does not.
        disk.power_off_after(2);
        let group = (2..6).map(|byte| record(0, byte, PAGE_OF_PAYLOAD)).collect();
        assert!(matches!(log.append(group).await, Err(Error::Failed { .. })));
        disk.restart_keeping(|page| page < 2 || arrived & (1 << (page - 2)) != 0);
        drop(log);

        let log = open(&disk, config()).unwrap();
        let whole = arrived == 15;
        let expected: &[u8] = if whole { &[1, 2, 3, 4, 5] } else { &[1] };
        assert_eq!(bytes_of(&log, 0).await, expected, "pages {arrived:04b}");
        // The same layout again, cut short after its first page: the remains of the first try must not complete it.
        disk.power_off_after(2);
        let group = (6..10).map(|byte| record(0, byte, PAGE_OF_PAYLOAD)).collect();
        assert!(log.append(group).await.is_err());
        let start = if whole { 6 } else { 2 };
        disk.restart_keeping(|page| page == start);
        drop(log);
        let log = open(&disk, config()).unwrap();
        assert_eq!(bytes_of(&log, 0).await, expected, "pages {arrived:04b}, second try");
        append(&log, 0, 11, 100).await.unwrap();
        drop(log);
        let log = open(&disk, config()).unwrap();
        assert_eq!(bytes_of(&log, 0).await, [expected, &[11]].concat());
    }
}

/// L-7: a sealed segment is read later than opening; what is sound before the damage is still served.
#[tokio::test(flavor = "multi_thread")]
async fn damage_in_a_sealed_segment_ends_its_readers_and_nobody_else() {
    let disk = disk();
    let log = open(&disk, config()).unwrap();
    for byte in 1..=20 {
        append(&log, u16::from(byte % 2), byte, PAGE_OF_PAYLOAD).await.unwrap();
    }
    drop(log);
    flip(&disk, &segment(1), frame(4) + HEADER + 5);
    let log = open(&disk, config()).unwrap();
    let (read, error) = read_to_error(&log, 1).await;
    // Record 5 of partition 1 is the fifth frame; a batch that holds damage is not served in part.
    assert!(read.iter().eq([1, 3].iter().take(read.len())) && corrupt_at(&error, 1, frame(4)), "{read:?} {error}");
    assert_eq!(bytes_of(&log, 0).await, (1..=10).map(|half| half * 2).collect::<Vec<u8>>());
    let mut later = log.read(PartitionId(1), Position::At(Offset(3))).await.unwrap();
    assert_eq!(pistats_eventlog::contract::take(&mut later, 7).await[0].payload[0], 7);
    append(&log, 1, 99, 10).await.unwrap();
}

/// L-7: every frame of a sealed segment must be there up to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_segment_that_lost_its_last_frames_is_reported() {
    let disk = disk();
    let log = open(&disk, config()).unwrap();
    for byte in 1..=20 {
        append(&log, 0, byte, PAGE_OF_PAYLOAD).await.unwrap();
    }
    drop(log);
    disk.damage(segment(1), |bytes| bytes[frame(12)..].fill(0));
    let log = open(&disk, config()).unwrap();
    let (read, error) = read_to_error(&log, 0).await;
    assert!(read.is_empty() && corrupt_at(&error, 1, frame(12)), "{read:?} {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_header_a_cut_file_and_a_missing_segment_are_reported_on_opening() {
    let made = || async {
        let disk = disk();
        let log = open(&disk, config()).unwrap();
        for byte in 1..=40 {
            append(&log, 0, byte, PAGE_OF_PAYLOAD).await.unwrap();
        }
        drop(log);
        disk
    };
    for number in 1..=3 {
        let disk = made().await;
        flip(&disk, &segment(number), 20);
        assert!(corrupt_at(&open(&disk, config()).err().unwrap(), number, 0));

        let disk = made().await;
        disk.damage(segment(number), |bytes| bytes.truncate(SEGMENT as usize - 1));
        assert!(corrupt_at(&open(&disk, config()).err().unwrap(), number, 0));
    }
    let disk = made().await;
    use pistats_eventlog::disk::FileSystem;
    disk.remove(&segment(2)).unwrap();
    assert!(corrupt_at(&open(&disk, config()).err().unwrap(), 2, 0));
}

/// An opening that reports damage changes nothing: the files can be looked at and mended.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_opening_changes_no_segment() {
    let disk = four_groups(false).await;
    flip(&disk, &segment(1), frame(1) + 60);
    let before = disk.content(segment(1));
    assert!(open(&disk, config()).is_err());
    assert_eq!(disk.content(segment(1)), before);
    // Mended, it opens with everything.
    flip(&disk, &segment(1), frame(1) + 60);
    assert_eq!(bytes_of(&open(&disk, config()).unwrap(), 0).await, [1, 2, 3, 4]);
}

/// A recycled file is full of sound frames of an older epoch, at the very same positions.
#[tokio::test(flavor = "multi_thread")]
async fn frames_of_an_earlier_life_of_a_file_are_never_replayed() {
    let disk = disk();
    let log = open(&disk, pistats_eventlog::Config { retain_bytes: 0, ..config() }).unwrap();
    for round in 0..10u8 {
        for byte in 0..15 {
            append(&log, 0, round * 15 + byte, PAGE_OF_PAYLOAD).await.unwrap();
        }
        let next = log.bounds(PartitionId(0)).await.unwrap().next;
        log.trim(PartitionId(0), next).await.unwrap();
        until(|| log.usage().segments == 1).await;
    }
    let kept = bytes_of(&log, 0).await;
    disk.kill();
    drop(log);
    let log = open(&disk, config()).unwrap();
    assert_eq!(bytes_of(&log, 0).await, kept);
    assert_eq!(log.bounds(PartitionId(0)).await.unwrap().next, Offset(150));
}
