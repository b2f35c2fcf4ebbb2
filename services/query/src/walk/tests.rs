use super::*;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const LOOSE: Rules = Rules { steps: 3, limit_us: None, strict: false, reentry: false };

/// Reached steps as (visitors, runs, since previous, since start).
fn walked(rules: Rules, visitors: &[&[(i64, i64)]]) -> Vec<(u64, u64, i64, i64)> {
    let mut walk = Walk::new(rules, 0, |_| None);
    for events in visitors {
        let (times, masks): (Vec<i64>, Vec<i64>) = events.iter().copied().unzip();
        walk.visitor(&times, &masks);
    }
    let numbers = walk.numbers().expect("small sums");
    numbers[0].iter().map(|step| (step.visitors, step.runs, step.since_previous_us, step.since_start_us)).collect()
}

#[test]
fn a_step_takes_the_earliest_event_after_the_one_before() {
    let events = [(10, 0b010), (20, 0b001), (30, 0b100), (40, 0b010), (50, 0b010), (70, 0b100), (90, 0b100)];
    assert_eq!(walked(LOOSE, &[&events]), [(1, 1, 0, 0), (1, 1, 20, 20), (1, 1, 30, 50)]);
}

#[test]
fn one_event_is_never_two_steps() {
    assert_eq!(walked(LOOSE, &[&[(10, 0b111)]]), [(1, 1, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)]);
    // Three events of one instant are three places in the order.
    assert_eq!(walked(LOOSE, &[&[(10, 0b111); 3]]), [(1, 1, 0, 0), (1, 1, 0, 0), (1, 1, 0, 0)]);
}

#[test]
fn the_limit_itself_is_included_and_a_later_start_may_keep_it() {
    let events = [(0, 0b001), (10, 0b010), (25, 0b001), (30, 0b010), (35, 0b100)];
    let within = |limit_us| walked(Rules { limit_us: Some(limit_us), ..LOOSE }, &[&events]);
    assert_eq!(within(35), [(1, 1, 0, 0), (1, 1, 10, 10), (1, 1, 25, 35)]);
    assert_eq!(within(34), [(1, 1, 0, 0), (1, 1, 5, 5), (1, 1, 5, 10)], "the second start got further");
    assert_eq!(within(9), [(1, 1, 0, 0), (1, 1, 5, 5), (0, 0, 0, 0)]);
    assert_eq!(within(4), [(1, 1, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)]);
}

#[test]
fn in_strict_order_nothing_lies_between_two_steps() {
    let strict = Rules { strict: true, ..LOOSE };
    let straight = [(0, 0b001), (1, 0b010), (2, 0b100)];
    let detour = [(0, 0b001), (1, 0), (2, 0b010), (3, 0b100)];
    assert_eq!(walked(strict, &[&straight, &detour]), [(2, 2, 0, 0), (1, 1, 1, 1), (1, 1, 1, 2)]);
    assert_eq!(walked(LOOSE, &[&straight, &detour]), [(2, 2, 0, 0), (2, 2, 3, 3), (2, 2, 2, 5)]);
}

#[test]
fn with_reentry_the_next_run_starts_behind_the_last_step_of_the_one_before() {
    let reentry = Rules { reentry: true, ..LOOSE };
    // The start at 5 lies within the first run.
    let events = [(0, 0b001), (5, 0b001), (10, 0b010), (20, 0b100), (30, 0b001), (40, 0b010), (50, 0b001)];
    assert_eq!(walked(reentry, &[&events]), [(1, 3, 0, 0), (1, 2, 20, 20), (1, 1, 10, 20)]);
}

#[test]
fn with_reentry_a_start_within_a_run_is_no_run() {
    let rules = Rules { reentry: true, limit_us: Some(10), ..LOOSE };
    // The run takes 0 and 8; the start at 5, within it, would reach the third step in time.
    let events = [(0, 0b001), (5, 0b001), (8, 0b010), (15, 0b100)];
    assert_eq!(walked(rules, &[&events]), [(1, 1, 0, 0), (1, 1, 8, 8), (0, 0, 0, 0)]);
    assert_eq!(walked(Rules { reentry: false, ..rules }, &[&events]), [(1, 1, 0, 0), (1, 1, 3, 3), (1, 1, 7, 10)]);
}

#[test]
fn a_sum_past_64_bits_is_no_answer() {
    let events = [(0, 0b001), (i64::MAX / 2, 0b010)];
    let mut walk = Walk::new(Rules { steps: 2, ..LOOSE }, 0, |_| None);
    let (times, masks): (Vec<i64>, Vec<i64>) = events.into_iter().unzip();
    walk.visitor(&times, &masks);
    walk.visitor(&times, &masks);
    assert_eq!(walk.numbers().expect("it fits")[0][1].since_start_us, i64::MAX - 1);
    walk.visitor(&times, &masks);
    assert_eq!(walk.numbers(), Err(Overflow));
}

/// The definition, word by word: each start by itself, each step searched from the one before.
fn naive_run(rules: Rules, events: &[(i64, i64)], start: usize) -> Vec<usize> {
    let mut taken = vec![start];
    for step in 1..rules.steps {
        let after = taken[taken.len() - 1] + 1;
        let matches = |at: &usize| events[*at].1 & (1 << step) != 0;
        let next = if rules.strict {
            Some(after).filter(|at| *at < events.len()).filter(matches)
        } else {
            (after..events.len()).find(matches)
        };
        let in_time = |at: &usize| rules.limit_us.is_none_or(|limit| events[*at].0 - events[start].0 <= limit);
        match next.filter(in_time) {
            Some(at) => taken.push(at),
            None => break,
        }
    }
    taken
}

fn naive(rules: Rules, periods: usize, width: i64, visitors: &[Vec<(i64, i64)>]) -> Vec<Vec<FunnelStep>> {
    let mut numbers = vec![vec![FunnelStep::default(); rules.steps]; periods + 1];
    for events in visitors {
        let starts = (0..events.len()).filter(|at| events[*at].1 & 1 == 1);
        let all: Vec<Vec<usize>> = starts.map(|start| naive_run(rules, events, start)).collect();
        let mut apart: Vec<&Vec<usize>> = Vec::new();
        for run in &all {
            if apart.last().is_none_or(|before| before[before.len() - 1] < run[0]) {
                apart.push(run);
            }
        }
        let all: Vec<&Vec<usize>> = if rules.reentry { apart } else { all.iter().collect() };
        for (place, steps) in numbers.iter_mut().enumerate() {
            let here = |run: &&Vec<usize>| place == 0 || events[run[0]].0 / width == place as i64 - 1;
            let furthest = all.iter().copied().filter(here).map(Vec::len).max().unwrap_or(0);
            for step in &mut steps[..furthest] {
                step.visitors += 1;
            }
            let mut counted: Vec<&Vec<usize>> = all.iter().copied().filter(here).collect();
            if !rules.reentry {
                counted.retain(|run| run.len() == furthest);
                counted.truncate(1);
            }
            for run in counted {
                for (step, at) in run.iter().enumerate() {
                    let since = |from: usize| events[*at].0 - events[run[from]].0;
                    steps[step].runs += 1;
                    steps[step].since_previous_us += since(step.saturating_sub(1));
                    steps[step].since_start_us += since(0);
                }
            }
        }
    }
    numbers
}

#[test]
fn random_walks_count_as_the_definition_does() {
    const PERIODS: usize = 4;
    let mut reached_last = 0;
    for seed in 0..4_000 {
        let mut dice = StdRng::seed_from_u64(seed);
        let steps = dice.random_range(1..=4);
        let rules = Rules {
            steps,
            limit_us: dice.random_bool(0.5).then(|| dice.random_range(1..40)),
            strict: dice.random_bool(0.5),
            reentry: dice.random_bool(0.5),
        };
        let visitors: Vec<Vec<(i64, i64)>> = (0..dice.random_range(1..5))
            .map(|_| {
                let mut times: Vec<i64> = (0..dice.random_range(0..20)).map(|_| dice.random_range(0..80)).collect();
                times.sort_unstable();
                times.into_iter().map(|at| (at, dice.random_range(0..1 << steps))).collect()
            })
            .collect();
        let width = 80 / PERIODS as i64;
        let mut walk = Walk::new(rules, PERIODS, |at| usize::try_from(at / width).ok());
        for events in &visitors {
            let (times, masks): (Vec<i64>, Vec<i64>) = events.iter().copied().unzip();
            walk.visitor(&times, &masks);
        }
        let expected = naive(rules, PERIODS, width, &visitors);
        assert_eq!(walk.numbers().expect("small sums"), expected, "seed {seed}: {rules:?} {visitors:?}");
        reached_last += u64::from(expected[0][steps - 1].runs > 0);
    }
    assert!(reached_last > 1_000, "only {reached_last} of the funnels were gone through");
}
