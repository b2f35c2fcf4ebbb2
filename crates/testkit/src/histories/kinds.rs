//! What random segments are about: kinds of clauses, counted, and how many of the trees tell visitors apart.

use super::SegmentCase;
use pistats_core::segment::{Amount, Condition, Counted, End, Node, Seen, Test, When, Window};
use std::collections::BTreeMap;

/// From so many trees on, shares are no matter of luck any more.
const MANY: usize = 1_000;

/// What the trees of some cases are about.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    pub trees: usize,
    /// How many have members and others: 5 to 95 in 100 of the visitors.
    pub telling: usize,
    pub kinds: BTreeMap<&'static str, usize>,
}

impl Spread {
    pub fn add(&mut self, case: &SegmentCase) {
        self.trees += case.trees.len();
        self.telling += case.telling;
        case.trees.iter().for_each(|tree| count_kinds(tree, &mut self.kinds));
    }

    pub fn join(&mut self, other: Spread) {
        self.trees += other.trees;
        self.telling += other.telling;
        other.kinds.into_iter().for_each(|(kind, count)| *self.kinds.entry(kind).or_default() += count);
    }

    /// Prints it, and fails where a kind of clause is in fewer than one tree of ten (so: 1,000 of 10,000), or fewer than half of
    /// the trees tell visitors apart.
    pub fn check(&self) {
        let Spread { trees, telling, kinds } = self;
        println!("{trees} trees, {telling} select 5 to 95 % of the visitors; of kinds {kinds:?}");
        if *trees < MANY {
            return;
        }
        for kind in KINDS {
            let count = kinds.get(kind).copied().unwrap_or(0);
            assert!(count * 10 >= *trees, "{kind}: {count} of {trees} trees");
        }
        assert!(telling * 2 >= *trees, "{telling} of {trees} trees select 5 to 95 % of the visitors");
    }
}

/// Counts a tree under the kinds of clauses that it has, each once.
fn count_kinds(tree: &Node, kinds: &mut BTreeMap<&'static str, usize>) {
    let mut found = BTreeMap::new();
    note(tree, &mut found);
    for kind in found.into_keys() {
        *kinds.entry(kind).or_default() += 1;
    }
}

/// Every kind that is told apart.
pub const KINDS: [&str; 23] = [
    "all",
    "any",
    "not",
    "latest",
    "is",
    "is not",
    "contains",
    "starts with",
    "greater",
    "less",
    "did at least",
    "did at most",
    "did not",
    "on days",
    "within a window",
    "sequence",
    "sequence within a time",
    "first seen",
    "last seen",
    "seen in the last days",
    "seen longer ago",
    "seen since or before a day",
    "member",
];

fn note(node: &Node, found: &mut BTreeMap<&'static str, ()>) {
    let mut add = |kind| _ = found.insert(kind, ());
    match node {
        Node::All(nodes) | Node::Any(nodes) => {
            add(if matches!(node, Node::All(_)) { "all" } else { "any" });
            nodes.iter().for_each(|node| note(node, found));
        }
        Node::Not(of) => {
            add("not");
            note(of, found);
        }
        Node::Latest(condition) => {
            add("latest");
            note_condition(condition, found);
        }
        Node::Did(did) => {
            add(match did.amount {
                Amount::AtLeast(_) => "did at least",
                Amount::AtMost(0) => "did not",
                Amount::AtMost(_) => "did at most",
            });
            if did.counted == Counted::Days {
                add("on days");
            }
            if did.window != Window::Ever {
                add("within a window");
            }
            did.conditions.iter().for_each(|condition| note_condition(condition, found));
        }
        Node::Sequence(sequence) => {
            add("sequence");
            if sequence.within_us.is_some() {
                add("sequence within a time");
            }
            sequence.steps.iter().flatten().for_each(|condition| note_condition(condition, found));
        }
        Node::Seen(Seen { end, when }) => {
            add(if *end == End::First { "first seen" } else { "last seen" });
            add(match when {
                When::LastDays(_) => "seen in the last days",
                When::LongerAgo(_) => "seen longer ago",
                When::Since(_) | When::Before(_) => "seen since or before a day",
            });
        }
        Node::Member(_) => add("member"),
    }
}

fn note_condition(condition: &Condition, found: &mut BTreeMap<&'static str, ()>) {
    let kind = match condition.test {
        Test::Is(_) => "is",
        Test::IsNot(_) => "is not",
        Test::Contains(_) => "contains",
        Test::StartsWith(_) => "starts with",
        Test::Greater(_) => "greater",
        Test::Less(_) => "less",
    };
    found.insert(kind, ());
}
