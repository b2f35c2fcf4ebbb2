//! What the comparison of readers is worth, on the SQL itself: its text is altered in one place, and must give other members.

use crate::segments::{A_HISTORY, looks};
use pistats_core::segment::{plan, resolve};
use pistats_query::segments::statement;
use pistats_store::Statement;
use pistats_testkit::histories::SegmentCase;
use std::collections::BTreeSet;

/// Places of the SQL that compare, and each turned the wrong way.
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

/// Histories that are looked at, at most.
const HISTORIES: u64 = 30;

#[tokio::test(flavor = "multi_thread")]
async fn every_comparison_of_the_sql_that_is_turned_is_noticed() {
    let mut unseen: Vec<(&str, &str)> = FLIPS.to_vec();
    let mut trees = 0;
    for seed in 0..HISTORIES {
        if unseen.is_empty() {
            break;
        }
        let case = SegmentCase::of(seed, A_HISTORY);
        let (warehouse, looks) = looks(&case).await;
        for tree in &case.trees {
            trees += 1;
            let look = &looks[trees % looks.len()];
            let planned = plan(&resolve(tree, &case.book).unwrap(), look.tenant.zone().day_of(look.now));
            let written = statement(&look.tenant, &planned);
            let expected = look.expected(tree, &case.book);
            let mut still = Vec::new();
            for (right, wrong) in unseen {
                let sql = written.sql.replace(right, wrong);
                let is_noticed = sql != written.sql && {
                    let read = warehouse.store.read(vec![Statement { sql, ..written.clone() }]).await.unwrap();
                    let numbers = read.results[0].numbers.first().into_iter().flatten();
                    // Of other sites' visitors there is no name.
                    let name = |no: &i64| look.names.get(&u32::try_from(*no).unwrap()).cloned().unwrap_or_default();
                    numbers.map(name).collect::<BTreeSet<String>>() != expected
                };
                if is_noticed {
                    println!("{right:?} as {wrong:?} is found out by seed {seed}, tree {trees}");
                } else {
                    still.push((right, wrong));
                }
            }
            unseen = still;
        }
    }
    assert_eq!(unseen, [], "after {trees} trees");
}
