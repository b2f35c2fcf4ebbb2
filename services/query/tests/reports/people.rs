//! People from bitmaps, from rows and from both: the oracle's answers, whichever days are behind.

use crate::sample;
use crate::warehouse::{Warehouse, view};
use async_trait::async_trait;
use pistats_core::Day;
use pistats_core::report::{
    AsOf, Bots, Cohort, Dimension, Filter, Operator, Period, Retention, RetentionMode, Selection, Traffic,
};
use pistats_core::time::{Interval, Range};
use pistats_query::{Query, Tally, Tenant};
use pistats_store::{Checkpoint, Commit, Engine, Error, Lookup, Refresh, Refreshed, Rows, Snapshot, Statement, Store};
use pistats_testkit::histories::{History, PeopleQuestion, Question, people_questions, zones};
use pistats_testkit::{Oracle, OracleEvent};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use tokio::sync::Mutex;

fn added(sum: &mut Tally, more: Tally) {
    sum.days_of_bitmaps += more.days_of_bitmaps;
    sum.days_of_rows += more.days_of_rows;
    sum.bitmaps_cached += more.bitmaps_cached;
    sum.bitmaps_fetched += more.bitmaps_fetched;
}

/// Questions are asked after every commit, with sheets of random days built in between.
#[tokio::test(flavor = "multi_thread")]
async fn random_questions_about_people_are_answered_as_the_oracle_answers_them() {
    let wanted = std::env::var("PISTATS_PAIRS").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let zones = zones();
    let (mut compared, mut seed, mut tally) = (0, 0, Tally::default());
    while compared < wanted {
        let zone = &zones[seed as usize % zones.len()];
        let mut rng = StdRng::seed_from_u64(seed);
        let history = History::returning(seed, zone, rng.random_range(20..150), rng.random_range(2..9));
        let (events, mut arrived) = (history.events(), Vec::new());
        let mut warehouse = Warehouse::new(&[(1, zone), (2, zone)]);
        warehouse.commit(2, &events).await;
        let (tenant, service) = (warehouse.tenant(1), warehouse.service());
        for wave in events.chunks(events.len().div_ceil(3)) {
            warehouse.commit(1, wave).await;
            arrived.extend_from_slice(wave);
            let days = [0, 2, usize::MAX][rng.random_range(0..3)];
            warehouse.store.refresh(Refresh { days, ..Refresh::EVERYTHING }).await.unwrap();
            let oracle = Oracle::new(arrived.clone());
            for (number, question) in people_questions(seed, &oracle, zone).take(20).enumerate() {
                let case = format!("seed {seed}, zone {}, question {number}: {question:#?}", zone.name());
                compared += usize::from(check(&service, &tenant, &oracle, &question, &case).await);
            }
        }
        added(&mut tally, service.tally());
        seed += 1;
    }
    println!("{compared} pairs of {seed} histories, {tally:?}");
    // Every path was taken, and often.
    for count in [tally.days_of_bitmaps, tally.days_of_rows, tally.bitmaps_cached, tally.bitmaps_fetched] {
        assert!(count > 100, "{tally:?}");
    }
}

/// Compares what day sets answer; tells whether the question was one of these.
async fn check(service: &Query, tenant: &Tenant, oracle: &Oracle, question: &PeopleQuestion, case: &str) -> bool {
    match question {
        PeopleQuestion::Retention(asked) => {
            let expected = oracle.retention(asked, tenant.zone()).unwrap();
            assert_eq!(service.retention_of(tenant, asked).await.unwrap(), expected, "{case}");
        }
        PeopleQuestion::Count(Question::Traffic(asked)) => {
            let Ok(expected) = oracle.traffic(asked, tenant.zone()) else { return false };
            let answer = service.traffic_of(tenant, asked, None).await.unwrap().asked;
            assert_eq!((answer.total, answer.steps), (expected.total, expected.steps), "{case}");
        }
        _ => return false,
    }
    true
}

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn selection(filters: Vec<Filter>) -> Selection {
    let range = Range::Days { first: day("2024-05-12"), last: day("2024-05-14") };
    Selection { range, filters, bots: Bots::Exclude }
}

fn recurring(filters: Vec<Filter>) -> Retention {
    Retention {
        selection: selection(filters),
        period: Period::Day,
        mode: RetentionMode::Recurring,
        start: vec![],
        returning: vec![],
        cells: Some(1),
    }
}

fn visitors(cohorts: &[Cohort]) -> Vec<u64> {
    cohorts.iter().map(|cohort| cohort.visitors).collect()
}

#[tokio::test]
async fn a_calm_day_is_read_from_bitmaps_once_and_a_dirty_one_from_rows_each_time() {
    let mut warehouse = sample::warehouse().await;
    let (tenant, service) = (warehouse.tenant(1), warehouse.service());
    let ask = async || visitors(&service.retention_of(&tenant, &recurring(vec![])).await.unwrap());
    // Without bots there are visitors on two of the three days.
    assert_eq!(ask().await, [0, 2, 4]);
    assert_eq!(service.tally(), Tally { days_of_rows: 2, ..Tally::default() });
    warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    assert_eq!(ask().await, [0, 2, 4]);
    let fetched = Tally { days_of_rows: 2, days_of_bitmaps: 2, bitmaps_fetched: 3, ..Tally::default() };
    assert_eq!(service.tally(), fetched, "a bitmap of nobody is one, too");
    assert_eq!(ask().await, [0, 2, 4]);
    let cached = Tally { days_of_bitmaps: 4, bitmaps_cached: 3, ..fetched };
    assert_eq!(service.tally(), cached);
    // A new event on one day: that day is read from rows, the others from the cache.
    warehouse.commit(1, &[view(77, "eve", "2024-05-14T12:00:00Z", "/")]).await;
    assert_eq!(ask().await, [0, 2, 5]);
    assert_eq!(service.tally(), Tally { days_of_bitmaps: 5, bitmaps_cached: 5, days_of_rows: 3, ..cached });
    // Built anew, the day has another version: the cached one is not taken for it.
    warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    assert_eq!(ask().await, [0, 2, 5]);
    let anew = service.tally();
    assert_eq!((anew.bitmaps_fetched, anew.bitmaps_cached, anew.days_of_rows), (4, 7, 3));
}

#[tokio::test]
async fn what_was_read_ahead_is_not_fetched_again() {
    let mut warehouse = sample::warehouse().await;
    warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    let (tenant, service) = (warehouse.tenant(1), warehouse.service());
    let mut ahead = service.read_ahead();
    assert!(ahead.look().await.unwrap() > Some(5), "bitmaps of days and their values");
    assert_eq!(ahead.look().await.unwrap(), Some(0), "nothing is new");
    let cohorts = service.retention_of(&tenant, &recurring(vec![])).await.unwrap();
    assert_eq!(visitors(&cohorts), [0, 2, 4]);
    let Tally { bitmaps_cached, bitmaps_fetched, .. } = service.tally();
    assert_eq!((bitmaps_cached, bitmaps_fetched), (2, 1), "on the third day there are bots alone: nobody is no bitmap");
    // A day that is dirty is left alone until it is built; then it is read.
    warehouse.commit(1, &[view(77, "eve", "2024-05-14T12:00:00Z", "/")]).await;
    assert_eq!(ahead.look().await.unwrap(), Some(0));
    warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    assert!(ahead.look().await.unwrap() > Some(0));
    let cohorts = service.retention_of(&tenant, &recurring(vec![])).await.unwrap();
    assert_eq!((visitors(&cohorts), service.tally().bitmaps_fetched), (vec![0, 2, 5], 1));
    drop(service);
    assert_eq!(ahead.look().await.unwrap(), None, "it keeps no service alive");
}

#[tokio::test]
async fn one_filter_of_a_kept_dimension_reads_bitmaps_and_two_read_rows() {
    let warehouse = sample::warehouse().await;
    warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    let (tenant, service) = (warehouse.tenant(1), warehouse.service());
    let is = |dimension, value: &str| Filter { dimension, operator: Operator::Is, values: vec![value.to_owned()] };
    let page = is(Dimension::Page, "shop.example/pricing");
    let name = is(Dimension::EventName, "page_view");
    let one = service.retention_of(&tenant, &recurring(vec![page.clone()])).await.unwrap();
    assert_eq!((visitors(&one), service.tally().days_of_rows), (vec![0, 1, 1], 0));
    let two = service.retention_of(&tenant, &recurring(vec![page.clone(), name])).await.unwrap();
    assert_eq!((visitors(&two), service.tally().days_of_rows), (vec![0, 1, 1], 2));
    let asked = Traffic { selection: selection(vec![page]), interval: Some(Interval::Day) };
    let before = service.tally();
    let traffic = service.traffic_of(&tenant, &asked, None).await.unwrap().asked;
    assert_eq!((traffic.total.visitors, traffic.total.new_visitors, traffic.total.events), (2, 2, 2));
    assert_eq!((service.tally().days_of_rows, before.days_of_rows), (2, 2));
    assert!(service.tally().days_of_bitmaps > before.days_of_bitmaps);
}

/// A store where an event comes in and sheets are built anew right before bitmaps are fetched.
#[derive(Clone)]
struct Moving {
    store: Arc<dyn Store>,
    warehouse: Arc<Mutex<Option<Warehouse>>>,
    /// One is committed before each fetch, the last one first.
    late: Arc<Mutex<Vec<OracleEvent>>>,
}

/// A snapshot of it.
struct Overtaken {
    inner: Box<dyn Snapshot>,
    by: Moving,
}

#[async_trait]
impl Snapshot for Overtaken {
    fn as_of(&self) -> &AsOf {
        self.inner.as_of()
    }

    async fn read(&mut self, statements: Vec<Statement>) -> Result<Vec<Rows>, Error> {
        if statements.iter().any(|statement| statement.sql.contains("visitor_bitmap"))
            && let Some(event) = self.by.late.lock().await.pop()
            && let Some(warehouse) = &mut *self.by.warehouse.lock().await
        {
            warehouse.commit(1, &[event]).await;
            self.by.store.refresh(Refresh::EVERYTHING).await?;
        }
        self.inner.read(statements).await
    }
}

#[async_trait]
impl Store for Moving {
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
        Ok(Box::new(Overtaken { inner: self.store.snapshot().await?, by: self.clone() }))
    }

    async fn refresh(&self, work: Refresh) -> Result<Refreshed, Error> {
        self.store.refresh(work).await
    }

    fn lookup(&self) -> &dyn Lookup {
        self.store.lookup()
    }
}

/// What is fetched is of the snapshot that was begun before, whatever comes in and is built anew meanwhile.
#[tokio::test]
async fn a_sheet_that_is_built_anew_under_a_question_changes_nothing_of_its_answer() {
    let warehouse = sample::warehouse().await;
    warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    let late = (0..2).map(|number| {
        let name = format!("late-{number}");
        view(200 + number as u128, &name, "2024-05-14T12:00:00Z", "/")
    });
    let late = Arc::new(Mutex::new(late.collect()));
    let moving = Moving { store: warehouse.store.clone(), warehouse: Arc::default(), late: late.clone() };
    let (tenant, service) = (warehouse.tenant(1), warehouse.service_over(Arc::new(moving.clone())));
    *moving.warehouse.lock().await = Some(warehouse);
    for (asked, expected) in [vec![0, 2, 4], vec![0, 2, 5], vec![0, 2, 6], vec![0, 2, 6]].into_iter().enumerate() {
        let answer = visitors(&service.retention_of(&tenant, &recurring(vec![])).await.unwrap());
        assert_eq!((answer, service.tally().days_of_rows), (expected, 0), "question {asked}");
        assert_eq!(late.lock().await.len(), 2_usize.saturating_sub(asked + 1), "overtaken while it read");
    }
}
