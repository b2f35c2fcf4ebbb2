//! Arrival order never changes an answer: shuffled, resent, on eight connections, in commits of any size.

use crate::harness::{Instance, Site};
use crate::reports;
use crate::topology::or_apart;
use pistats::import::{FileIds, Format};
use pistats_proto::ingest::v1::Event;
use pistats_testkit::data::{self, Set};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use std::io::BufRead as _;

const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

/// The first events of a set, with the ids that an import gives them.
pub(crate) fn events(set: Set, most: usize) -> Option<Vec<Event>> {
    let path = data::events(set).unwrap()?;
    let lines = std::io::BufReader::new(std::fs::File::open(path).unwrap()).lines();
    let ids = FileIds::new([7; 32]);
    let events = lines.take(most).enumerate().map(|(number, line)| {
        let mut event = Format::Ndjson.parse(line.unwrap().as_bytes()).unwrap();
        event.id = ids.id(event.time_us.unwrap(), number as u64).0.to_vec().into();
        event
    });
    Some(events.collect())
}

/// The same events in another order, one in ten of them sent again somewhere later.
fn disturbed(events: &[Event], seed: u64) -> Vec<Event> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut sent = events.to_vec();
    sent.extend(events.iter().step_by(10).cloned());
    sent.shuffle(&mut random);
    sent
}

pub(crate) fn batches(events: Vec<Event>, size: usize) -> Vec<Vec<Event>> {
    events.chunks(size).map(<[Event]>::to_vec).collect()
}

/// Sends in file order and then in five others, each to a site of its own; all sites must answer alike.
async fn assert_any_order(set: Set, most: usize, commit_events: usize, batch: usize, range: (&str, &str)) {
    let Some(events) = events(set, most) else { return };
    let instance = Instance::start_with(|config| {
        config.aggregate.commit_events = commit_events;
        if commit_events == 1 {
            config.aggregate.commit_idle_ms = 0;
        }
    })
    .await;
    let in_order = instance.site("in-order", "Europe/Berlin").await;
    in_order.collect(batches(events.clone(), batch), 1).await;
    let mut others: Vec<Site> = Vec::new();
    for seed in SEEDS {
        let site = instance.site(&format!("seed-{seed}"), "Europe/Berlin").await;
        site.collect(batches(disturbed(&events, seed), batch), 8).await;
        others.push(site);
    }
    instance.settle().await;
    let expected = reports::all(&in_order, range.0, range.1).await;
    let counted = expected[0].steps[0].1.as_ref().unwrap();
    assert_eq!(counted.events, events.len() as u64);
    for (site, seed) in others.iter().zip(SEEDS) {
        let found = reports::all(site, range.0, range.1).await;
        reports::assert_same(
            &found,
            &expected,
            &format!("{set:?} in the order of seed {seed}, commits of {commit_events}"),
        );
    }
    instance.stop().await;
}

const USAGOV: (&str, &str) = ("2012-12-31", "2013-05-18");
const ELASTIC: (&str, &str) = ("2015-05-16", "2015-05-21");

#[tokio::test(flavor = "multi_thread")]
async fn commits_of_one_event_in_any_order_give_the_same_answers() {
    assert_any_order(Set::Elastic, or_apart(800, 150), 1, 1, ELASTIC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_of_a_hundred_events_in_any_order_give_the_same_answers() {
    assert_any_order(Set::Elastic, 10_000, 100, 20, ELASTIC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_of_ten_thousand_events_in_any_order_give_the_same_answers() {
    assert_any_order(Set::Usagov, or_apart(usize::MAX, 30_000), 10_000, 500, USAGOV).await;
}
