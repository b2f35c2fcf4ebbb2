//! Questions about people ask everything and find somebody; waves move first events back.

use pistats_core::report::{Period, RetentionMode, WeekStart};
use pistats_core::{Day, Zone};
use pistats_testkit::Oracle;
use pistats_testkit::histories::{History, PeopleQuestion, Question, people_questions, zones};
use std::collections::{BTreeMap, HashMap, HashSet};

fn small(seed: u64, zone: &Zone) -> History {
    History::returning(seed, zone, 5 + seed as usize % 56, 2 + seed as usize % 7)
}

#[test]
fn equal_seeds_give_equal_waves_and_questions() {
    let zone = Zone::utc();
    let history = small(40, &zone);
    assert_eq!(history.sent, small(40, &zone).sent);
    assert_eq!(history.waves(1, 4), history.waves(1, 4));
    assert_ne!(history.waves(1, 4), history.waves(2, 4));
    let oracle = history.oracle();
    let ask = |seed| people_questions(seed, &oracle, &zone).take(50).collect::<Vec<_>>();
    assert_eq!(ask(1), ask(1));
    assert_ne!(ask(1), ask(2));
}

#[test]
fn waves_hold_every_event_and_often_move_first_seen_back_across_days() {
    let (mut moved, mut visitors) = (0, 0);
    for seed in 0..200 {
        let zone = &zones()[seed as usize % zones().len()];
        let history = small(seed, zone);
        let waves = history.waves(seed, 3);
        let mut ids: Vec<_> = waves.iter().flatten().map(|event| event.id).collect();
        let mut all: Vec<_> = history.sent.iter().map(|event| event.id).collect();
        ids.sort();
        all.sort();
        assert_eq!(ids, all, "seed {seed}");
        let mut first: HashMap<String, Day> = HashMap::new();
        let mut back = HashSet::new();
        for wave in waves {
            let mut in_wave: BTreeMap<String, Day> = BTreeMap::new();
            for event in wave {
                let day = zone.day_of(event.time);
                let least = in_wave.entry(event.visitor_id).or_insert(day);
                *least = day.min(*least);
            }
            for (visitor, day) in in_wave {
                let known = first.entry(visitor.clone()).or_insert(day);
                if day < *known {
                    *known = day;
                    back.insert(visitor);
                }
            }
        }
        moved += back.len();
        visitors += first.len();
    }
    assert!(moved * 5 > visitors, "{moved} of {visitors} visitors were seen earlier than was known");
}

#[derive(Default)]
struct Found {
    asked: HashSet<String>,
    retentions: u32,
    /// With a visitor in a cell after the first.
    returning: u32,
    funnels: u32,
    /// With a run of two steps or more, of those that have as many.
    converting: u32,
    /// Where strict order, re-entry or a limit changed something would be seen: several runs of a visitor.
    reentering: u32,
}

impl Found {
    fn add(&mut self, oracle: &Oracle, zone: &Zone, question: &PeopleQuestion) {
        match question {
            PeopleQuestion::Retention(retention) => {
                let cohorts = oracle.retention(retention, zone).expect("an answer");
                self.asked.insert(format!("{:?} {:?}", retention.period, retention.mode));
                self.asked.insert(format!("start {}", !retention.start.is_empty()));
                self.asked.insert(format!("return {}", !retention.returning.is_empty()));
                self.asked.insert(format!("cells {}", retention.cells.is_some()));
                self.retentions += 1;
                let returned = cohorts.iter().any(|cohort| cohort.cells.iter().skip(1).any(|cell| *cell > 0));
                self.returning += u32::from(returned);
            }
            PeopleQuestion::Funnel(funnel) => {
                let answer = oracle.funnel(funnel, zone).expect("an answer");
                self.asked.insert(format!("strict {} reentry {}", funnel.strict, funnel.reentry));
                self.asked.insert(format!("limit {} steps {}", funnel.limit_us.is_some(), funnel.steps.len()));
                self.asked.insert(format!("{:?}", funnel.interval));
                self.funnels += u32::from(funnel.steps.len() > 1);
                self.converting += u32::from(answer.steps.get(1).is_some_and(|step| step.runs > 0));
                self.reentering += u32::from(answer.steps.iter().skip(1).any(|step| step.runs > step.visitors));
            }
            PeopleQuestion::Journey { visitor, sessions, before } => {
                let journey = oracle.journey(visitor, *sessions as usize, *before).expect("a visitor");
                self.asked.insert(format!("next {}", journey.next_before.is_some()));
            }
            PeopleQuestion::Count(Question::Traffic(_)) => drop(self.asked.insert("traffic".to_owned())),
            PeopleQuestion::Count(_) => drop(self.asked.insert("breakdown".to_owned())),
        }
    }
}

#[test]
fn questions_ask_everything_and_mostly_find_somebody() {
    let mut found = Found::default();
    for seed in 0..300 {
        let zone = &zones()[seed as usize % zones().len()];
        let oracle = small(seed, zone).oracle();
        for question in people_questions(seed, &oracle, zone).take(20) {
            found.add(&oracle, zone, &question);
        }
    }
    let Found { asked, retentions, returning, funnels, converting, reentering } = found;
    for period in [Period::Day, Period::Week(WeekStart::Monday), Period::Week(WeekStart::Sunday), Period::Month] {
        for mode in [RetentionMode::FirstTime, RetentionMode::Recurring] {
            assert!(asked.contains(&format!("{period:?} {mode:?}")), "{asked:?}");
        }
    }
    let flags = 3 * 2;
    let funnel_kinds = 4 + 2 * 4 + 5;
    assert_eq!(asked.len(), 8 + flags + funnel_kinds + 2 + 2, "{asked:?}");
    assert!(returning * 5 > retentions, "somebody returns in {returning} of {retentions} retentions");
    assert!(converting * 4 > funnels, "somebody takes two steps in {converting} of {funnels} funnels");
    assert!(reentering > 20, "somebody takes steps twice in {reentering} of {funnels} funnels");
}
