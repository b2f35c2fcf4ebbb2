//! Conditions on one event.

use crate::report::Dimension;
use crate::{EventId, Micros};
use std::fmt;

/// One condition on an event.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Condition {
    pub subject: Subject,
    pub test: Test,
}

/// What of the event is looked at.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Subject {
    /// A dimension of events: not an entry or exit page, which are of sessions.
    Dimension(Dimension),
    /// The event's value (money). Only [`Test::Greater`] and [`Test::Less`].
    Value,
}

/// What must hold. Lists hold 1 to [`MOST_VALUES`](super::MOST_VALUES) values, of which one is enough (`IsNot`: none is).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Test {
    Is(Vec<String>),
    IsNot(Vec<String>),
    Contains(Vec<String>),
    StartsWith(Vec<String>),
    Greater(Number),
    Less(Number),
}

/// A decimal number of at most twelve digits before the point and six behind it, in millionths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Number(pub i64);

impl Number {
    /// What a text must look like to be a number, as engines of SQL read it.
    pub const PATTERN: &str = "^-?[0-9]{1,12}([.][0-9]{1,6})?$";
    const MILLION: i64 = 1_000_000;

    /// Reads a number: an optional minus, 1 to 12 digits, and perhaps a point with 1 to 6 digits. Nothing else is one.
    pub fn parse(text: &str) -> Option<Number> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (digits, None),
        };
        let are_digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !are_digits(whole, 12) || fraction.is_some_and(|fraction| !are_digits(fraction, 6)) {
            return None;
        }
        let fraction = fraction.unwrap_or("");
        let scale = 10_i64.pow(6 - fraction.len() as u32);
        let millionths = if fraction.is_empty() { 0 } else { fraction.parse::<i64>().ok()? * scale };
        let number = whole.parse::<i64>().ok()? * Number::MILLION + millionths;
        Some(Number(if negative { -number } else { number }))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) = (self.0.unsigned_abs() / 1_000_000, self.0.unsigned_abs() % 1_000_000);
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        let rest = format!("{rest:06}");
        write!(f, "{sign}{whole}.{}", rest.trim_end_matches('0'))
    }
}

/// An event as conditions look at it.
pub trait Facts {
    fn id(&self) -> EventId;
    fn time(&self) -> Micros;
    fn is_by_bot(&self) -> bool;
    /// Millionths.
    fn value(&self) -> Option<i64>;
    /// The value of a dimension with one value; "" where it is absent. Never asked for topics.
    fn text(&self, dimension: &Dimension) -> &str;
    /// Whether a topic meets a test; an event without topics has the topic "".
    fn any_topic(&self, test: &mut dyn FnMut(&str) -> bool) -> bool;
}

impl Condition {
    /// Whether an event passes.
    pub fn holds(&self, event: &dyn Facts) -> bool {
        let dimension = match &self.subject {
            Subject::Dimension(dimension) => dimension,
            Subject::Value => {
                return match (&self.test, event.value()) {
                    (Test::Greater(Number(bound)), Some(value)) => value > *bound,
                    (Test::Less(Number(bound)), Some(value)) => value < *bound,
                    _ => false,
                };
            }
        };
        let some = |test: &mut dyn FnMut(&str) -> bool| match dimension {
            Dimension::Topic => event.any_topic(test),
            _ => test(event.text(dimension)),
        };
        match &self.test {
            Test::Is(wanted) => some(&mut |value| wanted.iter().any(|wanted| wanted == value)),
            Test::IsNot(wanted) => !some(&mut |value| wanted.iter().any(|wanted| wanted == value)),
            Test::Contains(wanted) => some(&mut |value| wanted.iter().any(|wanted| value.contains(wanted.as_str()))),
            Test::StartsWith(wanted) => {
                some(&mut |value| wanted.iter().any(|wanted| value.starts_with(wanted.as_str())))
            }
            Test::Greater(bound) => some(&mut |value| Number::parse(value).is_some_and(|number| number > *bound)),
            Test::Less(bound) => some(&mut |value| Number::parse(value).is_some_and(|number| number < *bound)),
        }
    }
}

/// Whether an event passes all conditions.
pub(crate) fn all_hold(conditions: &[Condition], event: &dyn Facts) -> bool {
    conditions.iter().all(|condition| condition.holds(event))
}
