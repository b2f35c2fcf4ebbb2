//! Random segments of a history: every kind of clause often, and more than half of the trees with members and others.

use super::questions::Asker;
use super::values::PROPERTY_KEYS;
use super::{History, zones};
use crate::{Oracle, OracleEvent};
use pistats_core::report::{Dimension, Operator};
use pistats_core::segment::{
    Amount, Book, Condition, Counted, Did, End, Node, Number, Seen, SegmentId, Sequence, Subject, Test, When, Window,
};
use pistats_core::{Day, Micros, Zone};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Windows that histories of weeks and months fall in and out of.
const DAYS: [u32; 10] = [1, 1, 2, 3, 3, 7, 8, 30, 31, 400];

/// Segments that trees have as members; one of them has another as a member.
const KEPT: u128 = 3;

/// Endless segments of the visitors of `oracle`, who must have one, and the book of their members; equal seeds give equal
/// trees. `now` is when more than half of them are to select between one visitor in twenty and all but one.
pub struct Trees<'a> {
    asker: Asker<'a>,
    now: Micros,
    pub book: Book,
}

impl<'a> Trees<'a> {
    pub fn new(seed: u64, oracle: &'a Oracle, zone: &'a Zone, now: Micros) -> Trees<'a> {
        let mut trees = Trees { asker: Asker::new(seed, oracle, zone), now, book: Book::new() };
        for number in 1..=KEPT {
            let tree = trees.node(1);
            trees.book.insert(SegmentId(number), tree);
        }
        trees
    }

    fn chance(&mut self, of: u32, in_all: u32) -> bool {
        self.asker.rng.random_ratio(of, in_all)
    }

    /// Whether a tree tells visitors apart: 5 to 95 in 100 are in it.
    pub fn tells_apart(&self, tree: &Node) -> bool {
        let everybody = Node::Did(Did {
            conditions: vec![],
            amount: Amount::AtLeast(1),
            counted: Counted::Events,
            window: Window::Ever,
        });
        let count = |tree| self.asker.oracle.segment(tree, &self.book, self.asker.zone, self.now).len();
        let (members, all) = (count(tree), count(&everybody));
        members * 20 >= all && members * 20 <= all * 19
    }

    fn tree(&mut self) -> Node {
        let wants_both = self.chance(2, 3);
        let mut tree = self.node(3);
        for _ in 0..12 {
            if !wants_both || self.tells_apart(&tree) {
                break;
            }
            tree = self.node(3);
        }
        tree
    }

    fn node(&mut self, levels: u32) -> Node {
        if levels > 0 && self.chance(3, 5) {
            let count = self.asker.rng.random_range(1..=3);
            match self.asker.rng.random_range(0..5) {
                0 | 1 => return Node::All((0..count).map(|_| self.node(levels - 1)).collect()),
                2 | 3 => return Node::Any((0..count).map(|_| self.node(levels - 1)).collect()),
                _ => return Node::Not(Box::new(self.node(levels - 1))),
            }
        }
        match self.asker.rng.random_range(0..17) {
            0..4 => Node::Latest(self.condition()),
            4..9 => Node::Did(self.did()),
            9..11 => Node::Sequence(self.sequence()),
            11..15 => Node::Seen(self.seen()),
            _ if self.book.is_empty() => Node::Latest(self.condition()),
            _ => Node::Member(SegmentId(self.asker.rng.random_range(1..=self.book.len() as u128))),
        }
    }

    fn did(&mut self) -> Did {
        let count = [0, 1, 1, 2].choose(&mut self.asker.rng).copied().unwrap_or(0);
        let amount = match self.asker.rng.random_range(0..7) {
            0 | 1 => Amount::AtLeast(1),
            2 => Amount::AtLeast(self.asker.rng.random_range(2..=4)),
            3 | 4 => Amount::AtMost(0),
            _ => Amount::AtMost(self.asker.rng.random_range(1..=3)),
        };
        let counted = if self.chance(1, 2) { Counted::Events } else { Counted::Days };
        Did { conditions: self.conditions(count), amount, counted, window: self.window() }
    }

    fn sequence(&mut self) -> Sequence {
        let steps = self.asker.rng.random_range(2..=3);
        let steps = (0..steps)
            .map(|_| {
                let count = [0, 1, 1].choose(&mut self.asker.rng).copied().unwrap_or(0);
                self.conditions(count)
            })
            .collect();
        Sequence { steps, within_us: self.asker.limit(), window: self.window() }
    }

    fn window(&mut self) -> Window {
        if self.chance(1, 3) {
            return Window::Ever;
        }
        if self.chance(1, 6) {
            let (one, other) = (self.day(), self.day());
            return Window::Between(one.min(other), one.max(other));
        }
        // From today back to the day of some event, or a day beside it; or a usual number.
        let day = self.asker.zone.day_of(self.asker.some_time());
        let age = self.asker.zone.day_of(self.now).0 - day.0;
        let exact = u32::try_from(age + self.asker.rng.random_range(0..=1)).ok().filter(|days| *days > 0);
        let usual = DAYS.choose(&mut self.asker.rng).copied().unwrap_or(1);
        Window::LastDays(exact.filter(|_| self.chance(1, 2)).unwrap_or(usual))
    }

    fn seen(&mut self) -> Seen {
        let end = if self.chance(1, 2) { End::First } else { End::Last };
        let Window::LastDays(days) = self.window() else {
            let day = self.asker.zone.day_of(self.asker.some_time()).plus(self.asker.rng.random_range(-1..=1));
            let when = if self.chance(1, 2) { When::Since(day) } else { When::Before(day) };
            return Seen { end, when };
        };
        let when = match self.asker.rng.random_range(0..8) {
            0..3 => When::LastDays(days),
            3..7 => When::LongerAgo(days),
            _ if self.chance(1, 2) => When::Since(self.day()),
            _ => When::Before(self.day()),
        };
        Seen { end, when }
    }

    fn day(&mut self) -> Day {
        self.asker.zone.day_of(self.asker.some_time())
    }

    fn conditions(&mut self, count: usize) -> Vec<Condition> {
        (0..count).map(|_| self.condition()).collect()
    }

    fn condition(&mut self) -> Condition {
        match self.asker.rng.random_range(0..12) {
            0 => self.of_value(),
            1 | 2 => {
                let key = PROPERTY_KEYS.choose(&mut self.asker.rng).copied().unwrap_or("plan");
                let number =
                    Number([0, 1, 7_000_000, 6_999_999, -3_500_000, 12_250_000][self.asker.rng.random_range(0..6)]);
                let test = if self.chance(1, 2) { Test::Greater(number) } else { Test::Less(number) };
                Condition { subject: Subject::Dimension(Dimension::Property(key.to_owned())), test }
            }
            // What has bitmaps, and has them alone.
            3..5 => {
                let kept = super::BITMAP_DIMENSIONS.choose(&mut self.asker.rng).cloned().unwrap_or(Dimension::Page);
                let filter = self.asker.filter_is(kept);
                Condition { subject: Subject::Dimension(filter.dimension), test: Test::Is(filter.values) }
            }
            _ => self.of_dimension(),
        }
    }

    fn of_value(&mut self) -> Condition {
        let bounds = [0, 1, -1, 4_990_000, -5_000_000, 19_990_000];
        let number = Number(bounds.choose(&mut self.asker.rng).copied().unwrap_or(0));
        let test = if self.chance(1, 2) { Test::Greater(number) } else { Test::Less(number) };
        Condition { subject: Subject::Value, test }
    }

    fn of_dimension(&mut self) -> Condition {
        loop {
            let filter = self.asker.filter();
            let values = filter.values;
            let test = match filter.operator {
                Operator::Is => Test::Is(values),
                Operator::IsNot => Test::IsNot(values),
                Operator::Contains => Test::Contains(values),
                Operator::StartsWith => Test::StartsWith(values),
                Operator::DoesNotContain => continue,
            };
            if !filter.dimension.is_of_session() {
                return Condition { subject: Subject::Dimension(filter.dimension), test };
            }
        }
    }
}

impl Iterator for Trees<'_> {
    type Item = Node;

    fn next(&mut self) -> Option<Node> {
        Some(self.tree())
    }
}

/// A history as it arrives while time passes, and segments to ask for all along.
#[derive(Clone, Debug)]
pub struct SegmentCase {
    pub seed: u64,
    pub zone: Zone,
    /// In the order of arrival, resent ones included.
    pub arrived: Vec<OracleEvent>,
    /// The moment at which each of them has arrived; never earlier than the one before.
    pub nows: Vec<Micros>,
    /// How many events had arrived at three looks.
    pub prefixes: [usize; 3],
    pub book: Book,
    pub trees: Vec<Node>,
    /// How many of the trees have members and others at the end.
    pub telling: usize,
}

impl SegmentCase {
    /// The case of a seed, with so many trees. Equal seeds give equal cases.
    pub fn of(seed: u64, count: usize) -> SegmentCase {
        let zones = zones();
        let zone = zones[seed as usize % zones.len()].clone();
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5e6);
        let (events, visitors) = (rng.random_range(20..60), rng.random_range(4..14));
        let history = History::returning(seed, &zone, events, visitors);
        let arrived = history.events();
        let oracle = history.oracle();
        let (first, last) = match oracle.events() {
            [first, .., last] => (first.time, last.time),
            _ => (Micros(0), Micros(1)),
        };
        let (from, to) = (first.plus(-Micros::DAY).0, last.plus(4 * Micros::DAY).0);
        let mut nows: Vec<Micros> = arrived.iter().map(|_| Micros(rng.random_range(from..to))).collect();
        nows.sort();
        let mut prefixes = [rng.random_range(1..=arrived.len()), rng.random_range(1..=arrived.len()), arrived.len()];
        prefixes.sort_unstable();
        let end = nows.last().copied().unwrap_or_default();
        let mut trees = Trees::new(seed, &oracle, &zone, end);
        let kept: Vec<Node> = trees.by_ref().take(count).collect();
        let telling = kept.iter().filter(|tree| trees.tells_apart(tree)).count();
        let book = std::mem::take(&mut trees.book);
        SegmentCase { seed, zone: zone.clone(), arrived, nows, prefixes, book, trees: kept, telling }
    }
}
