//! Random reports over random histories that arrive in waves: a watcher always ends up with what is asked for, also where no
//! commit is said to have touched its report and nothing was evaluated.
//!
//! What a report depends on is worked out from its question, and what a commit touched from its rows, each apart from the
//! other and from how reports are read: here all three must agree, around the odd moments of every zone.

use crate::harness::{Instance, Site};
use crate::{asked, watch};
use pistats_proto::convert::query::delta::{Watched, answer_as_of};
use pistats_proto::query::v1::watched_report::Report;
use pistats_proto::query::v1::*;
use pistats_testkit::histories::{History, PeopleQuestion, Question, Sent, people_questions, questions, zones};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tonic::Code;

const WAVES: usize = 8;
const REPORTS_A_SITE: usize = 48;

/// A report and what its watcher knows of it.
struct Watching {
    report: Report,
    known: Arc<Mutex<Option<Result<Snapshot, Code>>>>,
    what: String,
}

struct Told {
    site: Site,
    waves: Vec<Vec<Sent>>,
    reports: Vec<Watching>,
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_of_random_reports_have_what_is_asked_for_after_every_wave() {
    let instance = Instance::start().await;
    let mut sites = Vec::new();
    let mut tasks = tokio::task::JoinSet::new();
    for (number, zone) in zones().into_iter().enumerate() {
        let seed = 4_100 + number as u64;
        let history = match number % 2 {
            0 => History::random(seed, &zone, 90, 15),
            _ => History::returning(seed, &zone, 90, 15),
        };
        let site = instance.site(zone.name(), zone.name()).await;
        let oracle = history.oracle();
        let counts = questions(seed, &oracle, &zone).filter_map(of_counts);
        let people = people_questions(seed, &oracle, &zone).filter_map(of_people);
        let mut reports = Vec::new();
        for report in counts.zip(people).flat_map(|(count, people)| [count, people]).take(REPORTS_A_SITE) {
            let what = format!("zone {}, seed {seed}, {report:?}", zone.name());
            let known = Arc::default();
            tasks.spawn(follow(site.clone(), report.clone(), Arc::clone(&known)));
            reports.push(Watching { report, known, what });
        }
        sites.push(Told { site, waves: history.waves(seed, WAVES), reports });
    }

    let (mut compared, mut untouched) = (0, 0);
    for wave in 0..WAVES {
        for told in &sites {
            let batch: Vec<_> = told.waves[wave].iter().map(asked::message).collect();
            told.site.collect(if batch.is_empty() { Vec::new() } else { vec![batch] }, 1).await;
        }
        instance.settle().await;
        for told in &sites {
            let mut queries = told.site.queries();
            for watching in &told.reports {
                let expected = watch::ask(&mut queries, watching.report.clone()).await.map_err(|status| status.code());
                untouched += usize::from(reach(watching, &expected, wave).await);
                compared += 1;
            }
        }
    }
    println!("{compared} reports compared, {untouched} of them of an earlier as_of: not evaluated for the last commit");
    assert!(compared >= 2_000 && untouched > 0);
    tasks.abort_all();
    instance.stop().await;
}

fn of_counts(question: Question) -> Option<Report> {
    match question {
        Question::Traffic(question) => Some(Report::Traffic(asked::traffic(&question))),
        Question::Breakdown(question) => Some(Report::Breakdown(asked::breakdown(&question))),
        Question::Export(_) => None,
    }
}

fn of_people(question: PeopleQuestion) -> Option<Report> {
    match question {
        PeopleQuestion::Retention(question) => Some(Report::Retention(asked::retention(&question))),
        PeopleQuestion::Funnel(question) => Some(Report::Funnel(asked::funnel(&question))),
        PeopleQuestion::Count(question) => of_counts(question),
        PeopleQuestion::Journey { .. } => None,
    }
}

/// Watches a report; a status that ends the stream is what it knows until the next try says otherwise.
async fn follow(site: Site, report: Report, known: Arc<Mutex<Option<Result<Snapshot, Code>>>>) {
    let mut queries = site.queries();
    loop {
        let watched = WatchedReport { tag: String::new(), report: Some(report.clone()), ..Default::default() };
        let opened = queries.watch(WatchRequest { reports: vec![watched] }).await;
        let mut watched = Watched::default();
        let ended = match opened {
            Ok(stream) => {
                let mut stream = stream.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(message)) => {
                            watched.take(message).unwrap();
                            *known.lock().unwrap() = watched.answer().cloned().map(Ok);
                        }
                        Ok(None) => panic!("a watched stream ends with a status"),
                        Err(status) => break status,
                    }
                }
            }
            Err(status) => status,
        };
        *known.lock().unwrap() = Some(Err(ended.code()));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Waits until the watcher knows the same. Whether it is of an earlier commit than what was asked for.
async fn reach(watching: &Watching, expected: &Result<Snapshot, Code>, wave: usize) -> bool {
    let since = Instant::now();
    loop {
        let known = watching.known.lock().unwrap().clone();
        match (&known, expected) {
            (Some(Ok(known)), Ok(expected)) if dateless(known) == dateless(expected) => {
                return answer_as_of(known) != answer_as_of(expected);
            }
            (Some(Err(known)), Err(expected)) if known == expected => return false,
            _ => {}
        }
        assert!(
            since.elapsed() < Duration::from_secs(30),
            "{}\nafter wave {wave} the watcher knows\n{known:#?}\nand the answer is\n{expected:#?}",
            watching.what
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The numbers, without how far the log was folded.
fn dateless(answer: &Snapshot) -> Snapshot {
    let mut answer = answer.clone();
    match answer.report.as_mut().unwrap() {
        snapshot::Report::Traffic(answer) => answer.as_of = None,
        snapshot::Report::Breakdown(answer) => answer.as_of = None,
        snapshot::Report::Retention(answer) => answer.as_of = None,
        snapshot::Report::Funnel(answer) => answer.as_of = None,
        snapshot::Report::Realtime(answer) => answer.as_of = None,
    }
    answer
}
