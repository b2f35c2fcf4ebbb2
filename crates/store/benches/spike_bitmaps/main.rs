//! The spike of docs/adr/0006: at N million events, 20 commits a second, which way to keep visitor bitmaps is cheaper?
//!
//! ```text
//!   cargo bench -p pistats-store --bench spike_bitmaps -- [--events 1000000] [--seconds 10] [--ways none,a,b] [--threads 0]
//! ```
//!
//! Each way gets a warehouse of its own. First the import (commits of 50,000), then the live part: 20 commits a second of
//! 50 events, ten reports in a loop, rollups refreshed and rows folded every second. It measures and decides nothing.

mod bitmaps;
mod data;
mod reports;

use bitmaps::Bitmaps;
use data::{DAYS, Traffic};
use pistats_core::{Micros, Offset, PartitionId};
use pistats_store::{Commit, DuckConfig, DuckStore, Error, Progress, Refresh, SessionsOf, Statement, Store};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const IMPORT_COMMIT: usize = 50_000;
const LIVE_COMMIT: usize = 50;
const LIVE_GAP: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Way {
    /// No bitmaps: what the rest costs.
    None,
    /// Small delta rows in the commit, merged above 16 a key.
    Deltas,
    /// Rebuilt from `event` for dirty days.
    Rebuild,
}

struct Plan {
    events: usize,
    seconds: u64,
    threads: usize,
    ways: Vec<Way>,
}

fn plan() -> Plan {
    let mut plan =
        Plan { events: 1_000_000, seconds: 10, threads: 0, ways: vec![Way::None, Way::Deltas, Way::Rebuild] };
    let words: Vec<String> = std::env::args().collect();
    for pair in words.windows(2) {
        match pair[0].as_str() {
            "--events" => plan.events = pair[1].parse().unwrap_or(plan.events),
            "--seconds" => plan.seconds = pair[1].parse().unwrap_or(plan.seconds),
            "--threads" => plan.threads = pair[1].parse().unwrap_or(plan.threads),
            "--ways" => {
                let way = |name: &str| match name {
                    "a" => Way::Deltas,
                    "b" => Way::Rebuild,
                    _ => Way::None,
                };
                plan.ways = pair[1].split(',').map(way).collect();
            }
            _ => {}
        }
    }
    plan
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Error> {
    let plan = plan();
    for way in &plan.ways {
        let name = match way {
            Way::None => "no bitmaps",
            Way::Deltas => "a: delta rows in the commit",
            Way::Rebuild => "b: rebuilt for dirty days",
        };
        println!("\n== {name}, {} events, load {}", plan.events, load());
        run(*way, &plan).await?;
    }
    Ok(())
}

async fn run(way: Way, plan: &Plan) -> Result<(), Error> {
    let dir = tempfile::tempdir().map_err(|error| Error::Open(error.to_string()))?;
    let path = dir.path().join("spike.duckdb");
    let store = Arc::new(DuckStore::open(DuckConfig { threads: plan.threads, ..DuckConfig::file(&path) })?);
    let also = |conn: &duckdb::Connection| conn.execute_batch(bitmaps::TABLE);
    store.commit_with(Commit::default(), also).await?;
    let mut traffic = Traffic::new(plan.events as u64);
    let mut record = 0;

    import(&store, way, plan, &mut traffic, &mut record).await?;
    println!(
        "   file {:.0} MB, {:.1} bytes an event, {}",
        megabytes(&path),
        megabytes(&path) * 1e6 / plan.events as f64,
        memory()
    );
    tables(&store).await?;

    if way == Way::None {
        lookups(&store, &traffic)?;
    }

    let before = megabytes(&path);
    let stop = Arc::new(AtomicBool::new(false));
    let reports = tokio::spawn(reports::ask(store.clone(), way, stop.clone()));
    let upkeep = tokio::spawn(upkeep(store.clone(), way, stop.clone()));
    let mut waits = Vec::new();
    let (mut rows, begun) = (0, Instant::now());
    let mut clock = tokio::time::interval(LIVE_GAP);
    while begun.elapsed() < Duration::from_secs(plan.seconds) {
        clock.tick().await;
        let started = Instant::now();
        rows += commit(&store, way, traffic.commit(LIVE_COMMIT), &mut record).await?;
        waits.push(started.elapsed());
    }
    stop.store(true, Ordering::Release);
    let events = waits.len() * LIVE_COMMIT;
    println!("   live: {} commits, {}, {rows} bitmap rows", waits.len(), spread(&mut waits));
    finished(reports).await?;
    finished(upkeep).await?;
    let grown = megabytes(&path) - before;
    store.checkpoint_file().await?;
    println!(
        "   file grew {grown:.1} MB for {events} events, {:.1} MB after a checkpoint, {}",
        megabytes(&path) - before,
        memory()
    );
    one_by_one(&store, &mut traffic, &mut record).await
}

async fn import(
    store: &Arc<DuckStore>,
    way: Way,
    plan: &Plan,
    traffic: &mut Traffic,
    record: &mut u64,
) -> Result<(), Error> {
    let (mut spent, mut done, mut rows) = (Duration::ZERO, 0, 0);
    let mut burnt = Duration::ZERO;
    while done < plan.events {
        let rows_in = traffic.commit(IMPORT_COMMIT.min(plan.events - done));
        done += rows_in.events.len();
        let (started, cpu_before) = (Instant::now(), cpu());
        rows += commit(store, way, rows_in, record).await?;
        spent += started.elapsed();
        burnt += cpu() - cpu_before;
    }
    println!(
        "   import: {:.0} events/s and {:.0} a second of CPU, in commits of {IMPORT_COMMIT}, {rows} bitmap rows",
        done as f64 / spent.as_secs_f64(),
        done as f64 / burnt.as_secs_f64()
    );
    let started = Instant::now();
    while store.refresh(Refresh::hours(500)).await?.hours_left > 0 {}
    println!("   rollups of {DAYS} days: {:.2?}", started.elapsed());
    let started = Instant::now();
    let folded = store.fold().await?;
    println!("   fold: {:.2?}, {} session rows gone", started.elapsed(), folded.session_rows);
    let started = Instant::now();
    match way {
        Way::None => {}
        Way::Deltas => {
            store.commit_with(Commit::default(), |conn| bitmaps::compact(conn, i32::MIN).map(drop)).await?;
            println!("   merging deltas: {:.2?}", started.elapsed());
        }
        Way::Rebuild => {
            let first = data::day(traffic.now).0 - DAYS as i32;
            for day in first..=first + DAYS as i32 {
                store.commit_with(Commit::default(), move |conn| bitmaps::rebuild(conn, day).map(drop)).await?;
            }
            println!("   rebuilding {DAYS} days: {:.2?}", started.elapsed());
        }
    }
    store.checkpoint_file().await
}

/// Commits rows, with their bitmaps in way a. Returns how many bitmap rows were written.
async fn commit(store: &DuckStore, way: Way, mut rows: Commit, record: &mut u64) -> Result<usize, Error> {
    rows.progress = PartitionId::all()
        .map(|partition| Progress { partition, from: Offset(*record), to: Offset(*record + 1) })
        .collect();
    *record += 1;
    if way != Way::Deltas {
        store.commit(rows).await?;
        return Ok(0);
    }
    let bitmaps = Bitmaps::of(&rows.events);
    let written = bitmaps.rows();
    store.commit_with(rows, move |conn| bitmaps.append(conn)).await?;
    Ok(written)
}

/// Every second: rollups, folding, and the way's own upkeep.
async fn upkeep(store: Arc<DuckStore>, way: Way, stop: Arc<AtomicBool>) -> Result<(), Error> {
    let newest = "SELECT max(day) FROM event";
    let (mut refreshes, mut bitmap_work) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Acquire) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let started = Instant::now();
        store.refresh(Refresh::hours(500)).await?;
        refreshes.push(started.elapsed());
        store.fold().await?;
        let started = Instant::now();
        match way {
            Way::None => continue,
            // Deltas come in for the newest days alone; older ones are looked at no more.
            Way::Deltas => {
                let merge = move |conn: &duckdb::Connection| {
                    let day: i32 = conn.query_row(newest, [], |row| row.get(0))?;
                    bitmaps::compact(conn, day - 1).map(drop)
                };
                store.commit_with(Commit::default(), merge).await?;
            }
            // Today stays raw (it is dirty all the time); once in a while its bitmaps are made so that tomorrow has them.
            Way::Rebuild if bitmap_work.is_empty() => {
                let rebuild = move |conn: &duckdb::Connection| {
                    let day = conn.query_row(newest, [], |row| row.get(0))?;
                    bitmaps::rebuild(conn, day).map(drop)
                };
                store.commit_with(Commit::default(), rebuild).await?;
            }
            Way::Rebuild => continue,
        }
        bitmap_work.push(started.elapsed());
    }
    println!("   refreshes: {}", spread(&mut refreshes));
    if !bitmap_work.is_empty() {
        println!("   bitmap upkeep: {}", spread(&mut bitmap_work));
    }
    Ok(())
}

async fn tables(store: &DuckStore) -> Result<(), Error> {
    let count = |table: &str| Statement::new(format!("SELECT count(*) FROM {table}"), vec![]);
    let names = ["event", "session", "visitor", "spike_bitmap", "traffic_15m"];
    let answer = store.read(names.map(count).to_vec()).await?;
    let rows: Vec<String> =
        names.iter().zip(&answer.results).map(|(name, rows)| format!("{name} {}", rows.rows[0][0].int())).collect();
    println!("   rows: {}", rows.join(", "));
    Ok(())
}

/// What the fold asks before a commit, for the newest events.
fn lookups(store: &DuckStore, traffic: &Traffic) -> Result<(), Error> {
    let lookup = store.lookup();
    let partition = PartitionId(3);
    for count in [1, 1_000, 50_000] {
        let keys: Vec<_> = (0..count).map(|number| data::key(number * 8 + 3)).collect();
        let started = Instant::now();
        let known = lookup.visitors(data::SITE, partition, &keys)?;
        println!("   lookup of {count} visitors: {:.1?}, {} known", started.elapsed(), known.len());
        let since = Micros(traffic.now - Micros::HOUR);
        let asked: Vec<_> =
            known.iter().map(|known| SessionsOf { site: data::SITE, visitor: known.visitor, since }).collect();
        let started = Instant::now();
        let found = lookup.sessions(&asked)?;
        println!("   lookup of the last hour's sessions of these: {:.1?}, {} found", started.elapsed(), found.len());
    }
    for hours in [1, 24] {
        let (from, to) = ((traffic.now - hours * Micros::HOUR) as u64 / 1_000, traffic.now as u64 / 1_000);
        let started = Instant::now();
        let ids = lookup.ids(data::SITE, from, to)?;
        println!("   lookup of the ids of {hours} h: {:.1?}, {} found", started.elapsed(), ids.len());
    }
    let started = Instant::now();
    lookup.next_ordinal(data::SITE, partition)?;
    println!("   next ordinal: {:.1?}", started.elapsed());
    Ok(())
}

/// What the smallest commit costs when nothing else runs.
async fn one_by_one(store: &DuckStore, traffic: &mut Traffic, record: &mut u64) -> Result<(), Error> {
    let mut waits = Vec::new();
    let cpu_before = cpu();
    for _ in 0..200 {
        let rows = traffic.commit(1);
        let started = Instant::now();
        commit(store, Way::None, rows, record).await?;
        waits.push(started.elapsed());
    }
    let each = (cpu() - cpu_before) / 200;
    println!("   commits of one event: {each:.1?} of CPU, {}", spread(&mut waits));
    Ok(())
}

async fn finished(task: tokio::task::JoinHandle<Result<(), Error>>) -> Result<(), Error> {
    task.await.map_err(|error| Error::Engine(error.to_string()))?
}

pub(crate) fn spread(waits: &mut [Duration]) -> String {
    waits.sort_unstable();
    let at = |share: usize| {
        waits.get((waits.len() * share / 100).min(waits.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    format!("p50 {:.1?}, p99 {:.1?}, most {:.1?} of {}", at(50), at(99), at(100), waits.len())
}

/// The file and its write-ahead log.
fn megabytes(path: &Path) -> f64 {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    (size(path) + size(&path.with_extension("duckdb.wal"))) as f64 / 1e6
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1_000
    };
    format!("{} MB resident, {} MB at most", of("VmRSS:"), of("VmHWM:"))
}

/// Time that all threads of this process have run, in hundredths of a second: on a shared machine it tells more than the clock.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in brackets: fields 14 and 15 of proc(5), user and system time.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').take(2).collect::<Vec<_>>().join(" ")
}
