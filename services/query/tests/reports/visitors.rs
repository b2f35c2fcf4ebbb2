//! `Visitors`: who was seen last, and on what.

use crate::ask::{days, filter};
use crate::oracle::filled;
use crate::refusals::fields;
use crate::warehouse::{SECRET, WRITE_KEY, Warehouse, asked, view, with_key};
use pistats_core::report::Selection;
use pistats_core::{SiteId, VisitorKey, Zone};
use pistats_proto::convert::query::VisitorsQuestion;
use pistats_proto::query::v1::query_service_server::QueryService;
use pistats_proto::query::v1::{Dimension, Operator, VisitorRow, VisitorsRequest, VisitorsResponse};
use pistats_query::plan;
use pistats_testkit::histories::{Question, questions, zones};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tonic::Code;

fn key(visitor: &str) -> u128 {
    VisitorKey::derive(&SECRET, SiteId(1), visitor.as_bytes()).0
}

/// What the oracle knows of a row, in its order.
type Told = (String, [i64; 2], [u64; 3], [String; 7]);

fn told(row: VisitorRow) -> Told {
    let texts = [row.page, row.country, row.device, row.browser, row.os, row.source, row.user_id];
    (row.visitor, [row.first_seen_us, row.last_us], [row.events, row.page_views, row.sessions], texts)
}

#[tokio::test(flavor = "multi_thread")]
async fn random_lists_are_those_of_the_oracle_page_by_page() {
    let (mut compared, mut rows) = (0, 0);
    for seed in 0..16 {
        let zone = &zones()[seed as usize % zones().len()];
        let mut rng = StdRng::seed_from_u64(seed);
        let (warehouse, oracle) = filled(seed, zone, &mut rng).await;
        let tenant = warehouse.tenant(1);
        let asked = questions(seed, &oracle, zone).map(|question| match question {
            Question::Traffic(asked) => asked.selection,
            Question::Breakdown(asked) => asked.selection,
            Question::Export(selection) => selection,
        });
        for selection in asked.take(12) {
            let selection: Selection = selection;
            let expected: Vec<Told> = oracle
                .visitors(&selection, zone, key)
                .into_iter()
                .map(|row| {
                    let visitor = format!("{:032x}", key(&row.visitor));
                    (visitor, [row.first_seen.0, row.last.0], [row.events, row.page_views, row.sessions], row.texts)
                })
                .collect();
            let (limit, offset) = (rng.random_range(1..8), rng.random_range(0..3));
            let question = VisitorsQuestion { selection, limit, offset };
            let mut plan = plan::visitors(&tenant, &question);
            let read = warehouse.store.read(std::mem::take(&mut plan.statements)).await.unwrap();
            let answer = plan.answer(read.results).unwrap();
            let case = format!("seed {seed}, zone {}: {question:#?}", zone.name());
            assert_eq!(answer.total_visitors, expected.len() as u64, "{case}");
            let page: Vec<Told> = expected.into_iter().skip(offset as usize).take(limit as usize).collect();
            rows += page.len();
            assert_eq!(answer.visitors.into_iter().map(told).collect::<Vec<_>>(), page, "{case}");
            compared += 1;
        }
    }
    assert!(compared > 190 && rows > 100, "{rows} rows of {compared} lists");
}

fn may(limit: u32, offset: u32) -> VisitorsRequest {
    VisitorsRequest { range: days("2024-05-13", "2024-05-13"), limit, offset, ..Default::default() }
}

async fn ask(warehouse: &Warehouse, request: VisitorsRequest) -> VisitorsResponse {
    warehouse.service().visitors(asked(1, request)).await.unwrap().into_inner()
}

#[tokio::test]
async fn the_last_seen_comes_first_and_is_shown_as_it_was_seen_last() {
    let mut warehouse = Warehouse::new(&[(1, &Zone::utc()), (2, &Zone::utc())]);
    let mut phone = view(3, "ada", "2024-05-13T12:00:00Z", "/cart");
    phone.device = "Mobile".to_owned();
    let events = [
        view(1, "ada", "2024-05-12T09:00:00Z", "/"),
        view(2, "ada", "2024-05-13T09:00:00Z", "/"),
        phone,
        view(4, "bob", "2024-05-13T11:00:00Z", "/"),
        view(5, "eve", "2024-05-13T11:00:00Z", "/"),
    ];
    // Out of order, and another site's people beside them.
    for event in events.iter().rev() {
        warehouse.commit(1, std::slice::from_ref(event)).await;
    }
    warehouse.commit(2, &events).await;
    let answer = ask(&warehouse, may(0, 0)).await;
    let mut tied = [key("bob"), key("eve")];
    tied.sort_unstable();
    let order: Vec<String> = [key("ada"), tied[0], tied[1]].iter().map(|key| format!("{key:032x}")).collect();
    assert_eq!(answer.visitors.iter().map(|row| row.visitor.clone()).collect::<Vec<_>>(), order);
    let ada = &answer.visitors[0];
    assert_eq!(
        (ada.events, ada.sessions, ada.page.as_str(), ada.device.as_str()),
        (2, 2, "shop.example/cart", "Mobile")
    );
    assert_eq!(ada.first_seen_us, events[0].time.0, "ever, not in the range");
    // Each on one page and no other, and the count is told beyond the last one.
    let page = async |offset| ask(&warehouse, may(1, offset)).await;
    for (offset, visitor) in order.iter().enumerate() {
        let answer = page(offset as u32).await;
        assert_eq!((answer.visitors[0].visitor.as_str(), answer.total_visitors), (visitor.as_str(), 3));
    }
    let beyond = page(3).await;
    assert_eq!((beyond.visitors.len(), beyond.total_visitors), (0, 3));

    let paths = vec![filter(Dimension::Path, Operator::Is, &["/"])];
    let filtered = ask(&warehouse, VisitorsRequest { filters: paths, ..may(0, 0) }).await;
    let last = filtered.visitors.last().unwrap();
    assert_eq!((last.visitor.as_str(), last.events, last.last_us), (order[0].as_str(), 1, events[1].time.0));
}

#[tokio::test]
async fn a_thousand_rows_are_given_and_one_more_is_refused_and_only_a_read_key_reads() {
    let warehouse = Warehouse::new(&[(1, &Zone::utc())]);
    let service = warehouse.service();
    assert_eq!(ask(&warehouse, may(1_000, 0)).await.total_visitors, 0);
    let refused = service.visitors(asked(1, may(1_001, 0))).await.unwrap_err();
    assert_eq!(fields(refused), ["limit"]);
    let refused = service.visitors(asked(1, VisitorsRequest::default())).await.unwrap_err();
    assert_eq!(fields(refused), ["range"]);
    let refused = service.visitors(with_key(WRITE_KEY, may(0, 0))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}
