//! All services in this process without a port, so that the test decides what happens when: folding, refreshing, compaction
//! of signed rows, and crashes.
//!
//! A crash is what `kill -9` leaves behind: folding ends wherever it is, what was folded and not committed is lost, and the
//! next house opens a copy of the files as they were, none of them closed.

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use pistats_aggregate::{Aggregator, Handle, Parts};
use pistats_core::directory::{Key, KeyHash, Site};
use pistats_core::report::AsOf;
use pistats_core::{Day, Directory, Limits, Micros, Scope, SiteId};
use pistats_eventlog::file::{Config as LogConfig, FileLog, wall_clock};
use pistats_ingest::{Collected, Collector, Sender, Trust, Visitors};
use pistats_proto::ingest::v1::Event;
use pistats_query::{Config, Nothing, Query};
use pistats_rpc::auth::SharedDirectory;
use pistats_store::{
    Checkpoint, Commit, DuckConfig, DuckStore, Error, Lookup, Refresh, Refreshed, Rows, Snapshot, Statement, Store,
};
use pistats_testkit::histories::Sent;
use prost::Message;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
use tokio::sync::RwLock;
use tonic::Request;

use crate::asked;

const SECRET: [u8; 32] = [42; 32];
const MIB: u64 = 1 << 20;

/// Everything that serves, on a folder of its own.
pub(crate) struct House {
    pub(crate) store: Arc<DuckStore>,
    pub(crate) query: Query,
    collector: Collector,
    /// The collector's clock; 0: the wall's.
    clock: Arc<AtomicI64>,
    aggregator: Handle,
    mortal: Arc<Mortal>,
    directory: SharedDirectory,
    log: Arc<FileLog>,
    folder: tempfile::TempDir,
}

impl House {
    pub(crate) fn build(sites: Vec<Site>, found: Arc<Found>) -> House {
        let read = |site: &Site| Key {
            id: "read".to_owned(),
            hash: KeyHash::of(&secret(site.id)),
            scope: Scope::Read,
            site: Some(site.id),
            name: String::new(),
            created: Micros(0),
            revoked: false,
        };
        let keys: Vec<Key> = sites.iter().map(read).collect();
        let directory = Arc::new(ArcSwap::from_pointee(Directory::new(sites, keys)));
        House::open(tempfile::tempdir().unwrap(), directory, found)
    }

    /// Blocking: may replay a write-ahead log.
    fn open(folder: tempfile::TempDir, directory: SharedDirectory, found: Arc<Found>) -> House {
        let log = LogConfig { segment_bytes: 2 * MIB, group_bytes: MIB, spare_segments: 0, ..Default::default() };
        let log = Arc::new(FileLog::open(folder.path().join("log"), log).unwrap());
        let config =
            DuckConfig { memory_limit_mb: 256, readers: 2, ..DuckConfig::file(folder.path().join("warehouse.duckdb")) };
        let store = Arc::new(DuckStore::open(config).unwrap());
        let mortal =
            Arc::new(Mortal { store: store.clone(), is_dead: AtomicBool::new(false), commits: RwLock::new(()), found });
        // Small commits, and nothing in the background: the test refreshes.
        let settings = pistats_aggregate::Config {
            commit_idle_ms: 1,
            commit_max_ms: 50,
            commit_max_events: 400,
            trim_every_ms: 0,
            refresh_every_ms: 0,
            ..Default::default()
        };
        let parts = Parts::new(settings, log.clone(), mortal.clone(), store.clone(), directory.clone(), SECRET);
        let clock: Arc<AtomicI64> = Arc::default();
        let (set, wall) = (clock.clone(), wall_clock());
        let now = move || match set.load(SeqCst) {
            0 => wall(),
            set => Micros(set),
        };
        House {
            clock,
            query: Query::new(
                mortal.clone(),
                Arc::new(Nothing::default()),
                directory.clone(),
                SECRET,
                &Config::default(),
            ),
            collector: Collector::with_clock(log.clone(), Limits::default(), Arc::new(now)).unwrap(),
            aggregator: Aggregator::start(parts),
            store,
            mortal,
            directory,
            log,
            folder,
        }
    }

    /// Collects events of a site. They are on disk on return, some may be folded.
    pub(crate) async fn collect(&self, site: SiteId, sent: &[Sent]) {
        let events: Vec<Bytes> = sent.iter().map(|sent| asked::message(sent).encode_to_vec().into()).collect();
        let origin = Sender { site, trust: Trust::Server, user_agent: "", traceparent: "", visitors: Visitors::Sent };
        let bytes = events.iter().map(Bytes::len).sum();
        let collected = self.collector.collect(origin, &events, bytes).await.unwrap();
        assert_eq!((collected.accepted as usize, collected.rejections), (events.len(), Vec::new()));
    }

    /// Sets the collector's clock.
    pub(crate) fn set_clock(&self, now: Micros) {
        self.clock.store(now.0, SeqCst);
    }

    /// Collects one event as it comes in.
    pub(crate) async fn collect_one(&self, sender: Sender<'_>, event: &Event) -> Collected {
        let event = [Bytes::from(event.encode_to_vec())];
        self.collector.collect(sender, &event, event[0].len()).await.unwrap()
    }

    /// Waits until everything on disk is committed.
    pub(crate) async fn settle(&self) {
        self.aggregator.caught_up().await.unwrap();
    }

    /// The days of each site that have something, and whether their sheets can be read: no commit touched them since.
    pub(crate) async fn days(&self) -> HashMap<(SiteId, Day), bool> {
        let of = |table: &str| Statement::new(format!("SELECT DISTINCT site, day FROM {table}"), Vec::new());
        let answer = self.store.read(vec![of("sheet"), of("sheet_dirty")]).await.unwrap();
        let days = |at: usize| {
            answer.results[at]
                .rows
                .iter()
                .map(|row| (SiteId(row[0].int().try_into().unwrap()), Day(row[1].int().try_into().unwrap())))
        };
        let mut all: HashMap<(SiteId, Day), bool> = days(0).map(|day| (day, true)).collect();
        all.extend(days(1).map(|day| (day, false)));
        all
    }

    /// Dies, and is built again from what was on disk.
    pub(crate) async fn crash(self) -> House {
        self.mortal.die().await;
        let House { store, query, collector, aggregator, mortal, directory, log, folder, .. } = self;
        // Nobody writes any more: the log has answered, the aggregator's commits fail.
        let (copy, found) = (tempfile::tempdir().unwrap(), mortal.found.clone());
        copy_folder(folder.path(), copy.path());
        aggregator.shutdown().await;
        let opened = tokio::task::spawn_blocking(move || {
            drop((query, collector, mortal, store, log, folder));
            (copy, directory)
        });
        let (copy, directory) = opened.await.unwrap();
        House::open(copy, directory, found)
    }

    pub(crate) async fn close(self) {
        let House { store, query, collector, aggregator, mortal, log, folder, .. } = self;
        aggregator.shutdown().await;
        tokio::task::spawn_blocking(move || drop((query, collector, mortal, store, log, folder))).await.unwrap();
    }
}

/// A request of a site's read key.
pub(crate) fn request<T>(site: SiteId, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {}", secret(site)).parse().unwrap());
    request
}

fn secret(site: SiteId) -> String {
    format!("read-{}", site.0)
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// What reads have found so far, by where it stood.
#[derive(Default, Debug)]
pub(crate) struct Found {
    pub(crate) bitmaps: AtomicUsize,
    pub(crate) lists: AtomicUsize,
    pub(crate) events: AtomicUsize,
}

impl Found {
    fn count(&self, statement: &str, rows: &Rows) {
        let is_empty = rows.rows.is_empty() && rows.numbers.first().is_none_or(Vec::is_empty);
        let of = [("visitor_bitmap", &self.bitmaps), ("breakdown_1d", &self.lists), ("FROM event", &self.events)];
        if let Some((_, count)) = of.iter().find(|(table, _)| !is_empty && statement.contains(table)) {
            count.fetch_add(1, SeqCst);
        }
    }
}

/// A warehouse whose commits end at a moment of the test's choice, each of them done or not done, and that tells what was
/// read where.
struct Mortal {
    store: Arc<DuckStore>,
    is_dead: AtomicBool,
    /// Held by each commit while it is under way.
    commits: RwLock<()>,
    found: Arc<Found>,
}

impl Mortal {
    async fn die(&self) {
        self.is_dead.store(true, SeqCst);
        drop(self.commits.write().await);
    }
}

/// A snapshot of it.
struct Finding {
    inner: Box<dyn Snapshot>,
    found: Arc<Found>,
}

#[async_trait]
impl Snapshot for Finding {
    fn as_of(&self) -> &AsOf {
        self.inner.as_of()
    }

    async fn read(&mut self, statements: Vec<Statement>) -> Result<Vec<Rows>, Error> {
        let texts: Vec<String> = statements.iter().map(|statement| statement.sql.clone()).collect();
        let results = self.inner.read(statements).await?;
        texts.iter().zip(&results).for_each(|(text, rows)| self.found.count(text, rows));
        Ok(results)
    }
}

#[async_trait]
impl Store for Mortal {
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error> {
        self.store.checkpoints().await
    }

    async fn minutes(
        &self,
        partition: pistats_core::PartitionId,
        up_to: i64,
        most: usize,
    ) -> Result<Vec<pistats_store::LogMinute>, Error> {
        self.store.minutes(partition, up_to, most).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), Error> {
        let _under_way = self.commits.read().await;
        if self.is_dead.load(SeqCst) {
            return Err(Error::Closed);
        }
        self.store.commit(commit).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        Ok(Box::new(Finding { inner: self.store.snapshot().await?, found: self.found.clone() }))
    }

    async fn refresh(&self, most: Refresh) -> Result<Refreshed, Error> {
        self.store.refresh(most).await
    }

    fn lookup(&self) -> &dyn Lookup {
        self.store.lookup()
    }
}
