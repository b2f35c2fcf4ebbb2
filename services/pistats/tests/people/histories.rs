//! 2,000 random histories in waves: after each wave the answers are the oracle's.
//!
//! A hundred sites share a house, each with a history of its own: 5 to 60 events of 2 to 8 visitors around the odd moments
//! of a zone, of which two in three are first seen later than they first came. Between the waves rollups and day sheets
//! are refreshed for some of the hours, signed rows are compacted, and some houses crash while they fold. So each question
//! meets clean days, dirty days and both. A difference prints the seed that makes it again: set `PISTATS_TEST_SEED`.

use crate::house::{Found, House, request};
use crate::{asked, compare};
use pistats_core::directory::Site;
use pistats_core::time::Range;
use pistats_core::{Day, Micros, SiteId, Zone};
use pistats_proto::query::v1::journey_request::Who;
use pistats_proto::query::v1::query_service_server::QueryService;
use pistats_proto::query::v1::{JourneyRequest, JourneyResponse};
use pistats_query::Query;
use pistats_store::{Refresh, Store};
use pistats_testkit::Oracle;
use pistats_testkit::histories::{History, PeopleQuestion, Question, Sent, people_questions, zones};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::task::JoinSet;
use tonic::{Response, Status};

const HISTORIES: u64 = 2_000;
const SITES_A_HOUSE: usize = 100;
/// Houses side by side.
const LANES: usize = 2;
const WAVES: usize = 3;
/// Questions after each wave.
const QUESTIONS: usize = 3;

/// One site: its history as far as it arrived, and what is still to come.
struct Told {
    site: SiteId,
    seed: u64,
    arrived: History,
    to_come: Vec<Vec<Sent>>,
}

impl Told {
    fn new(site: SiteId, seed: u64) -> Told {
        let mut rng = StdRng::seed_from_u64(seed);
        let zones = zones();
        let zone = &zones[seed as usize % zones.len()];
        let history = History::returning(seed, zone, rng.random_range(5..=60), rng.random_range(2..=8));
        let mut to_come = history.waves(seed, WAVES);
        to_come.reverse();
        Told { site, seed, arrived: History { sent: Vec::new(), ..history }, to_come }
    }

    /// What arrives next.
    fn wave(&mut self) -> Vec<Sent> {
        let wave = self.to_come.pop().unwrap_or_default();
        self.arrived.sent.extend_from_slice(&wave);
        wave
    }
}

/// What was asked, and what it met.
#[derive(Default, Debug)]
struct Tally {
    questions: usize,
    /// Questions of whole days, by what is known of the days with events in their range: all have sheets, none, some.
    clean: usize,
    dirty: usize,
    mixed: usize,
    crashes: usize,
    sheets: u64,
    compacted_rows: u64,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.questions += other.questions;
        self.clean += other.clean;
        self.dirty += other.dirty;
        self.mixed += other.mixed;
        self.crashes += other.crashes;
        self.sheets += other.sheets;
        self.compacted_rows += other.compacted_rows;
    }

    fn meets(&mut self, range: Range, site: SiteId, days: &Days) {
        let Range::Days { first, last } = range else { return };
        let met = |clean: bool| {
            let mut of_site = days.iter().filter(|((of, day), _)| *of == site && first <= *day && *day <= last);
            of_site.any(|(_, is_clean)| *is_clean == clean)
        };
        match (met(true), met(false)) {
            (true, true) => self.mixed += 1,
            (true, false) => self.clean += 1,
            (false, true) => self.dirty += 1,
            (false, false) => {}
        }
    }
}

type Days = HashMap<(SiteId, Day), bool>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_histories_are_counted_as_the_oracle_counts_them() {
    let seeds: Vec<u64> = match std::env::var("PISTATS_TEST_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => (0..HISTORIES).collect(),
    };
    let houses: Vec<Vec<u64>> = seeds.chunks(SITES_A_HOUSE).map(<[u64]>::to_vec).collect();
    let found: Arc<Found> = Arc::default();
    let lane = |lane: usize| {
        let found = found.clone();
        let houses: Vec<Vec<u64>> = houses.iter().skip(lane).step_by(LANES).cloned().collect();
        async move {
            let mut tally = Tally::default();
            for seeds in houses {
                tally.add(house(&seeds, found.clone()).await);
            }
            tally
        }
    };
    let mut tally = Tally::default();
    let mut lanes: JoinSet<Tally> = (0..LANES).map(lane).collect();
    while let Some(done) = lanes.join_next().await {
        tally.add(done.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic())));
    }
    println!("{} histories: {tally:?}, {found:?}", seeds.len());
    if seeds.len() > 1 {
        assert!(tally.questions >= seeds.len() * WAVES * QUESTIONS * 9 / 10, "{tally:?}");
        assert!(tally.clean.min(tally.dirty).min(tally.mixed) * 50 >= tally.questions, "{tally:?}");
        let read = |count: &AtomicUsize| count.load(SeqCst);
        assert!(read(&found.bitmaps).min(read(&found.events)) >= 1_000, "{found:?}");
        // Lists come from sheets only where that costs less than raw rows.
        assert!(read(&found.lists) >= 100, "{found:?}");
        assert!(tally.crashes >= 10 && tally.compacted_rows >= 1_000, "{tally:?}");
    }
}

/// A house from its first event to its last answer.
async fn house(seeds: &[u64], found: Arc<Found>) -> Tally {
    let mut tally = Tally::default();
    let mut rng = StdRng::seed_from_u64(seeds[0]);
    let mut told: Vec<Told> = seeds.iter().zip(1..).map(|(seed, site)| Told::new(SiteId(site), *seed)).collect();
    let site =
        |told: &Told| Site::new(told.site, format!("history {}", told.seed), told.arrived.zone.clone(), Micros(0));
    let sites = told.iter().map(site);
    let mut house = House::build(sites.collect(), found);
    // Every other house makes all sheets once; sheets cost more than questions.
    let all_sheets = rng.random_range(0..2 * WAVES);
    for wave in 0..WAVES {
        for told in &mut told {
            let sent = told.wave();
            if !sent.is_empty() {
                house.collect(told.site, &sent).await;
            }
        }
        if rng.random_ratio(1, 2) {
            tokio::time::sleep(Duration::from_micros(rng.random_range(0..20_000))).await;
            house = house.crash().await;
            tally.crashes += 1;
        }
        house.settle().await;
        if rng.random_ratio(1, 2) {
            let folded = house.store.fold_all().await.unwrap();
            tally.compacted_rows += folded.session_rows + folded.visitor_rows;
        }
        let refresh = match (wave == all_sheets, rng.random_range(0..3)) {
            (true, _) => Refresh::EVERYTHING,
            (false, 0) => Refresh::hours(rng.random_range(0..1_000)),
            (false, _) => Refresh { days: rng.random_range(0..80), ..Refresh::EVERYTHING },
        };
        tally.sheets += house.store.refresh(refresh).await.unwrap().days;
        let days = house.days().await;
        for told in &told {
            ask(&house.query, told, wave, &days, &mut tally).await;
        }
    }
    house.close().await;
    tally
}

async fn ask(query: &Query, told: &Told, wave: usize, days: &Days, tally: &mut Tally) {
    if told.arrived.sent.is_empty() {
        return;
    }
    let (oracle, zone) = (told.arrived.oracle(), &told.arrived.zone);
    for question in people_questions(told.seed * 10 + wave as u64, &oracle, zone).take(QUESTIONS) {
        tally.questions += 1;
        match &question {
            PeopleQuestion::Retention(question) => tally.meets(question.selection.range, told.site, days),
            PeopleQuestion::Count(Question::Traffic(question)) => {
                tally.meets(question.selection.range, told.site, days)
            }
            PeopleQuestion::Count(Question::Breakdown(question)) => {
                tally.meets(question.selection.range, told.site, days)
            }
            _ => {}
        }
        let what = format!("PISTATS_TEST_SEED={}, zone {}, wave {wave}: {question:#?}", told.seed, zone.name());
        check(query, told.site, &oracle, zone, question, &what).await;
    }
}

async fn check(query: &Query, site: SiteId, oracle: &Oracle, zone: &Zone, question: PeopleQuestion, what: &str) {
    match question {
        PeopleQuestion::Retention(question) => {
            let found = query.retention(request(site, asked::retention(&question))).await;
            compare::retention(found.map(Response::into_inner), oracle, zone, &question, what);
        }
        PeopleQuestion::Funnel(question) => {
            let found = query.funnel(request(site, asked::funnel(&question))).await;
            compare::funnel(found.map(Response::into_inner), oracle, zone, &question, what);
        }
        PeopleQuestion::Journey { visitor, sessions, before } => {
            let message = asked::journey(&visitor, sessions, before);
            let found = query.journey(request(site, message.clone())).await.map(Response::into_inner);
            let again = journey_by_key(query, site, message, &found).await;
            compare::journey(found, oracle, (&visitor, sessions, before), what);
            assert_eq!(again, None, "asked by key: {what}");
        }
        PeopleQuestion::Count(Question::Traffic(question)) => {
            let found = query.traffic(request(site, asked::traffic(&question))).await;
            compare::traffic(found.map(Response::into_inner), oracle, zone, &question, what);
        }
        PeopleQuestion::Count(Question::Breakdown(question)) => {
            let found = query.breakdown(request(site, asked::breakdown(&question))).await;
            compare::breakdown(found.map(Response::into_inner), oracle, zone, &question, what);
        }
        PeopleQuestion::Count(Question::Export(_)) => unreachable!("exports are asked for elsewhere"),
    }
}

/// The same journey asked for by the visitor's key; told only where it differs.
async fn journey_by_key(
    query: &Query,
    site: SiteId,
    message: JourneyRequest,
    found: &Result<JourneyResponse, Status>,
) -> Option<JourneyResponse> {
    let found = found.as_ref().ok()?;
    let message = JourneyRequest { who: Some(Who::Visitor(found.visitor.clone())), ..message };
    let again = query.journey(request(site, message)).await.unwrap().into_inner();
    (again != *found).then_some(again)
}
