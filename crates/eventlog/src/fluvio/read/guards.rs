//! Streams that come as no sound server sends them: what the reader hands out, and what it counts for who watches.
//!
//! The stream is made here, so that no cluster is needed. What servers that are killed make of the counters is seen in
//! `tests/fluvio` and by `pistats-loadtest faults`.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use ::fluvio::dataplane::link::ErrorCode;
use ::fluvio::dataplane::record::Batch;
use pistats_core::{Micros, PartitionId};

use super::super::fetch::{batch_of, sent};
use super::super::{Config, FluvioLog, envelope};
use super::Reader;
use crate::Error;

/// The partition that is read, from its first record on; nobody knows yet where it ends.
const ZERO: PartitionId = PartitionId(0);

/// A log whose cluster is not there, opened without waiting for it.
async fn log() -> FluvioLog {
    let config = Config { address: "127.0.0.1:1".to_owned(), patience: Duration::ZERO, ..Config::default() };
    FluvioLog::open(config).await.unwrap()
}

fn reader(log: &FluvioLog) -> Reader {
    Reader::new(&log.shared, ZERO, (0, 0), 0, None)
}

/// Records of one writer with these numbers.
fn batch(base: u64, numbers: &[u64], declared: u64) -> Result<Batch, ErrorCode> {
    let value = |number: &u64| envelope::encode(7, *number, Micros(1), 1, number.to_string().as_bytes());
    batch_of(base, numbers.iter().map(value).collect(), declared)
}

/// What a reader makes of a stream up to the first trouble: the records, and the error if it gives up.
async fn read(reader: &mut Reader, batches: Vec<Result<Batch, ErrorCode>>) -> (Vec<(u64, String)>, Option<Error>) {
    reader.batches = Some(sent(reader.next, batches));
    let mut failed = None;
    while reader.batches.is_some() && failed.is_none() {
        failed = reader.fill().await.err();
    }
    let text = |record: crate::Record| (record.offset.0, String::from_utf8(record.payload.to_vec()).unwrap());
    (reader.ready.drain(..).map(text).collect(), failed)
}

/// The counters that are not zero, as the page of metrics is told them.
fn faults(log: &FluvioLog) -> BTreeMap<&'static str, u64> {
    log.watched().faults().unwrap().into_iter().filter(|(_, count)| *count > 0).collect()
}

fn records(of: &[(u64, &str)]) -> Vec<(u64, String)> {
    of.iter().map(|(offset, text)| (*offset, (*text).to_owned())).collect()
}

#[tokio::test]
async fn a_cut_batch_is_counted_and_read_again_and_the_second_cut_at_one_offset_ends_the_stream() {
    let log = log().await;
    let mut reader = reader(&log);
    let (came, failed) = read(&mut reader, vec![batch(0, &[0, 1], 5)]).await;
    assert_eq!((came, failed.is_none()), (records(&[(0, "0"), (1, "1")]), true));
    assert_eq!(faults(&log), [("cut", 1)].into());
    let (came, failed) = read(&mut reader, vec![batch(2, &[], 3)]).await;
    assert!(came.is_empty());
    assert!(matches!(failed, Some(Error::Unreadable { offset, .. }) if offset.0 == 2), "{failed:?}");
    assert_eq!(faults(&log), [("cut", 2)].into());
}

#[tokio::test]
async fn a_batch_out_of_place_and_a_damaged_record_are_counted_as_cut_and_nothing_is_passed_over() {
    let log = log().await;
    let mut reader = reader(&log);
    let (came, failed) = read(&mut reader, vec![batch(0, &[0], 1), batch(3, &[3], 1)]).await;
    assert_eq!((came, failed.is_none()), (records(&[(0, "0")]), true));
    let mut damaged = envelope::encode(7, 1, Micros(1), 1, b"1");
    *damaged.last_mut().unwrap() ^= 1;
    let (came, failed) = read(&mut reader, vec![batch_of(1, vec![damaged], 1)]).await;
    assert!(came.is_empty());
    assert!(matches!(failed, Some(Error::Unreadable { offset, .. }) if offset.0 == 1), "{failed:?}");
    assert_eq!(faults(&log), [("cut", 2)].into());
}

#[tokio::test]
async fn records_that_a_writer_numbered_and_the_topic_does_not_have_are_counted_one_by_one() {
    let log = log().await;
    let mut reader = reader(&log);
    let (came, failed) = read(&mut reader, vec![batch(0, &[0, 1, 5, 6], 4)]).await;
    assert_eq!((came, failed.is_none()), (records(&[(0, "0"), (1, "1"), (2, "5"), (3, "6")]), true));
    // The stream ends there, as when its server goes away.
    assert_eq!(faults(&log), [("missing", 3), ("reopened", 1)].into());
}

#[tokio::test]
async fn a_sound_stream_with_a_copy_in_it_counts_no_fault_until_it_breaks() {
    let log = log().await;
    let mut reader = reader(&log);
    reader.batches = Some(sent(0, vec![batch(0, &[0, 1, 0, 2], 4)]));
    reader.fill().await.unwrap();
    assert_eq!((reader.ready.len(), log.counters().await.resends_dropped), (3, 1));
    assert_eq!(faults(&log), BTreeMap::new());
    reader.fill().await.unwrap();
    assert_eq!(faults(&log), [("reopened", 1)].into());
}
