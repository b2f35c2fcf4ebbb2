//! Funnels by hand: the options one by one, tenants, filters, and what lies around the range.

use crate::ask::{days, filter, times};
use crate::refusals::fields;
use crate::sample;
use crate::warehouse::{Warehouse, asked, at, view};
use pistats_core::{Micros, Zone};
use pistats_proto::query::v1::query_service_server::QueryService;
use pistats_proto::query::v1::{
    Bots, Condition, Dimension, Filter, FunnelOrder, FunnelRequest, FunnelResponse, FunnelStep, Interval, Operator,
};
use pistats_testkit::OracleEvent;
use tonic::Code;

const MINUTE: i64 = Micros::MINUTE;

fn of(dimension: Dimension, value: &str) -> Filter {
    filter(dimension, Operator::Is, &[value])
}

/// Steps by path, in both days of May 2024 that the sample has.
fn through(paths: &[&str]) -> FunnelRequest {
    let step = |path: &&str| Condition { filters: vec![of(Dimension::Path, path)] };
    FunnelRequest {
        range: days("2024-05-13", "2024-05-14"),
        steps: paths.iter().map(step).collect(),
        ..FunnelRequest::default()
    }
}

async fn funnel(warehouse: &Warehouse, request: FunnelRequest) -> FunnelResponse {
    warehouse.service().funnel(asked(1, request)).await.unwrap().into_inner()
}

/// Visitors, runs, minutes from the step before, minutes from the start, of each step.
fn numbers(steps: &[FunnelStep]) -> Vec<(u64, u64, i64, i64)> {
    let minutes = |micros: i64| {
        assert_eq!(micros % MINUTE, 0);
        micros / MINUTE
    };
    steps.iter().map(|s| (s.visitors, s.runs, minutes(s.since_previous_us), minutes(s.since_start_us))).collect()
}

async fn counted(warehouse: &Warehouse, request: FunnelRequest) -> Vec<(u64, u64, i64, i64)> {
    numbers(&funnel(warehouse, request).await.steps)
}

/// Page views of one visitor on 13 May: minute of the day and path.
fn visits(visitor: &str, first: u128, views: &[(i64, &str)]) -> Vec<OracleEvent> {
    let start = at("2024-05-13T00:00:00Z");
    let event = |(number, (minute, path)): (usize, &(i64, &str))| {
        let time = start.plus(minute * MINUTE);
        let text = jiff::Timestamp::from_microsecond(time.0).unwrap().to_string();
        view(first + number as u128, visitor, &text, path)
    };
    views.iter().enumerate().map(event).collect()
}

async fn warehouse(events: &[OracleEvent]) -> Warehouse {
    let mut warehouse = Warehouse::new(&[(1, &Zone::utc()), (2, &Zone::utc())]);
    warehouse.commit(1, events).await;
    warehouse
}

#[tokio::test]
async fn steps_count_visitors_and_the_time_they_took() {
    let warehouse = sample::warehouse().await;
    // Ada: / 10:00, /pricing 10:30 of the 13th. Bob: / 23:50, /pricing 00:10. Cleo and Dora: / only. Site 2 has the same.
    let expected = [(4, 4, 0, 0), (2, 2, 50, 50)];
    assert_eq!(counted(&warehouse, through(&["/", "/pricing"])).await, expected);
    assert_eq!(counted(&warehouse, through(&["/pricing", "/"])).await[1].0, 2, "both came back home");
    let none = counted(&warehouse, through(&["/nowhere", "/"])).await;
    assert_eq!(none, [(0, 0, 0, 0), (0, 0, 0, 0)]);
    // Any event, then any event: a step without filters.
    let any = FunnelRequest { steps: vec![Condition::default(); 2], ..through(&[]) };
    assert_eq!(counted(&warehouse, any).await[1].0, 2);
    let with_bots = FunnelRequest { bots: Bots::Include.into(), ..through(&["/", "/x"]) };
    assert_eq!(counted(&warehouse, with_bots).await, [(5, 5, 0, 0), (1, 1, 10, 10)]);
    assert_eq!(counted(&warehouse, through(&["/", "/x"])).await[1].0, 0, "a bot's event is not looked at");
}

#[tokio::test]
async fn only_the_first_step_has_to_lie_in_the_range() {
    let warehouse = sample::warehouse().await;
    let on = |day: &str, path: &[&str]| FunnelRequest { range: days(day, day), ..through(path) };
    // Bob's /pricing lies on the 14th.
    assert_eq!(counted(&warehouse, on("2024-05-13", &["/", "/pricing"])).await, [(2, 2, 0, 0), (2, 2, 50, 50)]);
    // On the 14th nobody goes from / to /pricing.
    assert_eq!(counted(&warehouse, on("2024-05-14", &["/", "/pricing"])).await, [(4, 4, 0, 0), (0, 0, 0, 0)]);
    // By instants: the end is not included.
    let until =
        |to: &str| FunnelRequest { range: times(at("2024-05-13T10:00:00Z"), at(to)), ..through(&["/", "/pricing"]) };
    assert_eq!(counted(&warehouse, until("2024-05-13T23:50:00Z")).await, [(1, 1, 0, 0), (1, 1, 30, 30)]);
    assert_eq!(counted(&warehouse, until("2024-05-13T23:50:01Z")).await, [(2, 2, 0, 0), (2, 2, 50, 50)]);
}

#[tokio::test]
async fn the_limit_is_included_and_reaches_past_the_range() {
    let warehouse = sample::warehouse().await;
    let within =
        |limit_us| FunnelRequest { range: days("2024-05-13", "2024-05-13"), limit_us, ..through(&["/", "/pricing"]) };
    assert_eq!(counted(&warehouse, within(30 * MINUTE)).await, [(2, 2, 0, 0), (2, 2, 50, 50)]);
    assert_eq!(counted(&warehouse, within(30 * MINUTE - 1)).await, [(2, 2, 0, 0), (1, 1, 20, 20)]);
    assert_eq!(counted(&warehouse, within(20 * MINUTE - 1)).await, [(2, 2, 0, 0), (0, 0, 0, 0)]);
    assert_eq!(counted(&warehouse, within(i64::MAX)).await, [(2, 2, 0, 0), (2, 2, 50, 50)]);
}

#[tokio::test]
async fn strict_order_sees_every_selected_event() {
    let events = visits("ada", 0, &[(0, "/a"), (1, "/x"), (2, "/b"), (10, "/a"), (13, "/b"), (14, "/c")]);
    let warehouse = warehouse(&events).await;
    let strict = |filters| FunnelRequest { order: FunnelOrder::Strict.into(), filters, ..through(&["/a", "/b", "/c"]) };
    assert_eq!(counted(&warehouse, through(&["/a", "/b", "/c"])).await, [(1, 1, 0, 0), (1, 1, 2, 2), (1, 1, 12, 14)]);
    assert_eq!(counted(&warehouse, strict(vec![])).await, [(1, 1, 0, 0), (1, 1, 3, 3), (1, 1, 1, 4)]);
    // What is not selected lies between nothing.
    let no_x = vec![filter(Dimension::Path, Operator::IsNot, &["/x"])];
    let mut reentry = strict(no_x);
    assert_eq!(counted(&warehouse, reentry.clone()).await[2].3, 4, "the second start got further");
    reentry.reentry = true;
    assert_eq!(counted(&warehouse, reentry).await, [(1, 2, 0, 0), (1, 2, 5, 5), (1, 1, 1, 4)]);
}

#[tokio::test]
async fn events_of_one_instant_are_ordered_by_id() {
    let mut events = visits("ada", 0, &[(5, "/a"), (5, "/b")]);
    events.extend(visits("bob", 10, &[(5, "/b"), (5, "/a")]));
    let warehouse = warehouse(&events).await;
    assert_eq!(counted(&warehouse, through(&["/a", "/b"])).await, [(2, 2, 0, 0), (1, 1, 0, 0)], "ada only");
    assert_eq!(
        counted(&warehouse, through(&["/a", "/a"])).await,
        [(2, 2, 0, 0), (0, 0, 0, 0)],
        "one event is one step"
    );
}

#[tokio::test]
async fn periods_hold_the_runs_that_start_in_them() {
    let mut events = visits("ada", 0, &[(0, "/a"), (50, "/a"), (70, "/b"), (125, "/a"), (170, "/a"), (200, "/b")]);
    events.extend(visits("bob", 50, &[(65, "/a"), (130, "/a")]));
    let mut warehouse = warehouse(&events).await;
    warehouse.commit(2, &events).await;
    let by_hour = |reentry| FunnelRequest {
        range: times(at("2024-05-13T00:00:00Z"), at("2024-05-13T03:00:00Z")),
        interval: Interval::Hour.into(),
        reentry,
        ..through(&["/a", "/b"])
    };
    let answer = funnel(&warehouse, by_hour(false)).await;
    assert_eq!(numbers(&answer.steps), [(2, 2, 0, 0), (1, 1, 70, 70)]);
    let periods: Vec<_> = answer.periods.iter().map(|period| numbers(&period.steps)).collect();
    // In the third hour the start at 125 gets as far as the one at 170: the earliest counts.
    let expected = [[(1, 1, 0, 0), (1, 1, 70, 70)], [(1, 1, 0, 0), (0, 0, 0, 0)], [(2, 2, 0, 0), (1, 1, 75, 75)]];
    assert_eq!(periods, expected);
    let spans: Vec<i64> = answer.periods.iter().map(|period| (period.to_us - period.from_us) / MINUTE).collect();
    assert_eq!((spans, answer.periods[0].day.as_str()), (vec![60; 3], "2024-05-13"));
    let answer = funnel(&warehouse, by_hour(true)).await;
    assert_eq!(numbers(&answer.steps), [(2, 4, 0, 0), (1, 2, 145, 145)]);
    let periods: Vec<_> = answer.periods.iter().map(|period| numbers(&period.steps)).collect();
    // Ada's runs: 0 to 70 and 125 to 200; bob's 65 and 130.
    let expected = [[(1, 1, 0, 0), (1, 1, 70, 70)], [(1, 1, 0, 0), (0, 0, 0, 0)], [(2, 2, 0, 0), (1, 1, 75, 75)]];
    assert_eq!(periods, expected);
}

#[tokio::test]
async fn a_filter_by_exit_page_selects_the_sessions_of_later_steps_too() {
    let warehouse = sample::warehouse().await;
    let left_from = |page: &str| FunnelRequest {
        range: days("2024-05-13", "2024-05-13"),
        filters: vec![of(Dimension::ExitPage, page)],
        ..through(&["/", "/pricing"])
    };
    assert_eq!(counted(&warehouse, left_from("shop.example/pricing")).await, [(2, 2, 0, 0), (2, 2, 50, 50)]);
    assert_eq!(counted(&warehouse, left_from("shop.example/")).await, [(0, 0, 0, 0), (0, 0, 0, 0)]);
}

#[tokio::test]
async fn a_funnel_names_the_field_that_is_wrong() {
    let service = sample::warehouse().await.service();
    let refused = async |request: FunnelRequest| fields(service.funnel(asked(1, request)).await.unwrap_err());
    assert_eq!(refused(through(&[])).await, ["steps"]);
    assert_eq!(refused(through(&["/"; 21])).await, ["steps"]);
    assert_eq!(refused(FunnelRequest { limit_us: -1, ..through(&["/"]) }).await, ["limit_us"]);
    let mut by_session = through(&["/", "/"]);
    by_session.steps[1].filters = vec![of(Dimension::EntryPage, "shop.example/")];
    assert_eq!(refused(by_session).await, ["steps[1].filters[0].dimension"]);
    let start = at("2024-05-13T00:00:00Z");
    let minutes = |count: i64| FunnelRequest {
        range: times(start, start.plus(count * MINUTE)),
        interval: Interval::Minute.into(),
        ..through(&["/"])
    };
    assert_eq!(refused(minutes(10_001)).await, ["interval"]);
    let most = service.funnel(asked(1, minutes(10_000))).await.unwrap().into_inner();
    assert_eq!(most.periods.len(), 10_000);
    let twenty = service.funnel(asked(1, through(&["/"; 20]))).await.unwrap().into_inner();
    assert_eq!(twenty.steps.len(), 20);
}

#[tokio::test]
async fn a_sum_of_times_past_64_bits_is_out_of_range() {
    // Each takes two centuries; it needs 1,462 of them.
    let event = |number: u128, visitor: &str, time: &str, path: &str| view(number, visitor, time, path);
    let mut events = Vec::new();
    for number in 0..1_470 {
        let visitor = format!("v{number}");
        events.push(event(2 * number, &visitor, "1970-01-02T00:00:00Z", "/a"));
        events.push(event(2 * number + 1, &visitor, "2170-01-02T00:00:00Z", "/b"));
    }
    let warehouse = warehouse(&events).await;
    let request = FunnelRequest { range: days("1970-01-01", "1970-01-03"), ..through(&["/a", "/b"]) };
    let refused = warehouse.service().funnel(asked(1, request.clone())).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    // One step alone adds nothing up.
    let one = FunnelRequest { steps: request.steps[..1].to_vec(), ..request };
    assert_eq!(counted(&warehouse, one).await, [(1_470, 1_470, 0, 0)]);
}
