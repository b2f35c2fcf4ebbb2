//! Sums that cannot overflow while they are formed, so that only the result decides.

use super::Unanswerable;
use pistats_core::report::{Metric, Metrics};

/// [`Metrics`] in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    pub(super) visitors: u64,
    pub(super) new_visitors: u64,
    pub(super) sessions: u64,
    pub(super) page_views: u64,
    pub(super) events: u64,
    pub(super) bounces: u64,
    pub(super) session_us: i128,
    pub(super) session_page_views: u64,
    value_count: u64,
    value_sum: i128,
    value_min: Option<i64>,
    value_max: Option<i64>,
}

impl Numbers {
    pub(super) fn add_value(&mut self, value: Option<i64>) {
        if let Some(value) = value {
            self.value_count += 1;
            self.value_sum += i128::from(value);
            self.value_min = Some(self.value_min.map_or(value, |least| least.min(value)));
            self.value_max = Some(self.value_max.map_or(value, |greatest| greatest.max(value)));
        }
    }

    /// The number that a list is ordered by.
    pub(super) fn get(&self, metric: Metric) -> i128 {
        match metric {
            Metric::Visitors => self.visitors.into(),
            Metric::Sessions => self.sessions.into(),
            Metric::PageViews => self.page_views.into(),
            Metric::Events => self.events.into(),
            Metric::ValueSum => self.value_sum,
        }
    }

    pub(super) fn metrics(&self) -> Result<Metrics, Unanswerable> {
        let narrow = |sum: i128| i64::try_from(sum).map_err(|_| Unanswerable::Overflow);
        Ok(Metrics {
            visitors: self.visitors,
            new_visitors: self.new_visitors,
            sessions: self.sessions,
            page_views: self.page_views,
            events: self.events,
            bounces: self.bounces,
            session_us: narrow(self.session_us)?,
            session_page_views: self.session_page_views,
            value_count: self.value_count,
            value_sum: narrow(self.value_sum)?,
            value_min: self.value_min,
            value_max: self.value_max,
        })
    }
}
