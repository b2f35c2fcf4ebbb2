//! Reports that are cut by segments: the oracle's numbers, of every kind of report; and a watched one turns over at midnight.

use crate::oracle;
use crate::segments::{Look, looks};
use crate::warehouse::{SECRET, Warehouse, asked, at, view};
use futures::StreamExt;
use pistats_core::report::{Breakdown, Dimension, Filter, Operator, Selection, Traffic};
use pistats_core::segment::{SegmentId, plan, resolve};
use pistats_core::{Micros, SiteId, VisitorKey, Zone};
use pistats_proto::convert::query::VisitorsQuestion;
use pistats_proto::query::v1::query_service_server::QueryService;
use pistats_proto::query::v1::{self as wire, WatchRequest, WatchedReport, snapshot, watched_report};
use pistats_proto::segment::v1 as tree;
use pistats_query::{Query, Tenant};
use pistats_store::SegmentRow;
use pistats_testkit::Oracle;
use pistats_testkit::histories::{PeopleQuestion, Question, SegmentCase, people_questions, questions};
use prost::Message;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Segments that filters name, made of the trees of a case.
const FIRST: u128 = 100;
const SEGMENTS: usize = 8;

/// Random filters by one or two segments.
fn filter(rng: &mut StdRng) -> Filter {
    let operator = if rng.random() { Operator::Is } else { Operator::IsNot };
    let some = |rng: &mut StdRng| SegmentId(FIRST + rng.random_range(0..SEGMENTS as u128)).to_string();
    let values = (0..rng.random_range(1..=2)).map(|_| some(rng)).collect();
    Filter { dimension: Dimension::Segment, operator, values }
}

/// A question with a filter more.
fn cut(question: Question, filter: Filter) -> Question {
    let more = |mut selection: Selection| {
        selection.filters.push(filter);
        selection
    };
    match question {
        Question::Traffic(asked) => Question::Traffic(Traffic { selection: more(asked.selection), ..asked }),
        Question::Breakdown(asked) => Question::Breakdown(Breakdown { selection: more(asked.selection), ..asked }),
        Question::Export(selection) => Question::Export(more(selection)),
    }
}

/// What is asked, and of whom.
struct Bench<'a> {
    warehouse: &'a Warehouse,
    service: &'a Query,
    tenant: Tenant,
    oracle: Oracle,
    rng: StdRng,
    /// Comparisons by report.
    compared: &'a mut BTreeMap<&'static str, u32>,
}

impl Bench<'_> {
    async fn counts(&mut self, question: Question, case: &str) {
        let question = cut(question, filter(&mut self.rng));
        let (name, selection) = match &question {
            Question::Traffic(asked) => ("traffic", &asked.selection),
            Question::Breakdown(asked) => ("breakdown", &asked.selection),
            Question::Export(selection) => ("export", selection),
        };
        let text = format!("{case}: {question:#?}");
        oracle::check(self.warehouse, self.service, &self.tenant, &self.oracle, &question, None, &text).await;
        *self.compared.entry(name).or_default() += 1;
        self.visitors(selection.clone(), &text).await;
    }

    /// Who was seen last, all of them.
    async fn visitors(&mut self, selection: Selection, case: &str) {
        let key = |visitor: &str| VisitorKey::derive(&SECRET, SiteId(3), visitor.as_bytes()).0;
        let rows = self.oracle.visitors(&selection, self.tenant.zone(), key).into_iter();
        let expected: Vec<_> = rows.map(|row| (format!("{:032x}", key(&row.visitor)), row.events)).collect();
        let mut plan =
            pistats_query::plan::visitors(&self.tenant, &VisitorsQuestion { selection, limit: 100, offset: 0 });
        let read = self.warehouse.store.read(std::mem::take(&mut plan.statements)).await.unwrap();
        let answer = plan.answer(read.results).unwrap().visitors.into_iter();
        assert_eq!(answer.map(|row| (row.visitor, row.events)).collect::<Vec<_>>(), expected, "visitors; {case}");
        *self.compared.entry("visitors").or_default() += 1;
    }

    async fn people(&mut self, question: PeopleQuestion, case: &str) {
        let filter = filter(&mut self.rng);
        let zone = self.tenant.zone().clone();
        match question {
            PeopleQuestion::Retention(mut asked) => {
                asked.selection.filters.push(filter);
                let expected = self.oracle.retention(&asked, &zone).unwrap();
                let answer = self.service.retention_of(&self.tenant, &asked).await.unwrap();
                assert_eq!(answer, expected, "{case}: {asked:#?}");
                *self.compared.entry("retention").or_default() += 1;
            }
            PeopleQuestion::Funnel(mut asked) => {
                asked.selection.filters.push(filter);
                let Ok(expected) = self.oracle.funnel(&asked, &zone) else { return };
                let mut plan = pistats_query::plan::funnel(&self.tenant, &asked).unwrap();
                let read = self.warehouse.store.read(std::mem::take(&mut plan.statements)).await.unwrap();
                assert_eq!(plan.answer(read.results).unwrap(), expected, "{case}: {asked:#?}");
                *self.compared.entry("funnel").or_default() += 1;
            }
            PeopleQuestion::Journey { .. } | PeopleQuestion::Count(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_cut_by_random_segments_are_answered_as_the_oracle_answers_them() {
    let pairs: u64 = std::env::var("PISTATS_PAIRS").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let mut compared = BTreeMap::new();
    for seed in 0..pairs / 40 {
        let case = SegmentCase::of(seed, SEGMENTS);
        let (warehouse, looks) = looks(&case).await;
        let service = warehouse.service();
        let Look { tenant, oracle, now, .. } = &looks[2];
        let zone = &case.zone;
        let mut book = case.book.clone();
        book.extend((FIRST..).map(SegmentId).zip(case.trees.iter().cloned()));
        let planned = |tree| plan(&resolve(tree, &book).unwrap(), zone.day_of(*now));
        let plans = book.iter().map(|(id, tree)| (*id, planned(tree))).collect();
        let mut bench = Bench {
            warehouse: &warehouse,
            service: &service,
            tenant: tenant.with_segments(plans),
            oracle: oracle.clone().with_segments(&book, zone, *now),
            rng: StdRng::seed_from_u64(seed),
            compared: &mut compared,
        };
        for (number, question) in questions(seed, oracle, zone).take(20).enumerate() {
            bench.counts(question, &format!("seed {seed}, zone {}, question {number}", zone.name())).await;
        }
        for (number, question) in people_questions(seed, oracle, zone).take(20).enumerate() {
            bench.people(question, &format!("seed {seed}, zone {}, question {number}", zone.name())).await;
        }
    }
    println!("compared: {compared:?}");
    for report in ["traffic", "breakdown", "export", "visitors", "retention", "funnel"] {
        assert!(compared.get(report).copied().unwrap_or(0) >= 10, "{report}: {compared:?}");
    }
}

/// Visitors with an event today.
fn today() -> tree::Node {
    let did = tree::Did { last_days: 1, ..tree::Did::default() };
    tree::Node { node: Some(tree::node::Node::Did(did)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_report_of_a_segment_turns_over_at_local_midnight_and_with_an_edit_without_any_commit() {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let mut warehouse = Warehouse::new(&[(1, &zone)]);
    // In Berlin: two on the 13th, one of them again on the 14th.
    let events = [
        view(1, "ada", "2024-05-13T12:00:00Z", "/"),
        view(2, "bob", "2024-05-13T21:30:00Z", "/"),
        view(3, "bob", "2024-05-13T22:30:00Z", "/"),
    ];
    warehouse.commit(1, &events).await;
    let id = SegmentId(7);
    let row = SegmentRow {
        site: SiteId(1),
        id,
        name: "Today".into(),
        description: String::new(),
        version: 1,
        tree: today().encode_to_vec(),
        created: Micros(0),
        updated: Micros(0),
    };
    assert!(warehouse.segments.put_segment(&row, 0).await.unwrap());
    // A second before midnight in Berlin, which is two hours before that of UTC.
    let now = Arc::new(AtomicI64::new(at("2024-05-13T21:59:59Z").0));
    let clock = now.clone();
    let service = warehouse.service_at(Arc::new(move || Micros(clock.load(Ordering::SeqCst))));
    let filter = wire::Filter {
        dimension: wire::Dimension::Segment.into(),
        operator: wire::Operator::Is.into(),
        values: vec![id.to_string()],
        ..Default::default()
    };
    let range = crate::ask::days("2024-05-13", "2024-05-14");
    let traffic = wire::TrafficRequest { range, filters: vec![filter], ..Default::default() };
    let report = Some(watched_report::Report::Traffic(traffic));
    let request = WatchRequest { reports: vec![WatchedReport { tag: "t".into(), report, ..Default::default() }] };
    let mut stream = service.watch(asked(1, request)).await.unwrap().into_inner();
    let mut next = async || {
        let message = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("in time");
        message.unwrap().unwrap()
    };
    let first = next().await;
    let Some(wire::watch_response::Content::Snapshot(wire::Snapshot { report: Some(snapshot::Report::Traffic(told)) })) =
        first.content
    else {
        panic!("no snapshot of traffic")
    };
    let total = told.total.unwrap();
    assert_eq!((total.visitors, total.events), (2, 3), "everybody came on the 13th");

    now.store(at("2024-05-13T22:00:00Z").0, Ordering::SeqCst);
    let Some(wire::watch_response::Content::Delta(delta)) = next().await.content else { panic!("no delta") };
    let Some(wire::delta::Report::Traffic(delta)) = delta.report else { panic!("no delta of traffic") };
    let total = delta.total.unwrap();
    assert_eq!((total.visitors, total.events), (1, 2), "only bob came on the 14th, and all of bob's events count");

    let ever = tree::Node { node: Some(tree::node::Node::Did(tree::Did::default())) };
    let edited = SegmentRow { version: 2, tree: ever.encode_to_vec(), updated: Micros(1), ..row };
    assert!(warehouse.segments.put_segment(&edited, 1).await.unwrap());
    let Some(wire::watch_response::Content::Delta(delta)) = next().await.content else { panic!("no delta") };
    let Some(wire::delta::Report::Traffic(delta)) = delta.report else { panic!("no delta of traffic") };
    let total = delta.total.unwrap();
    assert_eq!((total.visitors, total.events), (2, 3), "edited, it holds everybody again");
}
