//! Entry and exit pages, as filters and as lists; lists and their order.

use crate::ask::{breakdown, days, filter, paths, rows, traffic};
use crate::sample::{self, numbers, with_values};
use crate::warehouse::{Warehouse, view};
use pistats_core::Zone;
use pistats_proto::query::v1::{
    Bots, BreakdownRequest, Compare, Dimension, Interval, Metric, Metrics, Operator, TrafficRequest,
};
use pistats_store::Refresh;

fn both_days(dimension: Dimension, order_by: Metric) -> BreakdownRequest {
    BreakdownRequest {
        range: days("2024-05-13", "2024-05-14"),
        dimension: dimension.into(),
        order_by: order_by.into(),
        ..BreakdownRequest::default()
    }
}

fn on_shop(rows: &[(&str, Metrics)]) -> Vec<(String, Metrics)> {
    rows.iter().map(|(path, metrics)| (format!("shop.example{path}"), *metrics)).collect()
}

#[tokio::test]
async fn entry_and_exit_pages_count_whole_sessions_and_no_values() {
    let warehouse = sample::warehouse().await;
    let entries = breakdown(&warehouse, both_days(Dimension::EntryPage, Metric::Sessions)).await;
    assert_eq!(entries.total_rows, 2);
    let expected =
        on_shop(&[("/", numbers((4, 3), (9, 9), (6, 3, 3_600, 9))), ("/done", numbers((1, 1), (1, 0), (1, 1, 0, 0)))]);
    assert_eq!(rows(entries), expected);
    let exits = breakdown(&warehouse, both_days(Dimension::ExitPage, Metric::Sessions)).await;
    let expected = on_shop(&[
        ("/", numbers((3, 2), (3, 3), (3, 3, 0, 3))),
        ("/pricing", numbers((2, 2), (4, 4), (2, 0, 3_000, 4))),
        ("/done", numbers((1, 1), (1, 0), (1, 1, 0, 0))),
        // Dora's last event is a bot's; her session counts whole.
        ("/x", numbers((1, 1), (2, 2), (1, 0, 600, 2))),
    ]);
    assert_eq!(rows(exits), expected);
}

#[tokio::test]
async fn a_filter_by_exit_page_selects_the_events_of_those_sessions() {
    let warehouse = sample::warehouse().await;
    let left_from = |page: &str| filter(Dimension::ExitPage, Operator::Is, &[page]);
    let range = days("2024-05-13", "2024-05-14");
    assert_eq!(paths(&warehouse, range.clone(), vec![left_from("shop.example/pricing")]).await, " pricing  pricing");
    // By day: bob's second event lies on the 14th, his session on the 13th.
    let request = TrafficRequest {
        range: range.clone(),
        interval: Interval::Day.into(),
        filters: vec![left_from("shop.example/pricing")],
        ..TrafficRequest::default()
    };
    let answer = traffic(&warehouse, request).await;
    assert_eq!(answer.total, Some(numbers((2, 2), (4, 4), (2, 0, 3_000, 4))));
    assert_eq!(answer.steps[0].metrics, Some(numbers((2, 2), (3, 3), (2, 0, 3_000, 4))));
    assert_eq!(answer.steps[1].metrics, Some(numbers((1, 0), (1, 1), (0, 0, 0, 0))));
    // Together with one of events: an event has to pass both.
    let filters = vec![left_from("shop.example/pricing"), filter(Dimension::Path, Operator::Is, &["/"])];
    let request = TrafficRequest { range, filters, ..TrafficRequest::default() };
    let answer = traffic(&warehouse, request).await;
    assert_eq!(answer.total, Some(numbers((2, 2), (2, 2), (2, 0, 3_000, 4))));
}

#[tokio::test]
async fn a_late_event_moves_the_exit_page_of_its_session() {
    let mut warehouse = sample::warehouse().await;
    warehouse.commit(1, &[view(77, "bob", "2024-05-14T00:20:00Z", "/done")]).await;
    for state in ["behind", "fresh"] {
        let exits = rows(breakdown(&warehouse, both_days(Dimension::ExitPage, Metric::Visitors)).await);
        let visitors: Vec<(&str, u64)> = exits.iter().map(|(page, row)| (page.as_str(), row.visitors)).collect();
        let expected = [("/", 3), ("/done", 2), ("/pricing", 1), ("/x", 1)];
        let expected = expected.map(|(path, visitors)| (format!("shop.example{path}"), visitors));
        assert_eq!(visitors, expected.iter().map(|(page, n)| (page.as_str(), *n)).collect::<Vec<_>>(), "{state}");
        warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    }
}

#[tokio::test]
async fn pages_count_their_own_events_and_the_whole_sessions_that_hold_one() {
    let warehouse = sample::warehouse().await;
    let pages = breakdown(&warehouse, both_days(Dimension::Page, Metric::Visitors)).await;
    let expected = on_shop(&[
        ("/", with_values(numbers((4, 3), (6, 6), (6, 3, 3_600, 9)), 1, -2, -2, -2)),
        ("/pricing", numbers((2, 2), (2, 2), (2, 0, 3_000, 4))),
        ("/done", with_values(numbers((1, 1), (1, 0), (1, 1, 0, 0)), 1, 5, 5, 5)),
    ]);
    assert_eq!((rows(pages), 3), (expected, 3));
    let by_value = rows(breakdown(&warehouse, both_days(Dimension::Path, Metric::ValueSum)).await);
    let order: Vec<&str> = by_value.iter().map(|(value, _)| value.as_str()).collect();
    assert_eq!(order, ["/done", "/pricing", "/"], "a negative sum comes last");
}

#[tokio::test]
async fn a_session_outside_of_the_events_days_gives_its_page_a_row() {
    let warehouse = sample::warehouse().await;
    let on = |day: &str| BreakdownRequest { range: days(day, day), ..both_days(Dimension::Path, Metric::Visitors) };
    // On the 13th nobody but ada saw /pricing; bob's session of the 13th saw it later.
    let first = rows(breakdown(&warehouse, on("2024-05-13")).await);
    assert_eq!(first[2], ("/pricing".to_owned(), numbers((1, 1), (1, 1), (2, 0, 3_000, 4))));
    let second = rows(breakdown(&warehouse, on("2024-05-14")).await);
    assert_eq!(second[1], ("/pricing".to_owned(), numbers((1, 0), (1, 1), (0, 0, 0, 0))));
    // Without ada's, the 13th has no event on /pricing and still a session that saw it.
    let not_home = filter(Dimension::ExitPage, Operator::Is, &["shop.example/pricing"]);
    let mut warehouse = Warehouse::new(&[(1, &Zone::utc())]);
    warehouse.commit(1, &sample::events()[3..5]).await;
    let request = BreakdownRequest { filters: vec![not_home], ..on("2024-05-13") };
    let found = rows(breakdown(&warehouse, request).await);
    let expected =
        [("/", numbers((1, 1), (1, 1), (1, 0, 1_200, 2))), ("/pricing", numbers((0, 0), (0, 0), (1, 0, 1_200, 2)))];
    assert_eq!(found, expected.map(|(path, metrics)| (path.to_owned(), metrics)));
}

#[tokio::test]
async fn lists_are_cut_after_they_are_ordered_and_say_how_many_there_are() {
    let names = ["b", "a", "\u{ffee}", "😀", "B", "é"];
    let mut events: Vec<_> = (0..names.len() as u128).map(|n| view(n, "ada", "2024-05-13T10:00:00Z", "/")).collect();
    for (event, name) in events.iter_mut().zip(names) {
        event.title = name.to_owned();
    }
    events.push(pistats_testkit::OracleEvent { title: "a".into(), ..view(90, "bob", "2024-05-13T10:00:00Z", "/") });
    let mut warehouse = Warehouse::new(&[(1, &Zone::utc())]);
    warehouse.commit(1, &events).await;
    let page = |limit, offset| BreakdownRequest { limit, offset, ..both_days(Dimension::Title, Metric::Visitors) };
    let titles = |answer| rows(answer).into_iter().map(|(value, _)| value).collect::<Vec<_>>().join(" ");
    // Bytewise: U+FFEE comes before the emoji, which UTF-16 would put the other way round.
    let all = breakdown(&warehouse, page(0, 0)).await;
    assert_eq!((titles(all.clone()), all.total_rows), ("a B b é \u{ffee} 😀".to_owned(), 6));
    let piece = breakdown(&warehouse, page(2, 1)).await;
    assert_eq!((titles(piece.clone()), piece.total_rows), ("B b".to_owned(), 6));
    let beyond = breakdown(&warehouse, page(2, 6)).await;
    assert_eq!((beyond.rows.len(), beyond.total_rows), (0, 6));
}

#[tokio::test]
async fn a_compared_row_shows_the_same_value_and_zeros_where_there_was_none() {
    let warehouse = sample::warehouse().await;
    let request = BreakdownRequest {
        range: days("2024-05-14", "2024-05-14"),
        dimension: Dimension::Path.into(),
        bots: Bots::Include.into(),
        compare: Compare::PreviousPeriod.into(),
        ..BreakdownRequest::default()
    };
    let answer = breakdown(&warehouse, request).await;
    let compared: Vec<_> = answer.rows.iter().map(|row| (row.value.as_str(), row.compared.unwrap())).collect();
    let expected = [
        ("/", numbers((2, 2), (2, 2), (2, 0, 3_000, 4))),
        ("/pricing", numbers((1, 1), (1, 1), (2, 0, 3_000, 4))),
        ("/x", Metrics::default()),
    ];
    assert_eq!(compared, expected);
}
