//! 2,000 random questions about random histories: the service answers as the naive oracle does.
//!
//! Histories lie around the odd moments of five zones and UTC: Berlin over both changes, Kolkata, St John's, Lord Howe, and
//! Apia on the day it skipped. A difference prints the seeds that make it again.

use crate::asked;
use crate::harness::{Instance, Site};
use pistats_core::{Micros, Zone};
use pistats_proto::ingest::v1::Event;
use pistats_testkit::Oracle;
use pistats_testkit::histories::{History, Question, Sent, questions, zones};

const HISTORIES_A_ZONE: u64 = 7;
const QUESTIONS_A_HISTORY: usize = 48;

fn message(sent: &Sent) -> Event {
    Event {
        id: sent.id.0.to_vec().into(),
        time_us: Some(sent.time.0),
        visitor_id: sent.visitor_id.clone(),
        user_id: sent.user_id.clone(),
        name: sent.name.clone(),
        url: sent.url.clone(),
        referrer: sent.referrer.clone(),
        title: sent.title.clone(),
        topics: sent.topics.clone(),
        language: sent.language.clone(),
        time_zone: sent.time_zone.clone(),
        screen_width: sent.screen_width,
        screen_height: sent.screen_height,
        user_agent: sent.user_agent.clone(),
        country: sent.country.clone(),
        value_micros: sent.value,
        properties: sent.properties.iter().cloned().collect(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_random_questions_are_answered_as_the_oracle_does() {
    // Small commits and a refresh that never keeps up: raw rows, rollups and both together all get their turn.
    let instance = Instance::start_with(|config| config.aggregate.commit_events = 500).await;
    let mut asked = 0;
    for zone in zones() {
        for number in 0..HISTORIES_A_ZONE {
            let seed = 1_000 * number + 17;
            let events = [12, 60, 250, 700][number as usize % 4];
            let history = History::random(seed, &zone, events, 1 + events / 6);
            let site = instance.site(&format!("{} {seed}", zone.name()), zone.name()).await;
            let batches = history.sent.chunks(37).map(|batch| batch.iter().map(message).collect()).collect();
            site.collect(batches, 3).await;
            instance.settle().await;
            let oracle = history.oracle();
            for question in questions(seed, &oracle, &zone).take(QUESTIONS_A_HISTORY) {
                let what = format!("zone {}, history {seed} of {events} events, {question:#?}", zone.name());
                compare(&site, &oracle, &zone, question, &what).await;
                asked += 1;
            }
        }
    }
    assert!(asked >= 2_000, "{asked}");
    println!("{asked} questions, every answer equal");
    instance.stop().await;
}

async fn compare(site: &Site, oracle: &Oracle, zone: &Zone, question: Question, what: &str) {
    let mut queries = site.queries();
    match question {
        Question::Traffic(question) => {
            let found = queries.traffic(asked::traffic(&question)).await;
            let expected = match oracle.traffic(&question, zone) {
                Ok(expected) => expected,
                Err(why) => {
                    assert!(found.is_err(), "the oracle cannot answer ({why}) but the service can: {what}");
                    return;
                }
            };
            let found = found.unwrap_or_else(|status| panic!("{status}: {what}")).into_inner();
            assert_eq!(asked::metrics(&found.total.unwrap()), expected.total, "total: {what}");
            assert_eq!(found.steps.len(), expected.steps.len(), "steps: {what}");
            for (step, (bucket, numbers)) in found.steps.iter().zip(&expected.steps) {
                assert_eq!((Micros(step.from_us), Micros(step.to_us)), (bucket.from, bucket.to), "{what}");
                assert_eq!(step.day, bucket.first_day.to_string(), "{what}");
                assert_eq!(asked::metrics(step.metrics.as_ref().unwrap()), *numbers, "step {bucket:?}: {what}");
            }
        }
        Question::Breakdown(question) => {
            let found = queries.breakdown(asked::breakdown(&question)).await;
            let expected = match oracle.breakdown(&question, zone) {
                Ok(expected) => expected,
                Err(why) => {
                    assert!(found.is_err(), "the oracle cannot answer ({why}) but the service can: {what}");
                    return;
                }
            };
            let found = found.unwrap_or_else(|status| panic!("{status}: {what}")).into_inner();
            assert_eq!(found.total_rows, expected.total_rows, "values: {what}");
            let rows: Vec<_> =
                found.rows.into_iter().map(|row| (row.value, asked::metrics(&row.metrics.unwrap()))).collect();
            assert_eq!(rows, expected.rows, "{what}");
        }
        Question::Export(selection) => {
            let mut pages = queries.export(asked::export(&selection)).await.unwrap().into_inner();
            let mut found: Vec<Vec<u8>> = Vec::new();
            while let Some(page) = pages.message().await.unwrap() {
                found.extend(page.events.into_iter().map(|event| event.id.to_vec()));
            }
            let expected: Vec<Vec<u8>> =
                oracle.export(&selection, zone).iter().map(|event| event.id.0.to_vec()).collect();
            assert_eq!(found, expected, "{what}");
        }
    }
}
