//! Segments: every visitor is looked at by itself, every clause by loops over its events.
//!
//! Shares the words of trees with the readers (`core::segment`), and nothing of how they are read.

use super::{Flaw, Oracle, OracleEvent};
use pistats_core::report::Dimension;
use pistats_core::segment::{
    Amount, Book, Condition, Counted, Did, End, Facts, Node, Seen, SegmentId, Sequence, Subject, Test, When, Window,
};
use pistats_core::{Day, Micros, Zone};
use std::collections::BTreeSet;

/// The moment that a segment is asked about.
struct Moment<'a> {
    zone: &'a Zone,
    today: Day,
    book: &'a Book,
    flaw: Option<Flaw>,
}

impl Moment<'_> {
    /// How many days before today a day lies; negative for one to come.
    fn age(&self, day: Day) -> i64 {
        i64::from(self.today.0) - i64::from(day.0)
    }

    fn in_window(&self, window: Window, day: Day) -> bool {
        match window {
            Window::Ever => true,
            Window::LastDays(days) => {
                let days = i64::from(days);
                let oldest = match self.flaw {
                    Some(Flaw::WithoutTheFirstDay) => days - 2,
                    Some(Flaw::OneDayMore) => days,
                    _ => days - 1,
                };
                let newest = match self.flaw {
                    Some(Flaw::WithoutToday) => 1,
                    Some(Flaw::WithToTheFuture) => i64::MIN,
                    _ => 0,
                };
                newest <= self.age(day) && self.age(day) <= oldest
            }
            Window::Between(first, last) => first <= day && day <= last,
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }
}

impl Oracle {
    /// The visitors in a segment at `now`, by the ids that they sent. The tree's members are looked up in the book.
    pub fn segment(&self, tree: &Node, book: &Book, zone: &Zone, now: Micros) -> BTreeSet<String> {
        self.flawed_segment(tree, book, zone, now, None)
    }

    /// The same with one comparison turned the wrong way.
    pub fn flawed_segment(
        &self,
        tree: &Node,
        book: &Book,
        zone: &Zone,
        now: Micros,
        flaw: Option<Flaw>,
    ) -> BTreeSet<String> {
        let name = |visitor: usize| self.events[self.events_of[visitor][0]].visitor.clone();
        let moment = Moment { zone, today: zone.day_of(now), book, flaw };
        self.members(tree, &moment).into_iter().map(name).collect()
    }

    /// The same events, with segments that filters may name, as they are at `now`.
    pub fn with_segments(mut self, book: &Book, zone: &Zone, now: Micros) -> Oracle {
        let moment = Moment { zone, today: zone.day_of(now), book, flaw: None };
        let all = book.iter().map(|(id, tree)| (id.to_string(), self.members(tree, &moment)));
        self.segments = all.collect();
        self
    }

    /// The segments that a visitor is in, by id.
    pub(super) fn segments_of(&self, visitor: usize) -> BTreeSet<&str> {
        self.segments.iter().filter(|(_, members)| members.contains(&visitor)).map(|(id, _)| id.as_str()).collect()
    }

    fn members(&self, tree: &Node, moment: &Moment<'_>) -> BTreeSet<usize> {
        let is_there = |visitor: &usize| {
            let by_people = self.events_of[*visitor].iter().any(|number| !self.events[*number].bot);
            by_people || moment.has(Flaw::BotsAreVisitors)
        };
        (0..self.events_of.len()).filter(is_there).filter(|visitor| self.selects(*visitor, tree, moment)).collect()
    }

    fn selects(&self, visitor: usize, node: &Node, moment: &Moment<'_>) -> bool {
        match node {
            Node::All(nodes) if !moment.has(Flaw::AllIsAny) => nodes.iter().all(|n| self.selects(visitor, n, moment)),
            Node::Any(nodes) if moment.has(Flaw::AnyIsAll) => nodes.iter().all(|n| self.selects(visitor, n, moment)),
            Node::All(nodes) | Node::Any(nodes) => nodes.iter().any(|node| self.selects(visitor, node, moment)),
            Node::Not(of) => self.selects(visitor, of, moment) == moment.has(Flaw::NotIsNothing),
            Node::Member(SegmentId(id)) => self.selects(visitor, &moment.book[&SegmentId(*id)], moment),
            Node::Latest(condition) => {
                let mut events = self.by_people(visitor, moment);
                let latest = match moment.flaw {
                    Some(Flaw::LatestIsFirst) => events.next(),
                    Some(Flaw::LatestOfTies) => {
                        let all: Vec<&OracleEvent> = events.collect();
                        let latest = all.last().map(|event| event.time);
                        all.into_iter().find(|event| Some(event.time) == latest)
                    }
                    _ => events.last(),
                };
                latest.is_some_and(|event| passes(event, condition, moment.flaw))
            }
            Node::Did(did) => self.did(visitor, did, moment),
            Node::Sequence(sequence) => self.took(visitor, sequence, moment),
            Node::Seen(seen) => self.seen(visitor, *seen, moment),
        }
    }

    /// The visitor's events that are not by bots, in order.
    fn by_people(&self, visitor: usize, moment: &Moment<'_>) -> impl Iterator<Item = &OracleEvent> {
        let bots_count = moment.has(Flaw::BotsCount);
        self.events_of[visitor].iter().map(|number| &self.events[*number]).filter(move |event| !event.bot || bots_count)
    }

    fn did(&self, visitor: usize, did: &Did, moment: &Moment<'_>) -> bool {
        let (mut events, mut days) = (0, BTreeSet::new());
        for event in self.by_people(visitor, moment) {
            let day = moment.zone.day_of(event.time);
            if moment.in_window(did.window, day) && did.conditions.iter().all(|c| passes(event, c, moment.flaw)) {
                events += 1;
                days.insert(day);
            }
        }
        let count = match (did.counted, moment.flaw) {
            (Counted::Events, Some(Flaw::CountsDaysForEvents)) => days.len(),
            (Counted::Days, Some(Flaw::CountsEventsForDays)) => events,
            (Counted::Events, _) => events,
            (Counted::Days, _) => days.len(),
        };
        match did.amount {
            Amount::AtLeast(least) if moment.has(Flaw::AtLeast) => count > least as usize,
            Amount::AtMost(most) if moment.has(Flaw::AtMost) => count < most as usize,
            Amount::AtLeast(least) => count >= least as usize,
            Amount::AtMost(most) => count <= most as usize,
        }
    }

    /// Tries every event as a start, and from it always the next event that passes.
    fn took(&self, visitor: usize, sequence: &Sequence, moment: &Moment<'_>) -> bool {
        let events: Vec<&OracleEvent> = self
            .by_people(visitor, moment)
            .filter(|event| moment.in_window(sequence.window, moment.zone.day_of(event.time)))
            .collect();
        (0..events.len()).any(|start| {
            let mut rest = &events[start..];
            let mut end = events[start].time;
            for (number, step) in sequence.steps.iter().enumerate() {
                let is_later = |event: &OracleEvent| number == 0 || event.time > end;
                let is_next = |event: &&OracleEvent| {
                    (is_later(event) || !moment.has(Flaw::StepsNeedLaterTimes))
                        && step.iter().all(|c| passes(event, c, moment.flaw))
                };
                let Some(place) = rest.iter().position(is_next) else { return false };
                if number == 0 && place != 0 {
                    return false;
                }
                end = rest[place].time;
                rest = if moment.has(Flaw::TwoStepsAtOnce) { &rest[place..] } else { &rest[place + 1..] };
            }
            let took = end.0 - events[start].time.0;
            sequence.within_us.is_none_or(|within| match moment.flaw {
                Some(Flaw::Within) => took < within,
                Some(Flaw::WithinOrMore) => took <= within + 1,
                _ => took <= within,
            })
        })
    }

    fn seen(&self, visitor: usize, seen: Seen, moment: &Moment<'_>) -> bool {
        let day = match seen.end {
            End::First if !moment.has(Flaw::FirstSeenIsLast) => {
                moment.zone.day_of(self.events[self.events_of[visitor][0]].time)
            }
            End::Last if moment.has(Flaw::LastSeenIsFirst) => {
                match self.by_people(visitor, moment).map(|event| moment.zone.day_of(event.time)).min() {
                    Some(day) => day,
                    None => return false,
                }
            }
            _ => match self.by_people(visitor, moment).map(|event| moment.zone.day_of(event.time)).max() {
                Some(day) => day,
                None => return false,
            },
        };
        match seen.when {
            When::LastDays(days) => moment.in_window(Window::LastDays(days), day),
            When::LongerAgo(days) if moment.has(Flaw::LongerAgo) => moment.age(day) > i64::from(days),
            When::Since(first) if moment.has(Flaw::SinceIsAfter) => first < day,
            When::Before(first) if moment.has(Flaw::BeforeIsUntil) => day <= first,
            When::LongerAgo(days) => moment.age(day) >= i64::from(days),
            When::Since(first) => first <= day,
            When::Before(first) => day < first,
        }
    }
}

fn passes(event: &OracleEvent, condition: &Condition, flaw: Option<Flaw>) -> bool {
    let is_more = |number: i128, bound: i64| {
        number > i128::from(bound) || flaw == Some(Flaw::GreaterOrEqual) && number == i128::from(bound)
    };
    let is_less = |number: i128, bound: i64| {
        number < i128::from(bound) || flaw == Some(Flaw::LessOrEqual) && number == i128::from(bound)
    };
    let values: Vec<&str> = match &condition.subject {
        Subject::Value => {
            return match (&condition.test, event.value) {
                (Test::Greater(bound), Some(value)) => is_more(i128::from(value), bound.0),
                (Test::Less(bound), Some(value)) => is_less(i128::from(value), bound.0),
                _ => false,
            };
        }
        Subject::Dimension(dimension) => values_of(event, dimension),
    };
    let some = |test: &dyn Fn(&str) -> bool| values.iter().any(|value| test(value));
    let contains = |value: &str, wanted: &String| match flaw {
        Some(Flaw::ContainsIsStartsWith) => value.starts_with(wanted.as_str()),
        _ => value.contains(wanted.as_str()),
    };
    let starts_with = |value: &str, wanted: &String| match flaw {
        Some(Flaw::StartsWithIsContains) => value.contains(wanted.as_str()),
        _ => value.starts_with(wanted.as_str()),
    };
    match &condition.test {
        Test::IsNot(wanted) if flaw != Some(Flaw::IsNotIsIs) => {
            wanted.iter().all(|wanted| !some(&|value| value == wanted))
        }
        Test::Is(wanted) | Test::IsNot(wanted) => some(&|value| wanted.iter().any(|wanted| value == wanted)),
        Test::Contains(wanted) => some(&|value| wanted.iter().any(|wanted| contains(value, wanted))),
        Test::StartsWith(wanted) => some(&|value| wanted.iter().any(|wanted| starts_with(value, wanted))),
        Test::Greater(bound) => some(&|value| number(value).is_some_and(|number| is_more(number, bound.0))),
        Test::Less(bound) => some(&|value| number(value).is_some_and(|number| is_less(number, bound.0))),
    }
}

/// A number in millionths: 1 to 12 digits, perhaps a point and 1 to 6 more, perhaps a minus before them.
fn number(text: &str) -> Option<i128> {
    let (sign, rest) = if let Some(rest) = text.strip_prefix('-') { (-1, rest) } else { (1, text) };
    let parts: Vec<&str> = rest.split('.').collect();
    let is_long = |part: &str, most: usize| !part.is_empty() && part.len() <= most;
    let fits = match parts.as_slice() {
        [whole] => is_long(whole, 12),
        [whole, behind] => is_long(whole, 12) && is_long(behind, 6),
        _ => false,
    };
    if !fits || !rest.chars().all(|letter| letter == '.' || letter.is_ascii_digit()) {
        return None;
    }
    let behind = parts.get(1).copied().unwrap_or("");
    let digits = format!("{}{behind:0<6}", parts[0]);
    Some(sign * digits.parse::<i128>().ok()?)
}

fn values_of<'a>(event: &'a OracleEvent, dimension: &Dimension) -> Vec<&'a str> {
    assert!(!dimension.is_of_session() && *dimension != Dimension::Segment, "{dimension:?} is no trait of an event");
    match dimension {
        Dimension::Topic if event.topics.is_empty() => vec![""],
        Dimension::Topic => event.topics.iter().map(String::as_str).collect(),
        _ => vec![event.text(dimension)],
    }
}
