//! `Realtime`: what the living side says, of the key's site only, and refusals.

use crate::oracle::filled;
use crate::refusals::fields;
use crate::warehouse::{WRITE_KEY, Warehouse, asked, with_key};
use pistats_core::report::{AsOf, Bots, Dimension, Filter, Operator, Realtime, Trend};
use pistats_core::{Changes, Generation, Micros, Offset, SiteId, Zone};
use pistats_proto::convert::query::RealtimeQuestion;
use pistats_proto::query::v1::query_service_server::QueryService;
use pistats_proto::query::v1::{self, LiveRow, RealtimeRequest, RealtimeResponse};
use pistats_query::{Living, Nothing, Query, Unreachable, plan};
use pistats_testkit::histories::{Question, questions, zones};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use tokio::sync::broadcast;
use tonic::Code;

/// Answers with what it was asked: site, mode and limit.
struct Echo;

#[tonic::async_trait]
impl Living for Echo {
    fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        Nothing::default().changes()
    }

    async fn realtime(&self, site: SiteId, bots: Bots, limit: usize) -> Result<Realtime, Unreachable> {
        let page = (Arc::from(format!("{bots:?}")), limit as u64);
        let as_of = AsOf { generation: Generation(3), next_offsets: vec![Offset(5), Offset(8)] };
        let trend = Trend { topic: "tea".into(), score: 2.5, rate: 3.0, usual: 0.5 };
        Ok(Realtime {
            now: Micros(77),
            current_visitors: u64::from(site.0),
            received: 25,
            minutes: vec![1, 2],
            top_pages: vec![page],
            top_sources: Vec::new(),
            top_countries: Vec::new(),
            trending: vec![trend],
            as_of,
            is_cut: true,
        })
    }

    fn moved(&self, _: SiteId) -> u64 {
        0
    }
}

fn service() -> Query {
    let utc = Zone::utc();
    let warehouse = Warehouse::new(&[(1, &utc), (2, &utc)]);
    warehouse.service_with(warehouse.store.clone(), Arc::new(Echo))
}

async fn ask(service: &Query, site: u32, bots: v1::Bots, limit: u32) -> RealtimeResponse {
    let request = RealtimeRequest { bots: bots.into(), limit, ..Default::default() };
    service.realtime(asked(site, request)).await.unwrap().into_inner()
}

#[tokio::test]
async fn the_living_side_is_asked_for_the_keys_site_and_answers_whole() {
    let service = service();
    for (bots, mode) in [
        (v1::Bots::Unspecified, "Exclude"),
        (v1::Bots::Exclude, "Exclude"),
        (v1::Bots::Include, "Include"),
        (v1::Bots::Only, "Only"),
    ] {
        for site in [1, 2] {
            let expected = RealtimeResponse {
                now_us: 77,
                current_visitors: u64::from(site),
                events_per_second: 2.5,
                minutes: vec![1, 2],
                top_pages: vec![LiveRow { value: mode.into(), visitors: 10 }],
                trending: vec![v1::Trend { topic: "tea".into(), score: 2.5, rate: 3.0, usual: 0.5 }],
                as_of: Some(v1::AsOf { generation: 3, next_offsets: vec![5, 8] }),
                is_cut: true,
                ..RealtimeResponse::default()
            };
            assert_eq!(ask(&service, site, bots, 0).await, expected);
        }
    }
}

#[tokio::test]
async fn a_hundred_rows_are_given_and_one_more_is_refused() {
    let service = service();
    assert_eq!(ask(&service, 1, v1::Bots::Exclude, 100).await.top_pages[0].visitors, 100);
    let service = &service;
    let refused = |request| async move { service.realtime(asked(1, request)).await.unwrap_err() };
    assert_eq!(fields(refused(RealtimeRequest { limit: 101, ..Default::default() }).await), ["limit"]);
    assert_eq!(fields(refused(RealtimeRequest { bots: 9, limit: 101, ..Default::default() }).await), ["bots", "limit"]);
}

#[tokio::test]
async fn who_may_not_read_sees_nothing_and_who_folds_nothing_says_so() {
    let request = RealtimeRequest::default;
    let refused = service().realtime(with_key(WRITE_KEY, request())).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = service().realtime(with_key("nobody", request())).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let alone = Warehouse::new(&[(1, &Zone::utc())]).service();
    assert_eq!(alone.realtime(asked(1, request())).await.unwrap_err().code(), Code::Unavailable);
}

/// Random histories, filters and moments: the warehouse answers as the oracle does.
#[tokio::test(flavor = "multi_thread")]
async fn under_filters_a_moment_is_what_the_oracle_says() {
    let (mut compared, mut alive) = (0, 0);
    for seed in 0..24 {
        let zone = &zones()[seed as usize % zones().len()];
        let mut rng = StdRng::seed_from_u64(seed);
        let (warehouse, oracle) = filled(seed, zone, &mut rng).await;
        let tenant = warehouse.tenant(1);
        let asked = questions(seed, &oracle, zone).map(|question| match question {
            Question::Traffic(asked) => asked.selection,
            Question::Breakdown(asked) => asked.selection,
            Question::Export(selection) => selection,
        });
        for selection in asked.filter(|selection| !selection.filters.is_empty()).take(12) {
            // Right at an event, and up to ten minutes later.
            let of = rng.random_range(0..oracle.events().len());
            let now = oracle.events()[of].time.plus([0, 1, rng.random_range(0..10 * Micros::MINUTE)][compared % 3]);
            let question =
                RealtimeQuestion { filters: selection.filters, bots: selection.bots, limit: rng.random_range(1..6) };
            let mut plan = plan::realtime(&tenant, &question, now);
            let read = warehouse.store.read(std::mem::take(&mut plan.statements)).await.unwrap();
            let ours = plan.answer(read.results, read.as_of).unwrap();
            let expected = oracle.realtime_of(&question.filters, question.bots, question.limit, now);
            let ranked = |rows: &[(Arc<str>, u64)]| -> Vec<(String, u64)> {
                rows.iter().map(|(value, visitors)| (value.to_string(), *visitors)).collect()
            };
            let case = format!("seed {seed}, zone {}, now {now:?}: {question:#?}", zone.name());
            assert_eq!(ours.current_visitors, expected.current_visitors, "{case}");
            assert_eq!(ours.minutes, expected.minutes, "{case}");
            assert_eq!(ranked(&ours.top_pages), expected.top_pages, "{case}");
            assert_eq!(ranked(&ours.top_sources), expected.top_sources, "{case}");
            assert_eq!(ranked(&ours.top_countries), expected.top_countries, "{case}");
            assert!(ours.trending.is_empty() && !ours.is_cut && ours.now == now);
            compared += 1;
            alive += usize::from(ours.current_visitors > 0);
        }
    }
    assert!(compared > 200 && alive > 20, "{alive} of {compared} moments had anybody in them");
}

#[tokio::test]
async fn under_filters_the_rate_is_of_what_was_just_received() {
    let mut warehouse = Warehouse::new(&[(1, &Zone::utc())]);
    let noon = crate::warehouse::at("2024-05-13T12:00:00Z");
    // The warehouse of these tests receives an event a microsecond after it happened.
    let ago = |number: u128, us: i64, path: &str| {
        let mut event = crate::warehouse::view(number, "ada", "2024-05-13T12:00:00Z", path);
        event.time = noon.plus(-us);
        event
    };
    let second = Micros::SECOND;
    let events = [ago(1, 2, "/in"), ago(2, 10 * second - 1, "/in"), ago(3, 10 * second + 2, "/in"), ago(4, 5, "/out")];
    warehouse.commit(1, &events).await;
    let filters = vec![Filter { dimension: Dimension::Path, operator: Operator::Is, values: vec!["/in".into()] }];
    let question = RealtimeQuestion { filters, bots: Bots::Exclude, limit: 1 };
    let plan = plan::realtime(&warehouse.tenant(1), &question, noon);
    let read = warehouse.store.read(plan.statements.clone()).await.unwrap();
    let state = plan.answer(read.results, read.as_of).unwrap();
    assert_eq!((state.received, state.current_visitors, state.minutes.iter().sum::<u64>()), (2, 1, 3));
}

#[tokio::test]
async fn a_filter_is_read_from_the_warehouse_and_a_wrong_one_is_named() {
    let service = service();
    let filter = |values: &[&str]| v1::Filter {
        dimension: v1::Dimension::Page.into(),
        values: values.iter().map(|value| value.to_string()).collect(),
        ..Default::default()
    };
    let request = |filter| RealtimeRequest { filters: vec![filter], ..Default::default() };
    let answer = service.realtime(asked(1, request(filter(&["/"])))).await.unwrap().into_inner();
    assert_eq!((answer.current_visitors, answer.minutes, answer.is_cut), (0, vec![0; 30], false));
    let refused = service.realtime(asked(1, request(filter(&[])))).await.unwrap_err();
    assert_eq!(fields(refused), ["filters[0].values"]);
}
