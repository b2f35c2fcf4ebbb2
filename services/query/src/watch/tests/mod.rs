//! The hub over a warehouse and a living side that tests move by hand.
//!
//! Times are short and real. What is asserted of them holds on a slow machine too: at most so many evaluations in a time,
//! never that something was fast.

mod bounds;
mod evaluations;
mod readers;
mod realtime;
mod sites;

use super::evaluator::Pace;
use super::hub::{Hub, Settings};
use super::{Evaluate, Marks, Report};
use crate::deadline::Deadline;
use crate::live::{Living, Unreachable};
use crate::plan::Tenant;
use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use pistats_core::directory::{Key, KeyHash, Site};
use pistats_core::report::{Bots, Realtime};
use pistats_core::{Changes, Day, Directory, Micros, Scope, SiteChange, SiteId, Zone};
use pistats_proto::query::v1::watched_report;
use pistats_proto::query::v1::*;
use pistats_rpc::auth::SharedDirectory;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tonic::{Code, Request, Status};

type Stream = BoxStream<'static, Result<WatchResponse, Status>>;

/// Long enough for anything that is to happen on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for what must not happen to have happened, at the pace of these tests.
const MOMENT: Duration = Duration::from_millis(200);

/// The warehouse: every commit adds one event to every report of every site.
#[derive(Default)]
struct World {
    events: AtomicU64,
    evaluated: Mutex<Vec<Instant>>,
    /// The sites that were looked at.
    asked_of: Mutex<BTreeSet<SiteId>>,
    /// Evaluations under way, and the most there were.
    open: AtomicUsize,
    most_open: AtomicUsize,
    /// What evaluations take.
    takes: Mutex<Duration>,
    /// What the next ones fail with.
    failures: Mutex<Vec<Status>>,
    /// Of Realtime.
    visitors: AtomicU64,
    moved: AtomicU64,
    changes: Mutex<Option<broadcast::Sender<Arc<Changes>>>>,
    number: AtomicU64,
}

impl World {
    fn sender(&self) -> broadcast::Sender<Arc<Changes>> {
        self.changes.lock().unwrap().get_or_insert_with(|| broadcast::Sender::new(4)).clone()
    }

    /// A commit of a day of a site.
    fn commit(&self, site: u32, day: &str) {
        self.events.fetch_add(1, Ordering::SeqCst);
        self.tell(false, vec![change(site, day)]);
    }

    fn tell(&self, is_reset: bool, sites: Vec<SiteChange>) {
        let number = self.number.fetch_add(1, Ordering::SeqCst) + 1;
        let committed = Micros(number as i64 * 1_000);
        // Nobody may be listening.
        let _ = self.sender().send(Arc::new(Changes { number, committed, is_reset, sites }));
    }

    fn evaluations(&self) -> usize {
        self.evaluated.lock().unwrap().len()
    }

    fn as_of(&self) -> Option<AsOf> {
        Some(AsOf { generation: 1, next_offsets: vec![self.events.load(Ordering::SeqCst)] })
    }

    fn answer(&self, report: &Report) -> Snapshot {
        let events = self.events.load(Ordering::SeqCst);
        let metrics = Some(Metrics { events, ..Metrics::default() });
        let report = match report {
            Report::Realtime(_) => snapshot::Report::Realtime(RealtimeResponse {
                now_us: self.evaluations() as i64,
                current_visitors: self.visitors.load(Ordering::SeqCst),
                as_of: self.as_of(),
                ..Default::default()
            }),
            Report::Breakdown(_) => {
                let row = Row { value: "/".into(), metrics, compared: None };
                let answer =
                    BreakdownResponse { rows: vec![row], total_rows: 1, as_of: self.as_of(), ..Default::default() };
                snapshot::Report::Breakdown(answer)
            }
            _ => snapshot::Report::Traffic(TrafficResponse {
                total: metrics,
                as_of: self.as_of(),
                time_zone: "UTC".into(),
                ..Default::default()
            }),
        };
        Snapshot { report: Some(report) }
    }
}

fn change(site: u32, day: &str) -> SiteChange {
    let day = Day::parse(day).unwrap();
    SiteChange { site: SiteId(site), first: day, last: day }
}

impl Evaluate for World {
    fn evaluate<'a>(
        &'a self,
        tenant: &'a Tenant,
        report: &'a Report,
        _: Deadline,
    ) -> BoxFuture<'a, Result<Snapshot, Status>> {
        async move {
            self.evaluated.lock().unwrap().push(Instant::now());
            self.asked_of.lock().unwrap().insert(tenant.site());
            let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_open.fetch_max(open, Ordering::SeqCst);
            let failure = self.failures.lock().unwrap().pop();
            let answer = self.answer(report);
            let takes = *self.takes.lock().unwrap();
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            self.open.fetch_sub(1, Ordering::SeqCst);
            failure.map_or(Ok(answer), Err)
        }
        .boxed()
    }

    fn segments(&self, _: Deadline) -> BoxFuture<'_, Result<Marks, Status>> {
        async { Ok(Marks::new()) }.boxed()
    }
}

struct Side(Arc<World>);

#[tonic::async_trait]
impl Living for Side {
    fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.0.sender().subscribe()
    }

    async fn realtime(&self, _: SiteId, _: Bots, _: usize) -> Result<Realtime, Unreachable> {
        Err(Unreachable("the world answers in its place".to_owned()))
    }

    fn moved(&self, _: SiteId) -> u64 {
        self.0.moved.load(Ordering::SeqCst)
    }
}

/// A hub with two sites, whose read keys are `read-1` and `read-2`.
struct Bench {
    world: Arc<World>,
    directory: SharedDirectory,
    hub: Arc<Hub>,
}

/// Fast, so that tests are; the defaults are what the contract says.
fn quick() -> Pace {
    Pace {
        every: Duration::from_millis(5),
        look: Duration::from_millis(2),
        live_every: Duration::from_millis(5),
        clock_every: Duration::from_millis(20),
        linger: Duration::from_secs(20),
        retry: Duration::from_millis(5),
    }
}

impl Bench {
    fn new() -> Bench {
        Bench::with(Settings { pace: quick(), ..Settings::default() })
    }

    fn paced(change: impl FnOnce(&mut Pace)) -> Bench {
        let mut pace = quick();
        change(&mut pace);
        Bench::with(Settings { pace, ..Settings::default() })
    }

    fn with(settings: Settings) -> Bench {
        let world = Arc::new(World::default());
        let directory: SharedDirectory = Arc::new(ArcSwap::from_pointee(directory(&Zone::utc(), false)));
        let hub = Hub::new(world.clone(), Arc::new(Side(world.clone())), directory.clone(), settings);
        Bench { world, directory, hub }
    }

    fn open(&self, reports: Vec<WatchedReport>) -> Result<Stream, Status> {
        self.open_with("read-1", reports)
    }

    fn open_with(&self, key: &str, reports: Vec<WatchedReport>) -> Result<Stream, Status> {
        let mut request = Request::new(WatchRequest { reports });
        request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        self.hub.watch(request)
    }

    fn watch(&self, report: WatchedReport) -> Stream {
        self.open(vec![report]).unwrap()
    }

    /// Reports that are evaluated, lingering ones too.
    fn subjects(&self) -> usize {
        let mut count = 0;
        self.hub.for_each(|_| count += 1);
        count
    }
}

fn directory(zone: &Zone, revoked: bool) -> Directory {
    let site = |id| Site::new(SiteId(id), format!("site {id}"), zone.clone(), Micros(0));
    let key = |id: u32| Key {
        id: format!("read-{id}"),
        hash: KeyHash::of(&format!("read-{id}")),
        scope: Scope::Read,
        site: Some(SiteId(id)),
        name: String::new(),
        created: Micros(0),
        revoked,
    };
    Directory::new([site(1), site(2)], [key(1), key(2)])
}

fn day(day: &str) -> Option<Range> {
    let days = DayRange { first: day.into(), last: day.into() };
    Some(Range { range: Some(range::Range::Days(days)) })
}

/// Traffic of 13 May 2024.
fn traffic() -> WatchedReport {
    let asked = TrafficRequest { range: day("2024-05-13"), ..Default::default() };
    watched("traffic", watched_report::Report::Traffic(asked))
}

fn pages() -> WatchedReport {
    let asked = BreakdownRequest { range: day("2024-05-13"), dimension: Dimension::Page.into(), ..Default::default() };
    watched("pages", watched_report::Report::Breakdown(asked))
}

fn realtime() -> WatchedReport {
    watched("now", watched_report::Report::Realtime(RealtimeRequest::default()))
}

fn watched(tag: &str, report: watched_report::Report) -> WatchedReport {
    WatchedReport { tag: tag.to_owned(), report: Some(report), ..Default::default() }
}

fn resumed(report: WatchedReport, from: &WatchResponse) -> WatchedReport {
    WatchedReport { resume_from: from.as_of.clone(), ..report }
}

/// The next message, which must come.
async fn next(stream: &mut Stream) -> WatchResponse {
    tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time").expect("a message").unwrap()
}

/// The status that the stream ends with, whatever comes before.
async fn end(stream: &mut Stream) -> Status {
    let ended = async {
        loop {
            match stream.next().await.expect("a status at the end") {
                Ok(_) => {}
                Err(status) => return status,
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("in time")
}

/// Nothing is sent for a moment.
async fn silence(stream: &mut Stream) {
    let sent = tokio::time::timeout(MOMENT, stream.next()).await;
    assert!(sent.is_err(), "{sent:?}");
}

/// Waits for something to become true.
async fn until(what: &str, is_true: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_true() {
        assert!(since.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn is_snapshot(message: &WatchResponse) -> bool {
    matches!(message.content, Some(watch_response::Content::Snapshot(_)))
}

/// Number, `reset`, whether whole, and the offset that it is of.
fn told(message: &WatchResponse) -> (u64, bool, bool, u64) {
    let offset = message.as_of.as_ref().unwrap().next_offsets[0];
    (message.number, message.reset, is_snapshot(message), offset)
}
