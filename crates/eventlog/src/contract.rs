//! The contract suite: what every backend must pass. It ships with the trait, behind the feature `testing`.
//!
//! ```ignore
//! contract_tests!(memory, async { Subject { log: Arc::new(MemoryLog::default()), keep: Box::new(()) } });
//! ```
//!
//! A backend that may not be there gives an `Option<Subject>`: with `None` the case is skipped.
//!
//! Each case gets a fresh, empty log. Cases cite the promises of the crate's header. What only a log on a disk can
//! show (restarts, damage, a full disk) is tested beside that backend.

#![allow(clippy::unwrap_used, reason = "a suite of tests")]

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use pistats_core::ids::PARTITIONS;
use pistats_core::{Micros, Offset, PartitionId};

use crate::{Append, Bounds, Error, EventLog, Position, Record, Records};

/// A fresh log and what has to live as long (a temporary directory, say).
pub struct Subject {
    pub log: Arc<dyn EventLog>,
    pub keep: Box<dyn Any + Send>,
}

/// Makes one test a case, in a module of the given name.
#[macro_export]
macro_rules! contract_tests {
    ($backend:ident, $subject:expr) => {
        $crate::contract_tests!($backend, $subject,
            offsets_are_dense_and_in_input_order, an_empty_request_is_answered_and_appends_nothing,
            partitions_do_not_disturb_each_other, a_record_comes_back_as_it_was, concurrent_requests_stay_whole,
            first_reads_everything, latest_reads_only_what_comes_after, at_reads_from_that_offset,
            appended_at_reads_from_the_first_record_of_that_time, a_time_to_come_passes_over_what_comes_before_it,
            an_offset_past_the_end_is_refused, a_reader_follows_the_tail, readers_do_not_disturb_each_other,
            an_answered_record_is_readable_at_once, append_times_never_go_back, trim_never_takes_what_lies_above,
            trim_past_the_end_is_refused, a_position_below_first_is_refused, unknown_partitions_are_refused
        );
    };
    ($backend:ident, $subject:expr, $($case:ident),+) => {
        mod $backend {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(subject) = Option::<$crate::contract::Subject>::from($subject.await) {
                    $crate::contract::$case(subject).await;
                }
            })+
        }
    };
}

/// A record of a partition whose payload tells it apart.
pub fn record(partition: u16, text: &str) -> Append {
    Append { partition: PartitionId(partition), count: 1, payload: Bytes::copy_from_slice(text.as_bytes()) }
}

/// The next `many` records of a stream; fails after ten seconds.
pub async fn take(records: &mut Records, many: usize) -> Vec<Record> {
    let mut taken = Vec::with_capacity(many);
    while taken.len() < many {
        let next = tokio::time::timeout(Duration::from_secs(10), records.next()).await;
        let next = next.unwrap_or_else(|_| panic!("record {} of {many} did not come", taken.len() + 1));
        taken.push(next.expect("the stream ended").unwrap());
    }
    taken
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8(record.payload.to_vec()).unwrap()).collect()
}

async fn fill(log: &dyn EventLog, partition: u16, many: usize) {
    for number in 0..many {
        log.append(vec![record(partition, &format!("{number}"))]).await.unwrap();
    }
}

async fn bounds(log: &dyn EventLog, partition: u16) -> (u64, u64) {
    let Bounds { first, next } = log.bounds(PartitionId(partition)).await.unwrap();
    (first.0, next.0)
}

/// L-2.
pub async fn offsets_are_dense_and_in_input_order(subject: Subject) {
    let log = &*subject.log;
    let one = log.append(vec![record(0, "a"), record(3, "b"), record(0, "c")]).await.unwrap();
    assert_eq!(one, [Offset(0), Offset(0), Offset(1)]);
    let two = log.append(vec![record(3, "d"), record(0, "e")]).await.unwrap();
    assert_eq!(two, [Offset(1), Offset(2)]);
    assert_eq!((bounds(log, 0).await, bounds(log, 3).await, bounds(log, 7).await), ((0, 3), (0, 2), (0, 0)));
}

/// L-2.
pub async fn an_empty_request_is_answered_and_appends_nothing(subject: Subject) {
    assert_eq!(subject.log.append(Vec::new()).await.unwrap(), []);
    assert_eq!(bounds(&*subject.log, 0).await, (0, 0));
}

/// L-2, L-4.
pub async fn partitions_do_not_disturb_each_other(subject: Subject) {
    let log = &*subject.log;
    for round in 0..20 {
        log.append((0..PARTITIONS).map(|p| record(p, &format!("{p}/{round}"))).collect()).await.unwrap();
    }
    for partition in PartitionId::all() {
        let mut records = log.read(partition, Position::First).await.unwrap();
        let expected: Vec<_> = (0..20).map(|round| format!("{}/{round}", partition.0)).collect();
        assert_eq!(texts(&take(&mut records, 20).await), expected);
    }
}

/// L-4: empty, small, large and odd-sized payloads, counts and partitions.
pub async fn a_record_comes_back_as_it_was(subject: Subject) {
    let log = &*subject.log;
    let sizes = [0, 1, 7, 8, 9, 4095, 4096, 4097, 20_000];
    let payload = |size: usize| (0..size).map(|byte| (byte * 31 + size) as u8).collect::<Bytes>();
    let append = |size: &usize| Append { partition: PartitionId(5), count: *size as u32, payload: payload(*size) };
    let appends: Vec<_> = sizes.iter().map(append).collect();
    log.append(appends.clone()).await.unwrap();
    let mut records = log.read(PartitionId(5), Position::First).await.unwrap();
    for (number, (read, append)) in take(&mut records, sizes.len()).await.into_iter().zip(appends).enumerate() {
        assert_eq!((read.offset.0, read.partition, read.count), (number as u64, append.partition, append.count));
        assert!(read.payload == append.payload, "payload of {} bytes", append.payload.len());
    }
}

/// L-2, L-3: the records of one request take consecutive offsets, whoever else appends.
pub async fn concurrent_requests_stay_whole(subject: Subject) {
    let writers = (0..8).map(|writer| {
        let log = subject.log.clone();
        tokio::spawn(async move {
            let mut placed = Vec::new();
            for round in 0..25 {
                let request = (0..3).map(|part| record(2, &format!("{writer}/{round}/{part}"))).collect();
                placed.push((format!("{writer}/{round}"), log.append(request).await.unwrap()));
            }
            placed
        })
    });
    let placed: Vec<_> = futures::future::join_all(writers).await.into_iter().flat_map(Result::unwrap).collect();
    let mut records = subject.log.read(PartitionId(2), Position::First).await.unwrap();
    let read = texts(&take(&mut records, 8 * 25 * 3).await);
    for (request, offsets) in placed {
        let first = offsets[0].0;
        assert_eq!(offsets, [Offset(first), Offset(first + 1), Offset(first + 2)]);
        let here = &read[first as usize..first as usize + 3];
        assert_eq!(here, [format!("{request}/0"), format!("{request}/1"), format!("{request}/2")]);
    }
    assert_eq!(bounds(&*subject.log, 2).await, (0, 600));
}

/// L-5.
pub async fn first_reads_everything(subject: Subject) {
    fill(&*subject.log, 1, 5).await;
    let mut records = subject.log.read(PartitionId(1), Position::First).await.unwrap();
    assert_eq!(texts(&take(&mut records, 5).await), ["0", "1", "2", "3", "4"]);
}

/// L-5.
pub async fn latest_reads_only_what_comes_after(subject: Subject) {
    fill(&*subject.log, 1, 5).await;
    let mut records = subject.log.read(PartitionId(1), Position::Latest).await.unwrap();
    subject.log.append(vec![record(1, "after")]).await.unwrap();
    let read = take(&mut records, 1).await;
    assert_eq!((read[0].offset, texts(&read)), (Offset(5), vec!["after".to_owned()]));
}

/// L-5: also the offset that comes next.
pub async fn at_reads_from_that_offset(subject: Subject) {
    fill(&*subject.log, 1, 5).await;
    let mut third = subject.log.read(PartitionId(1), Position::At(Offset(3))).await.unwrap();
    assert_eq!(texts(&take(&mut third, 2).await), ["3", "4"]);
    let mut to_come = subject.log.read(PartitionId(1), Position::At(Offset(5))).await.unwrap();
    subject.log.append(vec![record(1, "five")]).await.unwrap();
    assert_eq!(texts(&take(&mut to_come, 1).await), ["five"]);
}

/// L-5: every record's own time leads to the first record of that time; a microsecond later to a later one.
pub async fn appended_at_reads_from_the_first_record_of_that_time(subject: Subject) {
    let log = &*subject.log;
    for number in 0..6 {
        log.append(vec![record(4, &format!("{number}")), record(4, "twin")]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut records = log.read(PartitionId(4), Position::First).await.unwrap();
    let all = take(&mut records, 12).await;
    for record in &all {
        for time in [record.appended_at, record.appended_at.plus(1), record.appended_at.plus(-1)] {
            let Some(expected) = all.iter().find(|record| record.appended_at >= time) else { continue };
            let mut records = log.read(PartitionId(4), Position::AppendedAt(time)).await.unwrap();
            assert_eq!(take(&mut records, 1).await[0].offset, expected.offset);
        }
    }
    let mut records = log.read(PartitionId(4), Position::AppendedAt(Micros(i64::MIN))).await.unwrap();
    assert_eq!(take(&mut records, 1).await[0].offset, Offset(0));
}

/// L-5.
pub async fn a_time_to_come_passes_over_what_comes_before_it(subject: Subject) {
    let log = &*subject.log;
    fill(log, 4, 1).await;
    let mut records = log.read(PartitionId(4), Position::First).await.unwrap();
    let to_come = take(&mut records, 1).await[0].appended_at.plus(300_000);
    let mut records = log.read(PartitionId(4), Position::AppendedAt(to_come)).await.unwrap();
    log.append(vec![record(4, "too early")]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(310)).await;
    log.append(vec![record(4, "in time")]).await.unwrap();
    assert_eq!(texts(&take(&mut records, 1).await), ["in time"]);
}

/// L-5.
pub async fn an_offset_past_the_end_is_refused(subject: Subject) {
    fill(&*subject.log, 1, 2).await;
    let refused = subject.log.read(PartitionId(1), Position::At(Offset(3))).await.err();
    assert!(matches!(refused, Some(Error::BeyondEnd { asked: Offset(3), next: Offset(2) })), "{refused:?}");
}

/// L-4: a reader that waits is woken; it sees nothing while nothing comes.
pub async fn a_reader_follows_the_tail(subject: Subject) {
    let mut records = subject.log.read(PartitionId(6), Position::First).await.unwrap();
    assert!(records.next().now_or_never().is_none());
    for number in 0..50 {
        subject.log.append(vec![record(6, &format!("{number}"))]).await.unwrap();
        assert_eq!(texts(&take(&mut records, 1).await), [format!("{number}")]);
    }
    assert!(tokio::time::timeout(Duration::from_millis(20), records.next()).await.is_err());
}

/// L-4.
pub async fn readers_do_not_disturb_each_other(subject: Subject) {
    fill(&*subject.log, 1, 40).await;
    let mut early = subject.log.read(PartitionId(1), Position::First).await.unwrap();
    let mut late = subject.log.read(PartitionId(1), Position::At(Offset(30))).await.unwrap();
    let (one, two) = futures::join!(take(&mut early, 40), take(&mut late, 10));
    assert_eq!((one[0].offset, one[39].offset), (Offset(0), Offset(39)));
    assert_eq!((two[0].offset, two[9].offset), (Offset(30), Offset(39)));
}

/// L-1, L-4: once answered, a record lies within the bounds and a new reader finds it.
pub async fn an_answered_record_is_readable_at_once(subject: Subject) {
    for number in 0..20 {
        let offset = subject.log.append(vec![record(1, "x")]).await.unwrap()[0];
        assert_eq!(bounds(&*subject.log, 1).await, (0, number + 1));
        let mut records = subject.log.read(PartitionId(1), Position::At(offset)).await.unwrap();
        assert_eq!(take(&mut records, 1).await[0].offset, offset);
    }
}

/// L-9.
pub async fn append_times_never_go_back(subject: Subject) {
    fill(&*subject.log, 1, 30).await;
    let mut records = subject.log.read(PartitionId(1), Position::First).await.unwrap();
    let times: Vec<_> = take(&mut records, 30).await.iter().map(|record| record.appended_at).collect();
    assert!(times.is_sorted(), "{times:?}");
}

/// L-6: what lies at or above the trim point stays; `first` never passes it; a lower trim takes nothing back.
pub async fn trim_never_takes_what_lies_above(subject: Subject) {
    let log = &*subject.log;
    fill(log, 1, 10).await;
    log.trim(PartitionId(1), Offset(6)).await.unwrap();
    log.trim(PartitionId(1), Offset(2)).await.unwrap();
    let (first, next) = bounds(log, 1).await;
    assert!(first <= 6 && next == 10, "{first} {next}");
    let mut records = log.read(PartitionId(1), Position::At(Offset(6))).await.unwrap();
    assert_eq!(texts(&take(&mut records, 4).await), ["6", "7", "8", "9"]);
    let mut records = log.read(PartitionId(1), Position::First).await.unwrap();
    assert_eq!(take(&mut records, 1).await[0].offset, Offset(first));
}

/// L-6.
pub async fn trim_past_the_end_is_refused(subject: Subject) {
    fill(&*subject.log, 1, 2).await;
    let refused = subject.log.trim(PartitionId(1), Offset(3)).await;
    assert!(matches!(refused, Err(Error::BeyondEnd { asked: Offset(3), next: Offset(2) })), "{refused:?}");
    subject.log.trim(PartitionId(1), Offset(2)).await.unwrap();
}

/// L-5: where the backend has forgotten something.
pub async fn a_position_below_first_is_refused(subject: Subject) {
    let log = &*subject.log;
    fill(log, 1, 10).await;
    log.trim(PartitionId(1), Offset(6)).await.unwrap();
    let (first, _) = bounds(log, 1).await;
    let Some(below) = first.checked_sub(1) else { return };
    let refused = log.read(PartitionId(1), Position::At(Offset(below))).await.err();
    assert!(matches!(refused, Some(Error::Trimmed { first: to, .. }) if to.0 == first), "{refused:?}");
}

/// L-5.
pub async fn unknown_partitions_are_refused(subject: Subject) {
    let (log, none) = (&*subject.log, PartitionId(PARTITIONS));
    assert!(matches!(log.append(vec![record(PARTITIONS, "x")]).await, Err(Error::NoSuchPartition(_))));
    assert!(matches!(log.read(none, Position::First).await.err(), Some(Error::NoSuchPartition(_))));
    assert!(matches!(log.bounds(none).await, Err(Error::NoSuchPartition(_))));
    assert!(matches!(log.trim(none, Offset(0)).await, Err(Error::NoSuchPartition(_))));
}
