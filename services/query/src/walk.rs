//! The walk: one visitor's events after the other, runs told apart and counted. Pure.
//!
//! ```text
//!   masks     1  2  1  4  2        bit 0: a run starts here        bit k: matches step k + 1
//!   runs      s──▶2─────▶3         each further step takes the earliest event after the one before
//!                   s────────▶2
//! ```
//!
//! What makes it linear: of two starts, the later one's steps never lie before the earlier one's. So one pointer a step,
//! which only moves forwards, serves all starts of a visitor: n events, m steps and s starts cost at most m · n moves and
//! s · m looks, however many starts fail at the time limit. In strict order a start looks at the m − 1 events behind it.

use pistats_core::report::FunnelStep;

/// Steps that a run can have: as many as the contract allows.
const MOST: usize = pistats_proto::convert::query::MOST_FUNNEL_STEPS;

/// What a walk is after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) steps: usize,
    pub(crate) limit_us: Option<i64>,
    pub(crate) strict: bool,
    pub(crate) reentry: bool,
}

/// The numbers of one step while they are added up: sums have room for any number of runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    visitors: u64,
    runs: u64,
    since_previous_us: i128,
    since_start_us: i128,
}

/// A sum that 64 bits cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

/// One run: when it took each of the steps that it reached.
#[derive(Clone, Copy, Debug)]
struct Run {
    reached: usize,
    times: [i64; MOST],
}

impl Run {
    const NONE: Run = Run { reached: 0, times: [0; MOST] };
}

/// Runs of one visitor in one place: the whole range, or a period.
#[derive(Clone, Copy)]
struct Place {
    /// The visitor whose runs these are.
    visitor: u64,
    best: Run,
}

/// Counts the runs of visitor after visitor.
pub(crate) struct Walk<F> {
    rules: Rules,
    /// The period of a start, by its time.
    period_of: F,
    /// One a step; the whole range first, then the periods.
    sums: Vec<Sums>,
    places: Vec<Place>,
    /// Places that this visitor's runs touched.
    touched: Vec<usize>,
    visitor: u64,
    /// The next event that may match, by step.
    pointers: [usize; MOST],
}

impl<F: FnMut(i64) -> Option<usize>> Walk<F> {
    /// A walk over `periods` periods. `period_of` says in which of them a start lies, if in any.
    pub(crate) fn new(rules: Rules, periods: usize, period_of: F) -> Walk<F> {
        let places = vec![Place { visitor: 0, best: Run::NONE }; periods + 1];
        let sums = vec![Sums::default(); (periods + 1) * rules.steps];
        Walk { rules, period_of, sums, places, touched: Vec::new(), visitor: 0, pointers: [0; MOST] }
    }

    /// Takes all events of the next visitor, in order: times and masks.
    pub(crate) fn visitor(&mut self, times: &[i64], masks: &[i64]) {
        self.visitor += 1;
        self.pointers = [0; MOST];
        // With re-entry the next run starts behind the last event of the one before; what starts within it is none.
        let mut free_from = 0;
        for start in (0..times.len().min(masks.len())).filter(|at| masks[*at] & 1 == 1) {
            if start < free_from {
                continue;
            }
            let (run, last) = self.run(times, masks, start);
            let period = (self.period_of)(times[start]).map(|period| period + 1);
            for place in [Some(0), period].into_iter().flatten() {
                self.note(place, &run);
                if self.rules.reentry {
                    self.add_run(place, &run);
                }
            }
            if self.rules.reentry {
                free_from = last + 1;
            }
        }
        self.settle();
    }

    /// The run from a start, and the place of its last event.
    fn run(&mut self, times: &[i64], masks: &[i64], start: usize) -> (Run, usize) {
        let mut run = Run::NONE;
        (run.reached, run.times[0]) = (1, times[start]);
        let mut last = start;
        for step in 1..self.rules.steps {
            let wanted = 1 << step;
            let mut at = if self.rules.strict { last + 1 } else { self.pointers[step].max(last + 1) };
            if !self.rules.strict {
                while at < masks.len() && masks[at] & wanted == 0 {
                    at += 1;
                }
                self.pointers[step] = at;
            }
            let matches = at < masks.len() && masks[at] & wanted != 0;
            let in_time = |limit: i64| times[at].saturating_sub(times[start]) <= limit;
            if !matches || !self.rules.limit_us.is_none_or(in_time) {
                break;
            }
            (run.reached, run.times[step]) = (step + 1, times[at]);
            last = at;
        }
        (run, last)
    }

    /// Keeps a run if it got further than those before it: the earliest of the furthest stays.
    fn note(&mut self, place: usize, run: &Run) {
        let Some(known) = self.places.get_mut(place) else { return };
        if known.visitor != self.visitor {
            *known = Place { visitor: self.visitor, best: *run };
            self.touched.push(place);
        } else if known.best.reached < run.reached {
            known.best = *run;
        }
    }

    fn add_run(&mut self, place: usize, run: &Run) {
        let first = place * self.rules.steps;
        for (step, sums) in self.sums[first..first + run.reached].iter_mut().enumerate() {
            let at = i128::from(run.times[step]);
            sums.runs += 1;
            sums.since_previous_us += at - i128::from(run.times[step.saturating_sub(1)]);
            sums.since_start_us += at - i128::from(run.times[0]);
        }
    }

    /// Counts the visitor where its runs lie, and without re-entry the run that got furthest.
    fn settle(&mut self) {
        for place in std::mem::take(&mut self.touched) {
            let best = self.places[place].best;
            let first = place * self.rules.steps;
            for sums in &mut self.sums[first..first + best.reached] {
                sums.visitors += 1;
            }
            if !self.rules.reentry {
                self.add_run(place, &best);
            }
        }
    }

    /// The numbers of each step: over the whole range, and of each period.
    pub(crate) fn numbers(&self) -> Result<Vec<Vec<FunnelStep>>, Overflow> {
        let narrow = |sum: i128| i64::try_from(sum).map_err(|_| Overflow);
        let step = |sums: &Sums| {
            Ok(FunnelStep {
                visitors: sums.visitors,
                runs: sums.runs,
                since_previous_us: narrow(sums.since_previous_us)?,
                since_start_us: narrow(sums.since_start_us)?,
            })
        };
        self.sums.chunks(self.rules.steps).map(|place| place.iter().map(step).collect()).collect()
    }
}

#[cfg(test)]
mod tests;
