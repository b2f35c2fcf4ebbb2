//! Steps over changes of the clock: which step an event lies in, fresh rollups or none.

use crate::ask::{breakdown, days, rows, steps, times, traffic};
use crate::warehouse::{Warehouse, asked, at, view};
use pistats_core::Zone;
use pistats_proto::query::v1::{BreakdownRequest, Dimension, Interval, Range, TrafficRequest, TrafficResponse};
use pistats_store::Refresh;

/// A warehouse in a zone with one event of a new visitor at each instant, named after its place in the list.
async fn at_each(zone: &str, instants: &[&str]) -> Warehouse {
    let mut warehouse = Warehouse::new(&[(1, &Zone::named(zone).unwrap())]);
    let event = |(index, time): (usize, &&str)| view(index as u128, &format!("v{index}"), time, &format!("/{index}"));
    let events: Vec<_> = instants.iter().enumerate().map(event).collect();
    warehouse.commit(1, &events).await;
    warehouse
}

/// The answer, and again with fresh rollups: the same.
async fn by(warehouse: &Warehouse, interval: Interval, range: Option<Range>) -> TrafficResponse {
    let request = TrafficRequest { range, interval: interval.into(), ..TrafficRequest::default() };
    let behind = traffic(warehouse, request.clone()).await;
    warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    let fresh = traffic(warehouse, request).await;
    assert_eq!((&behind.total, &behind.steps), (&fresh.total, &fresh.steps));
    fresh
}

/// Step numbers that hold events, and how many. Every event is a new visitor's only session.
fn hit(answer: &TrafficResponse) -> Vec<(usize, u64)> {
    for step in answer.steps.iter().map(|step| step.metrics.unwrap()) {
        assert_eq!((step.visitors, step.new_visitors, step.sessions), (step.events, step.events, step.events));
    }
    steps(answer).iter().enumerate().filter(|(_, step)| step.0 > 0).map(|(index, step)| (index, step.0)).collect()
}

#[tokio::test]
async fn berlin_has_a_day_of_23_hours_and_one_of_25() {
    // 02:00 became 03:00 on 31 March; 03:00 became 02:00 on 27 October.
    let spring =
        ["2024-03-30T23:00:00Z", "2024-03-31T00:59:59.999999Z", "2024-03-31T01:00:00Z", "2024-03-31T21:59:59Z"];
    let warehouse = at_each("Europe/Berlin", &spring).await;
    let answer = by(&warehouse, Interval::Hour, days("2024-03-31", "2024-03-31")).await;
    assert_eq!((answer.steps.len(), hit(&answer)), (23, vec![(0, 1), (1, 1), (2, 1), (22, 1)]));

    let autumn = ["2024-10-26T22:00:00Z", "2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z", "2024-10-27T22:59:59Z"];
    let warehouse = at_each("Europe/Berlin", &autumn).await;
    let answer = by(&warehouse, Interval::Hour, days("2024-10-27", "2024-10-27")).await;
    assert_eq!((answer.steps.len(), hit(&answer)), (25, vec![(0, 1), (2, 1), (3, 1), (24, 1)]));
    let answer = by(&warehouse, Interval::Day, days("2024-10-26", "2024-10-28")).await;
    assert_eq!(hit(&answer), [(1, 4)]);
}

#[tokio::test]
async fn the_half_hour_that_lord_howe_lives_twice_is_a_step_of_its_own() {
    // 02:00 at +11:00 became 01:30 at +10:30, at 15:00 UTC.
    let instants =
        ["2024-04-06T14:59:59.999999Z", "2024-04-06T15:00:00Z", "2024-04-06T15:29:59Z", "2024-04-06T15:30:00Z"];
    let warehouse = at_each("Australia/Lord_Howe", &instants).await;
    let range = times(at("2024-04-06T14:00:00Z"), at("2024-04-06T17:30:00Z"));
    let answer = by(&warehouse, Interval::Hour, range.clone()).await;
    assert_eq!((answer.steps.len(), hit(&answer)), (4, vec![(0, 1), (1, 2), (2, 1)]));
    let answer = by(&warehouse, Interval::Minute, range).await;
    assert_eq!((answer.steps.len(), hit(&answer)), (210, vec![(59, 1), (60, 1), (89, 1), (90, 1)]));
    // In October half past two comes right after two: 25 steps in April, 24 (one of them half) in October.
    let answer = by(&warehouse, Interval::Hour, days("2024-04-07", "2024-04-07")).await;
    assert_eq!(answer.steps.len(), 25);
    let answer = by(&warehouse, Interval::Hour, days("2024-10-06", "2024-10-06")).await;
    assert_eq!(answer.steps.len(), 24);
}

#[tokio::test]
async fn the_minute_of_the_new_day_in_st_johns_stays_in_the_new_day() {
    // 00:01 of the 7th became 23:01 of the 6th, at 02:31 UTC.
    let instants = ["2010-11-07T02:29:59Z", "2010-11-07T02:30:30Z", "2010-11-07T02:31:00Z", "2010-11-07T03:30:00Z"];
    let warehouse = at_each("America/St_Johns", &instants).await;
    let answer = by(&warehouse, Interval::Day, days("2010-11-06", "2010-11-07")).await;
    assert_eq!(hit(&answer), [(0, 2), (1, 2)]);
    let of_day = |day: &str| BreakdownRequest {
        range: days(day, day),
        dimension: Dimension::Path.into(),
        ..BreakdownRequest::default()
    };
    let paths = |answer| rows(answer).into_iter().map(|(path, _)| path).collect::<Vec<_>>().join(" ");
    assert_eq!(paths(breakdown(&warehouse, of_day("2010-11-06")).await), "/0 /2");
    assert_eq!(paths(breakdown(&warehouse, of_day("2010-11-07")).await), "/1 /3");
    let answer = by(&warehouse, Interval::Hour, days("2010-11-06", "2010-11-06")).await;
    assert_eq!((answer.steps.len(), hit(&answer)), (25, vec![(23, 1), (24, 1)]));
    let answer = by(&warehouse, Interval::Hour, days("2010-11-07", "2010-11-07")).await;
    assert_eq!((answer.steps.len(), hit(&answer)), (25, vec![(0, 1), (1, 1)]));
}

#[tokio::test]
async fn the_day_that_apia_skipped_has_no_step_and_no_events() {
    let warehouse = at_each("Pacific/Apia", &["2011-12-30T09:59:59.999999Z", "2011-12-30T10:00:00Z"]).await;
    let answer = by(&warehouse, Interval::Day, days("2011-12-29", "2011-12-31")).await;
    let found: Vec<&str> = answer.steps.iter().map(|step| step.day.as_str()).collect();
    assert_eq!((found, hit(&answer)), (vec!["2011-12-29", "2011-12-31"], vec![(0, 1), (1, 1)]));
    let answer = by(&warehouse, Interval::Hour, days("2011-12-30", "2011-12-30")).await;
    assert_eq!((answer.steps.len(), answer.total.unwrap().events), (0, 0));
    let answer = by(&warehouse, Interval::Week, days("2011-12-01", "2012-01-31")).await;
    let week = answer.steps.iter().find(|step| step.day == "2011-12-26").unwrap();
    assert_eq!(week.metrics.unwrap().events, 2, "a week of six days");
    assert_eq!(week.to_us - week.from_us, 6 * 86_400_000_000);
}

#[tokio::test]
async fn a_report_that_was_planned_in_the_old_zone_is_not_answered_from_the_new_days() {
    use pistats_proto::query::v1::query_service_server::QueryService as _;
    use pistats_proto::query::v1::{
        BreakdownRequest, Condition, Dimension, ExportRequest, FunnelRequest, RetentionRequest,
    };
    let kolkata = Zone::named("Asia/Kolkata").unwrap();
    let mut warehouse = crate::sample::warehouse().await;
    let range = || days("2024-05-13", "2024-05-14");
    let request = || TrafficRequest { range: range(), interval: Interval::Day.into(), ..TrafficRequest::default() };
    let before = warehouse.service();
    let first = before.traffic(asked(1, request())).await.unwrap().into_inner();

    // The rows have moved; this service's directory has not heard of it yet.
    warehouse.change_zone(1, &kolkata, false).await;
    let code = |refused: Option<tonic::Status>| refused.map(|status| status.code());
    let unavailable = Some(tonic::Code::Unavailable);
    assert_eq!(code(before.traffic(asked(1, request())).await.err()), unavailable);
    let list = BreakdownRequest { range: range(), dimension: Dimension::Page.into(), ..Default::default() };
    assert_eq!(code(before.breakdown(asked(1, list)).await.err()), unavailable);
    let cohorts = RetentionRequest { range: range(), ..Default::default() };
    assert_eq!(code(before.retention(asked(1, cohorts)).await.err()), unavailable);
    let ways = FunnelRequest { range: range(), steps: vec![Condition::default()], ..Default::default() };
    assert_eq!(code(before.funnel(asked(1, ways)).await.err()), unavailable);
    let all = ExportRequest { range: range(), ..Default::default() };
    let stream = before.export(asked(1, all)).await.unwrap().into_inner();
    let exported: Result<Vec<_>, _> = futures::TryStreamExt::try_collect(stream).await;
    assert_eq!(code(exported.err()), unavailable);
    // Another site is not concerned.
    assert!(before.traffic(asked(2, request())).await.is_ok());

    warehouse.change_zone(1, &kolkata, true).await;
    let moved = warehouse.service().traffic(asked(1, request())).await.unwrap().into_inner();
    let mut there = Warehouse::new(&[(1, &kolkata)]);
    there.commit(1, &crate::sample::events()).await;
    let expected = there.service().traffic(asked(1, request())).await.unwrap().into_inner();
    assert_eq!((moved.total, &moved.steps), (expected.total, &expected.steps), "as if it had always been there");
    assert_ne!(moved.steps, first.steps);
    let generation = |answer: &pistats_proto::query::v1::TrafficResponse| answer.as_of.as_ref().unwrap().generation;
    assert_eq!(generation(&moved), generation(&first) + 2);
}
