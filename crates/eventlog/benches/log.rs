//! What the embedded log does on this disk: durable appends, their latency, opening, reading.
//!
//! `cargo bench -p pistats-eventlog --profile release` (about 30 s, 2 GiB of disk; `PISTATS_BENCH_DIR` says where).
//! The figures of `docs/adr/0002-event-log.md` come from here. Nothing is asserted: a machine is no promise.

#![allow(clippy::unwrap_used, reason = "a benchmark")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use pistats_core::PartitionId;
use pistats_core::ids::PARTITIONS;
use pistats_eventlog::{Append, Config, EventLog, FileLog, Position};

const RUN: Duration = Duration::from_secs(2);
/// An event on the wire, as `INGEST.md` counts them.
const EVENT_BYTES: f64 = 349.0;
const MIB: f64 = 1024.0 * 1024.0;

/// CPU seconds of this process, user and system (fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn payload(size: usize) -> Bytes {
    let mut state = 88_172_645_463_325_252u64;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(byte).collect()
}

/// Writers append one record a call, each to its own partition, while everything written is trimmed. Returns the
/// bytes appended and every call's duration.
async fn write(log: Arc<FileLog>, writers: u16, size: usize, run: Duration) -> (u64, Vec<Duration>) {
    let payload = payload(size);
    let end = Instant::now() + run;
    let trimmer = tokio::spawn({
        let log = log.clone();
        async move {
            while Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(20)).await;
                for partition in PartitionId::all() {
                    let next = log.bounds(partition).await.unwrap().next;
                    log.trim(partition, next).await.unwrap();
                }
            }
        }
    });
    let tasks = (0..writers).map(|writer| {
        let (log, payload) = (log.clone(), payload.clone());
        tokio::spawn(async move {
            let mut took = Vec::new();
            while Instant::now() < end {
                let start = Instant::now();
                let record = Append { partition: PartitionId(writer % PARTITIONS), count: 1, payload: payload.clone() };
                log.append(vec![record]).await.unwrap();
                took.push(start.elapsed());
            }
            took
        })
    });
    let took: Vec<_> = futures::future::join_all(tasks).await.into_iter().flat_map(Result::unwrap).collect();
    trimmer.await.unwrap();
    (took.len() as u64 * size as u64, took)
}

async fn read(log: Arc<FileLog>, readers: u16) -> u64 {
    let tasks = (0..readers).map(|partition| {
        let (log, partition) = (log.clone(), PartitionId(partition));
        tokio::spawn(async move {
            let bounds = log.bounds(partition).await.unwrap();
            let records = log.read(partition, Position::First).await.unwrap();
            let many = (bounds.next.0 - bounds.first.0) as usize;
            let sizes = records.take(many).map(|record| record.unwrap().payload.len() as u64);
            sizes.fold(0, |sum, size| async move { sum + size }).await
        })
    });
    futures::future::join_all(tasks).await.into_iter().map(Result::unwrap).sum()
}

/// What the disk itself takes: 448 bytes (a 400-byte record in its frame) over an existing file, and `fdatasync`.
fn bare(dir: &Path) -> Vec<Duration> {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::create(dir.join("bare")).unwrap();
    file.write_all_at(&vec![0; 4 << 20], 0).unwrap();
    file.sync_all().unwrap();
    let end = Instant::now() + RUN;
    let mut took = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        file.write_all_at(&[7; 448], took.len() as u64 * 448 % (4 << 20)).unwrap();
        file.sync_data().unwrap();
        took.push(start.elapsed());
    }
    took
}

fn open(dir: &Path, retain_bytes: u64) -> Arc<FileLog> {
    let config = Config { retain_bytes, spare_segments: 4, ..Config::default() };
    Arc::new(FileLog::open(dir, config).unwrap())
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let base = std::env::var("PISTATS_BENCH_DIR").unwrap_or_else(|_| std::env::temp_dir().display().to_string());
    let dir = tempfile::tempdir_in(base).unwrap();
    let log = open(&dir.path().join("append"), 0);
    // Until the files have been used once: a log spends its life on recycled files.
    runtime.block_on(write(log.clone(), 8, 256 * 1024, Duration::from_secs(2)));

    println!("durable appends             MiB/s  M events/s  CPU ns/event   p50 us   p99 us");
    for (writers, size) in [(1, 64), (8, 64), (1, 256), (8, 256), (1, 1024)] {
        let (cpu, start) = (cpu_seconds(), Instant::now());
        let (bytes, mut took) = runtime.block_on(write(log.clone(), writers, size * 1024, RUN));
        let (seconds, events) = (start.elapsed().as_secs_f64(), bytes as f64 / EVENT_BYTES);
        report(&format!("{writers} x {size} KiB"), bytes, seconds, (cpu_seconds() - cpu) * 1e9 / events, &mut took);
    }
    let (cpu, mut took) = (cpu_seconds(), bare(dir.path()));
    let (bytes, cpu) = (took.len() as u64 * 400, cpu_seconds() - cpu);
    report("bare write and sync", bytes, RUN.as_secs_f64(), cpu * 1e9 / took.len() as f64, &mut took);
    for writers in [1, 8, 64] {
        let (cpu, start) = (cpu_seconds(), Instant::now());
        let (bytes, mut took) = runtime.block_on(write(log.clone(), writers, 400, RUN));
        let (seconds, events) = (start.elapsed().as_secs_f64(), took.len() as f64);
        report(&format!("{writers} x 400 B"), bytes, seconds, (cpu_seconds() - cpu) * 1e9 / events, &mut took);
    }
    drop(log);

    println!("\nreading (files in the page cache, indexes not made)");
    for (size, many) in [(64 * 1024, 16_000), (16 * 1024, 64_000), (400, 1_000_000)] {
        let path = dir.path().join(format!("read-{size}"));
        let log = open(&path, u64::MAX);
        runtime.block_on(async {
            let payload = payload(size);
            let batch = (4 << 20) / (size + 48).max(1);
            for start in (0..many).step_by(batch) {
                let record = |at: usize| Append {
                    partition: PartitionId((at % usize::from(PARTITIONS)) as u16),
                    count: 1,
                    payload: payload.clone(),
                };
                log.append((start..(start + batch).min(many)).map(record).collect()).await.unwrap();
            }
        });
        drop(log);
        for readers in [1, PARTITIONS] {
            let start = Instant::now();
            let log = open(&path, u64::MAX);
            let opened = start.elapsed();
            let (cpu, start) = (cpu_seconds(), Instant::now());
            let bytes = runtime.block_on(read(log.clone(), readers));
            let seconds = start.elapsed().as_secs_f64();
            println!(
                "{readers} readers of records of {size} bytes: {:.0} MiB/s, {:.0} k records/s, {:.2} CPU s (opened in {:.0} ms)",
                bytes as f64 / MIB / seconds,
                bytes as f64 / size as f64 / seconds / 1e3,
                cpu_seconds() - cpu,
                opened.as_secs_f64() * 1e3,
            );
        }
        std::fs::remove_dir_all(&path).unwrap();
    }
}

fn report(what: &str, bytes: u64, seconds: f64, cpu_ns: f64, took: &mut [Duration]) {
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
    let (rate, events) = (bytes as f64 / MIB / seconds, bytes as f64 / EVENT_BYTES / seconds / 1e6);
    println!("{what:<24} {rate:>8.0} {events:>11.2} {cpu_ns:>13.0} {:>8.0} {:>8.0}", at(0.5), at(0.99));
}
