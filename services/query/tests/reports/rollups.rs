//! The days of `sample`, the same with rollups behind, fresh and half of each.

use crate::ask::{days, filter, steps, times, traffic};
use crate::sample::{self, numbers, with_values};
use crate::warehouse::{Warehouse, at, view};
use pistats_core::report::{Selection, Traffic};
use pistats_core::time;
use pistats_proto::query::v1::{Bots, Compare, Dimension, Interval, Metrics, Operator, TrafficRequest};
use pistats_query::plan;
use pistats_store::Refresh;

fn both_days(bots: Bots, interval: Interval) -> TrafficRequest {
    TrafficRequest {
        range: days("2024-05-13", "2024-05-14"),
        interval: interval.into(),
        bots: bots.into(),
        ..TrafficRequest::default()
    }
}

/// Total, and the two days.
fn expected(bots: Bots) -> [Metrics; 3] {
    match bots {
        Bots::Unspecified | Bots::Exclude => [
            with_values(numbers((4, 3), (9, 8), (7, 4, 3_600, 9)), 2, 3, -2, 5),
            with_values(numbers((2, 2), (4, 3), (3, 1, 3_000, 4)), 1, 5, 5, 5),
            with_values(numbers((4, 1), (5, 5), (4, 3, 600, 5)), 1, -2, -2, -2),
        ],
        Bots::Include => [
            with_values(numbers((5, 4), (11, 10), (8, 5, 3_600, 10)), 2, 3, -2, 5),
            with_values(numbers((2, 2), (4, 3), (3, 1, 3_000, 4)), 1, 5, 5, 5),
            with_values(numbers((5, 2), (7, 7), (5, 4, 600, 6)), 1, -2, -2, -2),
        ],
        Bots::Only => [
            numbers((2, 2), (2, 2), (2, 1, 600, 3)),
            numbers((0, 0), (0, 0), (0, 0, 0, 0)),
            numbers((2, 2), (2, 2), (2, 1, 600, 3)),
        ],
    }
}

async fn check(warehouse: &Warehouse, state: &str) {
    for bots in [Bots::Unspecified, Bots::Exclude, Bots::Include, Bots::Only] {
        let answer = traffic(warehouse, both_days(bots, Interval::Day)).await;
        let mut found = vec![answer.total.unwrap()];
        found.extend(answer.steps.iter().map(|step| step.metrics.unwrap()));
        assert_eq!(found, expected(bots), "{state}, {bots:?}");
        // Steps of an hour come from rollups, steps of a minute never do: their sums are the same.
        for interval in [Interval::Hour, Interval::Minute, Interval::Week, Interval::Month] {
            let answer = traffic(warehouse, both_days(bots, interval)).await;
            let [total, ..] = expected(bots);
            assert_eq!(answer.total, Some(total), "{state}, {bots:?}, {interval:?}");
            let sum = steps(&answer).iter().fold((0, 0), |sum, step| (sum.0 + step.0, sum.1 + step.1));
            assert_eq!(sum, (total.events, total.sessions), "{state}, {bots:?}, {interval:?}");
        }
    }
}

#[tokio::test]
async fn rollups_behind_fresh_and_half_of_each_give_the_same_numbers() {
    let warehouse = sample::warehouse().await;
    check(&warehouse, "all behind").await;
    let mut left = u64::MAX;
    while left > 0 {
        let refreshed = warehouse.store.refresh(Refresh::hours(3)).await.unwrap();
        assert!(refreshed.hours_left < left, "a refresh of some hours leaves fewer");
        left = refreshed.hours_left;
        check(&warehouse, &format!("{left} hours behind")).await;
    }
}

#[tokio::test]
async fn a_late_event_that_joins_two_sessions_is_counted_before_and_after_the_refresh() {
    let mut warehouse = sample::warehouse().await;
    warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    // Between ada's two sessions of the 13th: they become one of four events, from 10:00:00 to 11:00:00.000001.
    warehouse.commit(1, &[view(99, "ada", "2024-05-13T10:45:00Z", "/late")]).await;
    let [_, first, _] = expected(Bots::Exclude);
    let expected = Metrics {
        events: first.events + 1,
        page_views: first.page_views + 1,
        sessions: 2,
        bounces: 0,
        session_us: 3_600 * sample::SECOND + 1 + 1_200 * sample::SECOND,
        session_page_views: 5,
        ..first
    };
    for state in ["behind", "fresh"] {
        let answer = traffic(&warehouse, both_days(Bots::Exclude, Interval::Day)).await;
        assert_eq!(answer.steps[0].metrics, Some(expected), "{state}");
        warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    }
}

#[tokio::test]
async fn the_same_events_again_change_nothing_but_as_of() {
    let mut warehouse = sample::warehouse().await;
    let before = traffic(&warehouse, both_days(Bots::Include, Interval::Hour)).await;
    warehouse.commit(1, &sample::events()).await;
    warehouse.commit(2, &[view(500, "eve", "2024-05-13T10:00:00Z", "/")]).await;
    let after = traffic(&warehouse, both_days(Bots::Include, Interval::Hour)).await;
    assert_ne!(before.as_of, after.as_of, "another site's record was folded");
    assert_eq!((before.total, before.steps), (after.total, after.steps));
}

#[tokio::test]
async fn a_session_counts_whole_in_the_step_of_its_start_when_one_of_its_events_passes() {
    let warehouse = sample::warehouse().await;
    let filters = vec![filter(Dimension::Path, Operator::Is, &["/pricing"])];
    let request = TrafficRequest { filters, ..both_days(Bots::Exclude, Interval::Day) };
    let answer = traffic(&warehouse, request).await;
    // Bob's /pricing lies on the 14th, his session on the 13th; he is no new visitor of the 14th.
    assert_eq!(answer.total, Some(numbers((2, 2), (2, 2), (2, 0, 3_000, 4))));
    assert_eq!(answer.steps[0].metrics, Some(numbers((1, 1), (1, 1), (2, 0, 3_000, 4))));
    assert_eq!(answer.steps[1].metrics, Some(numbers((1, 0), (1, 1), (0, 0, 0, 0))));
}

#[tokio::test]
async fn ranges_of_instants_take_rollups_only_where_they_fit() {
    let warehouse = sample::warehouse().await;
    warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    let asked = |from: &str, to: &str| TrafficRequest { range: times(at(from), at(to)), ..TrafficRequest::default() };
    let whole = traffic(&warehouse, asked("2024-05-13T10:30:00Z", "2024-05-13T11:15:00Z")).await;
    assert_eq!(whole.total, Some(with_values(numbers((1, 0), (2, 1), (1, 1, 0, 0)), 1, 5, 5, 5)));
    // A microsecond decides over ada's purchase.
    let cut = traffic(&warehouse, asked("2024-05-13T10:30:00Z", "2024-05-13T11:00:00.000001Z")).await;
    assert_eq!(cut.total, Some(numbers((1, 0), (1, 1), (0, 0, 0, 0))));
    let more = traffic(&warehouse, asked("2024-05-13T10:30:00Z", "2024-05-13T11:00:00.000002Z")).await;
    assert_eq!(more.total, whole.total);
}

#[tokio::test]
async fn a_range_without_events_is_all_zeros() {
    let warehouse = sample::warehouse().await;
    for (first, last, steps) in [("2024-05-15", "2024-05-17", 3), ("1970-01-01", "1970-01-02", 2)] {
        for bots in [Bots::Exclude, Bots::Include] {
            let request = TrafficRequest {
                range: days(first, last),
                interval: Interval::Day.into(),
                bots: bots.into(),
                compare: Compare::PreviousYear.into(),
                ..TrafficRequest::default()
            };
            let answer = traffic(&warehouse, request).await;
            assert_eq!(answer.total, Some(Metrics::default()));
            assert_eq!(answer.compared_total, Some(Metrics::default()));
            assert_eq!(
                answer.steps.iter().map(|step| step.metrics).collect::<Vec<_>>(),
                vec![Some(Metrics::default()); steps]
            );
        }
    }
}

#[tokio::test]
async fn the_compared_range_has_steps_and_totals_of_its_own() {
    let warehouse = sample::warehouse().await;
    let request = TrafficRequest {
        range: days("2024-05-14", "2024-05-14"),
        interval: Interval::Day.into(),
        compare: Compare::PreviousPeriod.into(),
        ..TrafficRequest::default()
    };
    let answer = traffic(&warehouse, request).await;
    let [_, first, second] = expected(Bots::Exclude);
    assert_eq!((answer.total, answer.compared_total), (Some(second), Some(first)));
    let compared: Vec<_> = answer.compared_steps.iter().map(|step| (step.day.as_str(), step.metrics)).collect();
    assert_eq!(compared, [("2024-05-13", Some(first))]);
    assert_eq!(answer.time_zone, "UTC");
}

#[tokio::test]
async fn counts_come_from_rollups_only_without_filters_and_on_whole_quarters() {
    let warehouse = sample::warehouse().await;
    let tenant = warehouse.tenant(1);
    let reads_rollups = |interval, range: time::Range| {
        let selection = Selection { range, filters: vec![], bots: Default::default() };
        let plan = plan::traffic(&tenant, &Traffic { selection, interval: Some(interval) }, None).unwrap();
        plan.statements.iter().any(|statement| statement.sql.contains("traffic_15m"))
    };
    let (from, to) = (at("2024-05-13T00:00:00Z"), at("2024-05-13T02:00:00Z"));
    let whole = time::Range::Times { from, to };
    assert!(reads_rollups(time::Interval::Hour, whole));
    assert!(!reads_rollups(time::Interval::Minute, whole));
    assert!(!reads_rollups(time::Interval::Hour, time::Range::Times { from: from.plus(1), to }));
}
