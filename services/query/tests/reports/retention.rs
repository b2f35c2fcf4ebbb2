//! Cohorts of histories worked out by hand.

use crate::ask::{cohorts, days, filter, retention};
use crate::sample;
use crate::warehouse::{Warehouse, view};
use pistats_core::Zone;
use pistats_proto::query::v1::{
    Bots, Condition, Dimension, Interval, Operator, RetentionMode, RetentionRequest, WeekStart,
};
use pistats_testkit::OracleEvent;

fn asked(first: &str, last: &str, mode: RetentionMode) -> RetentionRequest {
    RetentionRequest { range: days(first, last), mode: mode.into(), ..RetentionRequest::default() }
}

fn named(name: &str) -> Option<Condition> {
    Some(Condition { filters: vec![filter(Dimension::EventName, Operator::Is, &[name])] })
}

#[tokio::test]
async fn the_sample_is_counted_by_mode_and_bots() {
    let warehouse = sample::warehouse().await;
    let answer = async |mode, bots: Bots| {
        let request = RetentionRequest { bots: bots.into(), ..asked("2024-05-12", "2024-05-14", mode) };
        cohorts(&retention(&warehouse, request).await)
    };
    // Cleo was first seen on the 12th, by a bot's event: without bots she has no selected event on that day.
    let first = answer(RetentionMode::FirstTime, Bots::Exclude).await;
    assert_eq!(first, [(0, vec![0, 0, 0]), (2, vec![2, 2]), (1, vec![1])]);
    let first = answer(RetentionMode::FirstTime, Bots::Include).await;
    assert_eq!(first, [(1, vec![1, 0, 1]), (2, vec![2, 2]), (2, vec![2])]);
    let recurring = answer(RetentionMode::Recurring, Bots::Exclude).await;
    assert_eq!(recurring, [(0, vec![0, 0, 0]), (2, vec![2, 2]), (4, vec![4])]);
    let bots = answer(RetentionMode::Recurring, Bots::Only).await;
    assert_eq!(bots, [(1, vec![1, 0, 0]), (0, vec![0, 0]), (2, vec![2])]);
}

#[tokio::test]
async fn a_start_event_counts_from_its_first_time_ever() {
    let mut warehouse = sample::warehouse().await;
    let purchase = |number, visitor: &str, time: &str| OracleEvent {
        name: "purchase".into(),
        ..view(number, visitor, time, "/done")
    };
    let bought = [purchase(50, "ada", "2024-05-14T10:00:00Z"), purchase(51, "bob", "2024-05-14T10:00:00Z")];
    warehouse.commit(1, &bought).await;
    let request = |first, mode| RetentionRequest { start_event: named("purchase"), ..asked(first, "2024-05-14", mode) };
    // Ada bought on the 13th already: on the 14th she starts again only when that is what is asked for.
    let first = retention(&warehouse, request("2024-05-14", RetentionMode::FirstTime)).await;
    assert_eq!(cohorts(&first), [(1, vec![1])]);
    let recurring = retention(&warehouse, request("2024-05-14", RetentionMode::Recurring)).await;
    assert_eq!(cohorts(&recurring), [(2, vec![2])]);
    // Bob comes back with page views, never with a purchase; an earlier purchase moves his start back.
    let returning =
        RetentionRequest { return_event: named("purchase"), ..request("2024-05-13", RetentionMode::FirstTime) };
    assert_eq!(cohorts(&retention(&warehouse, returning.clone()).await), [(1, vec![1, 1]), (1, vec![1])]);
    warehouse.commit(1, &[purchase(52, "bob", "2024-05-11T10:00:00Z")]).await;
    assert_eq!(cohorts(&retention(&warehouse, returning).await), [(1, vec![1, 1]), (0, vec![0])]);
}

#[tokio::test]
async fn weeks_and_months_are_whole_and_cells_reach_past_the_range() {
    let mut warehouse = Warehouse::new(&[(1, &Zone::utc())]);
    // 2024-03-03 was a Sunday.
    let days_of_ada = ["2024-02-26", "2024-03-03", "2024-03-04", "2024-04-01"];
    let seen = |(number, day): (usize, &&str)| view(number as u128, "ada", &format!("{day}T12:00:00Z"), "/");
    let events: Vec<_> = days_of_ada.iter().enumerate().map(seen).collect();
    warehouse.commit(1, &events).await;
    let spans = async |interval: Interval, week_start: WeekStart, cells| {
        let asked = asked("2024-03-01", "2024-03-03", RetentionMode::FirstTime);
        let request = RetentionRequest { interval: interval.into(), week_start: week_start.into(), cells, ..asked };
        let answer = retention(&warehouse, request).await;
        let spans = answer.cohorts.iter().map(|cohort| format!("{}..{}", cohort.first_day, cohort.last_day));
        (spans.collect::<Vec<_>>(), cohorts(&answer))
    };
    let monday = spans(Interval::Week, WeekStart::Monday, 3).await;
    assert_eq!(monday, (vec!["2024-02-26..2024-03-03".to_owned()], vec![(1, vec![1, 1, 0])]));
    let sunday = spans(Interval::Week, WeekStart::Sunday, 0).await;
    let both = vec!["2024-02-25..2024-03-02".to_owned(), "2024-03-03..2024-03-09".to_owned()];
    assert_eq!(sunday, (both, vec![(1, vec![1, 1]), (0, vec![0])]));
    let month = spans(Interval::Month, WeekStart::Unspecified, 2).await;
    assert_eq!(month, (vec!["2024-03-01..2024-03-31".to_owned()], vec![(0, vec![0, 0])]));
}

#[tokio::test]
async fn the_first_start_is_the_earliest_in_time_where_a_clock_goes_back_over_midnight() {
    // 2010-11-07 00:01 (-02:30) fell back to 2010-11-06 23:01 (-03:30): an instant of the 7th comes before one of the 6th.
    let zone = Zone::named("America/St_Johns").unwrap();
    let mut warehouse = Warehouse::new(&[(1, &zone)]);
    let events = [view(1, "ada", "2010-11-07T02:30:30Z", "/"), view(2, "ada", "2010-11-07T03:00:00Z", "/")];
    warehouse.commit(1, &events).await;
    let request = RetentionRequest {
        start_event: named("page_view"),
        ..asked("2010-11-06", "2010-11-07", RetentionMode::FirstTime)
    };
    let answer = retention(&warehouse, request).await;
    assert_eq!(cohorts(&answer), [(0, vec![0, 0]), (1, vec![1])]);
    let new = retention(&warehouse, asked("2010-11-06", "2010-11-07", RetentionMode::FirstTime)).await;
    assert_eq!(cohorts(&new), cohorts(&answer));
    assert_eq!(answer.time_zone, "America/St_Johns");
}
