//! Funnels: the request as a question, the answer as a message.

use super::request::{condition, interval, selection, unknown};
use crate::convert::{Invalid, Violations};
use crate::query::v1;
use pistats_core::report::{Funnel, FunnelAnswer, FunnelStep};

/// Steps a funnel may have; it needs one.
pub const MOST_FUNNEL_STEPS: usize = 20;

/// Reads a request for a funnel.
pub fn funnel(request: &v1::FunnelRequest) -> Result<Funnel, Invalid> {
    let mut wrong = Violations::default();
    let selection = selection(&mut wrong, request.range.as_ref(), &request.filters, request.bots);
    let steps = match request.steps.len() {
        0 => wrong.add("steps", "name at least one step; a step without filters is any selected event"),
        count if count > MOST_FUNNEL_STEPS => {
            wrong.add("steps", format!("{count} steps are too many, at most {MOST_FUNNEL_STEPS}"))
        }
        _ => steps(&mut wrong, &request.steps),
    };
    let limit_us = match request.limit_us {
        0 => Some(None),
        limit if limit > 0 => Some(Some(limit)),
        limit => wrong.add("limit_us", format!("{limit} lies below 0; give microseconds, or 0 for no limit")),
    };
    let strict = match v1::FunnelOrder::try_from(request.order) {
        Ok(v1::FunnelOrder::Unspecified | v1::FunnelOrder::Loose) => Some(false),
        Ok(v1::FunnelOrder::Strict) => Some(true),
        Err(_) => wrong.add("order", unknown(request.order)),
    };
    let interval = interval(&mut wrong, request.interval);
    let question = (|| {
        let (selection, steps, limit_us) = (selection?, steps?, limit_us?);
        Some(Funnel { selection, steps, limit_us, strict: strict?, reentry: request.reentry, interval: interval? })
    })();
    wrong.unless_any(question)
}

fn steps(wrong: &mut Violations, steps: &[v1::Condition]) -> Option<Vec<Vec<pistats_core::report::Filter>>> {
    // Every step is read, so that every wrong filter is named.
    let read: Vec<_> = steps
        .iter()
        .enumerate()
        .map(|(index, step)| condition(wrong, &format!("steps[{index}]."), Some(step)))
        .collect();
    read.into_iter().collect()
}

/// What a funnel is answered with as a message.
pub fn funnel_answer(
    answer: &FunnelAnswer,
    as_of: &pistats_core::report::AsOf,
    zone: &pistats_core::Zone,
) -> v1::FunnelResponse {
    let steps = |steps: &[FunnelStep]| steps.iter().map(step).collect();
    let periods = answer.periods.iter().map(|(bucket, numbers)| v1::FunnelPeriod {
        from_us: bucket.from.0,
        to_us: bucket.to.0,
        day: bucket.first_day.to_string(),
        steps: steps(numbers),
    });
    v1::FunnelResponse {
        steps: steps(&answer.steps),
        periods: periods.collect(),
        as_of: Some(super::as_of(as_of)),
        time_zone: zone.name().to_owned(),
        // Whether visitors are those of a day is the site's matter, not the answer's.
        visitor_days: false,
    }
}

fn step(step: &FunnelStep) -> v1::FunnelStep {
    v1::FunnelStep {
        visitors: step.visitors,
        runs: step.runs,
        since_previous_us: step.since_previous_us,
        since_start_us: step.since_start_us,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> v1::FunnelRequest {
        let days = v1::DayRange { first: "2024-05-13".into(), last: "2024-05-14".into() };
        v1::FunnelRequest {
            range: Some(v1::Range { range: Some(v1::range::Range::Days(days)) }),
            steps: vec![step(v1::Dimension::Page), v1::Condition::default()],
            ..Default::default()
        }
    }

    fn step(dimension: v1::Dimension) -> v1::Condition {
        let filter = v1::Filter { dimension: dimension.into(), values: vec!["x".into()], ..Default::default() };
        v1::Condition { filters: vec![filter] }
    }

    /// The fields that are named when the sound request is changed.
    fn named(change: impl FnOnce(&mut v1::FunnelRequest)) -> Vec<String> {
        let mut request = sound();
        change(&mut request);
        match funnel(&request) {
            Ok(_) => Vec::new(),
            Err(Invalid(violations)) => violations.into_iter().map(|violation| violation.field).collect(),
        }
    }

    #[test]
    fn a_sound_request_is_read_with_its_defaults() {
        let question = funnel(&sound()).expect("sound");
        assert_eq!(question.steps.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(
            (question.limit_us, question.strict, question.reentry, question.interval),
            (None, false, false, None)
        );
        let mut request = sound();
        (request.limit_us, request.order, request.reentry) = (1, v1::FunnelOrder::Strict.into(), true);
        let question = funnel(&request).expect("sound");
        assert_eq!((question.limit_us, question.strict, question.reentry), (Some(1), true, true));
    }

    #[test]
    fn every_wrong_field_is_named() {
        assert_eq!(named(|r| r.range = None), ["range"]);
        assert_eq!(named(|r| r.steps.clear()), ["steps"]);
        assert_eq!(named(|r| r.steps = vec![step(v1::Dimension::Page); 20]), [""; 0]);
        assert_eq!(named(|r| r.steps = vec![step(v1::Dimension::Page); 21]), ["steps"]);
        assert_eq!(named(|r| r.steps[1] = step(v1::Dimension::EntryPage)), ["steps[1].filters[0].dimension"]);
        assert_eq!(named(|r| r.steps[0].filters[0].values.clear()), ["steps[0].filters[0].values"]);
        let both = |r: &mut v1::FunnelRequest| {
            r.steps[0] = step(v1::Dimension::ExitPage);
            r.steps[1] = step(v1::Dimension::Unspecified);
        };
        assert_eq!(named(both), ["steps[0].filters[0].dimension", "steps[1].filters[0].dimension"]);
        assert_eq!(named(|r| r.limit_us = -1), ["limit_us"]);
        assert_eq!(named(|r| (r.order, r.interval) = (3, 9)), ["order", "interval"]);
        // Whole sessions may be chosen for the whole report.
        assert_eq!(named(|r| r.filters = step(v1::Dimension::ExitPage).filters), [""; 0]);
    }
}
