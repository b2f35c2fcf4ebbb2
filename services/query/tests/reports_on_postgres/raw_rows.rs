//! How many raw rows the dashboard's questions read on TimescaleDB: none where nothing is behind, else a few chunks around it.

use crate::ask::days;
use crate::warehouse::{Warehouse, asked, view};
use async_trait::async_trait;
use pistats_core::Zone;
use pistats_proto::query::v1::query_service_server::QueryService;
use pistats_proto::query::v1::{
    BreakdownRequest, Dimension, Interval, Metrics, RetentionRequest, TrafficRequest, TrafficResponse,
};
use pistats_store::{
    Answer, Cell, Checkpoint, Commit, Engine, Error, Lookup, Refresh, Refreshed, Statement, Store, Variant,
};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Days of the history, and its events a day: enough for an index to be worth more than reading all.
const DAYS: u32 = 30;
const A_DAY: u32 = 240;

/// A store that has the server explain every statement it runs, and adds up the raw rows that were read.
struct Explaining {
    store: Arc<dyn Store>,
    /// Relations that hold raw rows: chunks of `event` and `session`.
    raw: Mutex<BTreeSet<String>>,
    rows: AtomicU64,
}

impl Explaining {
    async fn over(store: Arc<dyn Store>) -> Explaining {
        let chunks = "SELECT CAST(chunk_name AS text) FROM timescaledb_information.chunks \
                      WHERE hypertable_name IN ('event', 'session')";
        let answer = store.read(vec![Statement::new(chunks, vec![])]).await.unwrap();
        let raw = answer.results[0].rows.iter().map(|row| row[0].text().to_owned()).collect();
        Explaining { store, raw: Mutex::new(raw), rows: AtomicU64::new(0) }
    }

    /// The rows that scans of raw relations gave or passed over.
    fn count(&self, plan: &[Vec<Cell>]) -> u64 {
        let raw = self.raw.lock().unwrap();
        let number = |line: &str, before: &str| -> Option<f64> {
            let rest = &line[line.find(before)? + before.len()..];
            rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?.parse().ok()
        };
        let (mut rows, mut scan) = (0.0, None);
        for line in plan.iter().map(|row| row[0].text()) {
            if line.contains("actual rows=") || line.contains("never executed") {
                scan = None;
                let of_raw = line.split_whitespace().any(|word| raw.contains(word));
                if let (true, Some(found), Some(loops)) =
                    (of_raw && line.contains("Scan"), number(line, "actual rows="), number(line, "loops="))
                {
                    rows += found * loops;
                    scan = Some(loops);
                }
            } else if let (Some(loops), Some(removed)) = (scan, number(line, "Rows Removed by Filter: ")) {
                rows += removed * loops;
            }
        }
        rows as u64
    }

    /// Raw rows read since this was asked last.
    fn read_since(&self) -> u64 {
        self.rows.swap(0, Ordering::SeqCst)
    }
}

#[async_trait]
impl Store for Explaining {
    fn engine(&self) -> Engine {
        self.store.engine()
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error> {
        self.store.checkpoints().await
    }

    async fn commit(&self, commit: Commit) -> Result<(), Error> {
        self.store.commit(commit).await
    }

    async fn read(&self, statements: Vec<Statement>) -> Result<Answer, Error> {
        let explain = |statement: &Statement| {
            let sql = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {}", statement.sql);
            Statement::new(sql, statement.values.clone())
        };
        let explained = self.store.read(statements.iter().map(explain).collect()).await?;
        let rows = explained.results.iter().map(|plan| self.count(&plan.rows)).sum();
        self.rows.fetch_add(rows, Ordering::SeqCst);
        self.store.read(statements).await
    }

    async fn refresh(&self, work: Refresh) -> Result<Refreshed, Error> {
        self.store.refresh(work).await
    }

    fn lookup(&self) -> &dyn Lookup {
        self.store.lookup()
    }
}

fn traffic(interval: Interval) -> TrafficRequest {
    TrafficRequest { range: days("2024-05-01", "2024-05-30"), interval: interval.into(), ..TrafficRequest::default() }
}

async fn asked_traffic(warehouse: &Warehouse, explaining: &Arc<Explaining>, interval: Interval) -> TrafficResponse {
    let service = warehouse.service_over(explaining.clone());
    service.traffic(asked(1, traffic(interval))).await.unwrap().into_inner()
}

/// The dashboard's other questions; the raw rows that each one read.
async fn others(warehouse: &Warehouse, explaining: &Arc<Explaining>) -> Vec<(&'static str, u64)> {
    let range = days("2024-05-01", "2024-05-30");
    let mut read = Vec::new();
    for (name, dimension) in
        [("pages", Dimension::Page), ("countries", Dimension::Country), ("channels", Dimension::Channel)]
    {
        let request =
            BreakdownRequest { range: range.clone(), dimension: dimension.into(), ..BreakdownRequest::default() };
        warehouse.service_over(explaining.clone()).breakdown(asked(1, request)).await.unwrap();
        read.push((name, explaining.read_since()));
    }
    let request = RetentionRequest { range, ..RetentionRequest::default() };
    warehouse.service_over(explaining.clone()).retention(asked(1, request)).await.unwrap();
    read.push(("retention", explaining.read_since()));
    read
}

async fn history() -> Warehouse {
    let mut warehouse = Warehouse::new(&[(1, &Zone::utc())]);
    for day in 1..=DAYS {
        let events: Vec<_> = (0..A_DAY)
            .map(|number| {
                let time = format!("2024-05-{day:02}T{:02}:{:02}:00Z", number / 10, number % 10 * 6);
                let visitor = format!("v{}", (day * 7 + number) % 90);
                view(u128::from(day * 1_000 + number), &visitor, &time, &format!("/{}", number % 12))
            })
            .collect();
        warehouse.commit(1, &events).await;
    }
    warehouse
}

fn total(answer: &TrafficResponse) -> Metrics {
    answer.total.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_rows_are_read_of_what_is_behind_and_of_nothing_else() {
    if crate::variant() != Some(Variant::Timescale) {
        eprintln!("skipped, timescale is missing: PISTATS_TEST_TIMESCALE names no server");
        return;
    }
    let mut warehouse = history().await;
    // Right after an import, before any refresh: everything is raw, and right.
    let explaining = Arc::new(Explaining::over(warehouse.store.clone()).await);
    let imported = asked_traffic(&warehouse, &explaining, Interval::Day).await;
    assert_eq!(total(&imported).events, u64::from(DAYS * A_DAY));
    assert!(explaining.read_since() >= u64::from(DAYS * A_DAY));

    // While it is being refreshed.
    loop {
        let refreshed = warehouse.store.refresh(Refresh { hours: 100, days: 7, calm_to: u64::MAX }).await.unwrap();
        let during = asked_traffic(&warehouse, &explaining, Interval::Day).await;
        assert_eq!((during.total, &during.steps), (imported.total, &imported.steps));
        if refreshed.hours_left == 0 && refreshed.days_left == 0 {
            break;
        }
    }
    explaining.read_since();

    // After it.
    for interval in [Interval::Day, Interval::Week, Interval::Month] {
        let fresh = asked_traffic(&warehouse, &explaining, interval).await;
        assert_eq!((total(&fresh), explaining.read_since()), (total(&imported), 0), "{interval:?}");
    }
    for (name, rows) in others(&warehouse, &explaining).await {
        assert_eq!(rows, 0, "{name}");
    }

    // One late event: its hour has 10 others, its day 240, each with a session at most. Chunks as small as these the server
    // reads whole: the day's for counts and for sessions, for people those of the days beside it too.
    let late = view(900_000, "late", "2024-05-11T12:30:30Z", "/late");
    warehouse.commit(1, &[late]).await;
    let service = warehouse.service_over(explaining.clone());
    let request = TrafficRequest { interval: Interval::Day.into(), ..traffic(Interval::Day) };
    let behind = service.traffic(asked(1, request)).await.unwrap().into_inner();
    assert_eq!(total(&behind).events, u64::from(DAYS * A_DAY) + 1);
    let of_a_day = u64::from(A_DAY + 1);
    let rows = explaining.read_since();
    assert!((1..=5 * of_a_day).contains(&rows), "{rows} raw rows for one late event");
    for (name, rows) in others(&warehouse, &explaining).await {
        // Two statements, each with the events and sessions of these three days, and events of the day's sessions elsewhere.
        assert!(rows <= 2 * 9 * of_a_day, "{name}: {rows} raw rows for one late event");
    }
    warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    let after = asked_traffic(&warehouse, &explaining, Interval::Day).await;
    assert_eq!((after.total, explaining.read_since()), (behind.total, 0));
}
