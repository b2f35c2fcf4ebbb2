//! Trees as messages: what `tree` reads back as the same tree.

use crate::query::v1::{DayRange, Dimension as WireDimension};
use crate::segment::v1;
use pistats_core::report::Dimension;
use pistats_core::segment::{Amount, Condition, Counted, Did, End, Node, Seen, Sequence, Subject, Test, When, Window};

/// The message of a tree.
pub fn to_wire(tree: &Node) -> v1::Node {
    use v1::node::Node as Wire;
    let list = |nodes: &[Node]| v1::NodeList { nodes: nodes.iter().map(to_wire).collect() };
    let node = match tree {
        Node::All(nodes) => Wire::All(list(nodes)),
        Node::Any(nodes) => Wire::Any(list(nodes)),
        Node::Not(of) => Wire::Not(Box::new(to_wire(of))),
        Node::Latest(latest) => Wire::Latest(condition(latest)),
        Node::Did(of) => Wire::Did(did(of)),
        Node::Sequence(Sequence { steps, within_us, window }) => Wire::Sequence(v1::Sequence {
            steps: steps.iter().map(|step| v1::Step { conditions: conditions(step) }).collect(),
            within_us: within_us.unwrap_or(0),
            last_days: last_days(*window),
            days: days(*window),
        }),
        Node::Seen(of) => Wire::Seen(seen(*of)),
        Node::Member(id) => Wire::MemberOf(id.to_string()),
    };
    v1::Node { node: Some(node) }
}

fn did(did: &Did) -> v1::Did {
    v1::Did {
        conditions: conditions(&did.conditions),
        amount: Some(match did.amount {
            Amount::AtLeast(times) => v1::did::Amount::AtLeast(times),
            Amount::AtMost(times) => v1::did::Amount::AtMost(times),
        }),
        distinct_days: did.counted == Counted::Days,
        last_days: last_days(did.window),
        days: days(did.window),
    }
}

fn seen(seen: Seen) -> v1::Seen {
    let end = match seen.end {
        End::First => v1::End::First,
        End::Last => v1::End::Last,
    };
    let when = match seen.when {
        When::LastDays(days) => v1::seen::When::LastDays(days),
        When::LongerAgo(days) => v1::seen::When::LongerAgoDays(days),
        When::Since(day) => v1::seen::When::Since(day.to_string()),
        When::Before(day) => v1::seen::When::Before(day.to_string()),
    };
    v1::Seen { end: end.into(), when: Some(when) }
}

fn last_days(window: Window) -> u32 {
    match window {
        Window::Ever | Window::Between(..) => 0,
        Window::LastDays(days) => days,
    }
}

fn days(window: Window) -> Option<DayRange> {
    match window {
        Window::Ever | Window::LastDays(_) => None,
        Window::Between(first, last) => Some(DayRange { first: first.to_string(), last: last.to_string() }),
    }
}

fn conditions(list: &[Condition]) -> Vec<v1::Condition> {
    list.iter().map(condition).collect()
}

fn condition(condition: &Condition) -> v1::Condition {
    let (operator, values) = match &condition.test {
        Test::Is(values) => (v1::Operator::Is, values.clone()),
        Test::IsNot(values) => (v1::Operator::IsNot, values.clone()),
        Test::Contains(values) => (v1::Operator::Contains, values.clone()),
        Test::StartsWith(values) => (v1::Operator::StartsWith, values.clone()),
        Test::Greater(number) => (v1::Operator::Greater, vec![number.to_string()]),
        Test::Less(number) => (v1::Operator::Less, vec![number.to_string()]),
    };
    let (dimension, property) = match &condition.subject {
        Subject::Dimension(of) => dimension(of),
        Subject::Value => (WireDimension::Unspecified, String::new()),
    };
    v1::Condition {
        dimension: dimension.into(),
        property,
        value: condition.subject == Subject::Value,
        operator: operator.into(),
        values,
    }
}

fn dimension(dimension: &Dimension) -> (WireDimension, String) {
    let wire = match dimension {
        Dimension::Property(key) => return (WireDimension::Property, key.clone()),
        Dimension::Url => WireDimension::Url,
        Dimension::Page => WireDimension::Page,
        Dimension::Path => WireDimension::Path,
        Dimension::EntryPage => WireDimension::EntryPage,
        Dimension::ExitPage => WireDimension::ExitPage,
        Dimension::Referrer => WireDimension::Referrer,
        Dimension::Source => WireDimension::Source,
        Dimension::Channel => WireDimension::Channel,
        Dimension::UtmSource => WireDimension::UtmSource,
        Dimension::UtmMedium => WireDimension::UtmMedium,
        Dimension::UtmCampaign => WireDimension::UtmCampaign,
        Dimension::UtmTerm => WireDimension::UtmTerm,
        Dimension::UtmContent => WireDimension::UtmContent,
        Dimension::Country => WireDimension::Country,
        Dimension::Language => WireDimension::Language,
        Dimension::Device => WireDimension::Device,
        Dimension::Screen => WireDimension::Screen,
        Dimension::Browser => WireDimension::Browser,
        Dimension::Os => WireDimension::Os,
        Dimension::EventName => WireDimension::EventName,
        Dimension::Topic => WireDimension::Topic,
        Dimension::Title => WireDimension::Title,
        Dimension::Host => WireDimension::Host,
        Dimension::UserId => WireDimension::UserId,
        Dimension::Segment => WireDimension::Segment,
    };
    (wire, String::new())
}
