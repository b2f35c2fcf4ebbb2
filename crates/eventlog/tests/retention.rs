//! What the log forgets, when, and what becomes of the files.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::*;
use futures::StreamExt;
use pistats_core::{Micros, Offset, PartitionId};
use pistats_eventlog::disk::{File, FileSystem, SimDisk};
use pistats_eventlog::{Config, Error, EventLog, FileLog, Position};

/// Segments' worth of records in partition 0: 14 a segment.
async fn fill(log: &FileLog, segments: usize) {
    for _ in 0..segments * 14 {
        append(log, 0, 1, PAGE_OF_PAYLOAD).await.unwrap();
    }
}

async fn trim_everything(log: &FileLog) {
    for partition in PartitionId::all() {
        let next = log.bounds(partition).await.unwrap().next;
        log.trim(partition, next).await.unwrap();
    }
}

async fn first(log: &FileLog) -> u64 {
    log.bounds(PartitionId(0)).await.unwrap().first.0
}

/// Time for the log to do what it should not do.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(60)).await;
}

/// L-6: nothing is forgotten before it is trimmed, whatever the retention says.
#[tokio::test(flavor = "multi_thread")]
async fn retention_takes_nothing_that_is_not_trimmed() {
    let (disk, clock) = (disk(), HandClock::default());
    let config = Config { retain_bytes: 0, retain_for: Duration::ZERO, ..config() };
    let log = open_at(&disk, config, &clock).unwrap();
    append(&log, 7, 1, 10).await.unwrap();
    fill(&log, 4).await;
    clock.set(Micros::DAY);
    // All of partition 0 may go, the record of partition 7 may not: its segment and all after it stay.
    log.trim(PartitionId(0), Offset(56)).await.unwrap();
    a_while().await;
    assert_eq!((first(&log).await, log.usage().segments), (0, 4));
    log.trim(PartitionId(7), Offset(1)).await.unwrap();
    until(|| log.usage().segments == 1).await;
    assert!(first(&log).await == 42);
}

/// Trimmed segments are kept for replays up to `retain_bytes`, to the byte.
#[tokio::test(flavor = "multi_thread")]
async fn trimmed_segments_are_kept_up_to_the_size() {
    let disk = disk();
    let log = open(&disk, Config { retain_bytes: 3 * SEGMENT, ..config() }).unwrap();
    fill(&log, 5).await;
    trim_everything(&log).await;
    until(|| log.usage().segments == 3).await;
    a_while().await;
    assert_eq!((log.usage().segments, first(&log).await), (3, 28));
    drop(log);
    // A byte less, and one more goes. What was trimmed has to be said again.
    let log = open(&disk, Config { retain_bytes: 3 * SEGMENT - 1, ..config() }).unwrap();
    a_while().await;
    assert_eq!(log.usage().segments, 3);
    trim_everything(&log).await;
    until(|| log.usage().segments == 2).await;
    assert_eq!(first(&log).await, 42);
}

/// Trimmed segments are kept `retain_for` after their last record, and go by themselves when that is over.
#[tokio::test(flavor = "multi_thread")]
async fn trimmed_segments_are_kept_for_the_time() {
    let (disk, clock) = (disk(), HandClock::default());
    let config = Config { retain_for: Duration::from_micros(100), ..config() };
    let log = open_at(&disk, config, &clock).unwrap();
    for hour in 0..3 {
        clock.set(hour * 100);
        fill(&log, 1).await;
    }
    // The segments end at the times 100 and 200, when the next one began; the third is being written.
    clock.set(200);
    trim_everything(&log).await;
    a_while().await;
    assert_eq!(log.usage().segments, 3);
    clock.set(201);
    until(|| log.usage().segments == 2).await;
    assert_eq!(first(&log).await, 14);
    clock.set(301);
    until(|| log.usage().segments == 1).await;
    assert_eq!(first(&log).await, 28);
}

/// At the disk bound trimmed segments go early rather than an append be refused.
#[tokio::test(flavor = "multi_thread")]
async fn the_disk_bound_goes_before_retention() {
    let disk = disk();
    let bound = 4 * SEGMENT;
    let log = open(&disk, Config { max_bytes: bound, ..config() }).unwrap();
    for _ in 0..10 {
        fill(&log, 1).await;
        trim_everything(&log).await;
        assert!(log.usage().bytes <= bound);
    }
    assert!(log.usage().segments >= 3, "{:?}", log.usage());
}

/// Files are used again, and no more of them lie ready than asked for.
#[tokio::test(flavor = "multi_thread")]
async fn forgotten_files_are_recycled_and_spares_are_bounded() {
    let disk = disk();
    let log = open(&disk, Config { retain_bytes: 0, spare_segments: 2, ..config() }).unwrap();
    fill(&log, 8).await;
    trim_everything(&log).await;
    until(|| log.usage().segments == 1 && log.usage().spares == 2).await;
    assert_eq!(disk.names().len(), 3, "{:?}", disk.names());
    disk.calls();
    fill(&log, 2).await;
    let made = disk.calls().iter().any(|call| matches!(call, pistats_eventlog::disk::Call::Write { file, bytes, .. } if file.starts_with("spare") && *bytes > 4096));
    assert!(!made, "a new file was written although two lay ready");
    drop(log);
    let log = open(&disk, Config { spare_segments: 0, ..config() }).unwrap();
    assert_eq!(log.usage().spares, 0);
}

/// L-6, L-7: wherever the power goes while files lose one name and get the next, the log opens, without a gap.
#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_any_call_of_recycling_leaves_a_log_that_opens() {
    for cut in 1..=24 {
        for seed in 0..8 {
            let disk = SimDisk::new(seed, 1 << 30);
            let config = Config { retain_bytes: 0, spare_segments: 1, ..config() };
            let log = open(&disk, config.clone()).unwrap();
            fill(&log, 3).await;
            until(|| log.usage().spares == 1).await;
            disk.power_off_after(cut);
            trim_everything(&log).await;
            let mut taken = 42;
            while taken < 42 + 30 && append(&log, 0, 1, PAGE_OF_PAYLOAD).await.is_ok() {
                taken += 1;
            }
            disk.restart();
            drop(log);
            let log = open(&disk, config).unwrap_or_else(|error| panic!("cut {cut}, seed {seed}: {error}"));
            let bounds = log.bounds(PartitionId(0)).await.unwrap();
            assert!(bounds.next.0 == taken || bounds.next.0 == taken + 1, "cut {cut}, seed {seed}: {bounds:?}");
            assert!(bounds.first.0.is_multiple_of(14) && bounds.first.0 <= taken, "cut {cut}, seed {seed}: {bounds:?}");
            assert_eq!(bytes_of(&log, 0).await.len() as u64, bounds.next.0 - bounds.first.0);
        }
    }
}

/// L-8: an append that waits for a file to be recycled is answered, also if the disk dies under the recycling.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_does_not_wait_for_ever_for_a_disk_that_died() {
    for cut in 1..=4 {
        let disk = disk();
        let config = Config { max_bytes: 2 * SEGMENT, spare_segments: 0, ..config() };
        let log = open(&disk, config).unwrap();
        fill(&log, 2).await;
        trim_everything(&log).await;
        disk.power_off_after(cut);
        let answer = tokio::time::timeout(Duration::from_secs(10), append(&log, 0, 1, PAGE_OF_PAYLOAD)).await;
        assert!(matches!(answer, Ok(Err(Error::Failed { .. }))), "cut {cut}: {answer:?}");
    }
}

/// L-4, L-5: a reader that is overtaken by the trim is told, also in the midst of its stream.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_overtaken_by_retention_gets_trimmed() {
    let disk = disk();
    let log = open(&disk, Config { retain_bytes: 0, read_ahead_bytes: 4096, ..config() }).unwrap();
    fill(&log, 4).await;
    let mut slow = log.read(PartitionId(0), Position::First).await.unwrap();
    assert_eq!(slow.next().await.unwrap().unwrap().offset, Offset(0));
    trim_everything(&log).await;
    until(|| log.usage().segments == 1).await;
    // At most one batch was read ahead.
    let mut last = 0;
    let error = loop {
        match slow.next().await.unwrap() {
            Ok(record) => last = record.offset.0,
            Err(error) => break error,
        }
    };
    let now_first = first(&log).await;
    assert!(matches!(error, Error::Trimmed { asked, first } if asked.0 == last + 1 && first.0 == now_first), "{error}");
    let refused = log.read(PartitionId(0), Position::At(Offset(last + 1))).await.err();
    assert!(matches!(refused, Some(Error::Trimmed { .. })));
}

/// A disk whose reads wait while a test holds the gate.
struct GatedDisk(SimDisk, Arc<Mutex<()>>);
struct GatedFile(Arc<dyn File>, Arc<Mutex<()>>);

impl FileSystem for GatedDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir(dir)
    }
    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.0.lock(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(GatedFile(self.0.create(path)?, self.1.clone())))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(GatedFile(self.0.open(path)?, self.1.clone())))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }
    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.0.free_bytes(dir)
    }
}

impl File for GatedFile {
    fn write_at(&self, position: u64, parts: &mut [io::IoSlice<'_>]) -> io::Result<()> {
        self.0.write_at(position, parts)
    }
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let _gate = self.1.lock().unwrap();
        self.0.read_at(position, buffer)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
}

/// L-4, L-7: a file is not used again while somebody reads it, however long the log has forgotten it.
#[test]
fn a_file_that_is_being_read_is_not_recycled_under_the_reader() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let (disk, gate) = (disk(), Arc::new(Mutex::new(())));
    let gated = Arc::new(GatedDisk(disk, gate.clone()));
    let config = Config { retain_bytes: 0, spare_segments: 1, ..config() };
    let log = FileLog::open_on(gated, HandClock::default().clock(), "log", config).unwrap();
    runtime.block_on(fill(&log, 3));
    let mut reader = runtime.block_on(log.read(PartitionId(0), Position::First)).unwrap();
    let held = gate.lock().unwrap();
    let first = runtime.spawn(async move { reader.next().await });
    std::thread::sleep(Duration::from_millis(50));
    // Three files are forgotten and many segments written; the one that is read must not be among them.
    runtime.block_on(async {
        trim_everything(&log).await;
        fill(&log, 6).await;
    });
    drop(held);
    let record = runtime.block_on(first).unwrap().unwrap();
    assert_eq!(record.unwrap().offset, Offset(0));
}

/// A small memory for positions changes nothing but speed: sealed segments are looked through again when needed.
#[tokio::test(flavor = "multi_thread")]
async fn forgotten_indexes_are_made_again() {
    let disk = SimDisk::new(3, 1 << 30);
    let log = open(&disk, Config { index_bytes: 0, ..config() }).unwrap();
    for byte in 0..70u8 {
        append(&log, u16::from(byte % 3), byte, PAGE_OF_PAYLOAD).await.unwrap();
    }
    for _ in 0..2 {
        for partition in 0..3u16 {
            let expected: Vec<u8> = (0..70).filter(|byte| u16::from(byte % 3) == partition).collect();
            assert_eq!(bytes_of(&log, partition).await, expected);
        }
    }
}
