//! Servers that die, under load.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use pistats_core::ids::PARTITIONS;
use pistats_core::{Offset, PartitionId};
use pistats_eventlog::contract::{record, take};
use pistats_eventlog::fluvio::FluvioLog;
use pistats_eventlog::{Append, EventLog, Position, Record, Records};

use crate::cluster::Cluster;

/// The next `many` records, however long servers take to come back.
async fn take_slowly(records: &mut Records, many: usize) -> Vec<Record> {
    let mut taken = Vec::with_capacity(many);
    while taken.len() < many {
        let next = tokio::time::timeout(Duration::from_secs(90), records.next()).await;
        let next = next.unwrap_or_else(|_| panic!("record {} of {many} did not come", taken.len() + 1));
        taken.push(next.expect("the stream goes on").unwrap());
    }
    taken
}

/// One writer a partition, each appending numbered records one after another until told to stop. Gives what was answered:
/// the offset of each number.
fn load(log: &Arc<FluvioLog>, stop: &Arc<AtomicBool>) -> Vec<tokio::task::JoinHandle<Vec<Offset>>> {
    let write = |partition: PartitionId| {
        let (log, stop) = (log.clone(), stop.clone());
        tokio::spawn(async move {
            let mut placed = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let text = format!("{}/{}", partition.0, placed.len());
                placed.push(log.append(vec![record(partition.0, &text)]).await.unwrap()[0]);
            }
            placed
        })
    };
    PartitionId::all().map(write).collect()
}

/// Everything that was answered is in the log at its offset, once, in order, and nothing else is. Returns how many.
async fn all_are_there(log: &FluvioLog, placed: &[Vec<Offset>]) -> usize {
    for (partition, offsets) in PartitionId::all().zip(placed) {
        assert!(offsets.is_sorted() && offsets.iter().collect::<HashSet<_>>().len() == offsets.len());
        let mut records = log.read(partition, Position::First).await.unwrap();
        for (number, (read, offset)) in take_slowly(&mut records, offsets.len()).await.iter().zip(offsets).enumerate() {
            let expected = format!("{}/{number}", partition.0);
            assert_eq!((read.offset, &read.payload[..]), (*offset, expected.as_bytes()));
        }
        let bounds = log.bounds(partition).await.unwrap();
        assert_eq!((bounds.first, bounds.next), (Offset(0), offsets.last().map_or(Offset(0), |last| last.next())));
        assert!(tokio::time::timeout(Duration::from_millis(300), records.next()).await.is_err(), "nothing else");
    }
    placed.iter().map(Vec::len).sum()
}

async fn joined(writers: Vec<tokio::task::JoinHandle<Vec<Offset>>>) -> Vec<Vec<Offset>> {
    futures::future::join_all(writers).await.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_far_behind_gets_every_record_of_200_000() {
    const MANY: usize = 200_000;
    let Some(cluster) = Cluster::start().await else { return };
    let log = Arc::new(FluvioLog::open(cluster.config()).await.unwrap());
    let many = MANY / usize::from(PARTITIONS);
    let write = |partition: PartitionId| {
        let log = log.clone();
        tokio::spawn(async move {
            let text = |number: usize| Bytes::from(format!("{number:0200}"));
            for first in (0..many).step_by(1000) {
                let append = |number| Append { partition, count: 1, payload: text(number) };
                log.append((first..first + 1000).map(append).collect()).await.unwrap();
            }
        })
    };
    futures::future::join_all(PartitionId::all().map(write)).await.into_iter().for_each(|done| done.unwrap());
    let read = |partition: PartitionId| {
        let log = log.clone();
        tokio::spawn(async move {
            let mut records = log.read(partition, Position::First).await.unwrap();
            for (number, record) in take(&mut records, many).await.iter().enumerate() {
                assert_eq!(
                    (record.offset.0, &record.payload[..]),
                    (number as u64, format!("{number:0200}").as_bytes())
                );
            }
        })
    };
    futures::future::join_all(PartitionId::all().map(read)).await.into_iter().for_each(|done| done.unwrap());
    let counters = log.counters().await;
    assert_eq!((counters.cut, counters.missing, counters.resends_dropped), (0, 0, 0), "{counters:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_spu_killed_under_load_costs_no_answered_record_and_doubles_none() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let log = Arc::new(FluvioLog::open(cluster.config()).await.unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let writers = load(&log, &stop);
    let mut follower = log.read(PartitionId(3), Position::First).await.unwrap();
    // One that follows the tail all the time, through all breaks.
    let following = tokio::spawn(async move {
        let mut offsets = Vec::new();
        while let Ok(Some(record)) = tokio::time::timeout(Duration::from_secs(15), follower.next()).await {
            offsets.push(record.unwrap().offset);
        }
        offsets
    });
    for down in [500, 0, 3000] {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        cluster.kill_spu();
        tokio::time::sleep(Duration::from_millis(down)).await;
        cluster.start_spu().await;
        // Until it serves again.
        log.bounds(PartitionId(0)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stop.store(true, Ordering::Relaxed);
    let placed = joined(writers).await;
    assert!(placed.iter().all(|offsets| offsets.len() > 10), "{:?}", placed.iter().map(Vec::len).collect::<Vec<_>>());
    assert_eq!(following.await.unwrap(), placed[3]);
    let many = all_are_there(&log, &placed).await;
    // And for one that comes anew, to whom late copies of connections given up might show.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let fresh = FluvioLog::open(cluster.config()).await.unwrap();
    assert_eq!(all_are_there(&fresh, &placed).await, many);
    let counters = log.counters().await;
    assert_eq!(counters.missing, 0);
    eprintln!("{many} records over 3 kills: {counters:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_controller_the_log_takes_and_gives_records() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let log = Arc::new(FluvioLog::open(cluster.config()).await.unwrap());
    let mut follower = log.read(PartitionId(1), Position::First).await.unwrap();
    log.append((0..PARTITIONS).map(|partition| record(partition, "before")).collect()).await.unwrap();
    take(&mut follower, 1).await;
    cluster.kill_sc();
    for number in 0..50 {
        log.append((0..PARTITIONS).map(|partition| record(partition, &format!("{number}"))).collect()).await.unwrap();
    }
    assert_eq!(take(&mut follower, 50).await.last().unwrap().payload, "49");
    cluster.start_sc().await;
    log.append(vec![record(1, "after")]).await.unwrap();
    assert_eq!(take(&mut follower, 1).await[0].payload, "after");
    // Both at once: nothing can be rebuilt until the controller is back, and then everything is.
    cluster.kill_sc();
    cluster.kill_spu();
    let waiting = tokio::spawn({
        let log = log.clone();
        async move { log.append(vec![record(1, "meanwhile")]).await }
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!waiting.is_finished(), "an append waits as long as the servers are away");
    cluster.start_sc().await;
    cluster.start_spu().await;
    assert_eq!(waiting.await.unwrap().unwrap(), [Offset(52)]);
    assert_eq!(take_slowly(&mut follower, 1).await[0].payload, "meanwhile");
    let fresh = FluvioLog::open(cluster.config()).await.unwrap();
    assert_eq!(fresh.bounds(PartitionId(1)).await.unwrap().next, Offset(53));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_servers_are_not_there_yet_opens_and_catches_up() {
    let Some(mut cluster) = Cluster::start().await else { return };
    // In this order: a controller writes down that an SPU is gone, and is not to be killed in the middle of that.
    cluster.kill_sc();
    cluster.kill_spu();
    let config = pistats_eventlog::fluvio::Config { patience: Duration::from_millis(500), ..cluster.config() };
    let log = Arc::new(FluvioLog::open(config).await.unwrap());
    let away = log.bounds(PartitionId(0)).await;
    assert!(matches!(&away, Err(error) if error.is_retryable()), "{away:?}");
    let waiting = tokio::spawn({
        let log = log.clone();
        async move { log.append(vec![record(0, "early")]).await }
    });
    cluster.start_sc().await;
    cluster.start_spu().await;
    assert_eq!(waiting.await.unwrap().unwrap(), [Offset(0)]);
}
