//! The oracle's answers and the planners' answers, over random histories and questions: equal to the unit.
//!
//! Each history arrives in commits of random sizes, duplicates and late events included, with rollups and sheets refreshed
//! now and then in between, beside another site's history in the same store. `PISTATS_PAIRS` sets how many pairs are compared.

use crate::warehouse::Warehouse;
use pistats_core::Zone;
use pistats_core::report::{Compare, Metrics, Selection, Traffic};
use pistats_core::time::Bucket;
use pistats_query::lists::{self, BitmapCache, Failure, Sheets};
use pistats_query::plan::{self, BreakdownRow};
use pistats_query::{Query, Tenant};
use pistats_store::{Error, Refresh};
use pistats_testkit::Oracle;
use pistats_testkit::histories::{History, Question, questions, zones};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tonic::Code;

/// A history is asked so much: more histories show more than more questions.
const QUESTIONS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn random_questions_are_answered_as_the_oracle_answers_them() {
    let pairs = std::env::var("PISTATS_PAIRS").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let zones = zones();
    let mut compared = 0;
    let mut seed = 0;
    while compared < pairs {
        let zone = &zones[seed as usize % zones.len()];
        let mut rng = StdRng::seed_from_u64(seed);
        let (warehouse, oracle) = filled(seed, zone, &mut rng).await;
        let (tenant, service) = (warehouse.tenant(1), warehouse.service());
        for (number, question) in questions(seed, &oracle, zone).take(QUESTIONS).enumerate() {
            let case = format!("seed {seed}, zone {}, question {number}: {question:#?}", zone.name());
            let compare = [None, None, Some(Compare::PreviousPeriod), Some(Compare::PreviousYearWeekdays)];
            let compare = *compare.choose(&mut rng).unwrap();
            check(&warehouse, &service, &tenant, &oracle, &question, compare, &case).await;
            compared += 1;
        }
        seed += 1;
    }
    println!("{compared} pairs of {seed} histories");
    assert!(compared >= pairs);
}

pub(crate) async fn filled(seed: u64, zone: &Zone, rng: &mut StdRng) -> (Warehouse, Oracle) {
    let history = History::random(seed, zone, rng.random_range(1..120), rng.random_range(1..9));
    let (events, noise) = (history.events(), History::random(seed + 1_000_000, zone, 40, 4).events());
    let mut warehouse = Warehouse::new(&[(1, zone), (2, zone)]);
    warehouse.commit(2, &noise).await;
    let mut rest = &events[..];
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rng.random_range(1..=rest.len().min(40)));
        rest = later;
        warehouse.commit(1, now).await;
        if rng.random_ratio(1, 3) {
            refresh_some(&warehouse, rng).await;
        }
    }
    // All behind, all fresh, or some of each.
    match rng.random_range(0..4) {
        0 => {}
        1 => drop(warehouse.store.refresh(Refresh::EVERYTHING).await.unwrap()),
        _ => refresh_some(&warehouse, rng).await,
    }
    (warehouse, Oracle::new(events))
}

async fn refresh_some(warehouse: &Warehouse, rng: &mut StdRng) {
    let (hours, days) = (rng.random_range(1..20), rng.random_range(0..6));
    // Days come after all hours.
    let hours = if rng.random() { hours } else { usize::MAX };
    warehouse.store.refresh(Refresh { hours, days, ..Refresh::EVERYTHING }).await.unwrap();
}

pub(crate) async fn check(
    warehouse: &Warehouse,
    service: &Query,
    tenant: &Tenant,
    oracle: &Oracle,
    question: &Question,
    compare: Option<Compare>,
    case: &str,
) {
    let zone = tenant.zone();
    match question {
        Question::Traffic(asked) => {
            let ours = traffic(service, tenant, asked, compare).await;
            let expected = oracle_traffic(oracle, asked, compare, zone);
            assert_eq!(ours, expected, "{case}");
        }
        Question::Breakdown(asked) => {
            let mut plan = plan::breakdown(tenant, asked, compare);
            let read = warehouse.store.read(std::mem::take(&mut plan.statements)).await;
            let earlier = compare.map(|compare| compared_selection(&asked.selection, compare, zone));
            let expected = oracle.breakdown(asked, zone).and_then(|answer| {
                let row = |(value, metrics): (String, Metrics)| {
                    let row = |earlier: &Selection| oracle.row(earlier, &asked.dimension, &value, zone);
                    let compared = earlier.as_ref().map(row).transpose()?;
                    Ok(BreakdownRow { value, metrics, compared })
                };
                let rows = answer.rows.into_iter().map(row).collect::<Result<Vec<_>, _>>()?;
                Ok((rows, answer.total_rows))
            });
            match read {
                Err(Error::Overflow) => assert!(expected.is_err(), "{case}"),
                read => {
                    let ours = plan.answer(read.unwrap().results).unwrap();
                    assert_eq!(Ok((ours.rows, ours.total_rows)), expected, "{case}");
                }
            }
            // The same from sheets, where it can be; once with an empty cache, and once more from what it keeps.
            let cache = BitmapCache::of_bytes(1 << 20);
            for _ in 0..2 {
                match lists::breakdown(&*warehouse.store, &cache, tenant, asked, compare, Sheets::Always).await {
                    Err(Failure::Store(Error::Overflow) | Failure::Unanswered(plan::Unanswered::Overflow)) => {
                        assert!(expected.is_err(), "{case}")
                    }
                    ours => {
                        let (ours, _) = ours.unwrap();
                        assert_eq!(Ok((ours.rows, ours.total_rows)), expected, "from sheets: {case}");
                    }
                }
            }
        }
        Question::Export(selection) => {
            let page = plan::export(tenant, selection, None, 100_000);
            let rows = warehouse.store.read(page.statements).await.unwrap().results.remove(0).rows;
            let exported = rows.into_iter().map(|row| plan::read_event(row).unwrap().0);
            let ours: Vec<_> = exported.map(|e| (e.time_us, e.id.to_vec(), e.page, e.topics, e.value_micros)).collect();
            let expected = oracle.export(selection, zone).into_iter();
            let expected: Vec<_> =
                expected.map(|e| (e.time.0, e.id.0.to_vec(), e.page.clone(), e.topics.clone(), e.value)).collect();
            assert_eq!(ours, expected, "{case}");
        }
    }
}

type Series = (Metrics, Vec<(Bucket, Metrics)>);

/// Totals and steps of the asked and the compared range; nothing where a number does not fit.
async fn traffic(
    service: &Query,
    tenant: &Tenant,
    asked: &Traffic,
    compare: Option<Compare>,
) -> Option<(Series, Option<Series>)> {
    match service.traffic_of(tenant, asked, compare).await {
        Err(status) if status.code() == Code::OutOfRange => None,
        answer => {
            let answer = answer.unwrap();
            let series = |series: plan::Series| (series.total, series.steps);
            Some((series(answer.asked), answer.compared.map(series)))
        }
    }
}

fn oracle_traffic(
    oracle: &Oracle,
    asked: &Traffic,
    compare: Option<Compare>,
    zone: &Zone,
) -> Option<(Series, Option<Series>)> {
    let series = |question: &Traffic| oracle.traffic(question, zone).ok().map(|answer| (answer.total, answer.steps));
    let own = series(asked)?;
    let Some(compare) = compare else { return Some((own, None)) };
    let selection = compared_selection(&asked.selection, compare, zone);
    Some((own, Some(series(&Traffic { selection, interval: asked.interval })?)))
}

fn compared_selection(selection: &Selection, compare: Compare, zone: &Zone) -> Selection {
    Selection { range: compare.range(selection.range, zone), ..selection.clone() }
}
