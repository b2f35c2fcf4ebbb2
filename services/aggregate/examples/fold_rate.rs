//! How many events a second are folded and committed: a million made-up events from a log in memory into DuckDB.
//!
//! `cargo run --release -p pistats-aggregate --example fold_rate -- [EVENTS] [VISITORS] [EVENTS_A_RECORD] [MS_BETWEEN_EVENTS] [FILE]`
//!
//! Without FILE the warehouse is in memory. Prints the time from the first fold to the last commit, by threads: `fold` holds
//! the live state's share, which is nothing for old events. With 0 ms between them events happen now, and all are live.

use arc_swap::ArcSwap;
use bytes::Bytes;
use pistats_aggregate::{Aggregator, Config, Parts};
use pistats_core::{Directory, EventId, Micros, PartitionId, Site, SiteId, Zone};
use pistats_eventlog::{Append, EventLog, MemoryLog};
use pistats_proto::record::v1::{LoggedEvent, PackedRecord};
use pistats_store::{DuckConfig, DuckStore, Statement, Store};
use prost::Message;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// The allocator of the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SITE: SiteId = SiteId(1);

/// 2024-05-01T00:00:00Z.
const START_US: i64 = 1_714_521_600_000_000;

fn event(rng: &mut StdRng, at_us: i64, visitors: u64) -> LoggedEvent {
    let visitor = rng.random_range(0..visitors);
    let page = (rng.random::<f64>().powi(3) * 2_000.0) as u32;
    let id = EventId::from_parts(at_us as u64 / 1_000, rng.random());
    LoggedEvent {
        id: id.0.to_vec().into(),
        time_us: at_us,
        visitor_id: format!("{visitor:032x}"),
        url: format!("https://shop.example.com/articles/2024/{page}/a-page-of-some-length?utm_source=mail"),
        referrer: format!("https://www.example-{}.com/search", page % 50),
        title: format!("A page of some length, number {page}"),
        topics: vec![format!("topic-{}", page % 200)],
        language: "en-US".into(),
        time_zone: "Europe/Berlin".into(),
        screen_width: 1920,
        screen_height: 1080,
        user_agent: format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
            100 + page % 30
        ),
        ..LoggedEvent::default()
    }
}

fn records(events: usize, visitors: u64, record_events: usize, step_ms: usize) -> Vec<Append> {
    let mut rng = StdRng::seed_from_u64(1);
    let begin = if step_ms == 0 { now_us() } else { START_US };
    let mut open: BTreeMap<PartitionId, Vec<LoggedEvent>> = BTreeMap::new();
    let mut records = Vec::new();
    let mut close = |partition, events: Vec<LoggedEvent>| {
        let count = events.len() as u32;
        let packed = PackedRecord { site: SITE.0, received_us: START_US, events, ..PackedRecord::default() };
        records.push(Append { partition, count, payload: Bytes::from(packed.encode_to_vec()) });
    };
    for number in 0..events {
        let event = event(&mut rng, begin + (number * step_ms) as i64 * 1_000, visitors);
        let partition = PartitionId::of(SITE, event.visitor_id.as_bytes());
        let events = open.entry(partition).or_default();
        events.push(event);
        if events.len() == record_events {
            close(partition, std::mem::take(events));
        }
    }
    for (partition, events) in open {
        close(partition, events);
    }
    records
}

fn now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as i64)
}

/// Processor time by kind of thread, user and system: on a shared machine the clock on the wall says little.
fn cpu_seconds() -> BTreeMap<String, f64> {
    let mut seconds = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let Some((start, end)) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')) else { continue };
        // proc(5): utime and stime are fields 14 and 15, in ticks of 1/100 s; the name in brackets is field 2.
        let fields: Vec<&str> = end.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
        let kind = start.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned();
        *seconds.entry(kind).or_insert(0.0) += (ticks(11) + ticks(12)) / 100.0;
    }
    seconds
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| given.get(at).map_or(Ok(default), |text| text.parse::<usize>());
    let (events, visitors, record_events) = (number(0, 1_000_000)?, number(1, 100_000)?, number(2, 100)?);
    let step_ms = number(3, 1)?;
    let config = given.get(4).map_or_else(DuckConfig::memory, DuckConfig::file);

    let site = Site::new(SITE, "shop.example", Zone::named("Europe/Berlin")?, Micros(0));
    let directory = Arc::new(ArcSwap::from_pointee(Directory::new([site], [])));
    let store = Arc::new(DuckStore::open(config)?);
    let log = Arc::new(MemoryLog::default());
    let records = records(events, visitors as u64, record_events, step_ms);
    let bytes: usize = records.iter().map(|record| record.payload.len()).sum();
    log.append(records).await?;
    println!("{events} events of {} bytes, {visitors} visitors, records of {record_events}", bytes / events);

    let (started, cpu) = (Instant::now(), cpu_seconds());
    let parts = Parts::new(
        Config { trim_every_ms: 0, ..Config::default() },
        log,
        store.clone(),
        store.clone(),
        directory,
        [7; 32],
    );
    let handle = Aggregator::start(parts);
    handle.caught_up().await?;
    let took = started.elapsed();
    let mut spent = cpu_seconds();
    spent.iter_mut().for_each(|(kind, seconds)| *seconds -= cpu.get(kind).unwrap_or(&0.0));
    spent.retain(|_, seconds| *seconds >= 0.05);
    let cpu: f64 = spent.values().sum();
    let commits = *handle.commits().borrow();
    let rate = |seconds: f64| events as f64 / seconds;
    println!("{:.2} s: {:.0} events/s, {commits} commits", took.as_secs_f64(), rate(took.as_secs_f64()));
    println!("{cpu:.2} s of processor time: {:.0} events/s a core; {spent:.2?}", rate(cpu));
    handle.shutdown().await;

    let count = Statement::new("SELECT count(*), count(DISTINCT visitor) FROM event", Vec::new());
    println!("stored: {:?}", store.read(vec![count]).await?.results[0].rows);
    Ok(())
}
