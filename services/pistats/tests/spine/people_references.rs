//! Retention of real inputs, imported through gRPC, is what others computed and published. Bots included, as they count.

use crate::harness::{Instance, Site, days, imported};
use pistats_proto::query::v1::*;
use pistats_testkit::data::{Set, reference};
use std::collections::BTreeMap;

/// First day and cells of every cohort that has a visitor.
type Cohorts = Vec<(String, Vec<u64>)>;

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

async fn assert_web(set: Set, expected: reference::Web) {
    let Some((instance, site)): Option<(Instance, Site)> = imported(set).await else { return };
    let (first, last) = (expected.first_day.as_str(), expected.last_day.as_str());
    let daily: Cohorts = expected.retention_daily_0_30.into_iter().map(|c| (c.day, c.cells)).collect();
    let weekly: Cohorts = expected.retention_weekly.into_iter().map(|c| (c.week, c.cells)).collect();
    let monthly: Cohorts =
        expected.retention_monthly.into_iter().map(|c| (format!("{}-01", c.month), c.cells)).collect();
    assert_eq!(month_long(cohorts(&site, first, last, Interval::Day).await), daily);
    assert_eq!(cohorts(&site, first, last, Interval::Week).await, weekly);
    assert_eq!(cohorts(&site, first, last, Interval::Month).await, monthly);

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
    let published: Vec<(String, u64)> = expected.daily.into_iter().map(|day| (day.day, day.visitors)).collect();
    assert_eq!(there, published);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usagov_returns_as_published_by_day_week_and_month() {
    let Some(expected) = reference::usagov().unwrap() else { return };
    assert_web(Set::Usagov, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn elastic_returns_as_published_by_day_week_and_month() {
    let Some(expected) = reference::elastic().unwrap() else { return };
    assert_web(Set::Elastic, expected).await;
}

async fn assert_retail(set: Set, expected: reference::Retail) -> Option<Cohorts> {
    let (instance, site) = imported(set).await?;
    let found = cohorts(&site, "2010-12-01", "2011-12-31", Interval::Month).await;
    let published: Cohorts =
        expected.cohorts.into_iter().map(|(month, cells)| (format!("{month}-01"), cells)).collect();
    assert_eq!(found, published);
    instance.stop().await;
    Some(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn retail_returns_as_published_by_month() {
    let Some(expected) = reference::retail(Set::Retail).unwrap() else { return };
    assert_retail(Set::Retail, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_published_cell_of_retail_without_returns_is_found() {
    let (Some(expected), Some(cells)) =
        (reference::retail(Set::RetailClean).unwrap(), reference::retail_cells().unwrap())
    else {
        return;
    };
    let Some(found) = assert_retail(Set::RetailClean, expected).await else { return };
    // The article counts a cohort's own month as 1.
    let found: BTreeMap<String, u64> = found
        .iter()
        .flat_map(|(first_day, cells)| {
            (1..).zip(cells).map(|(month, visitors)| (format!("{}|{month}", &first_day[..7]), *visitors))
        })
        .collect();
    assert_eq!(cells.len(), 91);
    assert_eq!(found, cells);
}
