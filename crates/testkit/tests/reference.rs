//! The oracle against answers that were computed elsewhere: this checks the definitions before any service does.

use pistats_core::report::{Bots, Breakdown, Dimension, Metric, Metrics, Selection, Traffic};
use pistats_core::time::{Interval, Range};
use pistats_core::{Day, Enricher, Zone};
use pistats_testkit::data::{self, Line, Set, reference};
use pistats_testkit::{Oracle, OracleEvent};
use std::collections::BTreeMap;

fn load(set: Set) -> Option<Oracle> {
    load_with(set, |_, _| ())
}

/// Enriched as the service does it, and then changed.
fn load_with(set: Set, change: fn(&Line, &mut OracleEvent)) -> Option<Oracle> {
    let file = data::events(set).expect("the events")?;
    let mut enricher = Enricher::default();
    let events = data::lines(&file).expect("a file").zip(1..).map(|(line, number)| {
        let line = line.expect("a line");
        let mut event = line.event(number, &mut enricher).expect("a time");
        change(&line, &mut event);
        event
    });
    Some(Oracle::new(events.collect()))
}

/// What the reference calls a path: the url as sent up to the question mark, with scheme, host and fragment.
fn url_without_query(line: &Line, event: &mut OracleEvent) {
    event.path = line.url.split('?').next().unwrap_or_default().to_owned();
}

fn everything(first: &str, last: &str) -> Selection {
    let day = |text| Day::parse(text).expect("a day");
    let range = Range::Days { first: day(first), last: day(last) };
    Selection { range, filters: Vec::new(), bots: Bots::Include }
}

fn series(oracle: &Oracle, selection: &Selection, interval: Interval) -> (Metrics, Vec<(String, Metrics)>) {
    let question = Traffic { selection: selection.clone(), interval: Some(interval) };
    let answer = oracle.traffic(&question, &Zone::utc()).expect("an answer");
    let steps = answer.steps.into_iter().map(|(bucket, metrics)| (bucket.first_day.to_string(), metrics)).collect();
    (answer.total, steps)
}

fn list(oracle: &Oracle, selection: &Selection, dimension: Dimension, limit: u32) -> (Vec<(String, Metrics)>, u64) {
    let selection = selection.clone();
    let question = Breakdown { selection, dimension, order_by: Metric::Events, limit, offset: 0 };
    let answer = oracle.breakdown(&question, &Zone::utc()).expect("an answer");
    (answer.rows, answer.total_rows)
}

fn agrees_with_the_web_reference(set: Set, expected: &reference::Web, oracle: &Oracle) {
    let selection = everything(&expected.first_day, &expected.last_day);
    let (total, steps) = series(oracle, &selection, Interval::Day);
    assert_eq!(total.events, expected.events);
    assert_eq!(total.page_views, expected.events);
    assert_eq!(total.visitors, expected.unique_visitors);
    assert_eq!(total.new_visitors, expected.unique_visitors);
    assert_eq!(total.sessions, expected.sessions_30min);
    assert_eq!(total.bounces, expected.bounced_sessions);
    assert_eq!(total.session_us, expected.total_session_seconds as i64 * 1_000_000);
    assert_eq!(total.session_page_views, expected.events);
    assert_eq!(steps.iter().map(|(_, day)| day.visitors).sum::<u64>(), expected.sum_daily_uniques);

    let days: Vec<reference::DayRow> = steps.into_iter().filter(|(_, day)| day.events > 0).map(day_row).collect();
    assert_eq!(days.len() as u64, expected.days_with_events);
    assert_eq!(days, expected.daily);
    assert_eq!(Some(days), reference::daily(set).expect("the file of days"));

    // New visitors by week and by month are the first cells of the cohorts.
    let (_, weeks) = series(oracle, &selection, Interval::Week);
    for cohort in &expected.retention_weekly {
        // The first step of the range is cut to it, so it may start later than its Monday.
        let monday = |day: &str| Day::parse(day).expect("a day").week_start().to_string();
        let week = weeks.iter().find(|(day, _)| monday(day) == cohort.week).expect("the week");
        assert_eq!(week.1.new_visitors, cohort.cells[0], "{}", cohort.week);
    }
    let (_, months) = series(oracle, &selection, Interval::Month);
    for cohort in &expected.retention_monthly {
        let month = months.iter().find(|(day, _)| day.starts_with(&cohort.month)).expect("the month");
        assert_eq!(month.1.new_visitors, cohort.cells[0], "{}", cohort.month);
    }

    let (rows, all) = list(oracle, &selection, Dimension::Url, expected.top_pages.len() as u32);
    assert_eq!(all, expected.distinct_urls);
    let pages = rows.into_iter().map(|(url, m)| reference::Page { url, events: m.events, visitors: m.visitors });
    assert_eq!(pages.collect::<Vec<_>>(), expected.top_pages);
    let (rows, _) = list(oracle, &selection, Dimension::Path, expected.top_paths_without_query.len() as u32);
    let paths = rows.into_iter().map(|(path, m)| reference::PathEvents { path, events: m.events });
    assert_eq!(paths.collect::<Vec<_>>(), expected.top_paths_without_query);
}

fn day_row((day, metrics): (String, Metrics)) -> reference::DayRow {
    let Metrics { events, visitors, new_visitors, sessions, .. } = metrics;
    reference::DayRow { day, events, visitors, new_visitors, sessions }
}

#[test]
fn usagov_has_its_reference_answers() {
    let Some(expected) = reference::usagov().expect("the reference") else { return };
    let Some(oracle) = load_with(Set::Usagov, url_without_query) else { return };
    agrees_with_the_web_reference(Set::Usagov, &expected, &oracle);
}

#[test]
fn elastic_has_its_reference_answers() {
    let Some(expected) = reference::elastic().expect("the reference") else { return };
    let Some(oracle) = load_with(Set::Elastic, url_without_query) else { return };
    agrees_with_the_web_reference(Set::Elastic, &expected, &oracle);
}

/// The reference counts raw values: countries that are none (`A1`, `EU`), and the first language in every spelling.
fn raw_origins(line: &Line, event: &mut OracleEvent) {
    event.country = line.country.clone();
    event.language = line.lang.split([',', ';']).next().unwrap_or_default().to_owned();
}

#[test]
fn usagov_has_its_published_countries_languages_hosts_and_campaigns() {
    let Some(expected) = reference::usagov_origins().expect("the reference") else { return };
    let Some(oracle) = load_with(Set::Usagov, raw_origins) else { return };
    let selection = everything("2013-01-01", "2013-05-17");
    let counts = |dimension, limit: usize| {
        let (rows, all) = list(&oracle, &selection, dimension, limit as u32);
        (rows.into_iter().map(|(value, metrics)| (value, metrics.events)).collect::<Vec<reference::Count>>(), all)
    };
    let countries = counts(Dimension::Country, expected.countries.len());
    assert_eq!(countries, (expected.countries, expected.distinct_countries));
    assert_eq!(counts(Dimension::Language, expected.languages.len()).0, expected.languages);
    assert_eq!(counts(Dimension::Host, expected.target_hosts.len()).0, expected.target_hosts);
    for (parameter, dimension) in [
        ("utm_source", Dimension::UtmSource),
        ("utm_medium", Dimension::UtmMedium),
        ("utm_campaign", Dimension::UtmCampaign),
        ("utm_term", Dimension::UtmTerm),
        ("utm_content", Dimension::UtmContent),
    ] {
        let expected = &expected.utm[parameter];
        let mut given = counts(dimension, 10_000).0;
        given.retain(|(value, _)| !value.is_empty());
        assert_eq!(given.len() as u64, expected.distinct, "{parameter}");
        assert_eq!(given.iter().map(|(_, events)| events).sum::<u64>(), expected.events, "{parameter}");
        // The reference breaks ties in another order: the numbers of the list, and the number of each value.
        let numbers = |list: &[reference::Count]| list.iter().map(|(_, events)| *events).collect::<Vec<u64>>();
        assert_eq!(numbers(&given[..expected.top.len()]), numbers(&expected.top), "{parameter}");
        assert!(expected.top.iter().all(|count| given.contains(count)), "{parameter}");
    }
}

#[test]
fn retail_has_its_published_cohort_sizes_and_monthly_buyers() {
    for set in [Set::Retail, Set::RetailClean] {
        let Some(expected) = reference::retail(set).expect("the reference") else { return };
        let Some(oracle) = load(set) else { return };
        let (total, months) = series(&oracle, &everything("2010-12-01", "2011-12-31"), Interval::Month);
        assert_eq!((total.events, total.visitors), (expected.events, expected.visitors));
        assert_eq!((total.page_views, total.value_count), (0, expected.events));
        let new: Vec<(String, u64)> =
            months.iter().map(|(day, month)| (day[..7].to_owned(), month.new_visitors)).collect();
        let sizes: Vec<(String, u64)> =
            expected.cohorts.iter().map(|(month, cells)| (month.clone(), cells[0])).collect();
        assert_eq!(new, sizes);
        let buyers: Vec<u64> = months.iter().map(|(_, month)| month.visitors).collect();
        assert_eq!(buyers, expected.monthly_visitors());
    }
}

/// Sets of visitors that do not overlap just add up, so four million events need not be in memory at once.
#[test]
fn msnbc_has_its_published_views_visitors_entries_and_exits() {
    let Some(expected) = reference::msnbc().expect("the reference") else { return };
    let Some(file) = data::events(Set::Msnbc).expect("the events") else { return };
    let selection = everything("1999-09-28", "1999-09-28");
    let mut total = Metrics::default();
    let mut categories: BTreeMap<String, reference::Category> = BTreeMap::new();
    let mut add = |events: Vec<OracleEvent>| {
        let oracle = Oracle::new(events);
        let question = Traffic { selection: selection.clone(), interval: None };
        let part = oracle.traffic(&question, &Zone::utc()).expect("an answer").total;
        total.events += part.events;
        total.visitors += part.visitors;
        total.sessions += part.sessions;
        for dimension in [Dimension::Url, Dimension::EntryPage, Dimension::ExitPage] {
            for (url, row) in list(&oracle, &selection, dimension.clone(), u32::MAX).0 {
                let name = url.trim_start_matches('/').to_owned();
                let empty = reference::Category { category: name, views: 0, unique_visitors: 0, entries: 0, exits: 0 };
                let category = categories.entry(url).or_insert(empty);
                match dimension {
                    Dimension::EntryPage => category.entries += row.sessions,
                    Dimension::ExitPage => category.exits += row.sessions,
                    _ => {
                        category.views += row.events;
                        category.unique_visitors += row.visitors;
                    }
                }
            }
        }
    };
    let mut enricher = Enricher::default();
    let mut some: Vec<OracleEvent> = Vec::new();
    for (line, number) in data::lines(&file).expect("a file").zip(1..) {
        let event = line.expect("a line").event(number, &mut enricher).expect("a time");
        // A visitor's lines are neighbours: a chunk may end where the visitor changes.
        if some.len() > 20_000 && some.last().is_some_and(|last| last.visitor != event.visitor) {
            add(std::mem::take(&mut some));
        }
        some.push(event);
    }
    add(some);
    assert_eq!((total.events, total.visitors), (expected.page_views, expected.users));
    assert_eq!(total.sessions, expected.users);
    let mut found: Vec<reference::Category> = categories.into_values().collect();
    found.sort_by_key(|category| std::cmp::Reverse(category.views));
    assert_eq!(found, expected.categories);
}
