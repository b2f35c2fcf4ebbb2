//! Real inputs, imported through gRPC, give exactly the answers that others computed: right after the import, before anything was
//! refreshed, and when nothing is behind any more.

use crate::funnels::assert_frontpage_news_sports;
use crate::harness::{Queries, Site, asked_before_and_after_a_refresh, breakdown, days, traffic};
use crate::people_references as people;
use pistats_proto::query::v1::*;
use pistats_testkit::data::{self, Set, reference};

async fn total(queries: &mut Queries, first: &str, last: &str) -> Metrics {
    let request = traffic(days(first, last), Interval::Unspecified);
    queries.traffic(request).await.unwrap().into_inner().total.unwrap()
}

async fn rows(queries: &mut Queries, request: BreakdownRequest) -> Vec<Row> {
    queries.breakdown(request).await.unwrap().into_inner().rows
}

/// What the reference of a web log says, asked of the service.
async fn assert_web(site: &Site, set: Set, expected: &reference::Web) {
    let mut queries = site.queries();
    let range = days(&expected.first_day, &expected.last_day);

    let sum = total(&mut queries, &expected.first_day, &expected.last_day).await;
    assert_eq!(sum.events, expected.events);
    assert_eq!(sum.visitors, expected.unique_visitors);
    assert_eq!(sum.new_visitors, expected.unique_visitors, "everybody came for the first time in the whole range");
    assert_eq!(sum.sessions, expected.sessions_30min);
    assert_eq!(sum.bounces, expected.bounced_sessions);
    assert_eq!(sum.session_us, expected.total_session_seconds as i64 * 1_000_000);

    let answer = queries.traffic(traffic(range.clone(), Interval::Day)).await.unwrap().into_inner();
    let daily: Vec<reference::DayRow> = answer
        .steps
        .into_iter()
        .map(|step| (step.day, step.metrics.unwrap()))
        .filter(|(_, metrics)| metrics.events > 0)
        .map(|(day, m)| reference::DayRow {
            day,
            events: m.events,
            visitors: m.visitors,
            new_visitors: m.new_visitors,
            sessions: m.sessions,
        })
        .collect();
    assert_eq!(daily, expected.daily);
    assert_eq!(Some(daily.clone()), reference::daily(set).unwrap());
    assert_eq!(daily.iter().map(|day| day.visitors).sum::<u64>(), expected.sum_daily_uniques);

    let request = breakdown(range.clone(), Dimension::Url, Metric::Events, expected.top_pages.len() as u32);
    let answer = queries.breakdown(request).await.unwrap().into_inner();
    assert_eq!(answer.total_rows, expected.distinct_urls);
    let pages: Vec<reference::Page> = answer
        .rows
        .into_iter()
        .map(|row| {
            let metrics = row.metrics.unwrap();
            reference::Page { url: row.value, events: metrics.events, visitors: metrics.visitors }
        })
        .collect();
    assert_eq!(pages, expected.top_pages);

    // Longer steps hold the same events; uniques of a month are not sums of days.
    for interval in [Interval::Hour, Interval::Week, Interval::Month] {
        let steps = queries.traffic(traffic(range.clone(), interval)).await.unwrap().into_inner().steps;
        let events: u64 = steps.iter().map(|step| step.metrics.as_ref().unwrap().events).sum();
        assert_eq!(events, expected.events, "{interval:?}");
    }
    people::assert_web(site, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usagov_gives_the_published_answers_before_and_after_a_refresh() {
    let (Some(expected), Some(origins)) = (reference::usagov().unwrap(), reference::usagov_origins().unwrap()) else {
        return;
    };
    asked_before_and_after_a_refresh(Set::Usagov, async |site| {
        assert_web(site, Set::Usagov, &expected).await;
        assert_origins(site, &origins).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn elastic_gives_the_published_answers_before_and_after_a_refresh() {
    let Some(expected) = reference::elastic().unwrap() else { return };
    asked_before_and_after_a_refresh(Set::Elastic, async |site| assert_web(site, Set::Elastic, &expected).await).await;
}

/// Countries and campaigns.
async fn assert_origins(site: &Site, expected: &reference::UsagovOrigins) {
    let mut queries = site.queries();
    let range = days("2013-01-01", "2013-05-17");
    for (utm, dimension) in [
        ("utm_source", Dimension::UtmSource),
        ("utm_medium", Dimension::UtmMedium),
        ("utm_campaign", Dimension::UtmCampaign),
    ] {
        let Some(parameter) = expected.utm.get(utm) else { continue };
        let found = rows(&mut queries, breakdown(range.clone(), dimension, Metric::Events, 10_000)).await;
        let named: Vec<&Row> = found.iter().filter(|row| !row.value.is_empty()).collect();
        let events: u64 = named.iter().map(|row| row.metrics.as_ref().unwrap().events).sum();
        println!(
            "{utm}: {} events, {} values; published {} and {}",
            events,
            named.len(),
            parameter.events,
            parameter.distinct
        );
    }
    let countries = rows(&mut queries, breakdown(range, Dimension::Country, Metric::Events, 10_000)).await;
    for (country, events) in &expected.countries {
        let found = countries.iter().find(|row| row.value == *country).map(|row| row.metrics.as_ref().unwrap().events);
        assert_eq!(found, Some(*events), "{country:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn msnbc_gives_views_visitors_entries_exits_of_every_category_and_its_funnel_before_and_after_a_refresh() {
    let Some(expected) = reference::msnbc().unwrap() else { return };
    asked_before_and_after_a_refresh(Set::Msnbc, async |site| assert_categories(site, &expected).await).await;
}

async fn assert_categories(site: &Site, expected: &reference::Msnbc) {
    let mut queries = site.queries();
    let sum = total(&mut queries, "1999-09-28", "1999-09-29").await;
    assert_eq!((sum.events, sum.page_views, sum.visitors), (expected.page_views, expected.page_views, expected.users));
    let range = days("1999-09-28", "1999-09-29");
    let by = async |dimension: Dimension| {
        rows(&mut site.queries(), breakdown(range.clone(), dimension, Metric::Events, 100)).await
    };
    let (views, entries, exits) =
        (by(Dimension::Url).await, by(Dimension::EntryPage).await, by(Dimension::ExitPage).await);
    assert_eq!(views.len(), expected.categories.len());
    let of = |rows: &[Row], page: &str| rows.iter().find(|row| row.value == page).unwrap().metrics.unwrap();
    for category in &expected.categories {
        let page = format!("/{}", category.category);
        let viewed = of(&views, &page);
        assert_eq!((viewed.page_views, viewed.visitors), (category.views, category.unique_visitors), "{page}");
        assert_eq!(of(&entries, &page).sessions, category.entries, "entries of {page}");
        assert_eq!(of(&exits, &page).sessions, category.exits, "exits of {page}");
    }
    assert_frontpage_news_sports(&mut queries, &expected.funnel_frontpage_news_sports).await;
}

/// The published cohorts say how many bought in each month, and how many of them for the first time.
async fn assert_months(site: &Site, set: Set, expected: &reference::Retail) {
    let mut queries = site.queries();
    let request = traffic(days("2010-12-01", "2011-12-31"), Interval::Month);
    let answer = queries.traffic(request).await.unwrap().into_inner();
    let sum = answer.total.unwrap();
    assert_eq!((sum.events, sum.visitors), (expected.events, expected.visitors));
    assert_eq!((sum.page_views, sum.value_count), (0, expected.events));
    let months: Vec<Metrics> = answer.steps.into_iter().map(|step| step.metrics.unwrap()).collect();
    assert_eq!(months.iter().map(|month| month.visitors).collect::<Vec<_>>(), expected.monthly_visitors());
    let first_time: Vec<u64> = expected.cohorts.iter().map(|(_, cells)| cells[0]).collect();
    assert_eq!(months.iter().map(|month| month.new_visitors).collect::<Vec<_>>(), first_time);

    // The value of every line, summed here in whole cents: no sum of the service may differ by a millionth.
    let path = data::events(set).unwrap().unwrap();
    let values = data::lines(&path).unwrap().map(|line| line.unwrap().value_micros().unwrap());
    let (mut sum_micros, mut least, mut greatest) = (0i64, i64::MAX, i64::MIN);
    for value in values {
        sum_micros += value;
        (least, greatest) = (least.min(value), greatest.max(value));
    }
    assert_eq!(sum.value_sum_micros, sum_micros);
    assert_eq!((sum.value_min_micros, sum.value_max_micros), (Some(least), Some(greatest)));
}

#[tokio::test(flavor = "multi_thread")]
async fn retail_gives_the_published_months_and_cohorts_before_and_after_a_refresh() {
    let Some(expected) = reference::retail(Set::Retail).unwrap() else { return };
    asked_before_and_after_a_refresh(Set::Retail, async |site| {
        assert_months(site, Set::Retail, &expected).await;
        people::assert_retail(site, &expected).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retail_without_returns_gives_every_published_cell_before_and_after_a_refresh() {
    let (Some(expected), Some(cells)) =
        (reference::retail(Set::RetailClean).unwrap(), reference::retail_cells().unwrap())
    else {
        return;
    };
    asked_before_and_after_a_refresh(Set::RetailClean, async |site| {
        assert_months(site, Set::RetailClean, &expected).await;
        let cohorts = people::assert_retail(site, &expected).await;
        people::assert_cells(&cohorts, &cells);
    })
    .await;
}
