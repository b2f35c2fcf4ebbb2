//! A tree as set arithmetic: leaves that are sets of visitors, and how they are put together.
//!
//! ```text
//!   all(a, not b)   a ∩ … − b                 a tree that is only "not"s: all visitors − …
//!   any(a, not b)   all visitors − (b − a)
//! ```
//!
//! Complements are pushed up as far as they go, so that all visitors of all time (the one large set) are only read where the
//! answer needs them. What the readers share ends here: how a leaf is read is theirs.

use super::{Amount, Condition, Counted, Did, End, Node, Seen, Sequence, When, first_of_last};
use crate::{Day, Zone};

/// A set that is read.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Leaf {
    /// Visitors with at least so many events (or days with events) that pass all conditions, on these days.
    Did {
        conditions: Vec<Condition>,
        at_least: u32,
        counted: Counted,
        days: Option<(Day, Day)>,
    },
    /// Visitors whose latest event of these days passes.
    Latest {
        condition: Condition,
        days: Option<(Day, Day)>,
    },
    Sequence {
        steps: Vec<Vec<Condition>>,
        within_us: Option<i64>,
        days: Option<(Day, Day)>,
    },
    /// Visitors whose first event ever lies on these days, with those who are only bots.
    FirstSeen {
        first: Day,
        last: Day,
    },
}

impl Leaf {
    /// The leaf without anything after a day; nothing where all of its days are later.
    fn until(self, day: Day) -> Option<Leaf> {
        let cut = |days: Option<(Day, Day)>| {
            let (first, last) = days.unwrap_or((FIRST_DAY, LAST_DAY));
            (first <= day).then_some(Some((first, last.min(day))))
        };
        Some(match self {
            Leaf::Did { conditions, at_least, counted, days } => {
                Leaf::Did { conditions, at_least, counted, days: cut(days)? }
            }
            Leaf::Latest { condition, days } => Leaf::Latest { condition, days: cut(days)? },
            Leaf::Sequence { steps, within_us, days } => Leaf::Sequence { steps, within_us, days: cut(days)? },
            Leaf::FirstSeen { first, last } => {
                let (first, last) = cut(Some((first, last)))??;
                Leaf::FirstSeen { first, last }
            }
        })
    }
}

/// How leaves are put together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sets {
    /// By its place among the leaves.
    Leaf(usize),
    /// The intersection of `all`, which holds at least one, without any of `but`.
    Both { all: Vec<Sets>, but: Vec<Sets> },
    /// The union; of none, nobody.
    Any(Vec<Sets>),
}

/// What is to be read, and what is to be made of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// No leaf twice.
    pub leaves: Vec<Leaf>,
    pub sets: Sets,
}

/// The farthest days: well outside of all events, and small enough that microseconds of them fit 64 bits.
pub(crate) const FIRST_DAY: Day = Day(-1_000_000);
pub(crate) const LAST_DAY: Day = Day(1_000_000);

/// Plans a tree without members ([`resolve`](super::resolve)) for a day that is going on.
///
/// A member that is left selects nobody.
pub fn plan(tree: &Node, today: Day) -> Plan {
    Planner { leaves: Vec::new(), today, over: None }.plan(tree)
}

/// Plans a tree as [`plan`] does, for the end of a day: as if nothing had happened on a later one.
pub fn plan_at_end_of(tree: &Node, day: Day, zone: &Zone) -> Plan {
    let returns = zone.comes_back(day);
    Planner { leaves: Vec::new(), today: day, over: Some(Over { returns }) }.plan(tree)
}

/// A set, or all visitors but a set.
struct Signed {
    complement: bool,
    /// Whether the set itself holds nobody who is only a bot.
    clean: bool,
    sets: Sets,
}

/// Sets, and whether each is clean.
#[derive(Default)]
struct Several {
    sets: Vec<Sets>,
    clean: Vec<bool>,
}

impl Several {
    fn any_clean(&self) -> bool {
        self.clean.contains(&true)
    }

    fn all_clean(&self) -> bool {
        !self.clean.contains(&false)
    }
}

struct Planner {
    leaves: Vec<Leaf>,
    today: Day,
    /// Where nothing after `today` counts.
    over: Option<Over>,
}

/// A day that is over.
struct Over {
    /// Whether the day came back after the next one had begun: a clock was set back over midnight.
    returns: bool,
}

impl Planner {
    fn plan(mut self, tree: &Node) -> Plan {
        let sets = match self.node(tree) {
            Signed { complement: true, sets, .. } => Sets::Both { all: vec![self.everybody()], but: vec![sets] },
            Signed { clean: false, sets, .. } => Sets::Both { all: vec![sets, self.everybody()], but: vec![] },
            Signed { sets, .. } => sets,
        };
        Plan { leaves: self.leaves, sets }
    }

    fn leaf(&mut self, leaf: Leaf) -> Sets {
        let leaf = if self.over.is_some() { leaf.until(self.today) } else { Some(leaf) };
        // Only of days to come: nobody.
        leaf.map_or(Sets::Any(vec![]), |leaf| self.read(leaf))
    }

    fn read(&mut self, leaf: Leaf) -> Sets {
        let known = self.leaves.iter().position(|known| *known == leaf);
        Sets::Leaf(known.unwrap_or_else(|| {
            self.leaves.push(leaf);
            self.leaves.len() - 1
        }))
    }

    fn everybody(&mut self) -> Sets {
        self.leaf(Leaf::Did { conditions: vec![], at_least: 1, counted: Counted::Events, days: None })
    }

    /// Visitors with any event on these days.
    fn present(&mut self, first: Day, last: Day) -> Sets {
        let days = Some((first, last));
        self.leaf(Leaf::Did { conditions: vec![], at_least: 1, counted: Counted::Events, days })
    }

    fn node(&mut self, node: &Node) -> Signed {
        let positive = |sets| Signed { complement: false, clean: true, sets };
        match node {
            Node::All(nodes) => {
                let (is, is_not) = self.split(nodes);
                if is.sets.is_empty() {
                    return Signed { complement: true, clean: is_not.all_clean(), sets: Sets::Any(is_not.sets) };
                }
                let clean = is.any_clean();
                Signed { complement: false, clean, sets: Sets::Both { all: is.sets, but: is_not.sets } }
            }
            Node::Any(nodes) => {
                let (is, is_not) = self.split(nodes);
                if is_not.sets.is_empty() {
                    return Signed { complement: false, clean: is.all_clean(), sets: Sets::Any(is.sets) };
                }
                let clean = is_not.any_clean();
                Signed { complement: true, clean, sets: Sets::Both { all: is_not.sets, but: is.sets } }
            }
            Node::Not(of) => {
                let inner = self.node(of);
                Signed { complement: !inner.complement, ..inner }
            }
            Node::Latest(condition) => positive(self.leaf(Leaf::Latest { condition: condition.clone(), days: None })),
            Node::Did(did) => self.did(did),
            Node::Sequence(Sequence { steps, within_us, window }) => {
                let days = window.days(self.today);
                positive(self.leaf(Leaf::Sequence { steps: steps.clone(), within_us: *within_us, days }))
            }
            Node::Seen(seen) => self.seen(*seen),
            Node::Member(_) => positive(Sets::Any(vec![])),
        }
    }

    /// The sets of nodes, and apart from them those that are taken off all visitors.
    fn split(&mut self, nodes: &[Node]) -> (Several, Several) {
        let (mut is, mut is_not) = (Several::default(), Several::default());
        for node in nodes {
            let Signed { complement, clean, sets } = self.node(node);
            let side = if complement { &mut is_not } else { &mut is };
            side.sets.push(sets);
            side.clean.push(clean);
        }
        (is, is_not)
    }

    fn did(&mut self, did: &Did) -> Signed {
        let (at_least, complement) = match did.amount {
            Amount::AtLeast(times) => (times, false),
            Amount::AtMost(times) => (times.saturating_add(1), true),
        };
        let days = did.window.days(self.today);
        let leaf = Leaf::Did { conditions: did.conditions.clone(), at_least, counted: did.counted, days };
        Signed { complement, clean: true, sets: self.leaf(leaf) }
    }

    fn first_seen(&mut self, first: Day, last: Day) -> Sets {
        let seen = self.leaf(Leaf::FirstSeen { first, last });
        let today = self.today;
        if !self.over.as_ref().is_some_and(|over| over.returns) || today < first || last < today {
            return seen;
        }
        // Who came when the next day had begun, and again when this one was back: of what counts, that is their first event.
        let next = today.plus(1);
        let ahead = self.read(Leaf::FirstSeen { first: next, last: next });
        let there = self.present(today, today);
        Sets::Any(vec![seen, Sets::Both { all: vec![ahead, there], but: vec![] }])
    }

    fn seen(&mut self, Seen { end, when }: Seen) -> Signed {
        let today = self.today;
        match end {
            End::First => {
                let (first, last) = match when {
                    When::LastDays(days) => (first_of_last(days, today), today),
                    When::LongerAgo(days) => (FIRST_DAY, first_of_last(days, today).plus(-1)),
                    When::Since(day) => (day, LAST_DAY),
                    When::Before(day) => (FIRST_DAY, day.plus(-1)),
                };
                Signed { complement: false, clean: false, sets: self.first_seen(first, last) }
            }
            End::Last => match when {
                When::LastDays(days) => {
                    let there = self.present(first_of_last(days, today), today);
                    let later = self.present(today.plus(1), LAST_DAY);
                    Signed { complement: false, clean: true, sets: Sets::Both { all: vec![there], but: vec![later] } }
                }
                When::Since(day) => Signed { complement: false, clean: true, sets: self.present(day, LAST_DAY) },
                When::LongerAgo(days) => {
                    let there = self.present(first_of_last(days, today), LAST_DAY);
                    Signed { complement: true, clean: true, sets: there }
                }
                When::Before(day) => Signed { complement: true, clean: true, sets: self.present(day, LAST_DAY) },
            },
        }
    }
}
