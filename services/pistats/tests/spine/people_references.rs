//! Retention of real inputs is what others computed and published. Bots included, as they count. `references` imports and asks.

use crate::harness::{Site, days};
use pistats_proto::query::v1::*;
use pistats_testkit::data::reference;
use std::collections::BTreeMap;

/// First day and cells of every cohort that has a visitor.
pub(crate) type Cohorts = Vec<(String, Vec<u64>)>;

fn request(first: &str, last: &str, interval: Interval) -> RetentionRequest {
    RetentionRequest {
        range: days(first, last),
        interval: interval.into(),
        bots: Bots::Include.into(),
        ..Default::default()
    }
}

/// Cohorts of new visitors, up to the last period of the range.
async fn cohorts(site: &Site, first: &str, last: &str, interval: Interval) -> Cohorts {
    let answer = site.queries().retention(request(first, last, interval)).await.unwrap().into_inner();
    assert!(answer.cohorts.iter().all(|cohort| cohort.cells.first() == Some(&cohort.visitors)), "all return at once");
    let some = answer.cohorts.into_iter().filter(|cohort| cohort.visitors > 0);
    some.map(|cohort| (cohort.first_day, cohort.cells)).collect()
}

/// Cohorts by day are published up to the thirtieth day after.
fn month_long(cohorts: Cohorts) -> Cohorts {
    cohorts.into_iter().map(|(day, cells)| (day, cells.into_iter().take(31).collect())).collect()
}

/// By day, by week and by month.
pub(crate) async fn assert_web(site: &Site, expected: &reference::Web) {
    let (first, last) = (expected.first_day.as_str(), expected.last_day.as_str());
    let daily: Cohorts = expected.retention_daily_0_30.iter().map(|c| (c.day.clone(), c.cells.clone())).collect();
    let weekly: Cohorts = expected.retention_weekly.iter().map(|c| (c.week.clone(), c.cells.clone())).collect();
    let monthly: Cohorts =
        expected.retention_monthly.iter().map(|c| (format!("{}-01", c.month), c.cells.clone())).collect();
    assert_eq!(month_long(cohorts(site, first, last, Interval::Day).await), daily);
    assert_eq!(cohorts(site, first, last, Interval::Week).await, weekly);
    assert_eq!(cohorts(site, first, last, Interval::Month).await, monthly);

    // Everybody's first page view ever starts a cohort too: no other event came before it.
    let views =
        Filter { dimension: Dimension::EventName.into(), values: vec!["page_view".into()], ..Default::default() };
    let started = RetentionRequest {
        start_event: Some(Condition { filters: vec![views] }),
        ..request(first, last, Interval::Week)
    };
    let answer = site.queries().retention(started).await.unwrap().into_inner();
    let started: Cohorts =
        answer.cohorts.into_iter().filter(|c| c.visitors > 0).map(|c| (c.first_day, c.cells)).collect();
    assert_eq!(started, weekly);

    // Recurring, a cohort is everybody who was there: that is the first cell of each, and the day's visitors.
    let mode = RetentionMode::Recurring.into();
    let recurring = RetentionRequest { mode, cells: 1, ..request(first, last, Interval::Day) };
    let answer = site.queries().retention(recurring).await.unwrap().into_inner();
    let there: Vec<(String, u64)> =
        answer.cohorts.into_iter().filter(|c| c.visitors > 0).map(|c| (c.first_day, c.visitors)).collect();
    let published: Vec<(String, u64)> = expected.daily.iter().map(|day| (day.day.clone(), day.visitors)).collect();
    assert_eq!(there, published);
}

/// By month.
pub(crate) async fn assert_retail(site: &Site, expected: &reference::Retail) -> Cohorts {
    let found = cohorts(site, "2010-12-01", "2011-12-31", Interval::Month).await;
    let published: Cohorts =
        expected.cohorts.iter().map(|(month, cells)| (format!("{month}-01"), cells.clone())).collect();
    assert_eq!(found, published);
    found
}

/// The cells of an article, which counts a cohort's own month as 1.
pub(crate) fn assert_cells(found: &Cohorts, cells: &BTreeMap<String, u64>) {
    let found: BTreeMap<String, u64> = found
        .iter()
        .flat_map(|(first_day, cells)| {
            (1..).zip(cells).map(|(month, visitors)| (format!("{}|{month}", &first_day[..7]), *visitors))
        })
        .collect();
    assert_eq!(cells.len(), 91);
    assert_eq!(found, *cells);
}
