//! Questions and answers: the reports as the domain knows them, checked, free of wire and SQL.
//!
//! DESIGN's definitions, made types. `Metrics` are sums and counts; ratios are formed where they are shown.

mod dimension;
mod filter;
mod metrics;
mod people;
pub mod realtime;

pub use dimension::{Dimension, Property};
pub use filter::{Bots, Filter, Operator};
pub use metrics::{Metric, Metrics};
pub use people::{Cohort, Funnel, FunnelAnswer, FunnelStep, Period, Retention, RetentionMode, WeekStart, WholePeriod};
pub use realtime::{LivePart, Realtime, TopicSum, Trend, UsualHours};

use crate::time::{Interval, Range};
use crate::{Day, Generation, Micros, Offset};

/// How far the folded log reached when an answer was read: equal `AsOf`, equal numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsOf {
    pub generation: Generation,
    /// The first offset that is not in the answer, by partition.
    pub next_offsets: Vec<Offset>,
}

/// Which events a report counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selection {
    pub range: Range,
    /// All of them must pass.
    pub filters: Vec<Filter>,
    pub bots: Bots,
}

/// Totals and, with an interval, a series.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Traffic {
    pub selection: Selection,
    pub interval: Option<Interval>,
}

/// The same by the values of a dimension, greatest first, equal ones by value bytewise ascending.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Breakdown {
    pub selection: Selection,
    pub dimension: Dimension,
    pub order_by: Metric,
    pub limit: u32,
    pub offset: u32,
}

/// A range to compare with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Compare {
    /// The same length, right before.
    PreviousPeriod,
    /// The same dates a year before (29 February: the 28th).
    PreviousYear,
    /// 364 days before: the same weekdays.
    PreviousYearWeekdays,
}

impl Compare {
    /// The range that a range is compared with. Instants move by civil days of `zone`, keeping the clock's reading.
    pub fn range(self, range: Range, zone: &crate::Zone) -> Range {
        match (self, range) {
            (Compare::PreviousPeriod, Range::Days { first, last }) => {
                let length = last.0 - first.0 + 1;
                Range::Days { first: first.plus(-length), last: last.plus(-length) }
            }
            (Compare::PreviousPeriod, Range::Times { from, to }) => {
                Range::Times { from: Micros(from.0.saturating_sub(to.since(from))), to: from }
            }
            (_, Range::Days { first, last }) => Range::Days { first: self.day(first), last: self.day(last) },
            (_, Range::Times { from, to }) => {
                let earlier = |at: Micros| {
                    let day = zone.day_of(at);
                    zone.start_of(self.day(day)).plus(at.since(zone.start_of(day)))
                };
                Range::Times { from: earlier(from), to: earlier(to) }
            }
        }
    }

    fn day(self, day: Day) -> Day {
        match self {
            Compare::PreviousYear => {
                let span = jiff::Span::new().years(1);
                Day::from_civil(day.civil().saturating_sub(span))
            }
            _ => day.plus(-364),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Zone;

    fn days(first: &str, last: &str) -> Range {
        Range::Days { first: Day::parse(first).expect("a day"), last: Day::parse(last).expect("a day") }
    }

    #[test]
    fn the_previous_period_is_as_long_and_ends_right_before() {
        let utc = Zone::utc();
        assert_eq!(
            Compare::PreviousPeriod.range(days("2024-03-01", "2024-03-07"), &utc),
            days("2024-02-23", "2024-02-29")
        );
        let hour = Range::Times { from: Micros(100), to: Micros(150) };
        assert_eq!(Compare::PreviousPeriod.range(hour, &utc), Range::Times { from: Micros(50), to: Micros(100) });
    }

    #[test]
    fn the_year_before_a_leap_day_ends_on_the_28th() {
        let utc = Zone::utc();
        assert_eq!(
            Compare::PreviousYear.range(days("2024-02-29", "2024-03-01"), &utc),
            days("2023-02-28", "2023-03-01")
        );
        let weekdays = Compare::PreviousYearWeekdays.range(days("2024-03-04", "2024-03-10"), &utc);
        assert_eq!(weekdays, days("2023-03-06", "2023-03-12"));
    }
}
