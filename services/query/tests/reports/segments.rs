//! Segments from SQL, from bitmaps and from both: the oracle's members, at three looks at a history that arrives.
//!
//! The trees are those of `crates/testkit/tests/segments.rs`: the same seeds. `PISTATS_TREES` says how many (10,000 for the
//! whole run), `PISTATS_SEED` where they begin.

use crate::oracle;
use crate::warehouse::Warehouse;
use pistats_core::report::{Breakdown, Dimension, Filter, Operator, Selection, Traffic};
use pistats_core::segment::{Book, Node, SegmentId, plan, resolve};
use pistats_core::{Micros, Zone};
use pistats_query::segments::{Reader, statement};
use pistats_query::{Query, Tenant};
use pistats_store::{Refresh, Statement};
use pistats_testkit::Oracle;
use pistats_testkit::histories::{PeopleQuestion, Question, SegmentCase, people_questions, questions};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

/// Trees of one history.
const A_HISTORY: usize = 100;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A history as far as it had come at one look, as a site of its own.
struct Look {
    tenant: Tenant,
    oracle: Oracle,
    names: BTreeMap<u32, String>,
    now: Micros,
}

impl Look {
    async fn members(&self, service: &Query, tree: &Node, book: &Book, only_sql: bool) -> (BTreeSet<String>, Reader) {
        let today = self.tenant.zone().day_of(self.now);
        let planned = plan(&resolve(tree, book).unwrap(), today);
        let audience = service.audience_of(&self.tenant, planned, only_sql).await.unwrap();
        (audience.members.iter().map(|no| self.names[&no].clone()).collect(), audience.reader)
    }

    /// A column of visitor numbers, by name; of other sites' there is none.
    fn named(&self, columns: &[Vec<i64>]) -> BTreeSet<String> {
        let numbers = columns.first().into_iter().flatten().map(|no| u32::try_from(*no).unwrap());
        numbers.map(|no| self.names.get(&no).cloned().unwrap_or_default()).collect()
    }

    fn expected(&self, tree: &Node, book: &Book) -> BTreeSet<String> {
        self.oracle.segment(tree, book, self.tenant.zone(), self.now)
    }
}

/// The looks of a case, with sheets of random days built.
async fn looks(case: &SegmentCase) -> (Warehouse, Vec<Look>) {
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

#[tokio::test(flavor = "multi_thread")]
async fn random_segments_have_the_oracles_members_by_sql_and_by_bitmaps() {
    let (wanted, from) = (number("PISTATS_TREES", 300) as usize, number("PISTATS_SEED", 0));
    let (mut trees, mut seed, mut readers) = (0, from, BTreeMap::new());
    while trees < wanted {
        let case = SegmentCase::of(seed, A_HISTORY.min(wanted - trees));
        let (warehouse, looks) = looks(&case).await;
        let service = warehouse.service();
        for (place, tree) in case.trees.iter().enumerate() {
            for (number, look) in looks.iter().enumerate() {
                let text = format!("seed {seed}, tree {place}, look {number}, zone {}: {tree:?}", case.zone.name());
                let expected = look.expected(tree, &case.book);
                let (members, reader) = look.members(&service, tree, &case.book, true).await;
                assert_eq!((members, reader), (expected.clone(), Reader::Sql), "by SQL; {text}");
                let (members, reader) = look.members(&service, tree, &case.book, false).await;
                assert_eq!(members, expected, "{reader:?}; {text}");
                *readers.entry(format!("{reader:?}")).or_insert(0) += 1;
            }
        }
        trees += case.trees.len();
        seed += 1;
    }
    println!("{trees} trees of {} histories, by {readers:?}", seed - from);
    for reader in ["Bitmaps", "Mixed", "Sql"] {
        assert!(readers.get(reader).copied().unwrap_or(0) > trees / 10, "{reader} was hardly used: {readers:?}");
    }
}

/// A question with a filter by segments more.
fn cut(question: Question, filter: Filter) -> Question {
    let more = |mut selection: Selection| {
        selection.filters.push(filter);
        selection
    };
    match question {
        Question::Traffic(asked) => Question::Traffic(Traffic { selection: more(asked.selection), ..asked }),
        Question::Breakdown(asked) => Question::Breakdown(Breakdown { selection: more(asked.selection), ..asked }),
        Question::Export(selection) => Question::Export(more(selection)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_cut_by_segments_are_answered_as_the_oracle_answers_them() {
    for seed in 0..number("PISTATS_PAIRS", 600) / 60 {
        let case = SegmentCase::of(seed, 8);
        let (warehouse, looks) = looks(&case).await;
        let service = warehouse.service();
        let look = &looks[2];
        let (zone, today) = (&case.zone, case.zone.day_of(look.now));
        let mut book = case.book.clone();
        book.extend((100..).map(SegmentId).zip(case.trees.iter().cloned()));
        let plans = book.iter().map(|(id, tree)| (*id, plan(&resolve(tree, &book).unwrap(), today))).collect();
        let tenant = look.tenant.with_segments(plans);
        let oracle = look.oracle.clone().with_segments(&book, zone, look.now);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut filter = || {
            let operator = if rng.random() { Operator::Is } else { Operator::IsNot };
            let values = (0..rng.random_range(1..=2)).map(|_| SegmentId(rng.random_range(100..108)).to_string());
            Filter { dimension: Dimension::Segment, operator, values: values.collect() }
        };
        for (number, question) in questions(seed, &look.oracle, zone).take(20).enumerate() {
            let question = cut(question, filter());
            let text = format!("seed {seed}, zone {}, question {number}: {question:#?}", zone.name());
            oracle::check(&warehouse, &service, &tenant, &oracle, &question, None, &text).await;
        }
        for (number, question) in people_questions(seed, &look.oracle, zone).take(20).enumerate() {
            let PeopleQuestion::Retention(mut asked) = question else { continue };
            asked.selection.filters.push(filter());
            let text = format!("seed {seed}, zone {}, question {number}: {asked:#?}", zone.name());
            let expected = oracle.retention(&asked, zone).unwrap();
            assert_eq!(service.retention_of(&tenant, &asked).await.unwrap(), expected, "{text}");
        }
    }
}

/// Places of the SQL that say where something ends, and each turned the wrong way.
const FLIPS: [(&str, &str); 19] = [
    ("HAVING count(*) >= ", "HAVING count(*) > "),
    ("HAVING count(DISTINCT e.day) >= ", "HAVING count(DISTINCT e.day) > "),
    ("count(DISTINCT e.day)", "count(*)"),
    ("e.day BETWEEN", "e.day NOT BETWEEN"),
    ("v.first_day BETWEEN", "v.first_day NOT BETWEEN"),
    ("e.site = $1 AND NOT e.bot", "e.site = $1"),
    ("e.site = $1 AND", "true OR e.site = $1 AND"),
    ("max(e.time_us)", "min(e.time_us)"),
    ("ORDER BY e.visitor, e.id DESC", "ORDER BY e.visitor, e.id"),
    ("1 PRECEDING", "CURRENT ROW"),
    ("max(CASE", "min(CASE"),
    ("time_us - r <= ", "time_us - r < "),
    ("IS NULL", "IS NOT NULL"),
    (" UNION ", " INTERSECT "),
    ("sum(v.sign) > 0", "sum(v.sign) >= 0"),
    ("strpos(", "1 - strpos("),
    ("starts_with(", "NOT starts_with("),
    ("decimal(18, 6)) > CAST", "decimal(18, 6)) >= CAST"),
    ("decimal(18, 6)) < CAST", "decimal(18, 6)) <= CAST"),
];

/// What a comparison of readers is worth: each of these turned the wrong way gives other members, of some tree.
#[tokio::test(flavor = "multi_thread")]
async fn every_comparison_of_the_sql_that_is_turned_is_noticed() {
    let mut unseen: Vec<(&str, &str)> = FLIPS.to_vec();
    let mut trees = 0;
    for seed in 0..12 {
        if unseen.is_empty() {
            break;
        }
        let case = SegmentCase::of(seed, A_HISTORY);
        let (warehouse, looks) = looks(&case).await;
        for tree in &case.trees {
            trees += 1;
            for look in &looks[1..] {
                let planned = plan(&resolve(tree, &case.book).unwrap(), look.tenant.zone().day_of(look.now));
                let written = statement(&look.tenant, &planned);
                let expected = look.expected(tree, &case.book);
                let mut still = Vec::new();
                for (right, wrong) in unseen {
                    let sql = written.sql.replace(right, wrong);
                    let is_noticed = sql != written.sql && {
                        // Where an engine refuses the altered text, that is noticed as well.
                        let read = warehouse.store.read(vec![Statement { sql, ..written.clone() }]).await;
                        read.map(|read| look.named(&read.results[0].numbers)).ok() != Some(expected.clone())
                    };
                    if !is_noticed {
                        still.push((right, wrong));
                    }
                }
                unseen = still;
            }
        }
    }
    println!("{} flips noticed within {trees} trees", FLIPS.len());
    assert_eq!(unseen, [], "after {trees} trees");
}

#[tokio::test]
async fn a_segment_of_bitmaps_alone_reads_no_row_of_calm_days() {
    let case = SegmentCase::of(1, 0);
    let (warehouse, looks) = looks(&case).await;
    warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap();
    let service = warehouse.service();
    let everybody = Node::Not(Box::new(Node::Any(vec![])));
    let (members, reader) = looks[2].members(&service, &everybody, &Book::new(), false).await;
    assert_eq!(reader, Reader::Bitmaps);
    assert_eq!(members, looks[2].expected(&everybody, &Book::new()));
    assert_eq!(service.tally().days_of_rows, 0);
    assert!(service.tally().days_of_bitmaps > 0);
    let unknown = Node::Member(SegmentId(9));
    assert!(resolve(&unknown, &Book::new()).is_err());
}
