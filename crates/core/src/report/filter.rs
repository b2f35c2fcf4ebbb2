//! Filters select events.

use super::Dimension;

/// Which events by bots count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Bots {
    #[default]
    Exclude,
    Include,
    Only,
}

/// How a value is compared: bytewise.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operator {
    Is,
    IsNot,
    Contains,
    DoesNotContain,
    StartsWith,
}

/// One condition: an event passes when one of `values` matches (`IsNot`, `DoesNotContain`: when none does).
///
/// An event with several topics matches when one of its topics does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Filter {
    pub dimension: Dimension,
    pub operator: Operator,
    /// 1 to 100.
    pub values: Vec<String>,
}

impl Operator {
    /// The positive operator, and whether it is negated.
    pub fn positive(self) -> (Operator, bool) {
        match self {
            Operator::IsNot => (Operator::Is, true),
            Operator::DoesNotContain => (Operator::Contains, true),
            positive => (positive, false),
        }
    }
}
