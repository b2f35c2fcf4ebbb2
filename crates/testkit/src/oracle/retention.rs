//! Retention: who starts in a period, and who of them has a return event in it and in the periods after it.
//!
//! Times within a period do not matter: a visitor's events are the days they lie on, and a period is a set of days.

use super::{Oracle, Unanswerable};
use pistats_core::report::{Cohort, Retention, RetentionMode, WholePeriod};
use pistats_core::time::Range;
use pistats_core::{Day, Zone};

/// Where a visitor has what.
struct Days {
    /// Of the first event ever, selected or not.
    first_ever: Day,
    /// Of the start events, in the order of the events.
    starts: Vec<Day>,
    /// Of the return events.
    returns: Vec<Day>,
}

impl Oracle {
    /// Every cohort of the range in order, empty ones too. A range of instants has no cohorts.
    pub fn retention(&self, question: &Retention, zone: &Zone) -> Result<Vec<Cohort>, Unanswerable> {
        let Range::Days { first, last } = question.selection.range else { return Ok(Vec::new()) };
        let touching = question.period.touching(first, last, super::MOST_STEPS);
        let periods = touching.ok_or(Unanswerable::TooManySteps)?;
        let visitors = self.days_of_visitors(question, zone);
        let mut cohorts = Vec::new();
        for (number, period) in periods.iter().enumerate() {
            let cohort: Vec<&Days> = visitors.iter().filter(|days| days.start_in(*period, question)).collect();
            let cells = question.cells.map_or(periods.len() - number, |cells| cells as usize);
            let mut counts = Vec::new();
            let mut later = *period;
            for _ in 0..cells {
                counts.push(cohort.iter().filter(|days| holds_any(later, &days.returns)).count() as u64);
                later = question.period.after(later);
            }
            cohorts.push(Cohort { period: *period, visitors: cohort.len() as u64, cells: counts });
        }
        Ok(cohorts)
    }

    fn days_of_visitors(&self, question: &Retention, zone: &Zone) -> Vec<Days> {
        let day = |number: usize| zone.day_of(self.events[number].time);
        let selected = self.selected_by_visitor(&question.selection).into_iter();
        let of_one = |(visitor, selected): (usize, Vec<usize>)| {
            let passing = |filters| {
                let passing = selected.iter().filter(|number| self.passes_all(**number, filters));
                passing.map(|number| day(*number)).collect()
            };
            Days {
                first_ever: day(self.events_of[visitor][0]),
                starts: passing(&question.start),
                returns: passing(&question.returning),
            }
        };
        selected.enumerate().map(of_one).collect()
    }
}

impl Days {
    fn start_in(&self, period: WholePeriod, question: &Retention) -> bool {
        match question.mode {
            RetentionMode::Recurring => holds_any(period, &self.starts),
            // Every selected event is a start event here.
            RetentionMode::FirstTime if question.start.is_empty() => {
                holds(period, self.first_ever) && holds_any(period, &self.starts)
            }
            RetentionMode::FirstTime => self.starts.first().is_some_and(|first| holds(period, *first)),
        }
    }
}

fn holds(period: WholePeriod, day: Day) -> bool {
    period.first <= day && day <= period.last
}

fn holds_any(period: WholePeriod, days: &[Day]) -> bool {
    days.iter().any(|day| holds(period, *day))
}
