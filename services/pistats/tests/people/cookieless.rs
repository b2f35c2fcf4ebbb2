//! Random histories of visitors without cookies: derived at the door, counted as the naive oracle counts them.
//!
//! Events arrive up to two and a half days late, at a collector whose clock is the arrival's. With a public key the visitor is the
//! request's address and user agent; with a server's what the event says. The oracle knows no hash and no salt: a visitor is
//! local day, address and user agent, and what arrives 48 hours after its day began never happened.

use crate::house::{Found, House, request};
use crate::{asked, compare};
use pistats_core::cookieless::LIFE;
use pistats_core::directory::Site;
use pistats_core::time::Range;
use pistats_core::{Day, DaySalt, Micros, Reason, Salts, SiteId, Zone};
use pistats_ingest::{Sender, Trust, Visitors};
use pistats_proto::ingest::v1::Event;
use pistats_proto::query::v1::query_service_server::QueryService;
use pistats_store::{Refresh, Store};
use pistats_testkit::Oracle;
use pistats_testkit::histories::{History, PeopleQuestion, Question, Sent, people_questions, zones};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use tonic::{Code, Response};

const HISTORIES: u64 = 120;
const SITES_A_HOUSE: usize = 30;
const QUESTIONS: usize = 12;

/// A site's history, each event with when it arrives.
struct Told {
    site: SiteId,
    seed: u64,
    zone: Zone,
    salts: Salts,
    arrivals: Vec<(Micros, Sent)>,
}

impl Told {
    fn new(site: SiteId, seed: u64) -> Told {
        let mut rng = StdRng::seed_from_u64(seed);
        let zones = zones();
        let zone = zones[seed as usize % zones.len()].clone();
        let history = History::returning(seed, &zone, rng.random_range(5..=60), rng.random_range(2..=8));
        let late = |rng: &mut StdRng| match rng.random_range(0..4) {
            0 => rng.random_range(0..60 * Micros::HOUR),
            _ => rng.random_range(0..Micros::MINUTE),
        };
        let mut arrivals: Vec<(Micros, Sent)> =
            history.sent.into_iter().map(|sent| (sent.time.plus(late(&mut rng)), sent)).collect();
        arrivals.sort_by_key(|(at, _)| *at);
        let days = arrivals.iter().map(|(_, sent)| zone.day_of(sent.time));
        let salts = Salts::new(days.map(|day| DaySalt::of(&zone, day, secret(day))));
        Told { site, seed, zone, salts, arrivals }
    }

    /// Collects everything. What was accepted, in the order of arrival.
    async fn arrive(&self, house: &House) -> Vec<Sent> {
        let mut accepted = Vec::new();
        for (at, sent) in &self.arrivals {
            // A resent event comes the same way again.
            let is_public = sent.id.0[15].is_multiple_of(2);
            let sent = match is_public {
                // A public key is not believed about the country.
                true => Sent { country: String::new(), ..sent.clone() },
                false => sent.clone(),
            };
            house.set_clock(*at);
            let visitors = |address| Visitors::Derived { zone: &self.zone, salts: &self.salts, address };
            let message = asked::message(&sent);
            let (sender, message) = match is_public {
                true => {
                    let visitors = visitors(Some(sent.address()));
                    (sender(self.site, Trust::Public, &sent.user_agent, visitors), message)
                }
                false => {
                    let client_address = sent.address().to_string();
                    let message = Event { visitor_id: String::new(), client_address, ..message };
                    (sender(self.site, Trust::Server, "", visitors(None)), message)
                }
            };
            let collected = house.collect_one(sender, &message).await;
            let closes = self.zone.start_of(self.zone.day_of(sent.time)).plus(LIFE);
            if *at < closes {
                assert_eq!((collected.accepted, collected.rejections), (1, Vec::new()), "seed {}", self.seed);
                accepted.push(sent);
            } else {
                assert_eq!(collected.rejections[0].refusal.reason, Reason::DayClosed, "seed {}", self.seed);
            }
        }
        accepted
    }
}

fn secret(day: Day) -> [u8; 32] {
    let mut secret = [0; 32];
    secret[..4].copy_from_slice(&day.0.to_be_bytes());
    secret
}

fn sender<'a>(site: SiteId, trust: Trust, user_agent: &'a str, visitors: Visitors<'a>) -> Sender<'a> {
    Sender { site, trust, user_agent, traceparent: "", visitors }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visitors_without_cookies_are_counted_as_the_oracle_counts_them() {
    let found: Arc<Found> = Arc::default();
    let (mut asked, mut marked, mut refused, mut closed) = (0, 0, 0, 0);
    let seeds: Vec<u64> = (0..HISTORIES).map(|seed| 70_000 + seed).collect();
    for seeds in seeds.chunks(SITES_A_HOUSE) {
        let mut rng = StdRng::seed_from_u64(seeds[0]);
        let told: Vec<Told> = seeds.iter().zip(1..).map(|(seed, site)| Told::new(SiteId(site), *seed)).collect();
        let site = |told: &Told| {
            let name = format!("history {}", told.seed);
            Site { cookieless: true, ..Site::new(told.site, name, told.zone.clone(), Micros(0)) }
        };
        let house = House::build(told.iter().map(site).collect(), found.clone());
        let mut arrived = Vec::new();
        for told in &told {
            let accepted = told.arrive(&house).await;
            closed += told.arrivals.len() - accepted.len();
            arrived.push(accepted);
        }
        house.settle().await;
        house.store.refresh(Refresh { days: rng.random_range(0..80), ..Refresh::EVERYTHING }).await.unwrap();
        for (told, accepted) in told.iter().zip(&arrived) {
            if accepted.is_empty() {
                continue;
            }
            let history = History { seed: told.seed, zone: told.zone.clone(), sent: accepted.clone() };
            let oracle = history.oracle_without_cookies();
            for question in people_questions(told.seed, &oracle, &told.zone).take(QUESTIONS) {
                match check(&house, told, &oracle, question).await {
                    Checked::Marked => marked += 1,
                    Checked::Refused => refused += 1,
                    Checked::Exact => {}
                }
                asked += 1;
            }
        }
        house.close().await;
    }
    println!("{asked} questions: {marked} of visitor-days, {refused} refused; {closed} events came too late");
    assert!(asked >= 1_300 && marked >= 200 && refused >= 300 && closed >= 100);
}

enum Checked {
    Exact,
    Marked,
    Refused,
}

async fn check(house: &House, told: &Told, oracle: &Oracle, question: PeopleQuestion) -> Checked {
    let (query, site, zone) = (&house.query, told.site, &told.zone);
    let what = format!("seed {}, zone {}: {question:#?}", told.seed, zone.name());
    let is_marked = match question {
        PeopleQuestion::Retention(question) => {
            let status = query.retention(request(site, asked::retention(&question))).await.unwrap_err();
            assert_eq!(status.code(), Code::FailedPrecondition, "{what}");
            return Checked::Refused;
        }
        PeopleQuestion::Funnel(question) => {
            let found = query.funnel(request(site, asked::funnel(&question))).await.map(Response::into_inner);
            let is_marked = found.as_ref().map_or(true, |found| found.visitor_days);
            compare::funnel(found, oracle, zone, &question, &what);
            assert!(is_marked, "{what}");
            is_marked
        }
        PeopleQuestion::Count(Question::Traffic(question)) => {
            let found = query.traffic(request(site, asked::traffic(&question))).await.map(Response::into_inner);
            let is_marked = spans_days(question.selection.range, zone);
            assert!(found.as_ref().map_or(true, |found| found.visitor_days == is_marked), "{what}");
            compare::traffic(found, oracle, zone, &question, &what);
            is_marked
        }
        PeopleQuestion::Count(Question::Breakdown(question)) => {
            let found = query.breakdown(request(site, asked::breakdown(&question))).await.map(Response::into_inner);
            let is_marked = spans_days(question.selection.range, zone);
            assert!(found.as_ref().map_or(true, |found| found.visitor_days == is_marked), "{what}");
            compare::breakdown(found, oracle, zone, &question, &what);
            is_marked
        }
        // A visitor has no id of its own to be asked for by.
        PeopleQuestion::Journey { .. } | PeopleQuestion::Count(Question::Export(_)) => false,
    };
    if is_marked { Checked::Marked } else { Checked::Exact }
}

fn spans_days(range: Range, zone: &Zone) -> bool {
    match range {
        Range::Days { first, last } => first != last,
        Range::Times { from, to } => zone.day_of(from) != zone.day_of(to.plus(-1)),
    }
}
