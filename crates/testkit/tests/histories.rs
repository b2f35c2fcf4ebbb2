//! The generators make what they promise, and the oracle's answers hold together on it.

use pistats_core::report::{Bots, Breakdown, Dimension, Metric, Metrics, Selection, Traffic};
use pistats_core::session::{self, Session};
use pistats_core::time::{Interval, Range};
use pistats_core::{Micros, Zone};
use pistats_testkit::Oracle;
use pistats_testkit::histories::{History, Question, dimensions, moments, questions, zones};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The answer as text, whatever was asked: equal text, equal answers.
fn answer(oracle: &Oracle, question: &Question, zone: &Zone) -> String {
    match question {
        Question::Traffic(traffic) => format!("{:?}", oracle.traffic(traffic, zone)),
        Question::Breakdown(breakdown) => format!("{:?}", oracle.breakdown(breakdown, zone)),
        Question::Export(selection) => format!("{:?}", oracle.export(selection, zone)),
    }
}

/// All days of a history.
fn all_days(history: &History) -> Range {
    let days = || history.sent.iter().map(|event| history.zone.day_of(event.time));
    Range::Days { first: days().min().expect("events"), last: days().max().expect("events") }
}

#[test]
fn equal_seeds_give_equal_histories_and_questions() {
    let zone = Zone::utc();
    let history = History::random(1, &zone, 200, 10);
    assert_eq!(history.sent, History::random(1, &zone, 200, 10).sent);
    assert_ne!(history.sent, History::random(2, &zone, 200, 10).sent);
    assert_eq!(history.shuffle(3).sent, history.shuffle(3).sent);
    assert_ne!(history.shuffle(3).sent, history.sent);
    let oracle = history.oracle();
    let ask = |seed| questions(seed, &oracle, &zone).take(50).collect::<Vec<_>>();
    assert_eq!(ask(1), ask(1));
    assert_ne!(ask(1), ask(2));
}

#[test]
fn histories_hold_the_hard_cases_in_every_zone() {
    for zone in zones() {
        let history = History::random(7, &zone, 1_000, 40);
        let oracle = history.oracle();
        assert_eq!(oracle.events().len(), 1_000);
        let resent = history.sent.len() - oracle.events().len();
        assert!((50..250).contains(&resent), "{zone:?}: {resent} resent");
        let late = history.sent.windows(2).filter(|two| two[1].time < two[0].time).count();
        assert!(late > 100, "{zone:?}: {late} out of order");

        let mut gaps: BTreeMap<i64, usize> = BTreeMap::new();
        let mut last: BTreeMap<&str, Micros> = BTreeMap::new();
        for event in oracle.events() {
            if let Some(before) = last.insert(&event.visitor, event.time) {
                *gaps.entry(event.time.since(before)).or_default() += 1;
            }
        }
        let half_hour = 30 * Micros::MINUTE;
        for gap in [0, half_hour - 1, half_hour, half_hour + 1] {
            assert!(gaps.get(&gap).is_some_and(|times| *times > 5), "{zone:?}: gap of {gap} µs");
        }
        for moment in moments(&zone) {
            let near = oracle.events().iter().filter(|event| event.time.since(moment).abs() < 2 * Micros::HOUR).count();
            assert!(near > 40, "{zone:?}: {near} events around {moment:?}");
        }
        assert!(oracle.events().iter().any(|event| event.topics.len() > 1));
        assert!(oracle.events().iter().any(|event| event.id.created_ms() as i64 != event.time.0.div_euclid(1_000)));
        for dimension in dimensions() {
            let absent = dimension == Dimension::Property("absent".to_owned());
            let several = 2..=if dimension == Dimension::Topic { 6 } else { 12 };
            let values = oracle.values(&dimension).len();
            assert!(absent && values == 1 || several.contains(&values), "{dimension:?} has {values} values");
        }
        let bots = oracle.events().iter().filter(|event| event.bot).count();
        assert!((100..500).contains(&bots), "{bots} events of bots");
    }
}

#[test]
fn questions_ask_everything_and_mostly_hit_something() {
    let zone = Zone::named("Europe/Berlin").expect("a zone");
    let history = History::random(11, &zone, 400, 20);
    let oracle = history.oracle();
    let (mut hits, mut filtered_hits, mut filtered, mut asked) = (0, 0, 0, HashSet::new());
    for question in questions(12, &oracle, &zone).take(2_000) {
        let selection = match &question {
            Question::Traffic(traffic) => {
                asked.insert(format!("{:?}", traffic.interval));
                &traffic.selection
            }
            Question::Breakdown(breakdown) => {
                asked.insert(format!("{:?}", breakdown.dimension));
                asked.insert(format!("{:?}", breakdown.order_by));
                &breakdown.selection
            }
            Question::Export(selection) => selection,
        };
        asked.insert(format!("{:?}", selection.bots));
        for filter in &selection.filters {
            asked.insert(format!("filter {:?}", filter.dimension));
            asked.insert(format!("filter {:?}", filter.operator));
        }
        let hit = usize::from(!oracle.export(selection, &zone).is_empty());
        hits += hit;
        filtered += usize::from(!selection.filters.is_empty());
        filtered_hits += hit * usize::from(!selection.filters.is_empty());
    }
    let kinds = 2 * dimensions().len() + 5 + 5 + 3 + 6;
    assert_eq!(asked.len(), kinds, "{asked:?}");
    assert!(hits > 1_200, "{hits} of 2,000 questions find an event");
    assert!(filtered_hits * 2 > filtered, "{filtered_hits} of {filtered} filtered questions find an event");
}

#[test]
fn any_order_of_arrival_gives_the_same_answers() {
    for (zone, seed) in zones().into_iter().zip(1..) {
        let history = History::random(seed, &zone, 300, 15);
        let oracle = history.oracle();
        let shuffled: Vec<Oracle> = (0..3).map(|by| history.shuffle(by).oracle()).collect();
        for question in questions(seed, &oracle, &zone).take(60) {
            let expected = answer(&oracle, &question, &zone);
            for other in &shuffled {
                assert_eq!(answer(other, &question, &zone), expected, "{zone:?} {question:?}");
            }
        }
    }
}

/// What adds up adds up: over steps, over the values of a dimension that every event has one of, over bots and others.
#[test]
fn parts_add_up_to_the_whole() {
    let sums = |m: &Metrics| (m.events, m.page_views, m.sessions, m.bounces, m.session_us, m.value_count, m.value_sum);
    let add = |parts: &[Metrics]| {
        let mut sum = Metrics::default();
        for part in parts {
            sum.events += part.events;
            sum.page_views += part.page_views;
            sum.sessions += part.sessions;
            sum.bounces += part.bounces;
            sum.session_us += part.session_us;
            sum.value_count += part.value_count;
            sum.value_sum += part.value_sum;
        }
        sum
    };
    for (zone, seed) in zones().into_iter().zip(1..) {
        let history = History::random(seed, &zone, 300, 15);
        let oracle = history.oracle();
        let selection = Selection { range: all_days(&history), filters: Vec::new(), bots: Bots::Include };
        let ask = |interval| {
            let question = Traffic { selection: selection.clone(), interval };
            oracle.traffic(&question, &zone).expect("an answer")
        };
        let total = ask(None).total;
        assert_eq!(total.events, 300);
        assert_eq!(total.new_visitors, total.visitors);
        for interval in [Interval::Hour, Interval::Day, Interval::Week, Interval::Month] {
            let steps: Vec<Metrics> = ask(Some(interval)).steps.into_iter().map(|(_, metrics)| metrics).collect();
            assert_eq!(sums(&add(&steps)), sums(&total), "{zone:?} {interval:?}");
            assert_eq!(
                steps.iter().map(|step| step.new_visitors).sum::<u64>(),
                total.visitors,
                "{zone:?} {interval:?}"
            );
        }
        let rows = |dimension| {
            let selection = selection.clone();
            let question = Breakdown { selection, dimension, order_by: Metric::Events, limit: u32::MAX, offset: 0 };
            let rows = oracle.breakdown(&question, &zone).expect("an answer").rows;
            rows.into_iter().map(|(_, metrics)| metrics).collect::<Vec<_>>()
        };
        let events = |rows: Vec<Metrics>| (add(&rows).events, add(&rows).page_views, add(&rows).value_sum);
        assert_eq!(events(rows(Dimension::Browser)), (total.events, total.page_views, total.value_sum));
        let entries = add(&rows(Dimension::EntryPage));
        let exits = add(&rows(Dimension::ExitPage));
        let sessions = (total.events, total.page_views, total.sessions, total.bounces, total.session_us, 0, 0);
        assert_eq!((sums(&entries), sums(&exits)), (sessions, sessions));
    }
}

/// Two independent ways to sessions: the oracle sorts and cuts, the domain joins runs as they arrive.
#[test]
fn sessions_joined_in_any_order_are_those_of_the_oracle() {
    for (zone, seed) in zones().into_iter().zip(1..) {
        let history = History::random(seed, &zone, 500, 20).shuffle(seed);
        let oracle = history.oracle();
        let mut joined: BTreeMap<String, Vec<Session<String>>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for event in history.events() {
            if seen.insert(event.id) {
                let run =
                    Session::of_event((event.time, event.id), event.page.clone(), event.is_page_view(), event.bot);
                session::insert(joined.entry(event.visitor).or_default(), run);
            }
        }
        let all: Vec<Session<String>> = joined.into_values().flatten().collect();
        let selection = Selection { range: all_days(&history), filters: Vec::new(), bots: Bots::Include };
        let traffic = Traffic { selection: selection.clone(), interval: None };
        let total = oracle.traffic(&traffic, &zone).expect("an answer").total;
        assert_eq!(total.sessions, all.len() as u64);
        assert_eq!(total.bounces, all.iter().filter(|session| session.is_bounce()).count() as u64);
        assert_eq!(total.session_us, all.iter().map(Session::duration_us).sum::<i64>());
        type PageOf = fn(&Session<String>) -> &String;
        let ways: [(Dimension, PageOf); 2] = [
            (Dimension::EntryPage, |session| &session.entry_page),
            (Dimension::ExitPage, |session| &session.exit_page),
        ];
        for (dimension, page) in ways {
            let mut expected: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
            for session in &all {
                let counts = expected.entry(page(session).clone()).or_default();
                *counts = (counts.0 + 1, counts.1 + session.events, counts.2 + session.page_views);
            }
            let selection = selection.clone();
            let question = Breakdown { selection, dimension, order_by: Metric::Sessions, limit: u32::MAX, offset: 0 };
            let rows = oracle.breakdown(&question, &zone).expect("an answer").rows;
            let found = rows.into_iter().map(|(page, m)| (page, (m.sessions, m.events, m.page_views)));
            assert_eq!(found.collect::<BTreeMap<_, _>>(), expected, "{zone:?}");
        }
    }
}
