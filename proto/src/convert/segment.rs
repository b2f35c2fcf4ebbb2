//! segment.v1 ↔ `core::segment`: trees, read once and checked; every wrong field is named by its path.
//!
//! ```text
//!   Node (wire) ──tree──▶ core::segment::Node ──to_wire──▶ Node
//! ```
//!
//! It is not responsible for what needs other segments (members, cycles): `core::segment::check`.

mod write;

pub use write::to_wire;

use super::query::{NO_SEGMENT_ID, day, dimension, unknown, values};
use super::{Invalid, Violations};
use crate::query::v1::DayRange;
use crate::segment::v1;
use pistats_core::report::Dimension;
use pistats_core::segment::{
    Amount, Condition, Counted, Did, End, MOST_CONDITIONS, MOST_DAYS, MOST_DEPTH, MOST_NODES, MOST_STEPS, MOST_TIMES,
    MOST_WITHIN_US, Node, Number, Seen, SegmentId, Sequence, Subject, Test, When, Window,
};

/// Reads a tree; `path` is the field that holds it.
pub fn tree(path: &str, root: Option<&v1::Node>) -> Result<Node, Invalid> {
    let mut reader = Reader { wrong: Violations::default(), nodes: 0 };
    let read = match root {
        Some(root) => reader.node(path, root, 1),
        None => reader.wrong.add(path, "name the clauses that select visitors"),
    };
    reader.wrong.unless_any(read)
}

/// Reads the id of a segment.
pub fn id(field: &str, text: &str) -> Result<SegmentId, Invalid> {
    SegmentId::parse(text).ok_or_else(|| Invalid::field(field, NO_SEGMENT_ID))
}

struct Reader {
    wrong: Violations,
    nodes: usize,
}

impl Reader {
    fn node(&mut self, path: &str, node: &v1::Node, level: usize) -> Option<Node> {
        use v1::node::Node as Wire;
        self.nodes += 1;
        if level > MOST_DEPTH {
            return self.wrong.add(path, format!("lies deeper than {MOST_DEPTH} levels"));
        }
        if self.nodes > MOST_NODES {
            // Told once, at the first node that is too many.
            return if self.nodes == MOST_NODES + 1 {
                self.wrong.add(path, format!("a tree may have {MOST_NODES} nodes; this one is too many"))
            } else {
                None
            };
        }
        match node.node.as_ref() {
            None => self.wrong.add(path, "name a clause: all, any, not, latest, did, sequence, seen or member_of"),
            Some(Wire::All(list)) => Some(Node::All(self.list(&format!("{path}.all"), list, level)?)),
            Some(Wire::Any(list)) => Some(Node::Any(self.list(&format!("{path}.any"), list, level)?)),
            Some(Wire::Not(of)) => Some(Node::Not(Box::new(self.node(&format!("{path}.not"), of, level + 1)?))),
            Some(Wire::Latest(condition)) => Some(Node::Latest(self.condition(&format!("{path}.latest"), condition)?)),
            Some(Wire::Did(did)) => self.did(&format!("{path}.did"), did),
            Some(Wire::Sequence(sequence)) => self.sequence(&format!("{path}.sequence"), sequence),
            Some(Wire::Seen(seen)) => self.seen(&format!("{path}.seen"), seen),
            Some(Wire::MemberOf(id)) => match SegmentId::parse(id) {
                Some(id) => Some(Node::Member(id)),
                None => self.wrong.add(format!("{path}.member_of"), NO_SEGMENT_ID),
            },
        }
    }

    fn list(&mut self, path: &str, list: &v1::NodeList, level: usize) -> Option<Vec<Node>> {
        if list.nodes.is_empty() {
            return self.wrong.add(format!("{path}.nodes"), "needs at least one node");
        }
        // Every node is read, so that every wrong one is named.
        let read: Vec<Option<Node>> = list
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| self.node(&format!("{path}.nodes[{index}]"), node, level + 1))
            .collect();
        read.into_iter().collect()
    }

    fn did(&mut self, path: &str, did: &v1::Did) -> Option<Node> {
        let conditions = self.conditions(path, &did.conditions);
        let amount = match did.amount {
            None => Some(Amount::AtLeast(1)),
            Some(v1::did::Amount::AtLeast(0)) => self
                .wrong
                .add(format!("{path}.at_least"), "everybody did at least 0; ask for 1 or more, or for at_most"),
            Some(v1::did::Amount::AtLeast(times)) => {
                self.times(&format!("{path}.at_least"), times).map(Amount::AtLeast)
            }
            Some(v1::did::Amount::AtMost(times)) => self.times(&format!("{path}.at_most"), times).map(Amount::AtMost),
        };
        let window = self.window(path, did.last_days, did.days.as_ref());
        let counted = if did.distinct_days { Counted::Days } else { Counted::Events };
        Some(Node::Did(Did { conditions: conditions?, amount: amount?, counted, window: window? }))
    }

    fn times(&mut self, field: &str, times: u32) -> Option<u32> {
        if times > MOST_TIMES {
            return self.wrong.add(field, format!("{times} is too much, at most {MOST_TIMES}"));
        }
        Some(times)
    }

    fn sequence(&mut self, path: &str, sequence: &v1::Sequence) -> Option<Node> {
        let count = sequence.steps.len();
        if !(2..=MOST_STEPS).contains(&count) {
            return self.wrong.add(format!("{path}.steps"), format!("{count} steps; a sequence has 2 to {MOST_STEPS}"));
        }
        let steps: Vec<Option<Vec<Condition>>> = sequence
            .steps
            .iter()
            .enumerate()
            .map(|(index, step)| self.conditions(&format!("{path}.steps[{index}]"), &step.conditions))
            .collect();
        let within_us = match sequence.within_us {
            0 => Some(None),
            us if (1..=MOST_WITHIN_US).contains(&us) => Some(Some(us)),
            us => self.wrong.add(
                format!("{path}.within_us"),
                format!("{us} is no time limit; give 1 to {MOST_WITHIN_US} microseconds (366 days), or 0 for none"),
            ),
        };
        let window = self.window(path, sequence.last_days, sequence.days.as_ref());
        let steps = steps.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Node::Sequence(Sequence { steps, within_us: within_us?, window: window? }))
    }

    fn seen(&mut self, path: &str, seen: &v1::Seen) -> Option<Node> {
        use v1::seen::When as Wire;
        let end = match v1::End::try_from(seen.end) {
            Ok(v1::End::First) => Some(End::First),
            Ok(v1::End::Last) => Some(End::Last),
            Ok(v1::End::Unspecified) => self.wrong.add(format!("{path}.end"), "name END_FIRST or END_LAST"),
            Err(_) => self.wrong.add(format!("{path}.end"), unknown(seen.end)),
        };
        let when = match seen.when.as_ref() {
            None => {
                let what = "name when: last_days, longer_ago_days, since or before";
                self.wrong.add(format!("{path}.last_days"), what)
            }
            Some(Wire::LastDays(days)) => self.days(&format!("{path}.last_days"), *days).map(When::LastDays),
            Some(Wire::LongerAgoDays(days)) => {
                self.days(&format!("{path}.longer_ago_days"), *days).map(When::LongerAgo)
            }
            Some(Wire::Since(text)) => day(&mut self.wrong, &format!("{path}.since"), text).map(When::Since),
            Some(Wire::Before(text)) => day(&mut self.wrong, &format!("{path}.before"), text).map(When::Before),
        };
        Some(Node::Seen(Seen { end: end?, when: when? }))
    }

    fn days(&mut self, field: &str, days: u32) -> Option<u32> {
        if !(1..=MOST_DAYS).contains(&days) {
            return self.wrong.add(field, format!("{days} days; give 1 to {MOST_DAYS}"));
        }
        Some(days)
    }

    fn window(&mut self, path: &str, last_days: u32, days: Option<&DayRange>) -> Option<Window> {
        let Some(days) = days else {
            return match last_days {
                0 => Some(Window::Ever),
                days => self.days(&format!("{path}.last_days"), days).map(Window::LastDays),
            };
        };
        if last_days != 0 {
            return self.wrong.add(format!("{path}.days"), "either days or last_days; leave one of them out");
        }
        let first = day(&mut self.wrong, &format!("{path}.days.first"), &days.first);
        let last = day(&mut self.wrong, &format!("{path}.days.last"), &days.last);
        let (first, last) = (first?, last?);
        if first > last {
            return self
                .wrong
                .add(format!("{path}.days.last"), format!("{last} lies before {first}, the first of the days"));
        }
        Some(Window::Between(first, last))
    }

    fn conditions(&mut self, path: &str, conditions: &[v1::Condition]) -> Option<Vec<Condition>> {
        let field = format!("{path}.conditions");
        if conditions.len() > MOST_CONDITIONS {
            let count = conditions.len();
            return self.wrong.add(field, format!("{count} conditions are too many, at most {MOST_CONDITIONS}"));
        }
        let read: Vec<Option<Condition>> = conditions
            .iter()
            .enumerate()
            .map(|(index, condition)| self.condition(&format!("{field}[{index}]"), condition))
            .collect();
        read.into_iter().collect()
    }

    fn condition(&mut self, path: &str, condition: &v1::Condition) -> Option<Condition> {
        let subject = self.subject(path, condition);
        let list = values(&mut self.wrong, &format!("{path}."), &condition.values);
        let number = |reader: &mut Self, list: &[String]| match list {
            [only] => match Number::parse(only) {
                Some(number) => Some(number),
                None => reader.wrong.add(
                    format!("{path}.values[0]"),
                    format!("{only:?} is no number of at most 12 digits, and 6 behind the point"),
                ),
            },
            _ => reader.wrong.add(format!("{path}.values"), "exactly one number for GREATER and LESS"),
        };
        let test = match v1::Operator::try_from(condition.operator) {
            Ok(v1::Operator::Unspecified | v1::Operator::Is) => list.map(Test::Is),
            Ok(v1::Operator::IsNot) => list.map(Test::IsNot),
            Ok(v1::Operator::Contains) => list.map(Test::Contains),
            Ok(v1::Operator::StartsWith) => list.map(Test::StartsWith),
            Ok(v1::Operator::Greater) => list.and_then(|list| number(self, &list)).map(Test::Greater),
            Ok(v1::Operator::Less) => list.and_then(|list| number(self, &list)).map(Test::Less),
            Err(_) => self.wrong.add(format!("{path}.operator"), unknown(condition.operator)),
        };
        let (subject, test) = (subject?, test?);
        if subject == Subject::Value && !matches!(test, Test::Greater(_) | Test::Less(_)) {
            let why = "a value is compared with OPERATOR_GREATER and OPERATOR_LESS only";
            return self.wrong.add(format!("{path}.operator"), why);
        }
        Some(Condition { subject, test })
    }

    fn subject(&mut self, path: &str, condition: &v1::Condition) -> Option<Subject> {
        if condition.value {
            if condition.dimension != 0 || !condition.property.is_empty() {
                let why = "either the event's value or a dimension; leave one of them out";
                return self.wrong.add(format!("{path}.value"), why);
            }
            return Some(Subject::Value);
        }
        let prefix = format!("{path}.");
        let dimension = dimension(&mut self.wrong, &prefix, condition.dimension, &condition.property)?;
        if dimension.is_of_session() {
            let why = "entry and exit pages are of whole sessions; use DIMENSION_PAGE";
            return self.wrong.add(format!("{path}.dimension"), why);
        }
        if dimension == Dimension::Segment {
            return self.wrong.add(format!("{path}.dimension"), "use a node `member_of` for members of a segment");
        }
        Some(Subject::Dimension(dimension))
    }
}

#[cfg(test)]
mod tests;
