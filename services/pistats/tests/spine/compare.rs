//! Answers against the oracle's. What differs is told with `what`, which must say how to make it again.

use crate::asked;
use pistats_core::report::{Breakdown, Cohort, Funnel, FunnelStep, Retention, Selection, Traffic, WholePeriod};
use pistats_core::{Day, Micros, Zone};
use pistats_proto::query::v1::{
    self, BreakdownResponse, FunnelResponse, JourneyResponse, RetentionResponse, TrafficResponse,
};
use pistats_testkit::Oracle;
use pistats_testkit::oracle::Unanswerable;
use tonic::Status;

/// Both answers, where there is one; where the oracle has none, the service must have none either.
fn both<F, E>(found: Result<F, Status>, expected: Result<E, Unanswerable>, what: &str) -> Option<(F, E)> {
    match (found, expected) {
        (Ok(found), Ok(expected)) => Some((found, expected)),
        (Err(_), Err(_)) => None,
        (Ok(_), Err(why)) => panic!("the oracle cannot answer ({why}) but the service can: {what}"),
        (Err(status), Ok(_)) => panic!("{status}: {what}"),
    }
}

pub(crate) fn traffic(
    found: Result<TrafficResponse, Status>,
    oracle: &Oracle,
    zone: &Zone,
    question: &Traffic,
    what: &str,
) {
    let Some((found, expected)) = both(found, oracle.traffic(question, zone), what) else { return };
    assert_eq!(asked::metrics(&found.total.unwrap()), expected.total, "total: {what}");
    assert_eq!(found.steps.len(), expected.steps.len(), "steps: {what}");
    for (step, (bucket, numbers)) in found.steps.iter().zip(&expected.steps) {
        assert_eq!((Micros(step.from_us), Micros(step.to_us)), (bucket.from, bucket.to), "{what}");
        assert_eq!(step.day, bucket.first_day.to_string(), "{what}");
        assert_eq!(asked::metrics(step.metrics.as_ref().unwrap()), *numbers, "step {bucket:?}: {what}");
    }
}

pub(crate) fn breakdown(
    found: Result<BreakdownResponse, Status>,
    oracle: &Oracle,
    zone: &Zone,
    question: &Breakdown,
    what: &str,
) {
    let Some((found, expected)) = both(found, oracle.breakdown(question, zone), what) else { return };
    assert_eq!(found.total_rows, expected.total_rows, "values: {what}");
    let rows: Vec<_> = found.rows.into_iter().map(|row| (row.value, asked::metrics(&row.metrics.unwrap()))).collect();
    assert_eq!(rows, expected.rows, "{what}");
}

/// Ids in the order of the export.
pub(crate) fn export(found: Vec<Vec<u8>>, oracle: &Oracle, zone: &Zone, selection: &Selection, what: &str) {
    let expected: Vec<Vec<u8>> = oracle.export(selection, zone).iter().map(|event| event.id.0.to_vec()).collect();
    assert_eq!(found, expected, "{what}");
}

pub(crate) fn retention(
    found: Result<RetentionResponse, Status>,
    oracle: &Oracle,
    zone: &Zone,
    question: &Retention,
    what: &str,
) {
    let Some((found, expected)) = both(found, oracle.retention(question, zone), what) else { return };
    assert_eq!(found.time_zone, zone.name(), "{what}");
    let day = |text: &str| Day::parse(text).unwrap();
    let cohort = |cohort: v1::Cohort| Cohort {
        period: WholePeriod { first: day(&cohort.first_day), last: day(&cohort.last_day) },
        visitors: cohort.visitors,
        cells: cohort.cells,
    };
    let found: Vec<Cohort> = found.cohorts.into_iter().map(cohort).collect();
    assert_eq!(found, expected, "{what}");
}

fn funnel_steps(steps: &[v1::FunnelStep]) -> Vec<FunnelStep> {
    let step = |step: &v1::FunnelStep| FunnelStep {
        visitors: step.visitors,
        runs: step.runs,
        since_previous_us: step.since_previous_us,
        since_start_us: step.since_start_us,
    };
    steps.iter().map(step).collect()
}

pub(crate) fn funnel(
    found: Result<FunnelResponse, Status>,
    oracle: &Oracle,
    zone: &Zone,
    question: &Funnel,
    what: &str,
) {
    let Some((found, expected)) = both(found, oracle.funnel(question, zone), what) else { return };
    assert_eq!(found.time_zone, zone.name(), "{what}");
    assert_eq!(funnel_steps(&found.steps), expected.steps, "{what}");
    assert_eq!(found.periods.len(), expected.periods.len(), "periods: {what}");
    for (period, (bucket, steps)) in found.periods.iter().zip(&expected.periods) {
        assert_eq!((Micros(period.from_us), Micros(period.to_us)), (bucket.from, bucket.to), "{what}");
        assert_eq!(period.day, bucket.first_day.to_string(), "{what}");
        assert_eq!(funnel_steps(&period.steps), *steps, "period {bucket:?}: {what}");
    }
}

/// A journey of a visitor that there is.
pub(crate) fn journey(
    found: Result<JourneyResponse, Status>,
    oracle: &Oracle,
    (visitor, sessions, before): (&str, u32, Option<Micros>),
    what: &str,
) {
    let found = found.unwrap_or_else(|status| panic!("{status}: {what}"));
    let expected = oracle.journey(visitor, sessions as usize, before).unwrap();
    assert_eq!((found.first_seen_us, found.last_seen_us), (expected.first_seen.0, expected.last_seen.0), "{what}");
    let totals = (expected.total_sessions, expected.total_events);
    assert_eq!((found.total_sessions, found.total_events), totals, "{what}");
    assert_eq!(found.next_before_us, expected.next_before.map_or(0, |at| at.0), "{what}");
    assert_eq!(found.sessions.len(), expected.sessions.len(), "{what}");
    for (found, expected) in found.sessions.iter().zip(&expected.sessions) {
        assert_eq!((found.start_us, found.end_us), (expected.start.0, expected.end.0), "{what}");
        let pages = (expected.entry_page.as_str(), expected.exit_page.as_str());
        assert_eq!((found.entry_page.as_str(), found.exit_page.as_str()), pages, "{what}");
        assert_eq!((found.page_views, found.total_events), (expected.page_views, expected.total_events), "{what}");
        let ids: Vec<Vec<u8>> = expected.events.iter().map(|id| id.0.to_vec()).collect();
        assert_eq!(found.events.iter().map(|event| event.id.to_vec()).collect::<Vec<_>>(), ids, "{what}");
    }
}
