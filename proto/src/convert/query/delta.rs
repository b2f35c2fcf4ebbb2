//! Deltas of watched reports: what changed between two answers, and an answer brought up to date.
//!
//! ```text
//!   diff(a, b) ─▶ Nothing │ Delta d │ Whole          apply(a, d, as_of) ─▶ b
//! ```
//!
//! Invariant: where `diff(a, b)` is a delta, applying it to `a` gives `b` to the last unit, its `as_of` included, which
//! travels beside the delta. Where none can (the steps themselves are others, after a change of the site's zone), the
//! answer is sent whole. Shared by the server, SDK users, the command line and tests, so that none of them can differ.
//!
//! A [`Watched`] follows one report over a stream and its reconnections. It is not responsible for the stream itself.

mod breakdown;
mod follow;
#[cfg(test)]
mod tests;

pub use follow::Watched;

use crate::query::v1;
use std::collections::HashMap;
use std::hash::Hash;
use v1::{delta, snapshot};

/// What leads from one answer to a later one. Both are answers to the same question.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "made, looked at and taken apart at once")]
pub enum Difference {
    /// No number differs; `as_of` may.
    Nothing,
    Delta(v1::Delta),
    /// No delta leads there.
    Whole,
}

/// A delta that does not belong to what is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misapplied {
    #[error("a delta of {delta} does not belong to a report of {report}")]
    Kind { report: &'static str, delta: &'static str },
    #[error("the delta names {0:?}, which the answer before it does not have; watch again without resume_from")]
    Unknown(String),
    #[error("a delta to state {received} came after state {known}; watch again without resume_from")]
    Skipped { known: u64, received: u64 },
    #[error("the message has no content")]
    Empty,
}

/// What changed from `before` to `after`, apart from `as_of`.
pub fn diff(before: &v1::Snapshot, after: &v1::Snapshot) -> Difference {
    use snapshot::Report::*;
    let (Some(before), Some(after)) = (&before.report, &after.report) else { return Difference::Whole };
    match (before, after) {
        (Traffic(before), Traffic(after)) => traffic(before, after),
        (Breakdown(before), Breakdown(after)) => breakdown::diff(before, after),
        (Retention(before), Retention(after)) => retention(before, after),
        (Funnel(before), Funnel(after)) => {
            let is_same = v1::FunnelResponse { as_of: None, ..before.clone() }
                == v1::FunnelResponse { as_of: None, ..after.clone() };
            found(!is_same, || delta::Report::Funnel(after.clone()))
        }
        (Realtime(before), Realtime(after)) => {
            let is_same = v1::RealtimeResponse { as_of: None, ..before.clone() }
                == v1::RealtimeResponse { as_of: None, ..after.clone() };
            found(!is_same, || delta::Report::Realtime(after.clone()))
        }
        _ => Difference::Whole,
    }
}

/// The delta that changes no number of an answer: it carries a new `as_of` only.
pub fn unchanged(answer: &v1::Snapshot) -> v1::Delta {
    let report = answer.report.as_ref().map(|report| match report {
        snapshot::Report::Traffic(_) => delta::Report::Traffic(v1::TrafficDelta::default()),
        snapshot::Report::Breakdown(answer) => delta::Report::Breakdown(breakdown::unchanged(answer)),
        snapshot::Report::Retention(_) => delta::Report::Retention(v1::RetentionDelta::default()),
        snapshot::Report::Funnel(answer) => delta::Report::Funnel(answer.clone()),
        snapshot::Report::Realtime(answer) => delta::Report::Realtime(answer.clone()),
    });
    v1::Delta { report }
}

/// Brings an answer up to date. `as_of` is the one beside the delta.
///
/// # Errors
/// [`Misapplied`] when the delta does not belong to the answer, which is then as it was.
pub fn apply(answer: &mut v1::Snapshot, delta: v1::Delta, as_of: Option<v1::AsOf>) -> Result<(), Misapplied> {
    let (Some(report), Some(delta)) = (&mut answer.report, delta.report) else { return Err(Misapplied::Empty) };
    match (report, delta) {
        (snapshot::Report::Traffic(answer), delta::Report::Traffic(delta)) => apply_traffic(answer, delta, as_of),
        (snapshot::Report::Breakdown(answer), delta::Report::Breakdown(delta)) => {
            breakdown::apply(answer, delta, as_of)
        }
        (snapshot::Report::Retention(answer), delta::Report::Retention(delta)) => {
            let places = places(&answer.cohorts, &delta.cohorts, |cohort| cohort.first_day.clone())?;
            put(&mut answer.cohorts, places, delta.cohorts);
            answer.as_of = as_of;
            Ok(())
        }
        (snapshot::Report::Funnel(answer), delta::Report::Funnel(after)) => {
            *answer = v1::FunnelResponse { as_of, ..after };
            Ok(())
        }
        (snapshot::Report::Realtime(answer), delta::Report::Realtime(after)) => {
            *answer = v1::RealtimeResponse { as_of, ..after };
            Ok(())
        }
        (report, delta) => Err(Misapplied::Kind { report: report_kind(report), delta: delta_kind(&delta) }),
    }
}

/// The `as_of` of an answer.
pub fn answer_as_of(answer: &v1::Snapshot) -> Option<&v1::AsOf> {
    match answer.report.as_ref()? {
        snapshot::Report::Traffic(answer) => answer.as_of.as_ref(),
        snapshot::Report::Breakdown(answer) => answer.as_of.as_ref(),
        snapshot::Report::Retention(answer) => answer.as_of.as_ref(),
        snapshot::Report::Funnel(answer) => answer.as_of.as_ref(),
        snapshot::Report::Realtime(answer) => answer.as_of.as_ref(),
    }
}

fn traffic(before: &v1::TrafficResponse, after: &v1::TrafficResponse) -> Difference {
    let (Some(steps), Some(compared_steps)) =
        (changed_steps(&before.steps, &after.steps), changed_steps(&before.compared_steps, &after.compared_steps))
    else {
        return Difference::Whole;
    };
    let is_lost = |before: &Option<_>, after: &Option<_>| before.is_some() && after.is_none();
    if before.time_zone != after.time_zone
        || before.visitor_days != after.visitor_days
        || is_lost(&before.total, &after.total)
        || is_lost(&before.compared_total, &after.compared_total)
    {
        return Difference::Whole;
    }
    let delta = v1::TrafficDelta {
        total: after.total.filter(|_| before.total != after.total),
        compared_total: after.compared_total.filter(|_| before.compared_total != after.compared_total),
        steps,
        compared_steps,
    };
    found(delta != v1::TrafficDelta::default(), || delta::Report::Traffic(delta))
}

/// The steps that differ; `None` when they are not the same stretches of time.
fn changed_steps(before: &[v1::Step], after: &[v1::Step]) -> Option<Vec<v1::Step>> {
    let stretch = |step: &v1::Step| (step.from_us, step.to_us, step.day.clone());
    changed(before, after, stretch)
}

fn retention(before: &v1::RetentionResponse, after: &v1::RetentionResponse) -> Difference {
    let period = |cohort: &v1::Cohort| (cohort.first_day.clone(), cohort.last_day.clone());
    match changed(&before.cohorts, &after.cohorts, period) {
        Some(cohorts) if before.time_zone == after.time_zone => {
            found(!cohorts.is_empty(), || delta::Report::Retention(v1::RetentionDelta { cohorts }))
        }
        _ => Difference::Whole,
    }
}

fn found(is_any: bool, delta: impl FnOnce() -> delta::Report) -> Difference {
    if is_any { Difference::Delta(v1::Delta { report: Some(delta()) }) } else { Difference::Nothing }
}

/// The items of `after` that differ from those in the same place before; `None` when the places are others.
fn changed<T: Clone + PartialEq, K: PartialEq>(before: &[T], after: &[T], place: impl Fn(&T) -> K) -> Option<Vec<T>> {
    let pairs = || before.iter().zip(after);
    if before.len() != after.len() || pairs().any(|(before, after)| place(before) != place(after)) {
        return None;
    }
    Some(pairs().filter(|(before, after)| before != after).map(|(_, after)| after.clone()).collect())
}

fn apply_traffic(
    answer: &mut v1::TrafficResponse,
    delta: v1::TrafficDelta,
    as_of: Option<v1::AsOf>,
) -> Result<(), Misapplied> {
    let from = |step: &v1::Step| step.from_us;
    // Looked up before anything is changed.
    let steps = places(&answer.steps, &delta.steps, from)?;
    let compared_steps = places(&answer.compared_steps, &delta.compared_steps, from)?;
    put(&mut answer.steps, steps, delta.steps);
    put(&mut answer.compared_steps, compared_steps, delta.compared_steps);
    answer.total = delta.total.or(answer.total);
    answer.compared_total = delta.compared_total.or(answer.compared_total);
    answer.as_of = as_of;
    Ok(())
}

/// Where the items with the keys of the changed ones stand. Looked up by key alone: where a clock fell back over midnight
/// the earlier day's first instant of a range may come after the later day's.
fn places<T, K: Eq + Hash + ToString>(
    items: &[T],
    changed: &[T],
    key: impl Fn(&T) -> K,
) -> Result<Vec<usize>, Misapplied> {
    let known: HashMap<K, usize> = items.iter().enumerate().map(|(place, item)| (key(item), place)).collect();
    let place = |item| {
        let wanted = key(item);
        known.get(&wanted).copied().ok_or_else(|| Misapplied::Unknown(wanted.to_string()))
    };
    changed.iter().map(place).collect()
}

fn put<T>(items: &mut [T], places: Vec<usize>, changed: Vec<T>) {
    places.into_iter().zip(changed).for_each(|(place, item)| items[place] = item);
}

fn report_kind(report: &snapshot::Report) -> &'static str {
    match report {
        snapshot::Report::Traffic(_) => "traffic",
        snapshot::Report::Breakdown(_) => "breakdown",
        snapshot::Report::Retention(_) => "retention",
        snapshot::Report::Funnel(_) => "funnel",
        snapshot::Report::Realtime(_) => "realtime",
    }
}

fn delta_kind(delta: &delta::Report) -> &'static str {
    match delta {
        delta::Report::Traffic(_) => "traffic",
        delta::Report::Breakdown(_) => "breakdown",
        delta::Report::Retention(_) => "retention",
        delta::Report::Funnel(_) => "funnel",
        delta::Report::Realtime(_) => "realtime",
    }
}
