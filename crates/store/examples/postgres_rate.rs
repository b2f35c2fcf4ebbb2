//! How fast commits go into PostgreSQL: events alone, and with a session and a visitor each, in commits of several sizes.
//!
//! ```text
//!   cargo run --release -p pistats-store --example postgres_rate -- [EVENTS] [URL]
//! ```
//!
//! Without a URL it starts a private server of the system's package. The rows are those of the contract's sample: 34 columns,
//! short texts, ids in the order of time. It measures and decides nothing.

use pistats_core::PartitionId;
use pistats_store::contract::sample;
use pistats_store::{Commit, PgConfig, PgStore, Refresh, Statement, Store};
use pistats_testkit::postgres::Server;
use std::time::Instant;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let events: u64 = words.next().map_or(Ok(200_000), |word| word.parse())?;
    let given = words.next();
    let server = if given.is_none() { Server::start() } else { None };
    for (name, whole) in [("events alone", false), ("events, sessions, visitors", true)] {
        for size in [50, 5_000, 50_000] {
            let database = server.as_ref().map(Server::database);
            let Some(url) = given.clone().or_else(|| database.as_ref().map(|database| database.url.clone())) else {
                return Err("no PostgreSQL is here; give a URL".into());
            };
            let store = PgStore::open(PgConfig::new(url)).await?;
            let commits = (events / size).clamp(1, 400);
            let start = store.checkpoints().await?[0].next.0;
            let mut made: Vec<Commit> = Vec::new();
            for record in start..start + commits {
                let mut commit = sample::commit(PartitionId(0), record, record + 1, size);
                if !whole {
                    commit.sessions.clear();
                    commit.visitors.clear();
                }
                made.push(commit);
            }
            let name_of =
                |database: &pistats_testkit::postgres::Database| database.url.rsplit('/').next().map(str::to_owned);
            let sessions = database.as_ref().and_then(name_of).unwrap_or_default();
            let started = Instant::now();
            for commit in made {
                store.commit(commit).await?;
            }
            let took = started.elapsed().as_secs_f64();
            let rate = (commits * size) as f64 / took;
            let worked = processor_seconds(&sessions);
            println!(
                "{name:27} {size:6} a commit: {rate:9.0} events/s by the clock, {:9.0} a second of the server's sessions, {:7.1} ms a commit",
                (commits * size) as f64 / worked,
                took * 1e3 / commits as f64
            );
            if given.is_some() {
                continue;
            }
            let numbers = Statement::new("SELECT visitor, time_us, site FROM event", vec![]).as_numbers();
            let started = Instant::now();
            let rows = store.read(vec![numbers]).await?.results[0].numbers[0].len();
            let rate = rows as f64 / started.elapsed().as_secs_f64();
            println!("    {rows} rows of three numbers read: {rate:.0} rows/s");
            let started = Instant::now();
            let refreshed = store.refresh(Refresh::EVERYTHING).await?;
            println!(
                "    refresh of {} hours and {} days: {:.0} ms",
                refreshed.hours,
                refreshed.days,
                started.elapsed().as_secs_f64() * 1e3
            );
        }
    }
    Ok(())
}

/// Processor time of the server's sessions in a database, which bear its name; on Linux.
fn processor_seconds(database: &str) -> f64 {
    let mut ticks = 0;
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let read = |name: &str| std::fs::read_to_string(process.path().join(name)).unwrap_or_default();
        if database.is_empty() || !read("cmdline").contains(&format!(" {database} ")) {
            continue;
        }
        let stat = read("stat");
        let fields = stat.rsplit(')').next().unwrap_or_default().split(' ');
        ticks += fields.skip(12).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    }
    ticks as f64 / 100.0
}
