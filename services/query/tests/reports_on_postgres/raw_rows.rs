//! How many raw rows the dashboard's questions read: none where nothing is behind, else a few around it; on TimescaleDB, which
//! reads chunks as small as these whole, those of a few days. And how often parts of their plans run before anything is known of
//! the tables.

use crate::ask::{days, filter};
use crate::warehouse::{Warehouse, asked, view};
use futures::StreamExt as _;
use pistats_core::Zone;
use pistats_proto::query::v1::query_service_server::QueryService;
use pistats_proto::query::v1::*;
use pistats_store::contract::Explaining;
use pistats_store::{Refresh, Variant};
use std::sync::Arc;

/// Days of the history, and its events a day: enough for an index to be worth more than reading all.
const DAYS: u32 = 30;
const A_DAY: u32 = 240;
/// A part that runs in several processes runs as often.
const MOST_LOOPS: u64 = 4;

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
    for dimension in [
        Dimension::Page,
        Dimension::Country,
        Dimension::Device,
        Dimension::Browser,
        Dimension::Os,
        Dimension::Channel,
        Dimension::EventName,
    ] {
        let request =
            BreakdownRequest { range: range.clone(), dimension: dimension.into(), ..BreakdownRequest::default() };
        warehouse.service_over(explaining.clone()).breakdown(asked(1, request)).await.unwrap();
        read.push((dimension.as_str_name(), explaining.read_since().raw_rows));
    }
    for interval in [Interval::Day, Interval::Week, Interval::Month] {
        let request =
            RetentionRequest { range: range.clone(), interval: interval.into(), ..RetentionRequest::default() };
        warehouse.service_over(explaining.clone()).retention(asked(1, request)).await.unwrap();
        read.push(("retention", explaining.read_since().raw_rows));
    }
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
    if crate::variant().is_none() {
        return;
    }
    let mut warehouse = history().await;
    // Right after an import, before any refresh: everything is raw, and right.
    let explaining = Arc::new(Explaining::over(warehouse.store.clone()).await.unwrap());
    let imported = asked_traffic(&warehouse, &explaining, Interval::Day).await;
    assert_eq!(total(&imported).events, u64::from(DAYS * A_DAY));
    assert!(explaining.read_since().raw_rows >= u64::from(DAYS * A_DAY));

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
        assert_eq!((total(&fresh), explaining.read_since().raw_rows), (total(&imported), 0), "{interval:?}");
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
    let rows = explaining.read_since().raw_rows;
    assert!((1..=5 * of_a_day).contains(&rows), "{rows} raw rows for one late event");
    for (name, rows) in others(&warehouse, &explaining).await {
        // Two statements, each with the events and sessions of these three days, and events of the day's sessions elsewhere.
        assert!(rows <= 2 * 9 * of_a_day, "{name}: {rows} raw rows for one late event");
    }
    warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    let after = asked_traffic(&warehouse, &explaining, Interval::Day).await;
    assert_eq!((after.total, explaining.read_since().raw_rows), (behind.total, 0));
}

/// Right after an import the planner takes every table for one of a few rows, and every set that a statement makes for one row.
/// Joined by a nested loop, the other side would be read as often as the first has rows.
#[tokio::test(flavor = "multi_thread")]
async fn no_part_of_a_plan_runs_for_every_row_whatever_the_planner_guesses() {
    if crate::variant().is_none() {
        return;
    }
    let warehouse = history().await;
    let explaining = Arc::new(Explaining::over(warehouse.store.clone()).await.unwrap());
    let service = warehouse.service_over(explaining.clone());
    let range = days("2024-05-01", "2024-05-30");
    let check = |what: &str| {
        let read = explaining.read_since();
        assert!(read.raw_rows > 0 && read.most_loops <= MOST_LOOPS, "{what}: {read:?}");
    };
    let is = |dimension, value: &str| filter(dimension, Operator::Is, &[value]);
    let filters = [
        vec![],
        vec![is(Dimension::Path, "/1")],
        vec![is(Dimension::EntryPage, "/1")],
        vec![is(Dimension::Path, "/1"), is(Dimension::ExitPage, "/2")],
    ];
    for filters in filters {
        for interval in [Interval::Hour, Interval::Day, Interval::Unspecified] {
            let request = TrafficRequest { filters: filters.clone(), ..traffic(interval) };
            service.traffic(asked(1, request)).await.unwrap();
            check(&format!("traffic by {interval:?} of {filters:?}"));
        }
        for dimension in [Dimension::Page, Dimension::Url, Dimension::EntryPage] {
            for order_by in [Metric::Visitors, Metric::Events, Metric::Sessions] {
                let request = BreakdownRequest {
                    range: range.clone(),
                    dimension: dimension.into(),
                    order_by: order_by.into(),
                    filters: filters.clone(),
                    ..BreakdownRequest::default()
                };
                service.breakdown(asked(1, request)).await.unwrap();
                check(&format!("{dimension:?} by {order_by:?} of {filters:?}"));
            }
        }
        let starts = Condition { filters: vec![is(Dimension::Path, "/3")] };
        let request = RetentionRequest {
            range: range.clone(),
            start_event: Some(starts.clone()),
            filters: filters.clone(),
            ..RetentionRequest::default()
        };
        service.retention(asked(1, request)).await.unwrap();
        check(&format!("retention of {filters:?}"));
        let request = FunnelRequest {
            range: range.clone(),
            steps: vec![starts, Condition::default()],
            filters: filters.clone(),
            ..FunnelRequest::default()
        };
        service.funnel(asked(1, request)).await.unwrap();
        check(&format!("a funnel of {filters:?}"));
        let request = ExportRequest { range: range.clone(), filters: filters.clone(), ..ExportRequest::default() };
        let mut pages = service.export(asked(1, request)).await.unwrap().into_inner();
        while let Some(page) = pages.next().await {
            page.unwrap();
        }
        check(&format!("an export of {filters:?}"));
    }
    let who = Some(journey_request::Who::VisitorId("v7".to_owned()));
    service.journey(asked(1, JourneyRequest { who, ..JourneyRequest::default() })).await.unwrap();
    let journey = explaining.read_since();
    assert!(journey.most_loops <= MOST_LOOPS, "{journey:?}");
    if crate::variant() == Some(Variant::Plain) {
        // Found by an index: its sessions three times, and its events.
        assert!((1..=4 * u64::from(DAYS * A_DAY) / 60).contains(&journey.raw_rows), "{journey:?}");
    }
}
