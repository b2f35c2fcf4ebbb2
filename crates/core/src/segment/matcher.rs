//! The live reader: fed with events in the order of their arrival, it tells who enters and who leaves.
//!
//! ```text
//!   event ──▶ the visitor's memory ──▶ holds now? ──▶ enter, leave        advance(now): a local midnight passed,
//!                                        │                                 visitors that are due are looked at again
//!                                        └──▶ due: the next day on which passing time may change it
//! ```
//!
//! A late event takes its place in the visitor's memory, so it counts where it happened. Nothing here is durable: after a
//! loss, and for a segment made or edited over old data, the memory is filled from history ([`Matcher::seed`]) and
//! compared with the members that are known ([`Matcher::moves_since`]).
//!
//! The caller drops duplicates, and sees to it that history and feed hold each event once. Days are those of the zone given;
//! `now` never goes back (an earlier one is taken for the latest).

use super::state::{Memory, clauses, selects};
use super::{Facts, Node};
use crate::{Day, Micros, VisitorNo, Zone};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What became of a visitor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Move {
    Enter,
    Leave,
}

/// Who is in one segment, as events come and time passes.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// Members resolved.
    tree: Node,
    zone: Zone,
    today: Day,
    visitors: HashMap<VisitorNo, Visitor>,
    /// Visitors to be looked at again when a day begins.
    due: BTreeMap<Day, HashSet<VisitorNo>>,
    members: usize,
}

#[derive(Clone, Debug)]
struct Visitor {
    memory: Vec<Memory>,
    /// Has an event that is not by a bot.
    counts: bool,
    is_member: bool,
    due: Option<Day>,
}

impl Matcher {
    /// A matcher that knows nobody, for a tree whose members are resolved.
    pub fn new(tree: Node, zone: &Zone, now: Micros) -> Matcher {
        let today = zone.day_of(now);
        let (visitors, due) = (HashMap::new(), BTreeMap::new());
        Matcher { tree, zone: zone.clone(), today, visitors, due, members: 0 }
    }

    /// Takes an event of history: nobody enters or leaves by it.
    pub fn seed(&mut self, visitor: VisitorNo, event: &dyn Facts) {
        self.take(visitor, event);
    }

    /// Takes a new event, and tells what became of its visitor at `now`. Others that `now` changes are told by
    /// [`Matcher::advance`], which is to be called first when time has passed.
    pub fn event(&mut self, visitor: VisitorNo, event: &dyn Facts) -> Option<Move> {
        self.take(visitor, event)
    }

    /// Lets time pass. Tells who enters and leaves by it, in the order of their numbers.
    pub fn advance(&mut self, now: Micros) -> Vec<(VisitorNo, Move)> {
        self.today = self.today.max(self.zone.day_of(now));
        let later = self.due.split_off(&self.today.plus(1));
        let due = std::mem::replace(&mut self.due, later);
        let mut looked_at: Vec<VisitorNo> = due.into_values().flatten().collect();
        looked_at.sort_unstable();
        let mut moves = Vec::new();
        for no in looked_at {
            let Some(mut visitor) = self.visitors.remove(&no) else { continue };
            visitor.due = None;
            let moved = self.settle(no, &mut visitor);
            self.visitors.insert(no, visitor);
            moves.extend(moved.map(|moved| (no, moved)));
        }
        moves
    }

    /// Who is in it, in no order.
    pub fn members(&self) -> impl Iterator<Item = VisitorNo> {
        self.visitors.iter().filter(|(_, visitor)| visitor.is_member).map(|(no, _)| *no)
    }

    /// How many are in it.
    pub fn size(&self) -> usize {
        self.members
    }

    /// Whether a visitor is in it.
    pub fn holds(&self, visitor: VisitorNo) -> bool {
        self.visitors.get(&visitor).is_some_and(|visitor| visitor.is_member)
    }

    /// What becomes of members who were known before: those of an older version of the segment, or of before a loss. In the
    /// order of their numbers.
    pub fn moves_since(&self, before: &HashSet<VisitorNo>) -> Vec<(VisitorNo, Move)> {
        let left = before.iter().filter(|no| !self.holds(**no)).map(|no| (*no, Move::Leave));
        let entered = self.members().filter(|no| !before.contains(no)).map(|no| (no, Move::Enter));
        let mut moves: Vec<_> = left.chain(entered).collect();
        moves.sort_unstable();
        moves
    }

    fn take(&mut self, no: VisitorNo, event: &dyn Facts) -> Option<Move> {
        let day = self.zone.day_of(event.time());
        let known = self.visitors.remove(&no);
        let clauses = clauses(&self.tree);
        let mut visitor = known.unwrap_or_else(|| Visitor {
            memory: clauses.iter().map(|clause| clause.memory()).collect(),
            counts: false,
            is_member: false,
            due: None,
        });
        visitor.counts |= !event.is_by_bot();
        for (clause, memory) in clauses.into_iter().zip(&mut visitor.memory) {
            clause.take(memory, event, day, self.today);
        }
        let moved = self.settle(no, &mut visitor);
        self.visitors.insert(no, visitor);
        moved
    }

    /// Works out whether a visitor is a member today, and when to look again.
    fn settle(&mut self, no: VisitorNo, visitor: &mut Visitor) -> Option<Move> {
        let clauses = clauses(&self.tree);
        let pairs = || clauses.iter().zip(&visitor.memory);
        let is_member = visitor.counts && {
            let mut holds = pairs().map(|(clause, memory)| clause.holds(memory, self.today));
            selects(&self.tree, &mut holds)
        };
        let due = pairs().filter_map(|(clause, memory)| clause.moves(memory, self.today)).min();
        if due != visitor.due {
            if let Some(set) = visitor.due.and_then(|day| self.due.get_mut(&day)) {
                set.remove(&no);
            }
            if let Some(day) = due {
                self.due.entry(day).or_default().insert(no);
            }
            visitor.due = due;
        }
        let was_member = std::mem::replace(&mut visitor.is_member, is_member);
        match (was_member, is_member) {
            (false, true) => {
                self.members += 1;
                Some(Move::Enter)
            }
            (true, false) => {
                self.members -= 1;
                Some(Move::Leave)
            }
            _ => None,
        }
    }
}
