//! Segments from SQL, from bitmaps and from both: the oracle's members, at three looks at a history that arrives, and at the ends
//! of days that are over. And whether each of these readers would be found out if it turned one comparison the wrong way.
//!
//! The trees are those of `crates/testkit/tests/segments`: the same seeds. `PISTATS_TREES` says how many (10,000 for the whole
//! run: docs/adr/0027), `PISTATS_SEED` where they begin.

use crate::warehouse::Warehouse;
use futures::StreamExt;
use pistats_core::segment::{Book, Node, Plan, SegmentId, plan, plan_at_end_of, resolve};
use pistats_core::{Day, Micros, Zone};
use pistats_query::segments::Reader;
use pistats_query::{Query, Tenant};
use pistats_store::Refresh;
use pistats_testkit::histories::{SegmentCase, Spread};
use pistats_testkit::oracle::{Flaw, Unnoticed};
use pistats_testkit::{Oracle, OracleEvent};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

/// Trees of one history.
pub(crate) const A_HISTORY: usize = 100;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A history as far as it had come at one look, as a site of its own.
pub(crate) struct Look {
    pub(crate) tenant: Tenant,
    pub(crate) oracle: Oracle,
    pub(crate) names: BTreeMap<u32, String>,
    pub(crate) now: Micros,
}

impl Look {
    fn plan(&self, tree: &Node, book: &Book) -> Plan {
        plan(&resolve(tree, book).unwrap(), self.tenant.zone().day_of(self.now))
    }

    async fn members(&self, service: &Query, planned: Plan, only_sql: bool) -> (BTreeSet<String>, Reader) {
        let audience = service.audience_of(&self.tenant, planned, only_sql).await.unwrap();
        (audience.members.iter().map(|no| self.names[&no].clone()).collect(), audience.reader)
    }

    /// Days that have events, with an oracle that knows none of later.
    fn days_over(&self, arrived: &[OracleEvent]) -> Vec<(Day, Oracle)> {
        let day_of = |event: &OracleEvent| self.tenant.zone().day_of(event.time);
        let days: BTreeSet<Day> = arrived.iter().map(day_of).collect();
        let until = |day| arrived.iter().filter(|event| day_of(event) <= day).cloned().collect();
        days.into_iter().map(|day| (day, Oracle::new(until(day)))).collect()
    }

    pub(crate) fn expected(&self, tree: &Node, book: &Book) -> BTreeSet<String> {
        self.oracle.segment(tree, book, self.tenant.zone(), self.now)
    }

    fn flawed(&self, tree: &Node, book: &Book, flaw: Flaw) -> BTreeSet<String> {
        self.oracle.flawed_segment(tree, book, self.tenant.zone(), self.now, Some(flaw))
    }
}

/// The looks of a case, with sheets of random days built.
pub(crate) async fn looks(case: &SegmentCase) -> (Warehouse, Vec<Look>) {
    let zone: &Zone = &case.zone;
    let mut warehouse = Warehouse::new(&[(1, zone), (2, zone), (3, zone)]);
    let mut rng = StdRng::seed_from_u64(case.seed);
    let mut looks = Vec::new();
    for (site, prefix) in (1..).zip(case.prefixes) {
        let arrived = &case.arrived[..prefix];
        for part in arrived.chunks(arrived.len().div_ceil(2)) {
            warehouse.commit(site, part).await;
            let days = [0, 3, usize::MAX][rng.random_range(0..3)];
            warehouse.store.refresh(Refresh { days, ..Refresh::EVERYTHING }).await.unwrap();
        }
        looks.push(Look {
            tenant: warehouse.tenant(site),
            oracle: Oracle::new(arrived.to_vec()),
            names: warehouse.names(site),
            now: case.nows[prefix - 1],
        });
    }
    (warehouse, looks)
}

/// From so many trees on, every wrong comparison must have been found out: rare ones are by one tree of thousands.
const WHOLE: usize = 10_000;

/// What bitmaps never decide: counts of events, latest values, sequences, and every test but `is`.
const BEYOND_BITMAPS: [Flaw; 12] = [
    Flaw::CountsDaysForEvents,
    Flaw::Within,
    Flaw::WithinOrMore,
    Flaw::TwoStepsAtOnce,
    Flaw::StepsNeedLaterTimes,
    Flaw::LatestIsFirst,
    Flaw::LatestOfTies,
    Flaw::GreaterOrEqual,
    Flaw::LessOrEqual,
    Flaw::IsNotIsIs,
    Flaw::ContainsIsStartsWith,
    Flaw::StartsWithIsContains,
];

/// What a run over some cases has shown.
struct Shown {
    spread: Spread,
    answers: BTreeMap<&'static str, u64>,
    by_sql: Unnoticed,
    by_bitmaps: Unnoticed,
    by_both: Unnoticed,
    /// Trees that had other members at the end of a day than at the last look.
    moved: usize,
}

impl Shown {
    fn new() -> Shown {
        let in_bitmaps = Flaw::ALL.into_iter().filter(|flaw| !BEYOND_BITMAPS.contains(flaw));
        Shown {
            spread: Spread::default(),
            answers: BTreeMap::new(),
            by_sql: Unnoticed::new(Flaw::ALL),
            by_bitmaps: Unnoticed::new(in_bitmaps),
            by_both: Unnoticed::new(Flaw::ALL),
            moved: 0,
        }
    }

    /// Takes an answer that was the oracle's.
    fn take(
        &mut self,
        reader: Reader,
        case: &str,
        members: &BTreeSet<String>,
        flawed: impl Fn(Flaw) -> BTreeSet<String>,
    ) {
        let (name, unnoticed) = match reader {
            Reader::Sql => ("sql", &mut self.by_sql),
            Reader::Bitmaps => ("bitmaps", &mut self.by_bitmaps),
            Reader::Mixed => ("both", &mut self.by_both),
        };
        *self.answers.entry(name).or_default() += 1;
        unnoticed.compare(case, members, flawed);
    }

    fn join(&mut self, other: Shown) {
        self.spread.join(other.spread);
        other.answers.into_iter().for_each(|(name, count)| *self.answers.entry(name).or_default() += count);
        self.by_sql.join(other.by_sql);
        self.by_bitmaps.join(other.by_bitmaps);
        self.by_both.join(other.by_both);
        self.moved += other.moved;
    }

    fn check(self) {
        self.spread.check();
        let is_whole = self.spread.trees >= WHOLE;
        println!("answers by reader: {:?}", self.answers);
        println!("trees with other members at the end of a day: {} of {}", self.moved, self.spread.trees);
        assert!(self.moved > self.spread.trees / 4, "the ends of days hardly tell");
        let all: u64 = self.answers.values().sum();
        for reader in ["bitmaps", "both", "sql"] {
            let count = self.answers.get(reader).copied().unwrap_or(0);
            assert!(count > all / 20, "{reader} was hardly used: {:?}", self.answers);
        }
        for (reader, unnoticed) in
            [("SQL", self.by_sql), ("bitmaps", self.by_bitmaps), ("bitmaps with SQL", self.by_both)]
        {
            println!("{reader}: not found out yet: {:?}", unnoticed.left());
            if is_whole {
                for (flaw, case) in unnoticed.check(reader) {
                    println!("{reader}: {flaw:?} is found out by {}", case.split(", zone").next().unwrap_or_default());
                }
            }
        }
    }
}

/// All trees of a seed, at three looks, by SQL and as it is best.
async fn compare(seed: u64, trees: usize) -> Shown {
    let case = SegmentCase::of(seed, trees);
    let (warehouse, looks) = looks(&case).await;
    let service = warehouse.service();
    let days = looks[2].days_over(&case.arrived[..case.prefixes[2]]);
    let mut shown = Shown::new();
    for (place, tree) in case.trees.iter().enumerate() {
        for (number, look) in looks.iter().enumerate() {
            let text = format!("seed {seed}, tree {place}, look {number}, zone {}: {tree:?}", case.zone.name());
            let expected = look.expected(tree, &case.book);
            for only_sql in [true, false] {
                let (members, reader) = look.members(&service, look.plan(tree, &case.book), only_sql).await;
                assert_eq!(members, expected, "{reader:?}; {text}");
                assert!(!only_sql || reader == Reader::Sql, "{reader:?}; {text}");
                shown.take(reader, &text, &members, |flaw| look.flawed(tree, &case.book, flaw));
            }
        }
        let (look, (day, oracle)) = (&looks[2], &days[place % days.len()]);
        let expected = oracle.segment(tree, &case.book, &case.zone, case.zone.end_of(*day).plus(-1));
        shown.moved += usize::from(expected != look.expected(tree, &case.book));
        for only_sql in [true, false] {
            let planned = plan_at_end_of(&resolve(tree, &case.book).unwrap(), *day, &case.zone);
            let (members, reader) = look.members(&service, planned, only_sql).await;
            assert_eq!(members, expected, "{reader:?}; at the end of {day}; seed {seed}, tree {place}: {tree:?}");
        }
    }
    shown.spread.add(&case);
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn random_segments_have_the_oracles_members_by_sql_and_by_bitmaps_and_no_wrong_comparison_passes() {
    let (wanted, from) = (number("PISTATS_TREES", crate::TREES) as usize, number("PISTATS_SEED", 0));
    let cases = (0..wanted.div_ceil(A_HISTORY)).map(|number| {
        let trees = A_HISTORY.min(wanted - number * A_HISTORY);
        tokio::spawn(compare(from + number as u64, trees))
    });
    let mut shown = Shown::new();
    // As many at once as there are processors: each has a warehouse of its own.
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let mut done = futures::stream::iter(cases).buffer_unordered(at_once);
    while let Some(case) = done.next().await {
        shown.join(case.unwrap());
    }
    assert_eq!(shown.spread.trees, wanted);
    shown.check();
}

/// In this history somebody came in the minute of the new day before the clocks of St John's went back, and again on the old day.
#[tokio::test]
async fn at_the_end_of_a_day_that_returned_after_midnight_members_are_the_oracles() {
    assert!(compare(68, A_HISTORY).await.moved > 0);
}

#[tokio::test]
async fn a_segment_of_bitmaps_alone_reads_no_row_of_calm_days() {
    let case = SegmentCase::of(1, 0);
    let (warehouse, looks) = looks(&case).await;
    warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    let service = warehouse.service();
    let everybody = Node::Not(Box::new(Node::Any(vec![])));
    let (members, reader) = looks[2].members(&service, looks[2].plan(&everybody, &Book::new()), false).await;
    assert_eq!(reader, Reader::Bitmaps);
    assert_eq!(members, looks[2].expected(&everybody, &Book::new()));
    assert_eq!(service.tally().days_of_rows, 0);
    assert!(service.tally().days_of_bitmaps > 0);
    let unknown = Node::Member(SegmentId(9));
    assert!(resolve(&unknown, &Book::new()).is_err());
}
