//! Segments from SQL, from bitmaps and from both: the oracle's members, at three looks at a history that arrives.
//!
//! The trees are those of `crates/testkit/tests/segments.rs`: the same seeds. `PISTATS_TREES` says how many (10,000 for the
//! whole run), `PISTATS_SEED` where they begin.

use crate::warehouse::Warehouse;
use pistats_core::segment::{Book, Node, SegmentId, plan, resolve};
use pistats_core::{Micros, Zone};
use pistats_query::segments::Reader;
use pistats_query::{Query, Tenant};
use pistats_store::Refresh;
use pistats_testkit::Oracle;
use pistats_testkit::histories::SegmentCase;
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
