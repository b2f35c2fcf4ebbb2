//! How fast commits are stored on PostgreSQL, and how many bytes an event takes: as rows, and as columns on TimescaleDB.
//!
//! ```text
//! cargo run --release -p pistats-store --example postgres_bytes -- 500000 5000 postgres://…/empty_database
//! ```
//!
//! Arguments: events, events a commit, one or more empty databases. Each commit is one transaction of one connection, synced
//! to disk: events, a session for every four of them, and its visitor where it is new. Events lie in days long ago, so that
//! they are calm once they are refreshed.

use pistats_core::{EventId, Micros, PartitionId, VisitorNo};
use pistats_store::contract::sample;
use pistats_store::{Commit, EventRow, PgConfig, PgStore, Refresh, Sign, Statement, Store, Variant};
use std::time::{Duration, Instant};

/// Events a simulated day.
const A_DAY: u64 = 250_000;
const PAGES: u64 = 3_000;
const PARTITION: PartitionId = PartitionId(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("arguments: events, events a commit, databases");
    let (events, size): (u64, u64) = (next()?.parse()?, next()?.parse()?);
    for url in arguments {
        measure(&PgStore::open(PgConfig::new(url)).await?, events, size).await?;
    }
    Ok(())
}

async fn measure(store: &PgStore, events: u64, size: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut spent = Duration::ZERO;
    for first in (0..events).step_by(size as usize) {
        let commit = commit(first, (first + size).min(events));
        let start = Instant::now();
        store.commit(commit).await?;
        spent += start.elapsed();
    }
    let variant = store.variant();
    println!("{variant:?}: {events} events in commits of {size}: {:.0} events/s", events as f64 / spent.as_secs_f64());
    println!(
        "  event {:.1} bytes an event, ids {:.1}, sessions {:.1}",
        per_event(store, "event", events).await?,
        per_event(store, "event_id", events).await?,
        per_event(store, "session", events).await?
    );
    let start = Instant::now();
    let hours = store.refresh(Refresh::hours(usize::MAX)).await?.hours;
    println!("  rollups of {hours} hours in {:.1} s", start.elapsed().as_secs_f64());
    if variant == Variant::Timescale {
        let start = Instant::now();
        store.refresh(Refresh::EVERYTHING).await?;
        println!("  day sheets, and columns for up to 10 s: {:.1} s", start.elapsed().as_secs_f64());
        let start = Instant::now();
        let mut chunks = 0;
        loop {
            let converted = store.convert().await?;
            chunks += converted.chunks;
            if converted.left == 0 {
                break;
            }
        }
        println!("  {chunks} more days to columns in {:.1} s", start.elapsed().as_secs_f64());
        println!("  event {:.1} bytes an event as columns", per_event(store, "event", events).await?);
    }
    Ok(())
}

/// Bytes of a table with its indexes, an event; 0 where there is none.
async fn per_event(store: &PgStore, table: &str, events: u64) -> Result<f64, Box<dyn std::error::Error>> {
    let size = match (store.variant(), table) {
        (Variant::Timescale, "event" | "session") => "SELECT hypertable_size(CAST($1 AS regclass))",
        _ => "SELECT coalesce(pg_total_relation_size(to_regclass($1)), 0)",
    };
    let answer = store.read(vec![Statement::new(size, vec![table.into()])]).await?;
    let bytes = answer.results.first().and_then(|rows| rows.rows.first()).and_then(|row| row.first());
    Ok(bytes.map_or(0, pistats_store::Cell::int) as f64 / events as f64)
}

fn commit(from: u64, to: u64) -> Commit {
    let mut commit = Commit::default();
    for number in from..to {
        let time = sample::START.plus((number * (Micros::DAY as u64 / A_DAY)) as i64);
        // Each visitor has four events in a row, and comes back after a while.
        let visitor = VisitorNo::new(PARTITION, number / 4 % 100_000);
        // Ids as clients make them: a time, and bits that nothing compresses.
        let noise = u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 10 | u128::from(number.rotate_left(17));
        let page = number.wrapping_mul(7_919) % PAGES;
        let (path, url) =
            (format!("/section/{}/page-{page}", page % 40), format!("https://example.com/section/page-{page}"));
        commit.events.push(&EventRow {
            path: &path,
            url: &url,
            id: EventId::from_parts((time.0 / 1_000).unsigned_abs(), noise),
            country: ["DE", "US", "FR", "GB", "JP"][(visitor.0 % 5) as usize],
            browser: ["Chrome", "Firefox", "Safari"][(visitor.0 % 3) as usize],
            ..sample::event(visitor, time, number.into())
        });
        if number % 4 == 0 {
            commit.sessions.push(sample::session(visitor, time, time.plus(3 * Micros::SECOND), 4, Sign::Add));
            if number / 4 < 100_000 {
                commit.visitors.push(sample::visitor(visitor, time, Sign::Add));
            }
        }
    }
    commit
}
