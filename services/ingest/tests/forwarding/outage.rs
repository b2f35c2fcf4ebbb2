//! The stream is away, for long, while writers go on; the spool's bound; the backlog as it is shown.

use crate::common::{Bench, bytes, of};
use crate::house::{drained, settings, spool, start, until};
use bytes::Bytes;
use futures::StreamExt;
use pistats_core::{Limits, PartitionId};
use pistats_eventlog::faulty::{Fault, FaultyLog};
use pistats_eventlog::{Append, Config, Error, EventLog, FileLog, MemoryLog, Position};
use pistats_ingest::forward::Spool;
use pistats_ingest::{CollectError, Trust};
use pistats_proto::record::v1::PackedRecord;
use prost::Message;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

fn batch(first: usize, count: usize) -> Vec<Bytes> {
    (first..first + count).map(|n| bytes(&of(&format!("visitor-{n}")))).collect()
}

/// Visitors of all events of the stream, as a consumer sees them.
async fn visitors(stream: &dyn EventLog) -> Vec<String> {
    let mut visitors = Vec::new();
    for partition in PartitionId::all() {
        let records = crate::house::all(stream, partition).await;
        let mut last = None;
        for record in records {
            let sequence = record.forwarded.unwrap().sequence;
            if last.is_none_or(|last| sequence > last) {
                last = Some(sequence);
                visitors.extend(record.events.into_iter().map(|event| event.visitor_id));
            }
        }
    }
    visitors
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_go_on_while_the_stream_hangs_and_the_totals_are_exact_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let small = Config { segment_bytes: 1 << 20, group_bytes: 1 << 18, queue_bytes: 1 << 20, ..Config::default() };
    let log = tokio::task::block_in_place(|| FileLog::open(folder.path().join("spool"), small)).unwrap();
    let spool = spool(Arc::new(log)).await;
    let stream = FaultyLog::default();
    let forwarding = start(&spool, &stream, settings(folder.path())).await;
    let bench = Arc::new(Bench::on(spool.clone(), Limits::default()));
    assert_eq!(bench.collect(Trust::Public, &batch(0, 100)).await.accepted, 100);
    drained(&forwarding).await;
    // It hangs, then refuses, then loses answers, and hangs again.
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let bench = bench.clone();
            tokio::spawn(async move {
                for round in 0..40 {
                    let first = 1_000 * (1 + writer) + round * 20;
                    assert_eq!(bench.collect(Trust::Public, &batch(first, 20)).await.accepted, 20);
                    tokio::time::sleep(Duration::from_millis(15)).await;
                }
            })
        })
        .collect();
    for fault in [Fault::Hang, Fault::Refuse, Fault::LoseAnswer, Fault::Hang] {
        stream.always(fault);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let backlog = forwarding.backlog();
    assert!(backlog.records() > 0 && backlog.events() > 0 && backlog.bytes() > 0, "{backlog:?}");
    assert!(backlog.oldest_age() > Duration::from_millis(100), "{backlog:?}");
    let problem = backlog.problem.unwrap_or_default();
    assert!(problem.contains("acknowledgement") || problem.contains("fault"), "{problem}");

    stream.always(Fault::None);
    drained(&forwarding).await;
    let backlog = forwarding.backlog();
    assert_eq!(
        (backlog.events(), backlog.bytes(), backlog.oldest_age(), backlog.problem),
        (0, 0, Duration::ZERO, None)
    );
    let found = visitors(&stream).await;
    let expected = (0..100).chain((0..4).flat_map(|writer| (0..800).map(move |n| 1_000 * (1 + writer) + n)));
    let expected: BTreeSet<String> = expected.map(|n| format!("visitor-{n}")).collect();
    assert_eq!(found.len(), expected.len(), "each event once");
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
    forwarding.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_its_bound_the_spool_refuses_and_takes_again_once_the_stream_has_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let small = Config {
        segment_bytes: 64 * 4096,
        group_bytes: 16 * 4096,
        queue_bytes: 1 << 20,
        max_bytes: 4 * 64 * 4096,
        retain_bytes: 0,
        retain_for: Duration::ZERO,
        spare_segments: 1,
        ..Config::default()
    };
    let log = Arc::new(tokio::task::block_in_place(|| FileLog::open(folder.path().join("spool"), small)).unwrap());
    let usage = log.clone();
    let room = Arc::new(move || (usage.usage().bytes, 4 * 64 * 4096));
    let spool = Arc::new(Spool::new(log, room).await.unwrap());
    let stream = FaultyLog::default();
    stream.always(Fault::Refuse);
    let forwarding = start(&spool, &stream, settings(folder.path())).await;
    let bench = Bench::on(spool, Limits::default());
    let mut accepted = 0;
    let refused = loop {
        match bench.try_collect(Trust::Public, &batch(accepted, 200)).await {
            Ok(collected) => accepted += collected.accepted as usize,
            Err(error) => break error,
        }
    };
    assert!(matches!(&refused, CollectError::Log(error @ Error::Full { .. }) if error.is_retryable()), "{refused}");
    assert!(accepted >= 1_000, "refused after {accepted} events already");
    let backlog = forwarding.backlog();
    assert_eq!(backlog.events(), accepted as u64);
    assert_eq!(backlog.spool_bound_bytes, 4 * 64 * 4096);
    assert!(backlog.spool_bytes <= backlog.spool_bound_bytes && backlog.spool_bytes >= 3 * 64 * 4096, "{backlog:?}");

    // What was refused is accepted as soon as the stream has what waits and it has settled.
    stream.always(Fault::None);
    drained(&forwarding).await;
    let mut tries = 0;
    while let Err(error) = bench.try_collect(Trust::Public, &batch(accepted, 200)).await {
        assert!(matches!(error, CollectError::Log(Error::Full { .. })), "{error}");
        tries += 1;
        assert!(tries < 1_000, "there is room, and it is not used");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drained(&forwarding).await;
    let found = visitors(&stream).await;
    let distinct: BTreeSet<&String> = found.iter().collect();
    assert_eq!((found.len(), distinct.len()), (accepted + 200, accepted + 200));
    forwarding.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_a_former_process_is_counted_and_named_by_age() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(MemoryLog::default());
    Bench::on(log.clone(), Limits::default()).collect(Trust::Public, &batch(0, 500)).await;
    let stream = FaultyLog::default();
    stream.always(Fault::Hang);
    let spool = spool(log).await;
    let forwarding = start(&spool, &stream, settings(folder.path())).await;
    until(|| forwarding.backlog().events() == 500).await;
    assert!(forwarding.backlog().oldest_age() > Duration::ZERO);
    forwarding.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_spools_on_one_stream_are_two_writers() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let stream = FaultyLog::default();
    let mut running = Vec::new();
    let mut writers = BTreeSet::new();
    for (number, folder) in [&one, &two].into_iter().enumerate() {
        let spool = spool(Arc::new(MemoryLog::default())).await;
        let forwarding = start(&spool, &stream, settings(folder.path())).await;
        writers.extend(forwarding.backlog().partitions.iter().map(|partition| partition.writer));
        Bench::on(spool, Limits::default()).collect(Trust::Public, &batch(number * 300, 300)).await;
        running.push(forwarding);
    }
    for forwarding in running {
        drained(&forwarding).await;
        forwarding.stop().await;
    }
    assert_eq!(writers.len(), 16);
    let mut events = 0;
    for partition in PartitionId::all() {
        let records = crate::house::all(&stream, partition).await;
        events += records.iter().map(|record| record.events.len()).sum::<usize>();
    }
    assert_eq!(events, 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_forwarded_as_few_records_that_are_neither_too_large_nor_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(MemoryLog::default());
    let record = |bytes: usize| {
        let packed = PackedRecord { traceparents: vec!["x".repeat(bytes)], ..PackedRecord::default() };
        Append { partition: PartitionId(3), count: 1, payload: packed.encode_to_vec().into() }
    };
    // One alone is larger than what goes out together.
    let sizes = [(100, 3_000), (200_000, 4), (600_000, 1), (100, 1)];
    for (bytes, many) in sizes {
        for _ in 0..many {
            log.append(vec![record(bytes)]).await.unwrap();
        }
    }
    let stream = FaultyLog::default();
    let spool = spool(log).await;
    let forwarding = start(&spool, &stream, settings(folder.path())).await;
    drained(&forwarding).await;
    assert_eq!(forwarding.backlog().forwarded_records, 3_006);
    let end = stream.bounds(PartitionId(3)).await.unwrap().next;
    let mut records = stream.read(PartitionId(3), Position::First).await.unwrap();
    let (mut events, mut largest) = (0, 0);
    for _ in 0..end.0 {
        let record = records.next().await.unwrap().unwrap();
        events += record.count;
        largest = largest.max(record.payload.len());
    }
    assert_eq!(events, 3_006);
    assert!(end.0 <= 12, "{} records of the stream", end.0);
    assert!((600_000..600_100).contains(&largest), "{largest} bytes");
    forwarding.stop().await;
}
