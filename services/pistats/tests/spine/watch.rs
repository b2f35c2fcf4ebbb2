//! Reports watched while a real file is imported: at any moment they are what the unary calls answer for the same `as_of`.

use crate::harness::{Instance, Queries, Site, breakdown, days, traffic};
use crate::order::{batches, events};
use pistats_proto::convert::query::delta::{self, answer_as_of};
use pistats_proto::query::v1::*;
use pistats_testkit::data::Set;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tonic::Status;
use watched_report::Report;

const PAUSES: usize = 20;
const RANGE: (&str, &str) = ("2012-12-31", "2013-05-18");

/// One report of each kind that is read from the warehouse, over the whole range, and a second list.
pub(crate) fn reports((first, last): (&str, &str)) -> Vec<WatchedReport> {
    let range = || days(first, last);
    let compared = TrafficRequest { compare: Compare::PreviousYear.into(), ..traffic(range(), Interval::Day) };
    let retention = RetentionRequest {
        range: range(),
        interval: Interval::Month.into(),
        bots: Bots::Include.into(),
        ..Default::default()
    };
    let step = |dimension: Dimension, value: &str| Condition {
        filters: vec![Filter { dimension: dimension.into(), values: vec![value.to_owned()], ..Default::default() }],
    };
    let funnel = FunnelRequest {
        range: range(),
        steps: vec![step(Dimension::Country, "US"), Condition::default()],
        bots: Bots::Include.into(),
        limit_us: 3_600_000_000,
        interval: Interval::Month.into(),
        ..Default::default()
    };
    let all = [
        ("traffic", Report::Traffic(compared)),
        ("urls", Report::Breakdown(breakdown(range(), Dimension::Url, Metric::Events, 30))),
        ("entries", Report::Breakdown(breakdown(range(), Dimension::EntryPage, Metric::Sessions, 10))),
        ("retention", Report::Retention(retention)),
        ("funnel", Report::Funnel(funnel)),
    ];
    all.into_iter()
        .map(|(tag, report)| WatchedReport { tag: tag.to_owned(), report: Some(report), ..Default::default() })
        .collect()
}

/// What the unary call answers.
pub(crate) async fn ask(queries: &mut Queries, report: Report) -> Result<Snapshot, Status> {
    use snapshot::Report as Answer;
    let report = match report {
        Report::Traffic(asked) => Answer::Traffic(queries.traffic(asked).await?.into_inner()),
        Report::Breakdown(asked) => Answer::Breakdown(queries.breakdown(asked).await?.into_inner()),
        Report::Retention(asked) => Answer::Retention(queries.retention(asked).await?.into_inner()),
        Report::Funnel(asked) => Answer::Funnel(queries.funnel(asked).await?.into_inner()),
        Report::Realtime(asked) => Answer::Realtime(queries.realtime(asked).await?.into_inner()),
    };
    Ok(Snapshot { report: Some(report) })
}

/// The same where an answer is sure.
pub(crate) async fn asked(queries: &mut Queries, report: Report) -> Snapshot {
    ask(queries, report).await.unwrap()
}

/// All states of each report as a reader made them of snapshots and deltas, by number.
type States = Arc<Mutex<BTreeMap<String, BTreeMap<u64, Snapshot>>>>;

/// Reads on for ever, and keeps every state. Cuts the stream after a random number of messages where a seed is given.
async fn follow(site: Site, reports: Vec<WatchedReport>, states: States, cut: Option<u64>) {
    let mut random = cut.map(StdRng::seed_from_u64);
    let mut known: BTreeMap<String, delta::Watched> = BTreeMap::new();
    loop {
        let mut request = WatchRequest { reports: reports.clone() };
        for report in &mut request.reports {
            report.resume_from = known.entry(report.tag.clone()).or_default().resume();
        }
        let mut stream = site.queries().watch(request).await.unwrap().into_inner();
        let mut left = random.as_mut().map_or(u64::MAX, |random| random.random_range(1..12));
        while left > 0 {
            let message = stream.message().await.unwrap().unwrap();
            let (tag, number) = (message.tag.clone(), message.number);
            let watched = known.entry(tag.clone()).or_default();
            let is_first = watched.answer().is_none();
            let is_snapshot = matches!(message.content, Some(watch_response::Content::Snapshot(_)));
            assert!(!message.reset, "{tag}: the server is the same all the time");
            assert_eq!(is_snapshot, is_first, "{tag}: state {number} follows the one before by a delta");
            watched.take(message).unwrap();
            let answer = watched.answer().unwrap().clone();
            let mut states = states.lock().unwrap();
            let seen = states.entry(tag.clone()).or_default();
            let last = seen.last_key_value().map(|(number, _)| *number);
            assert!(last.is_none_or(|last| number == last + 1), "{tag}: state {number} after {last:?}");
            seen.insert(number, answer);
            left -= 1;
        }
    }
}

fn newest(states: &States, tag: &str) -> Option<Snapshot> {
    let states = states.lock().unwrap();
    states.get(tag).and_then(|seen| seen.values().next_back()).cloned()
}

/// Waits until a reader has the state that was asked for, and compares it.
async fn assert_reached(states: &States, tag: &str, expected: &Snapshot) {
    let since = Instant::now();
    loop {
        let found = newest(states, tag);
        if found.as_ref().and_then(answer_as_of) == answer_as_of(expected) {
            assert_eq!(found.as_ref(), Some(expected), "{tag} differs for the same as_of");
            return;
        }
        let wanted = answer_as_of(expected);
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "{tag}: {:?}, not {wanted:?}",
            found.as_ref().and_then(answer_as_of)
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_of_an_import_has_what_is_asked_for_at_every_pause() {
    let Some(events) = events(Set::Usagov, usize::MAX) else { return };
    let instance = Instance::start().await;
    let site = instance.site("usagov", "Europe/Berlin").await;
    let (steady, cut) = (States::default(), States::default());
    let reports = reports(RANGE);
    let readers = [
        tokio::spawn(follow(site.clone(), reports.clone(), steady.clone(), None)),
        tokio::spawn(follow(site.clone(), reports.clone(), cut.clone(), Some(1))),
    ];

    let mut random = StdRng::seed_from_u64(2);
    let mut pauses: Vec<usize> = (1..PAUSES).map(|_| random.random_range(1..events.len())).collect();
    pauses.push(events.len());
    pauses.sort_unstable();
    let (mut sent, mut between) = (0, Vec::new());
    for pause in pauses {
        let collected = site.collect(batches(events[sent..pause].to_vec(), 500), 4);
        sent = pause;
        // In the middle of it, too: what is answered there must be one of the watcher's states, if it was one at all.
        let mut queries = site.queries();
        let middle = reports[random.random_range(0..reports.len())].clone();
        let wait = Duration::from_millis(random.random_range(0..1_000));
        let question = async {
            tokio::time::sleep(wait).await;
            asked(&mut queries, middle.report.unwrap()).await
        };
        let ((), answer) = tokio::join!(collected, question);
        between.push((middle.tag, answer));
        instance.settle().await;
        for report in &reports {
            let expected = asked(&mut queries, report.report.clone().unwrap()).await;
            assert_reached(&steady, &report.tag, &expected).await;
            assert_reached(&cut, &report.tag, &expected).await;
        }
        // A reader that comes now is told whole what others made of deltas.
        let request = WatchRequest { reports: reports.clone() };
        let mut stream = site.queries().watch(request).await.unwrap().into_inner();
        for _ in &reports {
            let message = stream.message().await.unwrap().unwrap();
            let Some(watch_response::Content::Snapshot(whole)) = message.content else { panic!("no snapshot") };
            assert_eq!(newest(&steady, &message.tag), Some(whole), "{}", message.tag);
        }
    }
    for reader in readers {
        assert!(!reader.is_finished(), "{:?}", reader.await);
        reader.abort();
    }
    instance.stop().await;
    let (steady, cut) = (steady.lock().unwrap(), cut.lock().unwrap());
    for (tag, seen) in cut.iter() {
        let first = *seen.first_key_value().unwrap().0;
        let all: BTreeMap<u64, Snapshot> = steady[tag].range(first..).map(|(n, state)| (*n, state.clone())).collect();
        assert!(*seen == all, "{tag}: a reader that was cut off saw other states than one that was not");
        println!("{tag}: {} states", all.len());
    }
    let met = between.iter().filter(|(tag, answer)| {
        let same = steady[tag].values().find(|state| answer_as_of(state) == answer_as_of(answer));
        assert!(same.is_none_or(|same| same == answer), "{tag} differs in the middle of the import");
        same.is_some()
    });
    println!("{} of {PAUSES} answers in the middle met a state of the watcher", met.count());
}
