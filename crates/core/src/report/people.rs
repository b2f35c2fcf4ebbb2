//! Who comes back, and who gets how far: retention and funnels as questions and answers.

use super::{Filter, Selection};
use crate::Day;
use crate::time::{Bucket, Interval};

/// The day that weeks begin on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum WeekStart {
    #[default]
    Monday,
    Sunday,
}

/// The length of a cohort's periods.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Period {
    Day,
    Week(WeekStart),
    Month,
}

/// A whole period: its first and its last local day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WholePeriod {
    pub first: Day,
    pub last: Day,
}

impl Period {
    /// The whole period that holds a day.
    pub fn of(self, day: Day) -> WholePeriod {
        match self {
            Period::Day => WholePeriod { first: day, last: day },
            Period::Week(WeekStart::Monday) => {
                let first = day.week_start();
                WholePeriod { first, last: first.plus(6) }
            }
            Period::Week(WeekStart::Sunday) => {
                // A Sunday is the day before a Monday.
                let first = day.plus(1).week_start().plus(-1);
                WholePeriod { first, last: first.plus(6) }
            }
            Period::Month => {
                let first = day.month_start();
                WholePeriod { first, last: first.plus(31).month_start().plus(-1) }
            }
        }
    }

    /// The period after a whole period.
    pub fn after(self, period: WholePeriod) -> WholePeriod {
        self.of(period.last.plus(1))
    }

    /// All whole periods that hold a day of `first..=last`, in order; `None` when there would be more than `most`.
    pub fn touching(self, first: Day, last: Day, most: usize) -> Option<Vec<WholePeriod>> {
        let mut periods = Vec::new();
        let mut period = self.of(first);
        while period.first <= last {
            if periods.len() == most {
                return None;
            }
            periods.push(period);
            period = self.after(period);
        }
        Some(periods)
    }
}

/// When a visitor starts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum RetentionMode {
    /// Once. Without a start event: in the period of the first event ever (any event), if a selected event lies in that
    /// period too. With one: in the period of the first selected start event ever.
    #[default]
    FirstTime,
    /// In every period with a selected start event.
    Recurring,
}

/// Who comes back. `selection.range` is of days; cohorts are the whole periods that hold one of them.
///
/// Start and return events are selected events that pass all of the filters, which are by dimensions of events.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Retention {
    pub selection: Selection,
    pub period: Period,
    pub mode: RetentionMode,
    pub start: Vec<Filter>,
    pub returning: Vec<Filter>,
    /// Cells of each cohort; none: up to the last period of the range.
    pub cells: Option<u32>,
}

/// The visitors who start in a period, and those of them with a return event in it, in the next one, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cohort {
    pub period: WholePeriod,
    pub visitors: u64,
    pub cells: Vec<u64>,
}

/// Who gets how far. See `query.proto` for what a run is.
///
/// Events of each step are selected events that pass all of the step's filters, which are by dimensions of events. Only the
/// first step has to lie in the selection's range.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Funnel {
    pub selection: Selection,
    pub steps: Vec<Vec<Filter>>,
    /// Longest time from the first step to any other, included; none: no limit.
    pub limit_us: Option<i64>,
    /// Each step is the very next selected event of the visitor.
    pub strict: bool,
    /// Counts runs: the next one starts after the last step that the one before reached.
    pub reentry: bool,
    pub interval: Option<Interval>,
}

/// Numbers of one step of a funnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunnelStep {
    /// Visitors of whom any run reached the step.
    pub visitors: u64,
    /// Runs that reached it: with re-entry all; otherwise one a visitor, the one that got furthest, the earliest of several.
    pub runs: u64,
    /// Sums over these runs, from the step before and from the first one.
    pub since_previous_us: i64,
    pub since_start_us: i64,
}

/// What a funnel is answered with.
///
/// In a period only the runs that start in it exist: a visitor may count in several, each time with the run of that
/// period that got furthest, and with re-entry runs are told apart before they are sorted into periods.
#[derive(Clone, Debug, PartialEq)]
pub struct FunnelAnswer {
    pub steps: Vec<FunnelStep>,
    /// Empty without an interval.
    pub periods: Vec<(Bucket, Vec<FunnelStep>)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).expect("a day")
    }

    fn span(period: WholePeriod) -> String {
        format!("{}..{}", period.first, period.last)
    }

    #[test]
    fn weeks_begin_on_the_day_that_was_asked_for() {
        // 2024-03-03 was a Sunday.
        assert_eq!(span(Period::Week(WeekStart::Monday).of(day("2024-03-03"))), "2024-02-26..2024-03-03");
        assert_eq!(span(Period::Week(WeekStart::Sunday).of(day("2024-03-03"))), "2024-03-03..2024-03-09");
        assert_eq!(span(Period::Week(WeekStart::Sunday).of(day("2024-03-02"))), "2024-02-25..2024-03-02");
    }

    #[test]
    fn periods_are_whole_and_leave_no_day_out() {
        let periods = Period::Month.touching(day("2024-01-31"), day("2024-03-01"), 3).expect("three");
        let spans: Vec<String> = periods.into_iter().map(span).collect();
        assert_eq!(spans, ["2024-01-01..2024-01-31", "2024-02-01..2024-02-29", "2024-03-01..2024-03-31"]);
        assert_eq!(Period::Month.touching(day("2024-01-31"), day("2024-03-01"), 2), None);
    }
}
