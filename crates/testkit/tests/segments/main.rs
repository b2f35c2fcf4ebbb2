//! The live matcher against the oracle: after every event that arrives, while time passes. And whether it would be found out
//! if it turned one comparison the wrong way.
//!
//! The trees are those of `services/query/tests/reports/segments.rs`: the same seeds. `PISTATS_TREES` says how many,
//! `PISTATS_SEED` where they begin.
#![allow(clippy::unwrap_used)]

mod hard;

use pistats_core::segment::{Matcher, Move, Node, resolve};
use pistats_core::{EventId, Micros, VisitorNo};
use pistats_testkit::histories::{SegmentCase, Spread};
use pistats_testkit::oracle::{Flaw, Unnoticed};
use pistats_testkit::{Oracle, OracleEvent};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Trees of one history.
const A_HISTORY: usize = 100;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The visitors of a case, numbered as they first arrive.
struct Numbers {
    of: HashMap<String, VisitorNo>,
    names: Vec<String>,
}

impl Numbers {
    fn new(arrived: &[OracleEvent]) -> Numbers {
        let mut numbers = Numbers { of: HashMap::new(), names: Vec::new() };
        for event in arrived {
            if !numbers.of.contains_key(&event.visitor) {
                numbers.of.insert(event.visitor.clone(), VisitorNo(numbers.names.len() as u64));
                numbers.names.push(event.visitor.clone());
            }
        }
        numbers
    }

    fn named(&self, members: impl IntoIterator<Item = VisitorNo>) -> BTreeSet<String> {
        members.into_iter().map(|no| self.names[no.0 as usize].clone()).collect()
    }
}

/// What a reader of a stream of moves believes.
#[derive(Default)]
struct Believed(BTreeSet<VisitorNo>);

impl Believed {
    fn take(&mut self, no: VisitorNo, moved: Move, case: &str) {
        let is_news = match moved {
            Move::Enter => self.0.insert(no),
            Move::Leave => self.0.remove(&no),
        };
        assert!(is_news, "{no:?} {moved:?} twice; {case}");
    }
}

/// Feeds a tree with a history, and compares after every event. A second matcher is made at the second look, over what had
/// arrived by then, as for a segment that is made over old data or whose state was lost.
fn follow(
    case: &SegmentCase,
    oracles: &[Oracle],
    numbers: &Numbers,
    tree: &Node,
    text: &str,
    unnoticed: &mut Unnoticed,
) {
    let resolved = resolve(tree, &case.book).unwrap();
    let mut matcher = Matcher::new(resolved.clone(), &case.zone, case.nows[0]);
    let mut late: Option<Matcher> = None;
    let (mut ids, mut believed) = (HashSet::<EventId>::new(), Believed::default());
    for (place, (event, now)) in case.arrived.iter().zip(&case.nows).enumerate() {
        for (no, moved) in matcher.advance(*now) {
            believed.take(no, moved, text);
        }
        late.iter_mut().for_each(|late| _ = late.advance(*now));
        if ids.insert(event.id) {
            let no = numbers.of[&event.visitor];
            if let Some(moved) = matcher.event(no, event) {
                believed.take(no, moved, text);
            }
            late.iter_mut().for_each(|late| _ = late.event(no, event));
        }
        let expected = oracles[place].segment(tree, &case.book, &case.zone, *now);
        let members = numbers.named(matcher.members());
        assert_eq!(members, expected, "after {} events; {text}", place + 1);
        unnoticed.compare(text, &members, |flaw| {
            oracles[place].flawed_segment(tree, &case.book, &case.zone, *now, Some(flaw))
        });
        assert_eq!(matcher.size(), expected.len(), "after {} events; {text}", place + 1);
        assert_eq!(numbers.named(believed.0.iter().copied()), expected, "by moves, after {} events; {text}", place + 1);
        if let Some(late) = &late {
            assert_eq!(numbers.named(late.members()), expected, "seeded, after {} events; {text}", place + 1);
        }
        if place + 1 == case.prefixes[1] {
            late = Some(seeded(case, &resolved, numbers, place + 1, *now));
        }
    }
    // Silence: nobody comes, time passes.
    for days in [1, 2, 5, 30, 500] {
        let now = case.nows.last().unwrap().plus(days * Micros::DAY);
        matcher.advance(now);
        let expected = oracles.last().unwrap().segment(tree, &case.book, &case.zone, now);
        assert_eq!(numbers.named(matcher.members()), expected, "{days} silent days later; {text}");
    }
}

fn seeded(case: &SegmentCase, tree: &Node, numbers: &Numbers, events: usize, now: Micros) -> Matcher {
    let mut matcher = Matcher::new(tree.clone(), &case.zone, now);
    let mut ids = HashSet::new();
    // From the warehouse history comes in any order; here the other way round.
    let first: Vec<&OracleEvent> = case.arrived[..events].iter().filter(|event| ids.insert(event.id)).collect();
    first.iter().rev().for_each(|event| matcher.seed(numbers.of[&event.visitor], *event));
    matcher
}

/// All trees of a seed.
fn compare(seed: u64, trees: usize, spread: &Mutex<Spread>, unnoticed: &Mutex<Unnoticed>) {
    let case = SegmentCase::of(seed, trees);
    let oracles: Vec<Oracle> =
        (1..=case.arrived.len()).map(|count| Oracle::new(case.arrived[..count].to_vec())).collect();
    let numbers = Numbers::new(&case.arrived);
    let mut own = unnoticed.lock().unwrap().clone();
    for (place, tree) in case.trees.iter().enumerate() {
        let text = format!("seed {seed}, tree {place}, zone {}: {tree:?}", case.zone.name());
        follow(&case, &oracles, &numbers, tree, &text, &mut own);
    }
    unnoticed.lock().unwrap().join(own);
    spread.lock().unwrap().add(&case);
}

#[test]
fn the_matcher_agrees_with_the_oracle_after_every_event_and_every_silence_and_no_wrong_comparison_passes() {
    let (wanted, from) = (number("PISTATS_TREES", 10_000) as usize, number("PISTATS_SEED", 0));
    let (spread, unnoticed) = (Mutex::new(Spread::default()), Mutex::new(Unnoticed::new(Flaw::ALL)));
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let before = number as usize * A_HISTORY;
                    if before >= wanted {
                        return;
                    }
                    compare(from + number, A_HISTORY.min(wanted - before), &spread, &unnoticed);
                }
            });
        }
    });
    let spread = spread.into_inner().unwrap();
    spread.check();
    assert_eq!(spread.trees, wanted);
    for (flaw, case) in unnoticed.into_inner().unwrap().check("the matcher") {
        println!("{flaw:?} is found out by {}", case.split(", zone").next().unwrap_or_default());
    }
}
