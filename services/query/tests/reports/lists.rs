//! Breakdowns that sheets can answer, over clean, dirty and mixed days: as the oracle answers them, and from sheets indeed.

use crate::oracle::{check, filled};
use crate::warehouse::{Warehouse, at, view};
use async_trait::async_trait;
use pistats_core::report::{Bots, Breakdown, Compare, Dimension, Metric, Selection};
use pistats_core::time::Range;
use pistats_core::{Day, Micros, Zone};
use pistats_query::lists::{self, BitmapCache, Sheets};
use pistats_store::{
    Answer, Checkpoint, Commit, Engine, Error, Lookup, Refresh, Refreshed, Snapshot, Statement, Store,
};
use pistats_testkit::histories::{BITMAP_DIMENSIONS, Question, zones};
use pistats_testkit::{Oracle, OracleEvent};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const METRICS: [Metric; 5] = [Metric::Visitors, Metric::Sessions, Metric::PageViews, Metric::Events, Metric::ValueSum];

fn question(rng: &mut StdRng, oracle: &Oracle, zone: &Zone) -> Breakdown {
    let mut day = || {
        let time = oracle.events().choose(rng).map_or(Micros(0), |event| event.time);
        zone.day_of(time).plus(rng.random_range(-1..=1))
    };
    let (a, b) = (day(), day());
    let range = Range::Days { first: a.min(b), last: a.max(b) };
    let bots = *[Bots::Exclude, Bots::Include, Bots::Only].choose(rng).unwrap();
    Breakdown {
        selection: Selection { range, filters: vec![], bots },
        dimension: BITMAP_DIMENSIONS.choose(rng).unwrap().clone(),
        order_by: *METRICS.choose(rng).unwrap(),
        limit: if rng.random() { rng.random_range(1..=5) } else { 10_000 },
        offset: if rng.random_ratio(1, 3) { rng.random_range(0..=4) } else { 0 },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_clean_dirty_and_mixed_days_are_the_oracles() {
    let histories = std::env::var("PISTATS_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(16);
    let zones = zones();
    let (mut from_sheets, mut mixed) = (0, 0);
    for seed in 0..histories {
        let seed = 77_000 + seed;
        let zone = &zones[seed as usize % zones.len()];
        let mut rng = StdRng::seed_from_u64(seed);
        let (warehouse, oracle) = filled(seed, zone, &mut rng).await;
        let (tenant, service) = (warehouse.tenant(1), warehouse.service());
        for _ in 0..12 {
            let asked = question(&mut rng, &oracle, zone);
            let compare = *[None, Some(Compare::PreviousPeriod), Some(Compare::PreviousYear)].choose(&mut rng).unwrap();
            let case = format!("seed {seed}, zone {}: {asked:#?}, {compare:?}", zone.name());
            check(&warehouse, &service, &tenant, &oracle, &Question::Breakdown(asked.clone()), compare, &case).await;
            let spy = Spy::over(&warehouse);
            if lists::breakdown(&spy, &BitmapCache::of_bytes(1 << 20), &tenant, &asked, compare, Sheets::Always)
                .await
                .is_ok()
            {
                match spy.raw.load(Ordering::SeqCst) {
                    0 => from_sheets += 1,
                    _ => mixed += 1,
                }
            }
        }
    }
    println!("{from_sheets} lists from sheets alone, {mixed} with dirty days");
    let each = histories as usize * 2;
    assert!(from_sheets > each && mixed > each, "{from_sheets} from sheets alone, {mixed} with dirty days");
}

/// Five pages on five days; page 0 has the most visitors a day, always the same ones.
async fn regulars() -> Warehouse {
    let mut warehouse = Warehouse::new(&[(1, &Zone::utc())]);
    let mut events: Vec<OracleEvent> = Vec::new();
    for day in 1..=5 {
        for page in 0..90u32 {
            let visitors = if page == 0 { 9 } else { 1 + page % 7 };
            for visitor in 0..visitors {
                // Page 0: regulars. Others: somebody new every day.
                let name = if page == 0 { format!("{visitor}") } else { format!("{page} {day} {visitor}") };
                let number = events.len() as u128;
                events.push(view(number, &name, &format!("2024-05-0{day}T10:00:00Z"), &format!("/{page:02}")));
            }
        }
    }
    warehouse.commit(1, &events).await;
    warehouse
}

fn top(order_by: Metric, limit: u32, offset: u32) -> Breakdown {
    let (first, last) = (Day::parse("2024-05-01").unwrap(), Day::parse("2024-05-05").unwrap());
    let selection = Selection { range: Range::Days { first, last }, filters: vec![], bots: Bots::Exclude };
    Breakdown { selection, dimension: Dimension::Page, order_by, limit, offset }
}

async fn listed(
    store: &dyn Store,
    cache: &BitmapCache,
    warehouse: &Warehouse,
    asked: &Breakdown,
) -> Vec<(String, u64)> {
    let (answer, _) =
        lists::breakdown(store, cache, &warehouse.tenant(1), asked, None, Sheets::WhereCheaper).await.unwrap();
    assert_eq!(answer.total_rows, 90);
    answer.rows.into_iter().map(|row| (row.value, row.metrics.visitors)).collect()
}

#[tokio::test]
async fn the_value_with_the_greatest_bound_may_be_the_last_one() {
    let cache = BitmapCache::of_bytes(1 << 20);
    let warehouse = regulars().await;
    let raw = listed(&*warehouse.store, &cache, &warehouse, &top(Metric::Visitors, 100, 0)).await;
    warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    let spy = Spy::over(&warehouse);
    // Page 0 has 45 visitors when its days are summed up, and 9.
    assert_eq!(listed(&spy, &cache, &warehouse, &top(Metric::Visitors, 100, 0)).await, raw);
    assert_eq!(raw.iter().position(|(page, visitors)| page.ends_with("/00") && *visitors == 9), Some(77));
    for (limit, offset) in [(1, 0), (10, 0), (3, 62), (25, 63), (5, 88), (5, 90), (1, 200)] {
        let part = listed(&spy, &cache, &warehouse, &top(Metric::Visitors, limit, offset)).await;
        let expected: Vec<_> = raw.iter().skip(offset as usize).take(limit as usize).cloned().collect();
        assert_eq!(part, expected, "limit {limit}, offset {offset}");
    }
    assert_eq!(spy.raw.load(Ordering::SeqCst), 0);
    // All that is needed is cached by now: what is left to read are the days and the candidates.
    let before = spy.reads.load(Ordering::SeqCst);
    listed(&spy, &cache, &warehouse, &top(Metric::Visitors, 10, 0)).await;
    assert_eq!(spy.reads.load(Ordering::SeqCst) - before, 2);
}

#[tokio::test]
async fn a_dirty_day_is_read_raw_and_the_others_are_not() {
    let cache = BitmapCache::of_bytes(1 << 20);
    let mut warehouse = regulars().await;
    warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    warehouse.commit(1, &[view(90_000, "late", "2024-05-03T12:00:00Z", "/00")]).await;
    let spy = Spy::over(&warehouse);
    for metric in METRICS {
        let rows = listed(&spy, &cache, &warehouse, &top(metric, 90, 0)).await;
        assert!(rows.contains(&("shop.example/00".to_owned(), 10)), "{metric:?}: {rows:?}");
    }
    assert!(spy.raw.load(Ordering::SeqCst) > 0 && spy.sheets.load(Ordering::SeqCst) > 0);
    let of_day = |day: &str| at(day).0.div_euclid(Micros::DAY);
    let bound = spy.bound.lock().unwrap().clone();
    assert!(bound.contains(&of_day("2024-05-03T00:00:00Z")));
}

/// Counts statements that read breakdowns of sheets, and those that read events.
struct Spy {
    store: Arc<dyn Store>,
    reads: AtomicUsize,
    sheets: AtomicUsize,
    raw: AtomicUsize,
    /// Numbers bound by the statements that read events.
    bound: std::sync::Mutex<Vec<i64>>,
    /// Commits before each read but the first, until they run out: a store that does not stand still.
    meanwhile: tokio::sync::Mutex<Vec<Meanwhile>>,
}

/// What happens between two reads.
enum Meanwhile {
    Nothing,
    Commit(Box<Commit>),
    Refresh,
}

impl Spy {
    fn over(warehouse: &Warehouse) -> Spy {
        Spy {
            store: warehouse.store.clone(),
            reads: AtomicUsize::new(0),
            sheets: AtomicUsize::new(0),
            raw: AtomicUsize::new(0),
            bound: std::sync::Mutex::default(),
            meanwhile: tokio::sync::Mutex::default(),
        }
    }
}

#[async_trait]
impl Store for Spy {
    fn engine(&self) -> Engine {
        self.store.engine()
    }

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
        self.store.commit(commit).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        self.store.snapshot().await
    }

    async fn read(&self, statements: Vec<Statement>) -> Result<Answer, Error> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        for statement in &statements {
            if statement.sql.contains("FROM breakdown_1d") {
                self.sheets.fetch_add(1, Ordering::SeqCst);
            }
            if statement.sql.contains("FROM event e") {
                self.raw.fetch_add(1, Ordering::SeqCst);
                let numbers = statement.values.iter().filter_map(pistats_store::Cell::maybe_int);
                self.bound.lock().unwrap().extend(numbers);
            }
        }
        let answer = self.store.read(statements).await;
        match self.meanwhile.lock().await.pop() {
            None | Some(Meanwhile::Nothing) => {}
            Some(Meanwhile::Commit(commit)) => self.store.commit(*commit).await?,
            Some(Meanwhile::Refresh) => drop(self.store.refresh(Refresh::EVERYTHING).await?),
        }
        answer
    }

    async fn refresh(&self, work: Refresh) -> Result<Refreshed, Error> {
        self.store.refresh(work).await
    }

    fn lookup(&self) -> &dyn Lookup {
        self.store.lookup()
    }
}

/// Whatever happens between two reads: the answer is that of one snapshot.
#[tokio::test]
async fn days_that_change_between_reads_are_never_mixed_up() {
    let late = |number: u64| {
        let mut commit = Commit::default();
        let visitor = pistats_core::VisitorNo(5_000_000 + number);
        let time = at("2024-05-03T12:00:00Z");
        commit.events.push(&pistats_store::EventRow {
            site: pistats_core::SiteId(1),
            host: "shop.example",
            path: "/00",
            ..pistats_store::contract::sample::event(visitor, time, u128::from(number))
        });
        commit
    };
    for moment in 0..6 {
        for metric in [Metric::Visitors, Metric::Events] {
            let warehouse = regulars().await;
            warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
            let spy = Spy::over(&warehouse);
            {
                // The last one is popped first.
                let mut meanwhile = spy.meanwhile.lock().await;
                *meanwhile = vec![Meanwhile::Refresh, Meanwhile::Commit(Box::new(late(1)))];
                meanwhile.extend((0..moment).map(|_| Meanwhile::Nothing));
            }
            let (answer, _) = lists::breakdown(
                &spy,
                &BitmapCache::of_bytes(1 << 20),
                &warehouse.tenant(1),
                &top(metric, 90, 0),
                None,
                Sheets::WhereCheaper,
            )
            .await
            .unwrap();
            let row = answer.rows.iter().find(|row| row.value.ends_with("/00")).unwrap();
            let (visitors, events) = (row.metrics.visitors, row.metrics.events);
            assert!([(9, 45), (10, 46)].contains(&(visitors, events)), "{metric:?}, {moment}: {visitors}, {events}");
        }
    }
}
