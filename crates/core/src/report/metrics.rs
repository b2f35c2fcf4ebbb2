//! Sums and counts of selected events.

/// What a list is ordered by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Metric {
    #[default]
    Visitors,
    Sessions,
    PageViews,
    Events,
    ValueSum,
}

/// The numbers of a range, a step or a value. A session counts where it starts, whole, when one of its events is selected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Metrics {
    pub visitors: u64,
    /// Selected visitors whose first event ever lies in the range or step.
    pub new_visitors: u64,
    pub sessions: u64,
    pub page_views: u64,
    pub events: u64,
    pub bounces: u64,
    /// Sum of last minus first event time, microseconds.
    pub session_us: i64,
    /// Page views of the counted sessions.
    pub session_page_views: u64,
    pub value_count: u64,
    /// Millionths.
    pub value_sum: i64,
    pub value_min: Option<i64>,
    pub value_max: Option<i64>,
}

impl Metrics {
    /// The number that a list is ordered by.
    pub fn get(&self, metric: Metric) -> i64 {
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        match metric {
            Metric::Visitors => count(self.visitors),
            Metric::Sessions => count(self.sessions),
            Metric::PageViews => count(self.page_views),
            Metric::Events => count(self.events),
            Metric::ValueSum => self.value_sum,
        }
    }
}
