//! kill -9 at random moments of an import: every acknowledged event is there afterwards, once.
//!
//! One process is killed fifty times. Where the roles are apart a kill costs a lease that has to run out, so there are fifteen: of
//! all processes in one go, of Ingest, of Query with Admin, and of each Aggregate, three times each.

use crate::harness::{Site, breakdown, days, traffic};
use crate::process::Server;
use crate::topology::{Ground, is_apart};
use pistats::client::channel;
use pistats::import::{FileIds, Format};
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::{CreateSiteRequest, Scope};
use pistats_proto::aggregate::v1::ListPartitionsRequest;
use pistats_proto::aggregate::v1::aggregate_service_client::AggregateServiceClient;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::ingest::v1::{CollectRequest, Event};
use pistats_proto::query::v1::*;
use pistats_testkit::data::{self, Set, reference};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::{BTreeMap, HashSet};
use std::io::BufRead as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Kills of one process.
const KILLS: usize = 50;
/// Rounds of kills with the roles apart: each process, and all.
const ROUNDS: usize = 3;
/// How long folding may take to come to the end of the log: leases of the dead have to run out.
const PATIENCE: Duration = Duration::from_secs(120);
const BATCH: usize = 100;
const CONNECTIONS: usize = 4;

type Batches = Arc<Vec<Vec<Event>>>;

fn batches(path: &Path) -> Batches {
    let lines = std::io::BufReader::new(std::fs::File::open(path).unwrap()).lines();
    let ids = FileIds::new([9; 32]);
    let events: Vec<Event> = lines
        .enumerate()
        .map(|(number, line)| {
            let mut event = Format::Ndjson.parse(line.unwrap().as_bytes()).unwrap();
            event.id = ids.id(event.time_us.unwrap(), number as u64).0.to_vec().into();
            event
        })
        .collect();
    Arc::new(events.chunks(BATCH).map(<[Event]>::to_vec).collect())
}

/// Sends every batch until it is answered, as far as `allowed` permits; `acknowledged` lists the answered ones.
async fn import(
    url: String,
    key: String,
    batches: Batches,
    allowed: Arc<Semaphore>,
    acknowledged: Arc<Mutex<Vec<usize>>>,
) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (batches, allowed, acknowledged, next) =
            (batches.clone(), allowed.clone(), acknowledged.clone(), next.clone());
        let mut client = IngestServiceClient::new(channel(&url, &key).unwrap());
        lanes.spawn(async move {
            loop {
                allowed.acquire().await.unwrap().forget();
                let index = next.fetch_add(1, SeqCst);
                let Some(events) = batches.get(index) else { return };
                let request = CollectRequest { events: events.clone() };
                while client.collect(request.clone()).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                acknowledged.lock().unwrap().push(index);
            }
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.unwrap();
    }
}

/// Events in the warehouse after a kill: of DuckDB read from a copy, so that recovery stays the server's own.
fn committed(ground: &Ground) -> u64 {
    if let Some(database) = ground.database() {
        return database.number("SELECT count(*) FROM event").unsigned_abs();
    }
    let data = ground.data();
    let copy = tempfile::tempdir().unwrap();
    for name in ["warehouse.duckdb", "warehouse.duckdb.wal"] {
        if data.join(name).exists() {
            std::fs::copy(data.join(name), copy.path().join(name)).unwrap();
        }
    }
    let connection = duckdb::Connection::open(copy.path().join("warehouse.duckdb")).unwrap();
    connection.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_an_import_loses_nothing_and_counts_nothing_twice() {
    let (Some(path), Some(expected)) = (data::events(Set::Usagov).unwrap(), reference::usagov().unwrap()) else {
        return;
    };
    let batches = batches(&path);
    let mut random = StdRng::seed_from_u64(50);

    let mut server = Server::start().await;
    let (url, instance_key) = (server.url.clone(), server.instance_key.clone());
    let kills = if is_apart() { ROUNDS * (server.count() + 1) } else { KILLS };
    let mut admin = AdminServiceClient::new(channel(&url, &instance_key).unwrap());
    let request = CreateSiteRequest { name: "usagov".to_owned(), ..Default::default() };
    let made = admin.create_site(request).await.unwrap().into_inner();
    let secret =
        |scope: Scope| made.keys.iter().find(|new| new.key.as_ref().unwrap().scope() == scope).unwrap().secret.clone();

    let site = Site { server: url.clone(), read: secret(Scope::Read), server_key: secret(Scope::Server) };
    site.is_known().await;

    let allowed = Arc::new(Semaphore::new(0));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let importing = tokio::spawn(import(
        url.clone(),
        site.server_key.clone(),
        batches.clone(),
        allowed.clone(),
        acknowledged.clone(),
    ));

    // Acknowledged events beyond the last commit, at each kill.
    let mut beyond = Vec::new();
    let share = batches.len() / (kills + 1);
    for kill in 0..kills {
        // Half of the times the fold gets a moment to catch up and commit before more comes in.
        if random.random_ratio(1, 2) {
            tokio::time::sleep(Duration::from_millis(random.random_range(200..1_200))).await;
        }
        let before = acknowledged.lock().unwrap().len();
        allowed.add_permits(share);
        let some = random.random_range(1..=share - CONNECTIONS);
        while acknowledged.lock().unwrap().len() < before + some {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_micros(random.random_range(0..15_000))).await;
        match kill % (server.count() + 1) {
            which if is_apart() && which < server.count() => server.kill(which),
            _ => server.kill_all(),
        }
        let answered: u64 = acknowledged.lock().unwrap().iter().map(|index| batches[*index].len() as u64).sum();
        beyond.push(answered.saturating_sub(committed(&server.ground)));
        server.resume().await;
    }
    allowed.add_permits(batches.len());
    importing.await.unwrap();

    let mut histogram: BTreeMap<u64, usize> = BTreeMap::new();
    for events in &beyond {
        *histogram.entry(events.next_power_of_two().max(1) / 2).or_default() += 1;
    }
    println!("acknowledged events beyond the last commit, at {kills} kills (from, kills): {histogram:?}");
    let unfolded = beyond.iter().filter(|events| **events > 0).count();
    assert!(2 * unfolded >= kills, "only {unfolded} of {kills} kills hit events that were not committed");

    settle(&url, &instance_key).await;
    let mut queries = site.queries();
    let range = days(&expected.first_day, &expected.last_day);
    let total = queries.traffic(traffic(range.clone(), Interval::Day)).await.unwrap().into_inner();
    let sum = total.total.unwrap();
    assert_eq!((sum.events, sum.visitors), (expected.events, expected.unique_visitors));
    assert_eq!((sum.sessions, sum.bounces), (expected.sessions_30min, expected.bounced_sessions));
    assert_eq!(sum.session_us, expected.total_session_seconds as i64 * 1_000_000);
    let daily: Vec<u64> = total.steps.iter().map(|step| step.metrics.as_ref().unwrap().visitors).collect();
    assert_eq!(daily.iter().sum::<u64>(), expected.sum_daily_uniques);
    let request = breakdown(range.clone(), Dimension::Url, Metric::Events, 10);
    let top = queries.breakdown(request).await.unwrap().into_inner().rows;
    assert_eq!(top[0].metrics.as_ref().unwrap().visitors, expected.top_pages[0].visitors);

    let export = ExportRequest { range, bots: Bots::Include.into(), ..Default::default() };
    let mut pages = queries.export(export).await.unwrap().into_inner();
    let mut found = HashSet::new();
    while let Some(page) = pages.message().await.unwrap() {
        for event in page.events {
            assert!(found.insert(event.id.clone()), "an event is there twice");
        }
    }
    let sent: HashSet<_> = batches.iter().flatten().map(|event| event.id.clone()).collect();
    assert_eq!(acknowledged.lock().unwrap().len(), batches.len());
    assert_eq!(sent.difference(&found).count(), 0, "acknowledged events are missing");
    assert_eq!(found.len(), sent.len());
    drop(server.terminate());
}

async fn settle(url: &str, instance_key: &str) {
    let mut aggregate = AggregateServiceClient::new(channel(url, instance_key).unwrap());
    let since = Instant::now();
    loop {
        // Unanswered while a partition has no owner.
        let now = aggregate.list_partitions(ListPartitionsRequest {}).await;
        if now.as_ref().is_ok_and(|now| now.get_ref().partitions.iter().all(|partition| partition.lag == 0)) {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "the log was not folded in time: {now:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
