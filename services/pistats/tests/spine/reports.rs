//! Every report there is, asked of a site: what two sites with the same events must answer alike.

use crate::asked;
use crate::harness::{Site, breakdown, days, traffic};
use pistats_core::report;
use pistats_proto::query::v1::*;
use pistats_testkit::histories::dimensions;

/// The property that the inputs have.
const PROPERTY: &str = "status";

/// An answer, and the question it belongs to.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) question: String,
    pub(crate) steps: Vec<(i64, Option<Metrics>)>,
    pub(crate) rows: Vec<(String, Option<Metrics>)>,
    pub(crate) cohorts: Vec<Cohort>,
}

/// Asks everything about a range of days. `as_of` is left out: it differs between sites.
pub(crate) async fn all(site: &Site, first: &str, last: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut queries = site.queries();
    for bots in [Bots::Include, Bots::Exclude, Bots::Only] {
        for interval in [Interval::Unspecified, Interval::Hour, Interval::Day, Interval::Week, Interval::Month] {
            let request = TrafficRequest { bots: bots.into(), ..traffic(days(first, last), interval) };
            let answer = queries.traffic(request).await.unwrap().into_inner();
            let steps = answer.steps.into_iter().map(|step| (step.from_us, step.metrics));
            answers.push(Answer {
                question: format!("traffic {interval:?} {bots:?}"),
                steps: steps.chain([(0, answer.total)]).collect(),
                rows: Vec::new(),
                cohorts: Vec::new(),
            });
        }
    }
    let of_events = dimensions().into_iter().filter(|dimension| !matches!(dimension, report::Dimension::Property(_)));
    for asked in of_events.chain([report::Dimension::Property(PROPERTY.to_owned())]) {
        let (dimension, property) = asked::dimension(&asked);
        let request = breakdown(days(first, last), dimension, Metric::Sessions, 10_000);
        answers.push(rows(&mut queries, format!("{asked:?}"), BreakdownRequest { property, ..request }).await);
    }
    let mut request = breakdown(days(first, last), Dimension::EntryPage, Metric::Visitors, 1_000);
    request.filters = vec![Filter {
        dimension: Dimension::Country.into(),
        operator: Operator::IsNot.into(),
        values: vec!["US".to_owned()],
        ..Default::default()
    }];
    answers.push(rows(&mut queries, "entry pages of visitors from abroad".to_owned(), request).await);
    answers.extend(retention(&mut queries, first, last).await);
    answers
}

/// Retention in both modes, from any event and from one of a kind.
async fn retention(queries: &mut crate::harness::Queries, first: &str, last: &str) -> Vec<Answer> {
    let status = Filter {
        dimension: Dimension::Property.into(),
        property: "status".to_owned(),
        values: vec!["200".to_owned()],
        ..Default::default()
    };
    let mut answers = Vec::new();
    for mode in [RetentionMode::FirstTime, RetentionMode::Recurring] {
        for interval in [Interval::Day, Interval::Week, Interval::Month] {
            for filters in [vec![], vec![status.clone()]] {
                let question = format!("retention {mode:?} {interval:?} from {} filters", filters.len());
                let request = RetentionRequest {
                    range: days(first, last),
                    interval: interval.into(),
                    mode: mode.into(),
                    start_event: Some(Condition { filters }),
                    ..Default::default()
                };
                let cohorts = queries.retention(request).await.unwrap().into_inner().cohorts;
                answers.push(Answer { question, steps: Vec::new(), rows: Vec::new(), cohorts });
            }
        }
    }
    answers
}

async fn rows(queries: &mut crate::harness::Queries, question: String, request: BreakdownRequest) -> Answer {
    let answer = queries.breakdown(request).await.unwrap().into_inner();
    let rows = answer.rows.into_iter().map(|row| (row.value, row.metrics)).collect();
    Answer { question, steps: Vec::new(), rows, cohorts: Vec::new() }
}

/// Compares question by question, so that a difference is readable.
pub(crate) fn assert_same(found: &[Answer], expected: &[Answer], what: &str) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let steps = found.steps.iter().zip(&expected.steps).find(|(a, b)| a != b);
        let rows = found.rows.iter().zip(&expected.rows).find(|(a, b)| a != b);
        let cohorts = found.cohorts.iter().zip(&expected.cohorts).find(|(a, b)| a != b);
        assert!(found == expected, "{what}: {} differs: {steps:?} {rows:?} {cohorts:?}", expected.question);
    }
}
