//! What the fault tests share: a log on a simulated disk, and short ways to use it.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use pistats_core::{Micros, Offset, PartitionId};
use pistats_eventlog::contract::take;
use pistats_eventlog::disk::SimDisk;
use pistats_eventlog::file::Clock;
use pistats_eventlog::{Append, Config, Error, EventLog, FileLog, Position};

pub const SEGMENT: u64 = 16 * 4096;
/// Where the first frame of a segment lies.
pub const DATA: usize = 4096;
pub const HEADER: usize = 48;
/// A payload whose frame takes exactly a page.
pub const PAGE_OF_PAYLOAD: usize = 4096 - HEADER;

/// Small segments; marks only on closing, so that tests know every byte.
pub fn config() -> Config {
    Config {
        segment_bytes: SEGMENT,
        group_bytes: 32_768,
        queue_bytes: 1 << 20,
        mark_after: Duration::from_secs(3600),
        ..Config::default()
    }
}

pub fn disk() -> SimDisk {
    SimDisk::new(1, 1 << 30)
}

/// A clock that tests move by hand.
#[derive(Clone, Default)]
pub struct HandClock(Arc<AtomicI64>);

impl HandClock {
    pub fn set(&self, micros: i64) {
        self.0.store(micros, Ordering::SeqCst);
    }

    pub fn clock(&self) -> Clock {
        let time = self.0.clone();
        Arc::new(move || Micros(time.load(Ordering::SeqCst)))
    }
}

pub fn open(disk: &SimDisk, config: Config) -> Result<FileLog, Error> {
    open_at(disk, config, &HandClock::default())
}

pub fn open_at(disk: &SimDisk, config: Config, clock: &HandClock) -> Result<FileLog, Error> {
    FileLog::open_on(Arc::new(disk.clone()), clock.clock(), "log", config)
}

pub fn segment(number: u32) -> PathBuf {
    PathBuf::from(format!("log/{number:010}.segment"))
}

pub fn record(partition: u16, byte: u8, size: usize) -> Append {
    Append { partition: PartitionId(partition), count: 1, payload: Bytes::from(vec![byte; size]) }
}

/// Appends one record as a group of its own.
pub async fn append(log: &FileLog, partition: u16, byte: u8, size: usize) -> Result<Offset, Error> {
    log.append(vec![record(partition, byte, size)]).await.map(|offsets| offsets[0])
}

/// The first bytes of all payloads of a partition, from its first record on.
pub async fn bytes_of(log: &FileLog, partition: u16) -> Vec<u8> {
    let bounds = log.bounds(PartitionId(partition)).await.unwrap();
    let mut records = log.read(PartitionId(partition), Position::First).await.unwrap();
    let records = take(&mut records, (bounds.next.0 - bounds.first.0) as usize).await;
    records.iter().map(|record| record.payload[0]).collect()
}

/// What can be read of a partition before an error, and the error.
pub async fn read_to_error(log: &FileLog, partition: u16) -> (Vec<u8>, Error) {
    let mut records = log.read(PartitionId(partition), Position::First).await.unwrap();
    let mut read = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(10), records.next()).await.expect("an error came");
        match next.expect("an error came before the end") {
            Ok(record) => read.push(record.payload[0]),
            Err(error) => {
                assert!(records.next().await.is_none(), "the stream goes on after an error");
                return (read, error);
            }
        }
    }
}

/// Waits until something is so, at most ten seconds.
pub async fn until(mut so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not come to be so");
}
