//! Trees as JSON: what a person types.
//!
//! ```text
//!   {"all": [NODE, …]}  {"any": [NODE, …]}  {"not": NODE}  {"member_of": "ID"}
//!   {"latest": CONDITION}
//!   {"did": {"event": "purchase", "where": [CONDITION, …], "at_least": 2 | "at_most": 0, "days": true, "last_days": 30}}
//!                (or "between": ["2026-01-01", "2026-01-31"], here and in a sequence, instead of last_days)
//!   {"sequence": {"steps": [[CONDITION, …] | "EVENT", …], "within": "2h", "last_days": 30}}
//!   {"seen": {"first" | "last": {"last_days": 7} | {"longer_ago_days": 7} | {"since": "2026-01-31"} | {"before": …}}}
//!   CONDITION  {"country": ["DE", "FR"]}   is one of      {"path": {"starts_with": "/a"}}
//!              operators: is, is_not, contains, starts_with, greater, less; property:NAME is a property, value the event's value
//! ```
//!
//! It reads the form; what it says is checked by the server, which names the node.

use crate::commands::Failure;
use crate::commands::filter::dimension;
use crate::commands::funnel::span;
use pistats_proto::query::v1::{DayRange, Dimension};
use pistats_proto::segment::v1::*;
use serde_json::{Map, Value};

/// Reads a tree, or the file after `@`.
pub(super) fn read(text: &str) -> Result<Node, Failure> {
    let text = match text.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?,
        None => text.to_owned(),
    };
    let json: Value = serde_json::from_str(&text).map_err(|error| format!("the tree is no JSON: {error}"))?;
    node(&json)
}

fn only<'a>(json: &'a Value, what: &str) -> Result<(&'a str, &'a Value), Failure> {
    let object = json.as_object().filter(|object| object.len() == 1);
    let pair = object.and_then(|object| object.iter().next());
    pair.map(|(key, value)| (key.as_str(), value)).ok_or_else(|| format!("{what} is an object of one key, not {json}"))
}

fn object(json: &Value) -> Result<&Map<String, Value>, Failure> {
    json.as_object().ok_or_else(|| format!("an object was expected, not {json}"))
}

fn list<T>(json: &Value, read: impl Fn(&Value) -> Result<T, Failure>) -> Result<Vec<T>, Failure> {
    json.as_array().ok_or_else(|| format!("a list was expected, not {json}"))?.iter().map(read).collect()
}

fn text(json: &Value) -> Result<String, Failure> {
    match json {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(format!("a text was expected, not {json}")),
    }
}

fn count(json: &Value) -> Result<u32, Failure> {
    let number = json.as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| format!("a whole number was expected, not {json}"))
}

fn node(json: &Value) -> Result<Node, Failure> {
    use node::Node as Of;
    let (key, value) = only(json, "a node")?;
    let node = match key {
        "all" => Of::All(NodeList { nodes: list(value, node)? }),
        "any" => Of::Any(NodeList { nodes: list(value, node)? }),
        "not" => Of::Not(Box::new(node(value)?)),
        "latest" => Of::Latest(condition(value)?),
        "did" => Of::Did(did(object(value)?)?),
        "sequence" => Of::Sequence(sequence(object(value)?)?),
        "seen" => Of::Seen(seen(value)?),
        "member_of" => Of::MemberOf(text(value)?),
        other => return Err(format!("{other:?} is no node: all, any, not, latest, did, sequence, seen, member_of")),
    };
    Ok(Node { node: Some(node) })
}

fn named(event: String) -> Condition {
    let operator = Operator::Is.into();
    Condition { dimension: Dimension::EventName.into(), operator, values: vec![event], ..Condition::default() }
}

fn did(json: &Map<String, Value>) -> Result<Did, Failure> {
    let mut did = Did::default();
    for (key, value) in json {
        match key.as_str() {
            "event" => did.conditions.insert(0, named(text(value)?)),
            "where" => did.conditions.extend(list(value, condition)?),
            "at_least" => did.amount = Some(did::Amount::AtLeast(count(value)?)),
            "at_most" => did.amount = Some(did::Amount::AtMost(count(value)?)),
            "days" => did.distinct_days = value.as_bool().unwrap_or(false),
            "last_days" => did.last_days = count(value)?,
            "between" => did.days = Some(between(value)?),
            other => {
                let known = "event, where, at_least, at_most, days, last_days, between";
                return Err(format!("did: {other:?} is none of {known}"));
            }
        }
    }
    Ok(did)
}

/// Two days.
fn between(json: &Value) -> Result<DayRange, Failure> {
    match list(json, text)?.as_slice() {
        [first, last] => Ok(DayRange { first: first.clone(), last: last.clone() }),
        _ => Err(format!("between: the first and the last day were expected, not {json}")),
    }
}

fn sequence(json: &Map<String, Value>) -> Result<Sequence, Failure> {
    let mut sequence = Sequence::default();
    for (key, value) in json {
        match key.as_str() {
            "steps" => {
                sequence.steps = list(value, |step| {
                    let conditions = match step {
                        Value::String(event) => vec![named(event.clone())],
                        several => list(several, condition)?,
                    };
                    Ok(Step { conditions })
                })?;
            }
            "within" => {
                sequence.within_us = span(&text(value)?).map_err(|error| format!("sequence: within: {error}"))?;
            }
            "last_days" => sequence.last_days = count(value)?,
            "between" => sequence.days = Some(between(value)?),
            other => return Err(format!("sequence: {other:?} is none of steps, within, last_days, between")),
        }
    }
    Ok(sequence)
}

fn seen(json: &Value) -> Result<Seen, Failure> {
    let (end, when) = only(json, "seen")?;
    let end = match end {
        "first" => End::First,
        "last" => End::Last,
        other => return Err(format!("seen: {other:?} is neither first nor last")),
    };
    let (key, value) = only(when, "when")?;
    let when = match key {
        "last_days" => seen::When::LastDays(count(value)?),
        "longer_ago_days" => seen::When::LongerAgoDays(count(value)?),
        "since" => seen::When::Since(text(value)?),
        "before" => seen::When::Before(text(value)?),
        other => return Err(format!("seen: {other:?} is none of last_days, longer_ago_days, since, before")),
    };
    Ok(Seen { end: end.into(), when: Some(when) })
}

fn condition(json: &Value) -> Result<Condition, Failure> {
    let (subject, test) = only(json, "a condition")?;
    let (operator, values) = match test {
        Value::Object(_) => only(test, "a test")?,
        values => ("is", values),
    };
    let operator = match operator {
        "is" => Operator::Is,
        "is_not" => Operator::IsNot,
        "contains" => Operator::Contains,
        "starts_with" => Operator::StartsWith,
        "greater" => Operator::Greater,
        "less" => Operator::Less,
        other => return Err(format!("{other:?} is none of is, is_not, contains, starts_with, greater, less")),
    };
    let values = if values.is_array() { list(values, text)? } else { vec![text(values)?] };
    let is_value = subject == "value";
    let (dimension, property) = if is_value { (Dimension::Unspecified, String::new()) } else { dimension(subject)? };
    Ok(Condition { dimension: dimension.into(), property, value: is_value, operator: operator.into(), values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_core::segment::sentence;
    use pistats_proto::convert::segment::tree;

    fn meaning(text: &str) -> String {
        let node = read(text).expect("a tree");
        sentence(&tree("root", Some(&node)).expect("a sound tree"), &Default::default())
    }

    #[test]
    fn what_a_person_types_is_the_tree_that_they_mean() {
        let text = r#"{"all": [
            {"did": {"event": "purchase", "where": [{"value": {"greater": 12.5}}], "at_least": 2, "last_days": 30}},
            {"latest": {"country": ["DE", "FR"]}},
            {"not": {"seen": {"first": {"longer_ago_days": 7}}}},
            {"sequence": {"steps": ["signup", [{"path": {"starts_with": "/a"}}]], "within": "2h"}},
            {"did": {"between": ["2026-01-05", "2026-01-11"]}}]}"#;
        assert_eq!(
            meaning(text),
            "Visitors who did \"purchase\" (with value is more than 12.5) at least 2 times in the last 30 days, and whose \
             latest country is \"DE\" or \"FR\", and not (who were first seen before the last 7 days), and who did \
             \"signup\", then anything (with path starts with \"/a\") within 2 hours, and who did anything at least once \
             from 2026-01-05 to 2026-01-11."
        );
    }

    #[test]
    fn what_is_no_tree_says_what_was_expected() {
        for (text, says) in [
            ("{", "no JSON"),
            (r#"{"some": []}"#, "all, any, not"),
            (r#"{"did": {"times": 2}}"#, "at_least"),
            (r#"{"did": {"between": ["2026-01-05"]}}"#, "the last day"),
            (r#"{"latest": {"country": {"like": "D"}}}"#, "starts_with"),
            (r#"{"seen": {"first": {"last_days": -1}}}"#, "whole number"),
        ] {
            let failure = read(text).expect_err("no tree");
            assert!(failure.contains(says), "{text}: {failure}");
        }
    }
}
