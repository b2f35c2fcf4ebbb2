//! Runs through pages a, b and c, worked out by hand. Minutes are those of 1970-01-01.

use crate::{MINUTE, all_of, at, page, times};
use pistats_core::report::{Bots, Funnel, FunnelStep};
use pistats_core::time::Interval;
use pistats_core::{EventId, Micros, Zone};
use pistats_testkit::{Oracle, OracleEvent};

/// Each word is `minute/page`, all of ada.
fn walk(words: &str) -> Vec<OracleEvent> {
    walk_of("ada", words)
}

fn walk_of(visitor: &str, words: &str) -> Vec<OracleEvent> {
    let view = |word: &str| {
        let (minute, page) = word.split_once('/').expect("minute/page");
        at(minute.parse().expect("a minute"), visitor, page)
    };
    words.split(' ').map(view).collect()
}

/// Pages a, b, c of the first 100 minutes, no limit.
fn abc() -> Funnel {
    Funnel {
        selection: all_of(times(0, 100)),
        steps: ["a", "b", "c"].map(page).to_vec(),
        limit_us: None,
        strict: false,
        reentry: false,
        interval: None,
    }
}

/// Of each step: visitors, runs, minutes since the step before and since the start.
fn told(steps: &[FunnelStep]) -> Vec<(u64, u64, i64, i64)> {
    let minutes = |us: i64| us / MINUTE;
    steps.iter().map(|s| (s.visitors, s.runs, minutes(s.since_previous_us), minutes(s.since_start_us))).collect()
}

fn ask(events: Vec<OracleEvent>, question: &Funnel) -> Vec<(u64, u64, i64, i64)> {
    told(&Oracle::new(events).funnel(question, &Zone::utc()).expect("an answer").steps)
}

#[test]
fn steps_follow_one_another_and_take_the_earliest_event_they_can() {
    let events = walk("0/b 1/a 2/x 3/b 5/b 9/c 20/c");
    assert_eq!(ask(events, &abc()), [(1, 1, 0, 0), (1, 1, 2, 2), (1, 1, 6, 8)]);
    assert_eq!(ask(walk("1/c 2/b 3/a"), &abc()), [(1, 1, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)]);
}

#[test]
fn one_event_is_never_two_steps_and_events_of_one_instant_follow_by_id() {
    let twice = Funnel { steps: vec![page("a"), page("a")], ..abc() };
    assert_eq!(ask(walk("1/a"), &twice), [(1, 1, 0, 0), (0, 0, 0, 0)]);
    let event = |id, page: &str| OracleEvent {
        page: page.to_owned(),
        ..OracleEvent::new(EventId::from_parts(0, id), Micros(0), "ada")
    };
    assert_eq!(ask(vec![event(2, "a"), event(1, "a")], &twice), [(1, 1, 0, 0), (1, 1, 0, 0)]);
    let two = Funnel { steps: vec![page("a"), page("b")], ..abc() };
    assert_eq!(ask(vec![event(2, "a"), event(1, "b")], &two)[1].0, 0);
    assert_eq!(ask(vec![event(1, "a"), event(2, "b")], &two)[1].0, 1);
}

#[test]
fn the_limit_counts_from_the_start_and_is_included_and_any_start_may_succeed() {
    let limited = |limit_us| Funnel { limit_us: Some(limit_us), ..abc() };
    let events = walk("0/a 5/b 10/c");
    assert_eq!(ask(events.clone(), &limited(10 * MINUTE))[2], (1, 1, 5, 10));
    assert_eq!(ask(events, &limited(10 * MINUTE - 1)), [(1, 1, 0, 0), (1, 1, 5, 5), (0, 0, 0, 0)]);
    // The first start is too early, the second one is not: it got furthest, and its times count.
    let again = walk("0/a 4/a 5/b 10/c");
    assert_eq!(ask(again, &limited(6 * MINUTE)), [(1, 1, 0, 0), (1, 1, 1, 1), (1, 1, 5, 6)]);
}

#[test]
fn of_runs_that_got_as_far_the_earliest_counts() {
    let events = walk("0/a 3/a 10/b");
    assert_eq!(ask(events, &abc()), [(1, 1, 0, 0), (1, 1, 10, 10), (0, 0, 0, 0)]);
}

#[test]
fn in_strict_order_a_step_is_the_very_next_selected_event() {
    let strict = Funnel { strict: true, ..abc() };
    assert_eq!(ask(walk("0/a 1/b 2/c"), &strict)[2].0, 1);
    assert_eq!(ask(walk("0/a 1/x 2/b 3/c"), &strict), [(1, 1, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)]);
    // The second start is followed at once.
    assert_eq!(ask(walk("0/a 1/a 2/b 3/x 4/c"), &strict), [(1, 1, 0, 0), (1, 1, 1, 1), (0, 0, 0, 0)]);
    // What is not selected does not lie between.
    let mut events = walk("0/a 1/x 2/b 3/c");
    events[1].bot = true;
    let mut people = strict;
    people.selection.bots = Bots::Exclude;
    assert_eq!(ask(events, &people)[2].0, 1);
}

#[test]
fn the_start_lies_in_the_range_and_the_other_steps_may_lie_after_it() {
    assert_eq!(ask(walk("99/a 100/b 500/c"), &abc())[2].0, 1);
    assert_eq!(ask(walk("100/a 101/b 102/c"), &abc()), [(0, 0, 0, 0); 3]);
    let later = Funnel { selection: all_of(times(50, 100)), ..abc() };
    assert_eq!(ask(walk("49/a 50/b 51/c"), &later), [(0, 0, 0, 0); 3]);
}

#[test]
fn with_reentry_the_next_run_starts_after_the_last_step_of_the_one_before() {
    let counted = Funnel { reentry: true, ..abc() };
    let events = walk("0/a 1/b 2/c 10/a 14/b 20/a 30/c");
    // 0-1-2, then 10-14-30; 20 lies within the second run.
    assert_eq!(ask(events, &counted), [(1, 2, 0, 0), (1, 2, 5, 5), (1, 2, 17, 22)]);
    // A run that got nowhere ends at its start.
    assert_eq!(ask(walk("0/a 1/a 2/a"), &counted), [(1, 3, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)]);
    // The first run ends at the b, too late for its c: the a before that b is no start any more, for visitors neither.
    let events = walk("0/a 4/a 5/b 10/c");
    let limited = Funnel { limit_us: Some(6 * MINUTE), ..counted };
    assert_eq!(ask(events, &limited), [(1, 1, 0, 0), (1, 1, 5, 5), (0, 0, 0, 0)]);
}

#[test]
fn periods_count_the_runs_that_start_in_them() {
    let hours = Funnel { selection: all_of(times(0, 180)), interval: Some(Interval::Hour), ..abc() };
    let events = || {
        let mut events = walk("10/a 70/a 75/b 80/c 130/x");
        events.extend(walk_of("bob", "61/a 62/b"));
        events
    };
    let periods = |question: &Funnel| {
        let answer = Oracle::new(events()).funnel(question, &Zone::utc()).expect("an answer");
        let periods: Vec<_> = answer.periods.iter().map(|(_, steps)| told(steps)).collect();
        (told(&answer.steps), periods)
    };
    let (steps, each) = periods(&hours);
    assert_eq!(steps, [(2, 2, 0, 0), (2, 2, 66, 66), (1, 1, 5, 70)]);
    assert_eq!(each[0], [(1, 1, 0, 0), (1, 1, 65, 65), (1, 1, 5, 70)]);
    // Ada counts again, with the run that starts here.
    assert_eq!(each[1], [(2, 2, 0, 0), (2, 2, 6, 6), (1, 1, 5, 10)]);
    assert_eq!(each[2], [(0, 0, 0, 0); 3]);
    // With re-entry ada has one run, and it starts in the first hour.
    let (_, each) = periods(&Funnel { reentry: true, ..hours });
    assert_eq!(each[0], [(1, 1, 0, 0), (1, 1, 65, 65), (1, 1, 5, 70)]);
    assert_eq!(each[1], [(1, 1, 0, 0), (1, 1, 1, 1), (0, 0, 0, 0)]);
}

#[test]
fn a_step_without_filters_is_any_selected_event_and_visitors_are_apart() {
    let any = Funnel { steps: vec![Vec::new(), Vec::new()], ..abc() };
    let mut events = walk("0/a 1/b");
    events.extend(walk_of("bob", "0/z"));
    assert_eq!(ask(events, &any), [(2, 2, 0, 0), (1, 1, 1, 1)]);
}
