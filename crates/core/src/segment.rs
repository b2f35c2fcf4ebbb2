//! Segments: which visitors, as a tree of clauses. One definition, three readers that agree exactly.
//!
//! ```text
//!   tree     what a segment says           ┌─▶ sets ──▶ bitmaps and SQL (Query)      set arithmetic over leaves
//!   check    limits, members, cycles    ───┤
//!   sentence the same in plain English     └─▶ matcher (live)                        one visitor at a time
//!                                                 └─▶ follow                          what is told of it, and why
//! ```
//!
//! # What a tree means
//!
//! A tree selects **visitors of a site, at a moment**. The moment enters as `now`, and through it as *today*, the local day
//! of `now` in the site's zone: nothing here reads a clock, and nothing moves but at an event or a local midnight.
//!
//! - **Visitors** are those with at least one event that is not by a bot, whenever. `not` and *at most* are among them.
//!   Events by bots are invisible to every clause but one: *first seen* is the visitor's first event ever, as everywhere.
//! - **Latest**: a condition on the visitor's latest event in the order (time, id).
//! - **Did**: at least or at most N events that pass all conditions, or events on N distinct local days.
//! - **Sequence**: events that pass the steps one after the other, each strictly later in the order (time, id), the last at
//!   most a time limit after the first (inclusive). Any start may succeed.
//! - **Seen**: the local day of the first event, or the greatest local day of the others'.
//! - **Member** of another segment, at the same moment.
//! - **Windows** are whole local days: the last N days are today and the N - 1 before it. Events of days to come (a client's
//!   clock) lie in no window of last days until their day; without a window every event counts.
//! - **At the end of a day** that is over a tree means what it would have meant had nothing happened after it, by the times of
//!   events: one that came late counts on its day.
//! - **Values** are compared bytewise; an absent value is "". Of several topics one is enough (`is not`: none is). A number is
//!   what [`Number::parse`] reads; anything else is neither greater nor less.
//!
//! It is not responsible for the wire, SQL or who may ask. The naive oracle in `testkit` says the same a second time.

mod check;
mod condition;
pub mod follow;
mod matcher;
mod sentence;
mod sets;
mod state;

pub use check::{Book, Unresolved, check, depth, members, nodes, resolve};
pub use condition::{Condition, Facts, Number, Subject, Test};
pub use matcher::{Matcher, Move};
pub use sentence::{Names, sentence};
pub use sets::{Leaf, Plan, Sets, plan, plan_at_end_of};

use crate::Day;
use std::fmt;

/// Levels of a tree, the root included; members count with what they say.
pub const MOST_DEPTH: usize = 10;
/// Nodes of a tree as it is sent.
pub const MOST_NODES: usize = 100;
/// Nodes of a tree whose members stand in their places.
pub const MOST_RESOLVED_NODES: usize = 500;
/// Conditions on one event.
pub const MOST_CONDITIONS: usize = 20;
/// Values of a condition; it needs one.
pub const MOST_VALUES: usize = 100;
/// Bytes of a value, and of a property's name: a url may be as long.
pub const MOST_VALUE_BYTES: usize = 8 << 10;
/// Days that a window may reach back: ten years.
pub const MOST_DAYS: u32 = 3_660;
/// Times or days that may be asked for.
pub const MOST_TIMES: u32 = 1_000_000;
/// Steps of a sequence, which needs two.
pub const MOST_STEPS: usize = 10;
/// The longest time limit of a sequence, microseconds: 366 days.
pub const MOST_WITHIN_US: i64 = 366 * crate::Micros::DAY;

/// Names a segment for ever: 128 bits, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SegmentId(pub u128);

impl SegmentId {
    /// Reads 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<SegmentId> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let well_formed = text.len() == 32 && text.bytes().all(is_hex);
        well_formed.then(|| u128::from_str_radix(text, 16).ok().map(SegmentId)).flatten()
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A tree of clauses.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Node {
    /// Visitors whom all of these select; at least one.
    All(Vec<Node>),
    /// Visitors whom one of these selects; at least one.
    Any(Vec<Node>),
    /// All other visitors.
    Not(Box<Node>),
    Latest(Condition),
    Did(Did),
    Sequence(Sequence),
    Seen(Seen),
    Member(SegmentId),
}

/// How often, or on how many days, a visitor did something.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Did {
    /// Which events; an event passes all. None: any event.
    pub conditions: Vec<Condition>,
    pub amount: Amount,
    pub counted: Counted,
    pub window: Window,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Amount {
    /// 1 or more.
    AtLeast(u32),
    /// 0: did not.
    AtMost(u32),
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Counted {
    Events,
    /// Distinct local days with such an event.
    Days,
}

/// Steps one after the other.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sequence {
    /// The conditions of each step; 2 to [`MOST_STEPS`] steps.
    pub steps: Vec<Vec<Condition>>,
    /// From the first step to the last, microseconds, inclusive.
    pub within_us: Option<i64>,
    /// Where all steps lie.
    pub window: Window,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Window {
    Ever,
    /// Whole local days including today: 1 is today alone.
    LastDays(u32),
    /// These local days, both included, whatever today is.
    Between(Day, Day),
}

/// When the visitor was seen first or last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Seen {
    pub end: End,
    pub when: When,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum End {
    First,
    Last,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum When {
    /// In the last N local days including today.
    LastDays(u32),
    /// Before the last N local days.
    LongerAgo(u32),
    /// On this day or later.
    Since(Day),
    /// Before this day.
    Before(Day),
}

impl Window {
    /// The days of the window, both ends included; nothing where every day is in it.
    pub fn days(self, today: Day) -> Option<(Day, Day)> {
        match self {
            Window::Ever => None,
            Window::LastDays(days) => Some((first_of_last(days, today), today)),
            Window::Between(first, last) => Some((first, last)),
        }
    }
}

/// The first of the last so many days.
pub(crate) fn first_of_last(days: u32, today: Day) -> Day {
    today.plus(1).plus(-i32::try_from(days).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests;
