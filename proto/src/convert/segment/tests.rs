use super::*;
use pistats_core::segment::MOST_VALUES;
use v1::node::Node as Wire;

fn node(node: Wire) -> v1::Node {
    v1::Node { node: Some(node) }
}

fn did(did: v1::Did) -> v1::Node {
    node(Wire::Did(did))
}

fn any(nodes: Vec<v1::Node>) -> v1::Node {
    node(Wire::Any(v1::NodeList { nodes }))
}

fn country(operator: v1::Operator, values: &[&str]) -> v1::Condition {
    v1::Condition {
        dimension: crate::query::v1::Dimension::Country.into(),
        operator: operator.into(),
        values: values.iter().map(|value| value.to_string()).collect(),
        ..v1::Condition::default()
    }
}

fn between(first: &str, last: &str, last_days: u32) -> v1::Node {
    let days = DayRange { first: first.into(), last: last.into() };
    did(v1::Did { days: Some(days), last_days, ..v1::Did::default() })
}

/// The fields that are wrong.
fn wrong(root: &v1::Node) -> Vec<String> {
    let Err(Invalid(violations)) = tree("root", Some(root)) else { return Vec::new() };
    violations.into_iter().map(|violation| violation.field).collect()
}

#[test]
fn every_wrong_node_is_named_by_its_path() {
    let unknown = v1::Condition { dimension: 99, ..country(v1::Operator::Is, &["DE"]) };
    let page =
        v1::Condition { dimension: crate::query::v1::Dimension::EntryPage.into(), ..country(v1::Operator::Is, &["/"]) };
    let root = any(vec![
        node(Wire::Not(Box::new(v1::Node { node: None }))),
        did(v1::Did { conditions: vec![unknown, country(v1::Operator::Is, &[])], ..v1::Did::default() }),
        node(Wire::Latest(country(v1::Operator::Greater, &["many"]))),
        node(Wire::Latest(page)),
        node(Wire::MemberOf("nobody".into())),
        node(Wire::Sequence(v1::Sequence { steps: vec![v1::Step::default()], ..v1::Sequence::default() })),
        node(Wire::All(v1::NodeList::default())),
        node(Wire::Seen(v1::Seen { end: 1, when: Some(v1::seen::When::Since("May".into())) })),
        node(Wire::Latest(v1::Condition { dimension: 0, value: true, ..country(v1::Operator::Is, &["1"]) })),
        did(v1::Did { amount: Some(v1::did::Amount::AtLeast(0)), last_days: 3_661, ..v1::Did::default() }),
        between("2026-01-05", "2026-01-04", 0),
        between("2026-01-05", "January", 0),
        between("2026-01-05", "2026-01-05", 1),
    ]);
    assert_eq!(
        wrong(&root),
        [
            "root.any.nodes[0].not",
            "root.any.nodes[1].did.conditions[0].dimension",
            "root.any.nodes[1].did.conditions[1].values",
            "root.any.nodes[2].latest.values[0]",
            "root.any.nodes[3].latest.dimension",
            "root.any.nodes[4].member_of",
            "root.any.nodes[5].sequence.steps",
            "root.any.nodes[6].all.nodes",
            "root.any.nodes[7].seen.since",
            "root.any.nodes[8].latest.operator",
            "root.any.nodes[9].did.at_least",
            "root.any.nodes[9].did.last_days",
            "root.any.nodes[10].did.days.last",
            "root.any.nodes[11].did.days.last",
            "root.any.nodes[12].did.days",
        ]
    );
    assert_eq!(tree("root", None).expect_err("nothing there").0[0].field, "root");
}

#[test]
fn days_of_the_calendar_are_a_window_of_their_own() {
    let read = tree("root", Some(&between("2026-01-05", "2026-01-05", 0))).expect("one day");
    let Node::Did(did) = &read else { panic!("{read:?}") };
    let day = pistats_core::Day::parse("2026-01-05").expect("a day");
    assert_eq!(did.window, Window::Between(day, day));
    assert_eq!(tree("root", Some(&to_wire(&read))).expect("written"), read);
}

#[test]
fn each_limit_passes_and_one_more_is_refused() {
    let days = |last_days| did(v1::Did { last_days, ..v1::Did::default() });
    assert_eq!(wrong(&days(MOST_DAYS)), [""; 0]);
    assert_eq!(wrong(&days(MOST_DAYS + 1)), ["root.did.last_days"]);

    let times = |times| did(v1::Did { amount: Some(v1::did::Amount::AtMost(times)), ..v1::Did::default() });
    assert_eq!(wrong(&times(MOST_TIMES)), [""; 0]);
    assert_eq!(wrong(&times(MOST_TIMES + 1)), ["root.did.at_most"]);

    let conditions = |count| {
        let conditions = vec![country(v1::Operator::Is, &["DE"]); count];
        did(v1::Did { conditions, ..v1::Did::default() })
    };
    assert_eq!(wrong(&conditions(MOST_CONDITIONS)), [""; 0]);
    assert_eq!(wrong(&conditions(MOST_CONDITIONS + 1)), ["root.did.conditions"]);

    let listed = |count| node(Wire::Latest(country(v1::Operator::IsNot, &vec!["DE"; count])));
    assert_eq!(wrong(&listed(MOST_VALUES)), [""; 0]);
    assert_eq!(wrong(&listed(MOST_VALUES + 1)), ["root.latest.values"]);

    let steps = |count, within_us| {
        let steps = vec![v1::Step::default(); count];
        node(Wire::Sequence(v1::Sequence { steps, within_us, ..v1::Sequence::default() }))
    };
    assert_eq!(wrong(&steps(MOST_STEPS, MOST_WITHIN_US)), [""; 0]);
    assert_eq!(wrong(&steps(2, 0)), [""; 0]);
    assert_eq!(wrong(&steps(MOST_STEPS + 1, 0)), ["root.sequence.steps"]);
    assert_eq!(wrong(&steps(2, MOST_WITHIN_US + 1)), ["root.sequence.within_us"]);
    assert_eq!(wrong(&steps(2, -1)), ["root.sequence.within_us"]);

    let wide = |count| any(vec![days(1); count]);
    assert_eq!(wrong(&wide(MOST_NODES - 1)), [""; 0]);
    assert_eq!(wrong(&wide(MOST_NODES + 5)), ["root.any.nodes[99]"], "the root and 99 nodes are 100; told once");

    let mut deep = days(1);
    for _ in 1..MOST_DEPTH {
        deep = node(Wire::Not(Box::new(deep)));
    }
    assert_eq!(wrong(&deep), [""; 0]);
    let path = format!("root{}", ".not".repeat(MOST_DEPTH));
    assert_eq!(wrong(&node(Wire::Not(Box::new(deep)))), [path]);
}
