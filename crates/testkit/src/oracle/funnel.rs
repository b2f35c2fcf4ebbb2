//! Funnels: every run is walked, event by event.

use super::{MOST_STEPS, Oracle, Place, Unanswerable};
use pistats_core::Zone;
use pistats_core::report::{Funnel, FunnelAnswer, FunnelStep};

/// The events at which a run reached its steps, the start first.
type Run = Vec<usize>;

impl Oracle {
    /// Steps over the range and, with an interval, by the period in which runs start.
    pub fn funnel(&self, question: &Funnel, zone: &Zone) -> Result<FunnelAnswer, Unanswerable> {
        let range = question.selection.range;
        let whole = Place { zone, range, step: None };
        let visitors: Vec<Vec<Run>> = self
            .selected_by_visitor(&question.selection)
            .iter()
            .map(|selected| self.runs(selected, question, &whole))
            .collect();
        let steps = self.funnel_steps(&visitors, question, &whole)?;
        let mut periods = Vec::new();
        if let Some(interval) = question.interval {
            let buckets = interval.buckets(zone, range, MOST_STEPS).ok_or(Unanswerable::TooManySteps)?;
            for bucket in buckets {
                let place = Place { zone, range, step: Some((bucket, interval.is_clock())) };
                periods.push((bucket, self.funnel_steps(&visitors, question, &place)?));
            }
        }
        Ok(FunnelAnswer { steps, periods })
    }

    /// The runs of a visitor that start in the range, in order: one from every start; with re-entry only those that start
    /// after the last step of the one before.
    fn runs(&self, selected: &[usize], question: &Funnel, range: &Place) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (position, number) in selected.iter().enumerate() {
            let starts = self.passes_all(*number, &question.steps[0]) && range.holds(self.events[*number].time);
            let is_taken = runs.last().is_some_and(|before| before[before.len() - 1] >= *number);
            if starts && !(question.reentry && is_taken) {
                runs.push(self.run(&selected[position..], question));
            }
        }
        runs
    }

    /// The run that starts at the first of these events.
    fn run(&self, selected: &[usize], question: &Funnel) -> Run {
        let start = self.events[selected[0]].time;
        let mut run = vec![selected[0]];
        let mut position = 0;
        for step in &question.steps[1..] {
            let rest = || {
                (position + 1..selected.len()).filter(|at| {
                    question.limit_us.is_none_or(|limit| {
                        i128::from(self.events[selected[*at]].time.0) - i128::from(start.0) <= i128::from(limit)
                    })
                })
            };
            let matches = |at: &usize| self.passes_all(selected[*at], step);
            let found = if question.strict { rest().next().filter(matches) } else { rest().find(matches) };
            let Some(at) = found else { break };
            run.push(selected[at]);
            position = at;
        }
        run
    }

    /// The numbers of the runs that start in a place.
    fn funnel_steps(
        &self,
        visitors: &[Vec<Run>],
        question: &Funnel,
        place: &Place,
    ) -> Result<Vec<FunnelStep>, Unanswerable> {
        let time = |number: usize| i128::from(self.events[number].time.0);
        let mut sums = vec![(0i128, 0i128); question.steps.len()];
        let mut steps = vec![FunnelStep::default(); question.steps.len()];
        for runs in visitors {
            let mut here: Vec<&Run> = runs.iter().filter(|run| place.holds(self.events[run[0]].time)).collect();
            if !question.reentry {
                // The one that got furthest; of several the first one, which started earliest.
                let furthest = here.iter().map(|run| run.len()).max();
                here = here.into_iter().find(|run| Some(run.len()) == furthest).into_iter().collect();
            }
            for step in 0..steps.len() {
                let reached: Vec<&&Run> = here.iter().filter(|run| run.len() > step).collect();
                steps[step].visitors += u64::from(!reached.is_empty());
                steps[step].runs += reached.len() as u64;
                for run in reached {
                    sums[step].0 += if step == 0 { 0 } else { time(run[step]) - time(run[step - 1]) };
                    sums[step].1 += time(run[step]) - time(run[0]);
                }
            }
        }
        let narrow = |sum: i128| i64::try_from(sum).map_err(|_| Unanswerable::Overflow);
        for (step, (since_previous, since_start)) in steps.iter_mut().zip(sums) {
            step.since_previous_us = narrow(since_previous)?;
            step.since_start_us = narrow(since_start)?;
        }
        Ok(steps)
    }
}
