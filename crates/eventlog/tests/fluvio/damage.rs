//! Servers that lose something: metadata, records, time.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use pistats_core::{Offset, PartitionId};
use pistats_eventlog::contract::{record, take};
use pistats_eventlog::fluvio::{Config, FluvioLog};
use pistats_eventlog::{Append, Error, EventLog, Position, Records};

use crate::cluster::Cluster;

const ZERO: PartitionId = PartitionId(0);

async fn fill(log: &FluvioLog, numbers: std::ops::Range<usize>) {
    for number in numbers {
        log.append(vec![record(0, &format!("{number}"))]).await.unwrap();
    }
}

/// The error that ends a stream.
async fn error_of(records: &mut Records) -> Error {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(60), records.next()).await.expect("an error came");
        if let Err(error) = next.expect("an error came before the end") {
            assert!(records.next().await.is_none(), "the stream goes on after an error");
            return error;
        }
    }
}

/// Waits until the log answers again.
async fn answers(log: &FluvioLog) {
    for _ in 0..60 {
        if log.bounds(ZERO).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("the log does not answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_metadata_is_named_and_the_records_are_there_once_it_is_restored() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let config = Config { patience: Duration::from_secs(3), ..cluster.config() };
    let log = FluvioLog::open(config.clone()).await.unwrap();
    fill(&log, 0..5).await;
    drop(log);
    // The controller rewrites these files in place: a crash may leave one empty, and then it sees none of the kind.
    cluster.kill_sc();
    cluster.kill_spu();
    let kept = cluster.metadata().with_extension("kept");
    Cluster::copy(&cluster.metadata(), &kept);
    let kind = cluster.metadata().join("Partition");
    let file = std::fs::read_dir(&kind).unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
    std::fs::write(file, "").unwrap();
    cluster.start_sc().await;
    cluster.start_spu().await;
    let refused = FluvioLog::open(config.clone()).await.err();
    let Some(Error::MetadataLost { reason }) = &refused else { panic!("{refused:?}") };
    assert!(reason.contains("events-v1") && refused.unwrap().to_string().contains("backup"));
    cluster.kill_sc();
    cluster.kill_spu();
    Cluster::copy(&kept, &cluster.metadata());
    cluster.start_sc().await;
    cluster.start_spu().await;
    let log = FluvioLog::open(config).await.unwrap();
    answers(&log).await;
    let mut records = log.read(ZERO, Position::First).await.unwrap();
    assert_eq!(take(&mut records, 5).await[4].payload, "4");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_went_back_is_noticed_by_its_readers() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let config = Config { watch_after: Duration::from_secs(1), ..cluster.config() };
    let log = FluvioLog::open(config.clone()).await.unwrap();
    fill(&log, 0..5).await;
    cluster.kill_spu();
    let older = cluster.data().with_extension("older");
    Cluster::copy(&cluster.data(), &older);
    cluster.start_spu().await;
    answers(&log).await;
    fill(&log, 5..10).await;
    let mut behind_the_end = log.read(ZERO, Position::First).await.unwrap();
    take(&mut behind_the_end, 10).await;
    let mut before_it = log.read(ZERO, Position::First).await.unwrap();
    let checkpoint = take(&mut before_it, 7).await.pop().unwrap();
    drop(log);

    // As after a power cut: the newest records are gone.
    cluster.kill_spu();
    Cluster::copy(&older, &cluster.data());
    cluster.start_spu().await;
    let log = FluvioLog::open(config.clone()).await.unwrap();
    answers(&log).await;
    assert_eq!(log.bounds(ZERO).await.unwrap().next, Offset(5));
    let refused = log.read(ZERO, Position::At(Offset(7))).await.err();
    assert!(matches!(refused, Some(Error::BeyondEnd { asked: Offset(7), next: Offset(5) })), "{refused:?}");
    // And their offsets are given away again.
    for number in 0..8 {
        log.append(vec![record(0, &format!("again {number}"))]).await.unwrap();
    }
    let mut records = log.read(ZERO, Position::At(checkpoint.offset)).await.unwrap();
    let now = take(&mut records, 1).await.pop().unwrap();
    assert_eq!(now.offset, checkpoint.offset);
    assert_ne!(now.payload, checkpoint.payload, "the offset holds another record than the checkpoint was made of");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_open_while_the_log_goes_back_ends_with_the_error() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let config = Config { watch_after: Duration::from_secs(1), ..cluster.config() };
    let log = FluvioLog::open(config.clone()).await.unwrap();
    fill(&log, 0..5).await;
    cluster.kill_spu();
    let older = cluster.data().with_extension("older");
    Cluster::copy(&cluster.data(), &older);
    cluster.start_spu().await;
    answers(&log).await;
    fill(&log, 5..10).await;
    let mut shorter = log.read(ZERO, Position::First).await.unwrap();
    let mut rewritten = log.read(ZERO, Position::First).await.unwrap();
    take(&mut shorter, 10).await;
    take(&mut rewritten, 6).await;
    cluster.kill_spu();
    Cluster::copy(&older, &cluster.data());
    cluster.start_spu().await;
    let error = error_of(&mut shorter).await;
    assert!(matches!(&error, Error::WentBack { partition: ZERO, .. }) && !error.is_retryable(), "{error:?}");
    assert!(error.to_string().contains("checkpoint"), "{error}");
    answers(&log).await;
    for number in 0..8 {
        log.append(vec![record(0, &format!("again {number}"))]).await.unwrap();
    }
    // It had fetched up to 10 before; its connection then broke, and offset 9 is another record now.
    let error = error_of(&mut rewritten).await;
    assert!(matches!(error, Error::WentBack { partition: ZERO, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_that_passes_a_reader_is_told_and_never_skipped() {
    const KIB: u32 = 1024;
    let Some(cluster) = Cluster::start().await else { return };
    let config = Config {
        segment_bytes: 64 * KIB,
        record_bytes: u64::from(16 * KIB),
        retain_for: Duration::from_secs(10),
        ..cluster.config()
    };
    let log = FluvioLog::open(config).await.unwrap();
    let large = || Append { partition: ZERO, count: 1, payload: Bytes::from(vec![7; 10_000]) };
    for _ in 0..40 {
        log.append(vec![large()]).await.unwrap();
    }
    let mut first = Offset(0);
    for _ in 0..90 {
        first = log.bounds(ZERO).await.unwrap().first;
        if first > Offset(0) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(first > Offset(0), "the topic's retention took nothing");
    let refused = log.read(ZERO, Position::At(Offset(first.0 - 1))).await.err();
    assert!(matches!(refused, Some(Error::Trimmed { asked, first: to }) if asked.0 + 1 == first.0 && to == first));
    let bounds = log.bounds(ZERO).await.unwrap();
    assert_eq!(bounds.next, Offset(40));
    let mut records = log.read(ZERO, Position::First).await.unwrap();
    let kept = take(&mut records, (40 - bounds.first.0) as usize).await;
    assert_eq!((kept[0].offset, kept.last().unwrap().offset), (bounds.first, Offset(39)));
    let mut records = log.read(ZERO, Position::AppendedAt(pistats_core::Micros(0))).await.unwrap();
    assert_eq!(take(&mut records, 1).await[0].offset, bounds.first);
}
