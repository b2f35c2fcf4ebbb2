//! A tree in plain English: one sentence that says what it means, and no two meanings in the same words.
//!
//! Lists of more than two things in one another are told apart by brackets.

use super::{Amount, Condition, Counted, Did, End, Node, Seen, SegmentId, Sequence, Subject, Test, When, Window};
use crate::Micros;
use crate::event::PAGE_VIEW;
use crate::report::Dimension;
use std::collections::HashMap;

/// The names of segments, for members.
pub type Names = HashMap<SegmentId, String>;

/// Values of a list that are told one by one; of longer lists the rest is counted.
const TOLD: usize = 5;

/// The sentence of a tree: "Visitors who …".
pub fn sentence(tree: &Node, names: &Names) -> String {
    format!("Visitors {}.", clause(tree, names, true))
}

fn clause(node: &Node, names: &Names, top: bool) -> String {
    let joined = |nodes: &[Node], word: &str| {
        if let [only] = nodes {
            return clause(only, names, top);
        }
        let inner: Vec<String> = nodes.iter().map(|node| clause(node, names, false)).collect();
        let list = inner.join(word);
        if top { list } else { format!("({list})") }
    };
    match node {
        Node::All(nodes) => joined(nodes, ", and "),
        Node::Any(nodes) => joined(nodes, ", or "),
        Node::Not(of) => format!("not ({})", clause(of, names, true)),
        Node::Latest(condition) => format!("whose latest {}", told(condition)),
        Node::Did(did) => self::did(did),
        Node::Sequence(sequence) => self::sequence(sequence),
        Node::Seen(seen) => self::seen(*seen),
        Node::Member(id) => match names.get(id) {
            Some(name) => format!("who are in the segment {name:?}"),
            None => format!("who are in the segment {id}"),
        },
    }
}

fn did(did: &Did) -> String {
    let what = event(&did.conditions);
    let window = window(did.window);
    let unit = |count: u32| match (did.counted, count) {
        (Counted::Events, 1) => "once".to_owned(),
        (Counted::Events, count) => format!("{count} times"),
        (Counted::Days, 1) => "on 1 day".to_owned(),
        (Counted::Days, count) => format!("on {count} different days"),
    };
    match did.amount {
        Amount::AtMost(0) => format!("who did not {what}{window}"),
        Amount::AtMost(count) => format!("who did {what} at most {}{window}", unit(count)),
        Amount::AtLeast(count) => format!("who did {what} at least {}{window}", unit(count)),
    }
}

fn sequence(sequence: &Sequence) -> String {
    let steps: Vec<String> = sequence.steps.iter().map(|step| event(step)).collect();
    let within = sequence.within_us.map(|us| format!(" within {}", duration(us))).unwrap_or_default();
    format!("who did {}{within}{}", steps.join(", then "), window(sequence.window))
}

/// What an event is, so that "did" can stand before it.
fn event(conditions: &[Condition]) -> String {
    let name = conditions.iter().position(|condition| {
        matches!((&condition.subject, &condition.test),
            (Subject::Dimension(Dimension::EventName), Test::Is(values)) if values.len() == 1)
    });
    let what = match name.map(|place| &conditions[place].test) {
        Some(Test::Is(values)) if values[0] == PAGE_VIEW => "view a page".to_owned(),
        Some(Test::Is(values)) => format!("{:?}", values[0]),
        _ => "anything".to_owned(),
    };
    let rest: Vec<String> =
        conditions.iter().enumerate().filter(|(place, _)| Some(*place) != name).map(|(_, c)| told(c)).collect();
    if rest.is_empty() { what } else { format!("{what} (with {})", rest.join(" and ")) }
}

fn seen(seen: Seen) -> String {
    let end = match seen.end {
        End::First => "first",
        End::Last => "last",
    };
    let when = match seen.when {
        When::LastDays(1) => "today".to_owned(),
        When::LastDays(days) => format!("in the last {days} days"),
        When::LongerAgo(1) => "before today".to_owned(),
        When::LongerAgo(days) => format!("before the last {days} days"),
        When::Since(day) => format!("on {day} or later"),
        When::Before(day) => format!("before {day}"),
    };
    format!("who were {end} seen {when}")
}

fn window(window: Window) -> String {
    match window {
        Window::Ever => String::new(),
        Window::LastDays(1) => " today".to_owned(),
        Window::LastDays(days) => format!(" in the last {days} days"),
        Window::Between(first, last) if first == last => format!(" on {first}"),
        Window::Between(first, last) => format!(" from {first} to {last}"),
    }
}

fn told(condition: &Condition) -> String {
    let subject = match &condition.subject {
        Subject::Dimension(dimension) => name(dimension),
        Subject::Value => "value".to_owned(),
    };
    let test = match &condition.test {
        Test::Is(values) => format!("is {}", list(values, "or")),
        Test::IsNot(values) => format!("is not {}", list(values, "or")),
        Test::Contains(values) => format!("contains {}", list(values, "or")),
        Test::StartsWith(values) => format!("starts with {}", list(values, "or")),
        Test::Greater(number) => format!("is more than {number}"),
        Test::Less(number) => format!("is less than {number}"),
    };
    format!("{subject} {test}")
}

fn list(values: &[String], word: &str) -> String {
    let one = |value: &String| if value.is_empty() { "nothing".to_owned() } else { format!("{value:?}") };
    if values.len() > TOLD + 1 {
        let told: Vec<String> = values.iter().take(TOLD).map(one).collect();
        return format!("{} {word} one of {} more", told.join(", "), values.len() - TOLD);
    }
    let told: Vec<String> = values.iter().map(one).collect();
    match told.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {word} {last}", rest.join(", ")),
        _ => told.concat(),
    }
}

/// What people call a dimension.
fn name(dimension: &Dimension) -> String {
    let name = match dimension {
        Dimension::Url => "url",
        Dimension::Page => "page",
        Dimension::Path => "path",
        Dimension::Host => "host",
        Dimension::Title => "title",
        Dimension::EntryPage => "entry page",
        Dimension::ExitPage => "exit page",
        Dimension::Referrer => "referrer",
        Dimension::Source => "source",
        Dimension::Channel => "channel",
        Dimension::UtmSource => "campaign source",
        Dimension::UtmMedium => "campaign medium",
        Dimension::UtmCampaign => "campaign",
        Dimension::UtmTerm => "campaign term",
        Dimension::UtmContent => "campaign content",
        Dimension::Country => "country",
        Dimension::Language => "language",
        Dimension::Device => "device",
        Dimension::Screen => "screen",
        Dimension::Browser => "browser",
        Dimension::Os => "operating system",
        Dimension::EventName => "event",
        Dimension::Topic => "topic",
        Dimension::UserId => "user id",
        Dimension::Segment => "segment",
        Dimension::Property(key) => return format!("property {key:?}"),
    };
    name.to_owned()
}

/// A length of time in its largest whole units.
fn duration(us: i64) -> String {
    const UNITS: [(i64, &str); 5] = [
        (Micros::DAY, "day"),
        (Micros::HOUR, "hour"),
        (Micros::MINUTE, "minute"),
        (Micros::SECOND, "second"),
        (1, "microsecond"),
    ];
    let mut rest = us;
    let mut told = Vec::new();
    for (unit, name) in UNITS {
        let count = rest / unit;
        rest %= unit;
        if count > 0 {
            told.push(format!("{count} {name}{}", if count == 1 { "" } else { "s" }));
        }
    }
    if told.is_empty() { "no time".to_owned() } else { told.join(" ") }
}
