//! What is happening at a given now, worked out by hand.

use crate::{MINUTE, at, instant, on};
use pistats_core::report::Bots;
use pistats_core::{Micros, Zone};
use pistats_testkit::oracle::Realtime;
use pistats_testkit::{Oracle, OracleEvent};

/// What is happening on 1970-01-01, at a minute.
fn now(events: Vec<OracleEvent>, minute: i64) -> Realtime {
    Oracle::new(events).realtime(Bots::Include, 10, Micros(minute * MINUTE), &Zone::utc())
}

fn about(topics: &[&str], event: OracleEvent) -> OracleEvent {
    OracleEvent { topics: topics.iter().map(|topic| (*topic).to_owned()).collect(), ..event }
}

#[test]
fn current_are_those_of_the_last_five_minutes_the_fifth_left_out_and_now_included() {
    let seen = |us: i64| now(vec![on(Micros(us), "ada", "/a")], 60).current_visitors;
    assert_eq!(seen(55 * MINUTE), 0);
    assert_eq!(seen(55 * MINUTE + 1), 1);
    assert_eq!(seen(60 * MINUTE), 1);
    assert_eq!(seen(60 * MINUTE + 1), 0);
}

#[test]
fn lists_count_visitors_once_a_value_and_the_empty_value_too() {
    let mut events = vec![at(56, "ada", "/a"), at(57, "ada", "/a"), at(58, "ada", "/b"), at(59, "bob", "/b")];
    events[3].country = "DE".to_owned();
    let answer = now(events, 60);
    assert_eq!(answer.current_visitors, 2);
    assert_eq!(answer.top_pages, [("/b".to_owned(), 2), ("/a".to_owned(), 1)]);
    assert_eq!(answer.top_countries, [(String::new(), 1), ("DE".to_owned(), 1)]);
    assert_eq!(answer.top_sources, [(String::new(), 2)]);
}

#[test]
fn minutes_are_the_last_thirty_the_unfinished_one_included() {
    let answer = now(vec![at(30, "ada", "/a"), at(31, "ada", "/a"), at(60, "ada", "/a"), at(60, "bob", "/a")], 60);
    assert_eq!((answer.minutes.len(), answer.minutes[0], answer.minutes[29]), (30, 1, 2));
    assert_eq!(answer.minutes.iter().sum::<u64>(), 3);
    // What happens later in this minute has not happened yet.
    let later = Micros(60 * MINUTE + 1);
    assert_eq!(now(vec![on(later, "ada", "/a")], 60).minutes[29], 0);
}

#[test]
fn bots_are_left_out_where_they_are_to_be() {
    let mut bot = about(&["news"], at(60, "spider", "/a"));
    bot.bot = true;
    let oracle = Oracle::new(vec![bot, at(60, "ada", "/a")]);
    let seen = |bots| {
        let answer = oracle.realtime(bots, 10, Micros(60 * MINUTE), &Zone::utc());
        (answer.current_visitors, answer.minutes[29], answer.trending.len())
    };
    assert_eq!((seen(Bots::Exclude), seen(Bots::Include), seen(Bots::Only)), ((1, 1, 0), (2, 2, 1), (1, 1, 1)));
}

/// The weights of minutes 0 to 29, in 65,536ths: 2^(-a/5).
const WEIGHTS: [u64; 30] = [
    65_536, 57_052, 49_667, 43_238, 37_641, 32_768, 28_526, 24_834, 21_619, 18_820, 16_384, 14_263, 12_417, 10_809,
    9_410, 8_192, 7_132, 6_208, 5_405, 4_705, 4_096, 3_566, 3_104, 2_702, 2_353, 2_048, 1_783, 1_552, 1_351, 1_176,
];

#[test]
fn the_rate_weighs_recent_minutes_more() {
    let all: u64 = WEIGHTS.iter().sum();
    for (age, weight) in (0..30).zip(WEIGHTS) {
        let trending = now(vec![about(&["news"], at(100 - age, "ada", "/a"))], 100).trending;
        assert_eq!(trending[0].rate, weight as f64 / all as f64, "a minute {age} minutes old");
        assert_eq!((trending[0].usual, trending[0].score), (0.0, trending[0].rate));
    }
    assert_eq!(now(vec![about(&["news"], at(70, "ada", "/a"))], 100).trending, []);
}

#[test]
fn what_is_usual_is_the_same_hour_of_the_seven_days_before() {
    let noon = "2024-05-20T12:30:00Z";
    let trend = |before: &[&str]| {
        let mut events = vec![about(&["news", "news"], on(instant(noon), "ada", "/a"))];
        events.extend(before.iter().map(|time| about(&["news"], on(instant(time), "ada", "/b"))));
        let trending = Oracle::new(events).realtime(Bots::Include, 10, instant(noon), &Zone::utc()).trending;
        trending.first().map(|trend| trend.usual * 420.0)
    };
    assert_eq!(trend(&[]), Some(0.0));
    assert_eq!(trend(&["2024-05-19T12:00:00Z", "2024-05-13T12:59:59.999999Z"]), Some(2.0));
    // Another hour, eight days ago, today.
    let not = ["2024-05-19T11:59:59.999999Z", "2024-05-19T13:00:00Z", "2024-05-12T12:30:00Z"];
    assert_eq!(trend(&not), Some(0.0));
    assert_eq!(trend(&["2024-05-20T12:00:00Z"]), Some(0.0), "today counts for the rate only");
}

#[test]
fn the_same_hour_is_of_the_local_clock_and_lasts_as_long_as_it_was_shown() {
    let berlin = Zone::named("Europe/Berlin").expect("a zone");
    let usual = |now: &str, before: &str| {
        let events =
            vec![about(&["news"], on(instant(now), "ada", "/a")), about(&["news"], on(instant(before), "ada", "/b"))];
        Oracle::new(events).realtime(Bots::Include, 10, instant(now), &berlin).trending[0].usual
    };
    // Clocks went back on 2024-10-27, from 03:00 (01:00 UTC) to 02:00: 02:30 came twice, both count, the hour lasted two.
    assert_eq!(usual("2024-10-28T01:30:00Z", "2024-10-27T00:30:00Z"), 1.0 / 480.0);
    assert_eq!(usual("2024-10-28T01:30:00Z", "2024-10-27T01:30:00Z"), 1.0 / 480.0);
    // The hour before was lived once: 10:00 summer time was 08:00 UTC, 10:00 winter time is 09:00 UTC.
    assert_eq!(usual("2024-10-28T09:30:00Z", "2024-10-26T08:30:00Z"), 1.0 / 420.0);
    assert_eq!(usual("2024-10-28T09:30:00Z", "2024-10-26T09:30:00Z"), 0.0);
    // Clocks went forward on 2024-03-31: 02:30 was skipped, six days have that hour.
    assert_eq!(usual("2024-04-01T00:30:00Z", "2024-03-30T01:30:00Z"), 1.0 / 360.0);
}

#[test]
fn topics_are_ordered_by_score_then_by_topic_and_those_below_the_usual_are_left_out() {
    let noon = instant("2024-05-20T12:30:00Z");
    let ago =
        |minutes: i64, topics: &[&str], visitor: &str| about(topics, on(noon.plus(-minutes * MINUTE), visitor, "/a"));
    let mut events = vec![ago(0, &["b", "a"], "ada"), ago(3, &["late"], "ada"), ago(29, &["tired"], "ada")];
    // Tired was talked about once a minute in this hour of yesterday: 60/420 a minute.
    events.extend((0..60).map(|minute| ago(24 * 60 + 30 - minute, &["tired"], "bob")));
    let oracle = Oracle::new(events);
    let trending = |limit| {
        let trends = oracle.realtime(Bots::Include, limit, noon, &Zone::utc()).trending;
        trends.into_iter().map(|trend| trend.topic).collect::<Vec<_>>()
    };
    assert_eq!(trending(10), ["a", "b", "late"]);
    assert_eq!(trending(1), ["a"]);
    // The score of a topic that is usual too.
    let trends = oracle.realtime(Bots::Include, 9, noon.plus(-24 * 60 * MINUTE + 29 * MINUTE), &Zone::utc()).trending;
    assert_eq!(trends[0].topic, "tired");
    assert!((trends[0].rate, trends[0].usual) == (1.0, 0.0), "{trends:?}");
}
