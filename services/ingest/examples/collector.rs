//! A collector alone on an embedded log: the server of the ingest benchmark, and of its recount after a kill.
//!
//! ```text
//!   cargo run --release -p pistats-ingest --example collector -- DIRECTORY 127.0.0.1:7701 [recycle]
//! ```
//!
//! One thread serves, as on one core. The key is `benchmark`. At the start it tells how many events the log holds.
//! With `recycle` as a third argument the log forgets at once, as if a consumer kept up and nothing was to be retained: its
//! segments are then overwritten in turn, and there is nothing left to recount.

use pistats_core::directory::{Directory, Key, KeyHash, Site};
use pistats_core::{Limits, Micros, PartitionId, Scope, SiteId, Zone};
use pistats_eventlog::{Config, EventLog, FileLog, Position};
use pistats_ingest::{Collector, Ingest, Log};
use pistats_rpc::auth::SharedDirectory;
use pistats_rpc::server::Settings;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEY: &str = "benchmark";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(directory), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: collector DIRECTORY ADDRESS [recycle]".into());
    };
    let recycle = arguments.next().as_deref() == Some("recycle");
    let retain_bytes = if recycle { 0 } else { Config::default().retain_bytes };
    let log = Arc::new(FileLog::open(directory, Config { retain_bytes, ..Config::default() })?);
    println!("the log holds {} events", count(&*log).await?);
    if recycle {
        tokio::spawn(forget(log.clone()));
    }
    let collector = Arc::new(Collector::new(log.clone(), Limits::default())?);
    let directory = keys();
    let server = pistats_rpc::Server::new(Settings::default())?
        .add(Ingest::new(collector, directory.clone()).server())
        .add(Log::new(log, directory).server());
    let listener = TcpListener::bind(&address).await?;
    println!("collecting on http://{}, key {KEY}", listener.local_addr()?);
    let interrupted = async { _ = tokio::signal::ctrl_c().await };
    server.serve(listener, interrupted).await?;
    Ok(())
}

fn keys() -> SharedDirectory {
    let key = Key {
        id: KEY.into(),
        hash: KeyHash::of(KEY),
        scope: Scope::Write,
        site: Some(SiteId(1)),
        name: KEY.into(),
        created: Micros(0),
        revoked: false,
    };
    Arc::new(arc_swap::ArcSwap::from_pointee(Directory::new(
        [Site::new(SiteId(1), KEY, Zone::utc(), Micros(0))],
        [key],
    )))
}

async fn forget(log: Arc<dyn EventLog>) -> Result<(), pistats_eventlog::Error> {
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        for partition in PartitionId::all() {
            log.trim(partition, log.bounds(partition).await?.next).await?;
        }
    }
}

async fn count(log: &dyn EventLog) -> Result<u64, pistats_eventlog::Error> {
    let mut events = 0;
    for partition in PartitionId::all() {
        let bounds = log.bounds(partition).await?;
        let mut records = log.read(partition, Position::First).await?;
        for _ in bounds.first.0..bounds.next.0 {
            if let Some(record) = futures::StreamExt::next(&mut records).await {
                events += u64::from(record?.count);
            }
        }
    }
    Ok(events)
}
