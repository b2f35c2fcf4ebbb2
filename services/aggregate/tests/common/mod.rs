//! A log, a warehouse and an aggregator in one process, and the naive fold that says what must come out.

#![allow(dead_code, unreachable_pub)]

use arc_swap::ArcSwap;
use bytes::Bytes;
use pistats_aggregate::{Aggregator, Clock, Config, Handle, Parts, Reload};
use pistats_core::enrich::{Enricher, Input};
use pistats_core::{Directory, Micros, PartitionId, Site, SiteId, VisitorKey, Zone};
use pistats_eventlog::{Append, EventLog, MemoryLog};
use pistats_proto::record::v1::{LoggedEvent, PackedRecord, RejectedEvent};
use pistats_rpc::auth::SharedDirectory;
use pistats_store::{Cell, Commit, DuckConfig, DuckStore, Leases, Registry as _, Statement, Store};
use pistats_testkit::histories::Sent;
use prost::Message;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

pub const SITE: SiteId = SiteId(1);
pub const SECRET: [u8; 32] = [42; 32];

/// Commits at once, keeps the log, and refreshes no rollups.
pub fn config(commit_max_events: usize) -> Config {
    Config {
        commit_idle_ms: 1,
        commit_max_ms: 100,
        commit_max_events,
        trim_every_ms: 0,
        refresh_every_ms: 0,
        retry_max_ms: 20,
        ..Config::default()
    }
}

pub struct World {
    pub log: Arc<MemoryLog>,
    pub duck: Arc<DuckStore>,
    pub directory: SharedDirectory,
    pub zone: Zone,
}

impl World {
    pub fn new(zone: &Zone) -> World {
        let duck = DuckStore::open(DuckConfig { memory_limit_mb: 200, ..DuckConfig::memory() }).expect("a warehouse");
        let site = Site::new(SITE, "shop.example", zone.clone(), Micros(0));
        let directory = Arc::new(ArcSwap::from_pointee(Directory::new([site], [])));
        World { log: Arc::new(MemoryLog::default()), duck: Arc::new(duck), directory, zone: zone.clone() }
    }

    pub fn start(&self, config: Config) -> Handle {
        self.start_on(config, self.duck.clone(), self.duck.clone())
    }

    /// On another store, which must be of the warehouse that the leases are in.
    pub fn start_on(&self, config: Config, store: Arc<dyn Store>, leases: Arc<dyn Leases>) -> Handle {
        let log = self.log.clone();
        Aggregator::start(Parts::new(config, log, store, leases, self.directory.clone(), SECRET))
    }

    pub fn start_at(&self, config: Config, clock: Clock) -> Handle {
        let (log, store, directory) = (self.log.clone(), self.duck.clone(), self.directory.clone());
        Aggregator::start(Parts { clock, ..Parts::new(config, log, store, self.duck.clone(), directory, SECRET) })
    }

    /// One of several that share the partitions, with a directory of its own that it reads from the registry.
    pub fn start_shared(&self, config: Config, clock: Option<Clock>) -> Handle {
        let directory: SharedDirectory = Arc::new(ArcSwap::from_pointee((**self.directory.load()).clone()));
        let (log, duck) = (self.log.clone(), self.duck.clone());
        let (registry, shared) = (self.duck.clone(), directory.clone());
        let reload: Reload = Arc::new(move || {
            let (registry, shared) = (registry.clone(), shared.clone());
            Box::pin(async move {
                shared.store(Arc::new(registry.directory().await?));
                Ok(())
            })
        });
        let parts = Parts::new(config, log, duck.clone(), duck, directory, SECRET);
        let clock = clock.unwrap_or_else(|| parts.clock.clone());
        Aggregator::start(Parts { reload, clock, ..parts })
    }

    pub async fn append(&self, sent: &[Sent], record_events: usize) {
        self.log.append(records(sent, record_events)).await.expect("appended");
    }

    /// What the warehouse holds, without visitors' numbers and offsets: net events, sessions and visitors.
    pub async fn rows(&self) -> Vec<String> {
        rows(self.duck.as_ref()).await
    }

    pub async fn tamper(&self, sql: &str) {
        let text = sql.to_owned();
        self.duck.commit_with(Commit::default(), move |conn| conn.execute_batch(&text)).await.expect(sql);
    }

    pub async fn number(&self, sql: &str) -> i64 {
        let answer = self.duck.read(vec![Statement::new(sql, Vec::new())]).await.expect(sql);
        answer.results[0].rows[0][0].int()
    }
}

/// Waits until everything in the log is committed.
pub async fn caught_up(handle: &Handle) {
    tokio::time::timeout(Duration::from_secs(120), handle.caught_up()).await.expect("in time").expect("caught up");
}

pub fn logged(sent: &Sent) -> LoggedEvent {
    LoggedEvent {
        id: sent.id.0.to_vec().into(),
        time_us: sent.time.0,
        visitor_id: sent.visitor_id.clone(),
        user_id: sent.user_id.clone(),
        name: sent.name.clone(),
        url: sent.url.clone(),
        referrer: sent.referrer.clone(),
        title: sent.title.clone(),
        topics: sent.topics.clone(),
        language: sent.language.clone(),
        time_zone: sent.time_zone.clone(),
        screen_width: sent.screen_width,
        screen_height: sent.screen_height,
        user_agent: sent.user_agent.clone(),
        country: sent.country.clone(),
        value_micros: sent.value,
        properties: sent.properties.iter().cloned().collect(),
        ..LoggedEvent::default()
    }
}

/// One record of a site.
pub fn record(site: SiteId, partition: PartitionId, events: Vec<LoggedEvent>, rejected: Vec<RejectedEvent>) -> Append {
    let count = events.len() as u32;
    let times = || events.iter().map(|event| event.time_us);
    let (min_time_us, max_time_us) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let packed = PackedRecord {
        site: site.0,
        received_us: 1,
        min_time_us,
        max_time_us,
        events,
        rejected,
        ..PackedRecord::default()
    };
    Append { partition, count, payload: Bytes::from(packed.encode_to_vec()) }
}

/// Packs events in their order, as the collector does: one partition a record, at most so many events.
pub fn records(sent: &[Sent], record_events: usize) -> Vec<Append> {
    let mut open: BTreeMap<PartitionId, Vec<LoggedEvent>> = BTreeMap::new();
    let mut records = Vec::new();
    for event in sent {
        let partition = PartitionId::of(SITE, event.visitor_id.as_bytes());
        let events = open.entry(partition).or_default();
        events.push(logged(event));
        if events.len() == record_events {
            records.push(record(SITE, partition, std::mem::take(events), Vec::new()));
        }
    }
    let left = open.into_iter().filter(|(_, events)| !events.is_empty());
    records.extend(left.map(|(partition, events)| record(SITE, partition, events, Vec::new())));
    records
}

const EVENTS: &str = "SELECT v.key, e.id, e.time_us, e.day, e.name, e.host || e.path, e.source, e.channel, e.browser, e.bot, \
    e.value, e.topics, e.property_keys, e.property_values FROM event e \
    LEFT JOIN (SELECT visitor, key FROM visitor GROUP BY visitor, key HAVING sum(sign) > 0) v ON v.visitor = e.visitor";
const SESSIONS: &str = "SELECT v.key, s.day, first_us, first_id, last_us, last_id, events, page_views, bot_events, \
    entry_page, exit_page, sum(sign) FROM session s \
    LEFT JOIN (SELECT visitor, key FROM visitor GROUP BY visitor, key HAVING sum(sign) > 0) v ON v.visitor = s.visitor \
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 HAVING sum(sign) <> 0";
const VISITORS: &str = "SELECT key, first_us, first_day, sum(sign) FROM visitor \
    GROUP BY key, first_us, first_day HAVING sum(sign) <> 0";

pub async fn rows(store: &dyn Store) -> Vec<String> {
    let statements = [EVENTS, SESSIONS, VISITORS].map(|sql| Statement::new(sql, Vec::new()));
    let answer = store.read(statements.to_vec()).await.expect("read");
    let mut rows = Vec::new();
    for (kind, result) in ["event", "session", "visitor"].into_iter().zip(answer.results) {
        rows.extend(result.rows.iter().map(|row| line(kind, row)));
    }
    rows.sort();
    rows
}

fn line(kind: &str, cells: &[Cell]) -> String {
    format!("{kind} {cells:?}")
}

/// Time, id, page, page view, bot.
type Seen = (Micros, u128, String, bool, bool);

/// What must come out, by sorting and looping: each id once, sessions by gaps, first seen by minimum.
pub fn naive(sent: &[Sent], zone: &Zone) -> Vec<String> {
    let wide = |id: u128| Cell::Wide(id);
    let texts = |texts: Vec<String>| Cell::List(texts);
    let mut seen = HashSet::new();
    let mut enricher = Enricher::default();
    let mut rows = Vec::new();
    let mut visitors: BTreeMap<VisitorKey, Vec<Seen>> = BTreeMap::new();
    for event in sent.iter().filter(|event| seen.insert(event.id)) {
        let key = VisitorKey::derive(&SECRET, SITE, event.visitor_id.as_bytes());
        let core = event.as_core();
        let enriched = enricher.enrich(&Input::of(&core));
        let page = enriched.page.to_string();
        let properties: BTreeMap<String, String> = event.properties.iter().cloned().collect();
        let id = event.id.as_u128();
        visitors.entry(key).or_default().push((event.time, id, page.clone(), core.name() == "page_view", enriched.bot));
        let cells = [
            wide(key.0),
            wide(id),
            Cell::Int(event.time.0),
            Cell::Int(i64::from(zone.day_of(event.time).0)),
            Cell::Text(core.name().into()),
            Cell::Text(page),
            Cell::Text(enriched.source.to_string()),
            Cell::Text(enriched.channel.as_str().into()),
            Cell::Text(enriched.browser.into()),
            Cell::Bool(enriched.bot),
            event.value.map_or(Cell::Null, Cell::Int),
            texts(event.topics.clone()),
            texts(properties.keys().cloned().collect()),
            texts(properties.values().cloned().collect()),
        ];
        rows.push(line("event", &cells));
    }
    for (key, mut events) in visitors {
        events.sort();
        let first_day = i64::from(zone.day_of(events[0].0).0);
        rows.push(line("visitor", &[wide(key.0), Cell::Int(events[0].0.0), Cell::Int(first_day), Cell::Int(1)]));
        for session in events.chunk_by(|a, b| b.0.0 - a.0.0 <= 30 * 60 * 1_000_000) {
            let (first, last) = (&session[0], &session[session.len() - 1]);
            let cells = [
                wide(key.0),
                Cell::Int(i64::from(zone.day_of(first.0).0)),
                Cell::Int(first.0.0),
                wide(first.1),
                Cell::Int(last.0.0),
                wide(last.1),
                Cell::Int(session.len() as i64),
                Cell::Int(session.iter().filter(|event| event.3).count() as i64),
                Cell::Int(session.iter().filter(|event| event.4).count() as i64),
                Cell::Text(first.2.clone()),
                Cell::Text(last.2.clone()),
                Cell::Int(1),
            ];
            rows.push(line("session", &cells));
        }
    }
    rows.sort();
    rows
}

/// Fails with the first rows that differ: two lists of thousands of rows tell nobody anything.
pub fn assert_rows(found: &[String], expected: &[String], what: &str) {
    let missing: Vec<_> = expected.iter().filter(|row| found.binary_search(row).is_err()).take(5).collect();
    let extra: Vec<_> = found.iter().filter(|row| expected.binary_search(row).is_err()).take(5).collect();
    assert!(
        missing.is_empty() && extra.is_empty() && found.len() == expected.len(),
        "{what}: {} rows, expected {}\nmissing: {missing:#?}\nextra: {extra:#?}",
        found.len(),
        expected.len(),
    );
}
