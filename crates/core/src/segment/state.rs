//! What the matcher keeps of one visitor: as little as tells every later answer, whatever arrives next.
//!
//! ```text
//!   latest      place in the order, and whether that event passes      days    events by local day, as far back as asked
//!   marks       events that pass a step, in order                      seen    first event and its day; greatest day
//! ```
//!
//! Everything is an insertion into an order, so that the order of arrival never matters.

use super::condition::all_hold;
use super::{Amount, Condition, Counted, Did, End, Facts, Node, Seen, Sequence, When, Window, first_of_last};
use crate::{Day, EventId, Micros};
use std::collections::BTreeMap;

/// A place in the order of a visitor's events.
type Place = (Micros, EventId);

/// What one clause remembers.
#[derive(Clone, Debug)]
pub(super) enum Memory {
    Latest(Option<(Place, bool)>),
    /// Events by local day.
    Days(BTreeMap<Day, u32>),
    /// Events that pass a step (a bit each), in order.
    Marks(BTreeMap<Place, (Day, u16)>),
    First(Option<(Place, Day)>),
    /// Days with events that are not by bots. Only the greatest and those to come matter, the others are dropped.
    Last(BTreeMap<Day, ()>),
}

/// A clause that remembers something. All, any and not only ask others.
#[derive(Clone, Copy, Debug)]
pub(super) enum Clause<'a> {
    Latest(&'a Condition),
    Did(&'a Did),
    Sequence(&'a Sequence),
    Seen(Seen),
}

impl Clause<'_> {
    pub(super) fn memory(self) -> Memory {
        match self {
            Clause::Latest(_) => Memory::Latest(None),
            Clause::Did(_) => Memory::Days(BTreeMap::new()),
            Clause::Sequence(_) => Memory::Marks(BTreeMap::new()),
            Clause::Seen(Seen { end: End::First, .. }) => Memory::First(None),
            Clause::Seen(Seen { end: End::Last, .. }) => Memory::Last(BTreeMap::new()),
        }
    }

    /// Takes an event of the local day `day`; days that can never count again are let go.
    pub(super) fn take(self, memory: &mut Memory, event: &dyn Facts, day: Day, today: Day) {
        let place = (event.time(), event.id());
        if let Memory::First(first) = memory {
            if first.is_none_or(|(known, _)| place < known) {
                *first = Some((place, day));
            }
            return;
        }
        if event.is_by_bot() {
            return;
        }
        match (self, memory) {
            (Clause::Latest(condition), Memory::Latest(latest)) => {
                let is_newer = latest.is_none_or(|(known, _)| place > known);
                *latest = if is_newer { Some((place, condition.holds(event))) } else { *latest };
            }
            (Clause::Did(did), Memory::Days(days)) => {
                if all_hold(&did.conditions, event) {
                    *days.entry(day).or_default() += 1;
                }
                match did.window {
                    Window::Ever => {}
                    Window::LastDays(last) => *days = days.split_off(&first_of_last(last, today)),
                    Window::Between(first, last) => days.retain(|day, _| first <= *day && *day <= last),
                }
            }
            (Clause::Sequence(sequence), Memory::Marks(marks)) => {
                let passed = |(bit, step): (usize, &Vec<Condition>)| u16::from(all_hold(step, event)) << bit;
                let mask = sequence.steps.iter().enumerate().map(passed).fold(0, |all, bit| all | bit);
                if mask != 0 {
                    marks.insert(place, (day, mask));
                }
                match sequence.window {
                    Window::Ever => {}
                    Window::LastDays(last) => {
                        let first = first_of_last(last, today);
                        marks.retain(|_, (day, _)| *day >= first);
                    }
                    Window::Between(first, last) => marks.retain(|_, (day, _)| first <= *day && *day <= last),
                }
            }
            (Clause::Seen(_), Memory::Last(days)) => {
                days.insert(day, ());
                // Of the days that are over only the greatest says anything.
                let over: Vec<Day> = days.range(..=today).map(|(day, ())| *day).rev().skip(1).collect();
                over.iter().for_each(|day| _ = days.remove(day));
            }
            _ => {}
        }
    }

    pub(super) fn holds(self, memory: &Memory, today: Day) -> bool {
        match (self, memory) {
            (Clause::Latest(_), Memory::Latest(latest)) => latest.is_some_and(|(_, holds)| holds),
            (Clause::Did(did), Memory::Days(days)) => {
                let within =
                    |day: &Day| did.window.days(today).is_none_or(|(first, last)| first <= *day && *day <= last);
                let counted = days.iter().filter(|(day, _)| within(day));
                let count: u64 = match did.counted {
                    Counted::Events => counted.map(|(_, events)| u64::from(*events)).sum(),
                    Counted::Days => counted.count() as u64,
                };
                match did.amount {
                    Amount::AtLeast(least) => count >= u64::from(least),
                    Amount::AtMost(most) => count <= u64::from(most),
                }
            }
            (Clause::Sequence(sequence), Memory::Marks(marks)) => took_all_steps(sequence, marks, today),
            (Clause::Seen(seen), Memory::First(first)) => first.is_some_and(|(_, day)| lies(seen.when, day, today)),
            (Clause::Seen(seen), Memory::Last(days)) => {
                days.last_key_value().is_some_and(|(day, ())| lies(seen.when, *day, today))
            }
            _ => false,
        }
    }

    /// The first day after `today` on which the clause may hold otherwise, without any event.
    pub(super) fn moves(self, memory: &Memory, today: Day) -> Option<Day> {
        let end = |day: Day, days: u32| {
            let gone = day.plus(i32::try_from(days).unwrap_or(i32::MAX));
            [day, gone].into_iter().find(|at| *at > today)
        };
        match (self, memory) {
            (Clause::Did(Did { window: Window::LastDays(last), .. }), Memory::Days(days)) => {
                days.keys().filter_map(|day| end(*day, *last)).min()
            }
            (Clause::Sequence(Sequence { window: Window::LastDays(last), .. }), Memory::Marks(marks)) => {
                marks.values().filter_map(|(day, _)| end(*day, *last)).min()
            }
            (Clause::Seen(Seen { when: When::LastDays(last) | When::LongerAgo(last), .. }), memory) => match memory {
                Memory::First(first) => first.and_then(|(_, day)| end(day, last)),
                Memory::Last(days) => days.last_key_value().and_then(|(day, ())| end(*day, last)),
                _ => None,
            },
            _ => None,
        }
    }
}

fn lies(when: When, day: Day, today: Day) -> bool {
    match when {
        When::LastDays(days) => first_of_last(days, today) <= day && day <= today,
        When::LongerAgo(days) => day < first_of_last(days, today),
        When::Since(first) => day >= first,
        When::Before(first) => day < first,
    }
}

/// Walks the marks once: for each step the latest start of a run that has come so far. A later start is never worse.
fn took_all_steps(sequence: &Sequence, marks: &BTreeMap<Place, (Day, u16)>, today: Day) -> bool {
    let mut starts: Vec<Option<Micros>> = vec![None; sequence.steps.len()];
    for ((time, _), (day, mask)) in marks {
        if sequence.window.days(today).is_some_and(|(first, last)| *day < first || last < *day) {
            continue;
        }
        // From the last step back: an event takes one step of a run only.
        for step in (0..starts.len()).rev().filter(|step| mask & (1 << step) != 0) {
            starts[step] = if step == 0 { Some(*time) } else { starts[step].max(starts[step - 1]) };
        }
        let (Some(Some(start)), true) = (starts.last(), mask & (1 << (starts.len() - 1)) != 0) else { continue };
        if sequence.within_us.is_none_or(|within| time.since(*start) <= within) {
            return true;
        }
    }
    false
}

/// The clauses of a tree that remember, in the order of a walk.
pub(super) fn clauses(tree: &Node) -> Vec<Clause<'_>> {
    let mut found = Vec::new();
    collect(tree, &mut found);
    found
}

fn collect<'a>(node: &'a Node, found: &mut Vec<Clause<'a>>) {
    match node {
        Node::All(nodes) | Node::Any(nodes) => nodes.iter().for_each(|node| collect(node, found)),
        Node::Not(of) => collect(of, found),
        Node::Latest(condition) => found.push(Clause::Latest(condition)),
        Node::Did(did) => found.push(Clause::Did(did)),
        Node::Sequence(sequence) => found.push(Clause::Sequence(sequence)),
        Node::Seen(seen) => found.push(Clause::Seen(*seen)),
        Node::Member(_) => {}
    }
}

/// Whether the tree selects a visitor, given whether each of [`clauses`] holds, in their order.
pub(super) fn selects(node: &Node, holds: &mut dyn Iterator<Item = bool>) -> bool {
    match node {
        // No short cut: every clause takes its answer.
        Node::All(nodes) => nodes.iter().fold(true, |all, node| selects(node, holds) & all),
        Node::Any(nodes) => nodes.iter().fold(false, |any, node| selects(node, holds) | any),
        Node::Not(of) => !selects(of, holds),
        Node::Member(_) => false,
        _ => holds.next().unwrap_or(false),
    }
}
