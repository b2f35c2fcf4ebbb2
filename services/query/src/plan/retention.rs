//! Retention: cohorts by the period in which visitors start, and who of them came back in the periods after it.
//!
//! ```text
//!                     starts of a period                                               comes back in a period
//!   recurring         visitors with a start event in it                                visitors with a return event in it
//!   first time        … whose first start event ever lies in it
//!   without a start   … first seen in it, with a selected event in it
//! ```
//!
//! Cell k of a cohort is the number of its visitors that come back in the k-th period after it. Periods are whole: they
//! reach beyond the range where it begins or ends within one, and cells reach as far as asked.

use super::Malformed;
use crate::people::{DaySets, DaysOf};
use pistats_core::report::{Cohort, Filter, Retention, RetentionMode, Selection, WholePeriod};
use pistats_core::time::Range;
use pistats_proto::convert::Invalid;
use pistats_proto::convert::query::MOST_CELLS;
use std::sync::Arc;

/// How Retention is to be read.
#[derive(Debug)]
pub struct RetentionPlan {
    /// The day sets to read, in one snapshot.
    pub(crate) sets: Vec<DaysOf>,
    starts: Starts,
    /// Which of the sets come back.
    returns: usize,
    /// The cohorts' periods and then those that only cells reach.
    periods: Vec<WholePeriod>,
    cohorts: usize,
    cells: Option<usize>,
}

/// Who starts in a period.
#[derive(Debug, PartialEq)]
enum Starts {
    /// Those of a set.
    Of(usize),
    /// Those of two sets.
    OfBoth(usize, usize),
}

/// Plans Retention. Refused: a range of times, more than 10,000 cells.
pub fn retention(question: &Retention) -> Result<RetentionPlan, Invalid> {
    let Range::Days { first, last } = question.selection.range else {
        return Err(Invalid::field("range", "retention counts whole days"));
    };
    let too_many = || Invalid::field("interval", format!("more than {MOST_CELLS} cells"));
    let mut periods = question.period.touching(first, last, MOST_CELLS).ok_or_else(too_many)?;
    let cohorts = periods.len();
    let cells = question.cells.map(|cells| cells as usize);
    let in_all = cells.map_or(cohorts * (cohorts + 1) / 2, |cells| cells.saturating_mul(cohorts));
    if in_all > MOST_CELLS {
        return Err(too_many());
    }
    let last_start = periods.last().map_or(last, |period| period.last);
    while periods.len() + 1 < cohorts + cells.unwrap_or(0) {
        let Some(latest) = periods.last().copied() else { break };
        periods.push(question.period.after(latest));
    }
    let earliest = periods.first().map_or(first, |period| period.first);
    let latest = periods.last().map_or(last, |period| period.last);

    let mut sets = Vec::new();
    let returning = passing(&question.selection, &question.returning, Range::Days { first: earliest, last: latest });
    let returns = place(&mut sets, DaysOf::Selected(returning));
    // The same events over more days serve as well: one set less to read.
    let same = question.start == question.returning;
    let until = if same { latest } else { last_start };
    let start = |last| passing(&question.selection, &question.start, Range::Days { first: earliest, last });
    let starts = match (question.mode, question.start.is_empty()) {
        (RetentionMode::Recurring, _) => Starts::Of(place(&mut sets, DaysOf::Selected(start(until)))),
        (RetentionMode::FirstTime, true) => {
            let seen = place(&mut sets, DaysOf::FirstSeen { first: earliest, last: last_start });
            Starts::OfBoth(seen, place(&mut sets, DaysOf::Selected(start(until))))
        }
        (RetentionMode::FirstTime, false) => Starts::Of(place(&mut sets, DaysOf::FirstSelected(start(last_start)))),
    };
    Ok(RetentionPlan { sets, starts, returns, periods, cohorts, cells })
}

/// The selected events that pass a condition too.
fn passing(selection: &Selection, condition: &[Filter], range: Range) -> Selection {
    let filters = selection.filters.iter().chain(condition).cloned().collect();
    Selection { range, filters, bots: selection.bots }
}

/// The place of a set among those to read; equal ones are read once.
fn place(sets: &mut Vec<DaysOf>, wanted: DaysOf) -> usize {
    let known = sets.iter().position(|set| *set == wanted);
    known.unwrap_or_else(|| {
        sets.push(wanted);
        sets.len() - 1
    })
}

impl RetentionPlan {
    /// Counts the cohorts of the sets that were read. Takes time: cells times visitors.
    pub(crate) fn answer(&self, sets: &[DaySets]) -> Result<Vec<Cohort>, Malformed> {
        let set = |place: usize| sets.get(place).ok_or_else(|| Malformed("a day set is missing".into()));
        let returning = set(self.returns)?;
        let returns: Vec<_> = self.periods.iter().map(|period| returning.over(period.first, period.last)).collect();
        let mut cohorts = Vec::with_capacity(self.cohorts);
        for (number, period) in self.periods.iter().take(self.cohorts).enumerate() {
            let of = |place| Ok(set(place)?.over(period.first, period.last));
            let starting = match self.starts {
                Starts::Of(place) => of(place)?,
                Starts::OfBoth(one, other) => Arc::new(&*of(one)? & &*of(other)?),
            };
            let cells = self.cells.unwrap_or(self.cohorts - number);
            let cell = |visitors: &Arc<_>| starting.intersection_len(visitors);
            let cells = returns.iter().skip(number).take(cells).map(cell).collect();
            cohorts.push(Cohort { period: *period, visitors: starting.len(), cells });
        }
        Ok(cohorts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_core::report::{Bots, Dimension, Operator, Period, WeekStart};
    use pistats_core::{Day, Micros};

    fn day(text: &str) -> Day {
        Day::parse(text).expect("a day")
    }

    fn asked(first: &str, last: &str, period: Period) -> Retention {
        let range = Range::Days { first: day(first), last: day(last) };
        Retention {
            selection: Selection { range, filters: vec![], bots: Bots::Exclude },
            period,
            mode: RetentionMode::FirstTime,
            start: vec![],
            returning: vec![],
            cells: None,
        }
    }

    fn named(name: &str) -> Vec<Filter> {
        vec![Filter { dimension: Dimension::EventName, operator: Operator::Is, values: vec![name.into()] }]
    }

    fn plan(question: &Retention) -> RetentionPlan {
        retention(question).expect("a plan")
    }

    /// Pairs of a day, counted from the first one, and a visitor.
    fn sets(first: &str, pairs: &[(i64, i64)]) -> DaySets {
        let first = i64::from(day(first).0);
        let (days, visitors): (Vec<i64>, Vec<i64>) = pairs.iter().map(|(day, visitor)| (first + day, *visitor)).unzip();
        DaySets::of_pairs(&days, &visitors).expect("sets")
    }

    #[test]
    fn new_visitors_are_first_seen_and_selected_in_the_same_period() {
        let plan = plan(&asked("2024-05-13", "2024-05-15", Period::Day));
        assert_eq!(plan.sets.len(), 2, "returns and starts are one set, first seen the other");
        let selected = sets("2024-05-13", &[(0, 1), (1, 1), (1, 2), (2, 1), (2, 2), (2, 3)]);
        // 2 was seen for the first time a day before it had a selected event: it starts nowhere.
        let seen = sets("2024-05-13", &[(0, 1), (0, 2), (2, 3)]);
        let cells: Vec<_> = plan.answer(&[selected, seen]).expect("cohorts").into_iter().map(|c| c.cells).collect();
        assert_eq!(cells, [vec![1, 1, 1], vec![0, 0], vec![1]]);
    }

    #[test]
    fn a_recurring_visitor_starts_in_every_period_and_need_not_return_in_it() {
        let question = Retention {
            mode: RetentionMode::Recurring,
            start: named("a"),
            ..asked("2024-05-13", "2024-05-14", Period::Day)
        };
        let plan = plan(&question);
        let (returns, starts) = (sets("2024-05-13", &[(1, 1)]), sets("2024-05-13", &[(0, 1), (1, 1), (1, 2)]));
        let cohorts = plan.answer(&[returns, starts]).expect("cohorts");
        assert_eq!(
            cohorts.iter().map(|c| (c.visitors, c.cells.clone())).collect::<Vec<_>>(),
            [(1, vec![0, 1]), (2, vec![1])]
        );
    }

    #[test]
    fn periods_are_whole_and_cells_reach_beyond_the_range() {
        let weeks = asked("2024-05-15", "2024-05-21", Period::Week(WeekStart::Monday));
        let question = Retention { cells: Some(3), start: named("a"), ..weeks };
        let plan = plan(&question);
        let returns = DaysOf::Selected(Selection {
            range: Range::Days { first: day("2024-05-13"), last: day("2024-06-09") },
            filters: vec![],
            bots: Bots::Exclude,
        });
        let starts = DaysOf::FirstSelected(Selection {
            range: Range::Days { first: day("2024-05-13"), last: day("2024-05-26") },
            filters: named("a"),
            bots: Bots::Exclude,
        });
        assert_eq!(plan.sets, [returns, starts]);
        let cohorts = plan.answer(&[DaySets::default(), DaySets::default()]).expect("cohorts");
        assert_eq!(cohorts.iter().map(|c| c.cells.len()).collect::<Vec<_>>(), [3, 3]);
        assert_eq!(cohorts[1].period, WholePeriod { first: day("2024-05-20"), last: day("2024-05-26") });
    }

    #[test]
    fn what_is_too_much_or_no_days_is_refused() {
        let question = Retention { cells: Some(5_000), ..asked("2024-05-13", "2024-05-14", Period::Day) };
        assert!(retention(&question).is_ok());
        assert!(retention(&Retention { cells: Some(5_001), ..question.clone() }).is_err());
        let mut times = question;
        times.selection.range = Range::Times { from: Micros(0), to: Micros(1) };
        assert!(retention(&times).is_err());
    }
}
