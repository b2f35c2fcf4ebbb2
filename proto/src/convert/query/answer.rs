//! Answers of the domain as messages.

use crate::query::v1;
use pistats_core::report::{AsOf, Cohort, Metrics};
use pistats_core::time::Bucket;

/// How far the log was folded, as a message.
pub fn as_of(as_of: &AsOf) -> v1::AsOf {
    v1::AsOf {
        generation: as_of.generation.0,
        next_offsets: as_of.next_offsets.iter().map(|offset| offset.0).collect(),
    }
}

/// Numbers as a message.
pub fn metrics(metrics: &Metrics) -> v1::Metrics {
    v1::Metrics {
        visitors: metrics.visitors,
        new_visitors: metrics.new_visitors,
        sessions: metrics.sessions,
        page_views: metrics.page_views,
        events: metrics.events,
        bounces: metrics.bounces,
        session_us: metrics.session_us,
        session_page_views: metrics.session_page_views,
        value_count: metrics.value_count,
        value_sum_micros: metrics.value_sum,
        value_min_micros: metrics.value_min,
        value_max_micros: metrics.value_max,
    }
}

/// A step of a series as a message.
pub fn step(bucket: &Bucket, numbers: &Metrics) -> v1::Step {
    v1::Step {
        from_us: bucket.from.0,
        to_us: bucket.to.0,
        day: bucket.first_day.to_string(),
        metrics: Some(metrics(numbers)),
    }
}

/// A row of a breakdown as a message.
pub fn row(value: String, numbers: &Metrics, compared: Option<&Metrics>) -> v1::Row {
    v1::Row { value, metrics: Some(metrics(numbers)), compared: compared.map(metrics) }
}

/// A cohort of a retention as a message.
pub fn cohort(cohort: Cohort) -> v1::Cohort {
    v1::Cohort {
        first_day: cohort.period.first.to_string(),
        last_day: cohort.period.last.to_string(),
        visitors: cohort.visitors,
        cells: cohort.cells,
    }
}
