//! 2,000 random questions about random histories: the service answers as the naive oracle does.
//!
//! Histories lie around the odd moments of five zones and UTC: Berlin over both changes, Kolkata, St John's, Lord Howe, and
//! Apia on the day it skipped. A difference prints the seeds that make it again.

use crate::harness::{Instance, Site};
use crate::{asked, compare};
use pistats_core::Zone;
use pistats_testkit::Oracle;
use pistats_testkit::histories::{History, Question, questions, zones};
use tonic::Response;

const HISTORIES_A_ZONE: u64 = 7;
const QUESTIONS_A_HISTORY: usize = 48;

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
            let batches = history.sent.chunks(37).map(|batch| batch.iter().map(asked::message).collect()).collect();
            site.collect(batches, 3).await;
            instance.settle().await;
            let oracle = history.oracle();
            for question in questions(seed, &oracle, &zone).take(QUESTIONS_A_HISTORY) {
                let what = format!("zone {}, history {seed} of {events} events, {question:#?}", zone.name());
                check(&site, &oracle, &zone, question, &what).await;
                asked += 1;
            }
        }
    }
    assert!(asked >= 2_000, "{asked}");
    println!("{asked} questions, every answer equal");
    instance.stop().await;
}

pub(crate) async fn check(site: &Site, oracle: &Oracle, zone: &Zone, question: Question, what: &str) {
    let mut queries = site.queries();
    match question {
        Question::Traffic(question) => {
            let found = queries.traffic(asked::traffic(&question)).await.map(Response::into_inner);
            compare::traffic(found, oracle, zone, &question, what);
        }
        Question::Breakdown(question) => {
            let found = queries.breakdown(asked::breakdown(&question)).await.map(Response::into_inner);
            compare::breakdown(found, oracle, zone, &question, what);
        }
        Question::Export(selection) => {
            let mut pages = queries.export(asked::export(&selection)).await.unwrap().into_inner();
            let mut found: Vec<Vec<u8>> = Vec::new();
            while let Some(page) = pages.message().await.unwrap() {
                found.extend(page.events.into_iter().map(|event| event.id.to_vec()));
            }
            compare::export(found, oracle, zone, &selection, what);
        }
    }
}
