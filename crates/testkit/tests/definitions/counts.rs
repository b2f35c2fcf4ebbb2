//! Traffic, lists and what they rest on: duplicates, order, sessions, filters, new visitors.

use crate::{MINUTE, all_of, at, is, times};
use pistats_core::report::{Bots, Breakdown, Dimension, Filter, Metric, Metrics, Operator, Selection, Traffic};
use pistats_core::time::{Interval, Range};
use pistats_core::{Day, EventId, Micros, Zone};
use pistats_testkit::oracle::Unanswerable;
use pistats_testkit::{Oracle, OracleEvent};

fn total(oracle: &Oracle, selection: Selection) -> Metrics {
    oracle.traffic(&Traffic { selection, interval: None }, &Zone::utc()).expect("an answer").total
}

fn filtered(oracle: &Oracle, filter: Filter) -> Metrics {
    total(oracle, Selection { filters: vec![filter], ..all_of(times(0, 1_440)) })
}

fn rows(oracle: &Oracle, selection: Selection, dimension: Dimension) -> Vec<(String, Metrics)> {
    let question = Breakdown { selection, dimension, order_by: Metric::Events, limit: 100, offset: 0 };
    oracle.breakdown(&question, &Zone::utc()).expect("an answer").rows
}

fn row(rows: &[(String, Metrics)], value: &str) -> Metrics {
    rows.iter().find(|(v, _)| v == value).unwrap_or_else(|| panic!("no row {value:?}")).1
}

#[test]
fn exactly_thirty_minutes_stay_and_a_microsecond_more_does_not() {
    let mut late = at(30, "ada", "/b");
    let together = Oracle::new(vec![at(0, "ada", "/a"), late.clone()]);
    let one = total(&together, all_of(times(0, 60)));
    assert_eq!((one.sessions, one.bounces, one.session_us, one.session_page_views), (1, 0, 30 * MINUTE, 2));
    late.time.0 += 1;
    let apart = Oracle::new(vec![at(0, "ada", "/a"), late]);
    let two = total(&apart, all_of(times(0, 60)));
    assert_eq!((two.sessions, two.bounces, two.session_us, two.visitors), (2, 2, 0, 1));
}

#[test]
fn of_events_with_one_id_the_first_counts() {
    let first = at(0, "ada", "/a");
    let resent = OracleEvent { page: "/changed".to_owned(), ..first.clone() };
    let oracle = Oracle::new(vec![first, resent]);
    assert_eq!(oracle.events().len(), 1);
    assert_eq!(oracle.events()[0].page, "/a");
}

#[test]
fn a_session_counts_whole_where_it_starts_though_the_selected_event_lies_elsewhere() {
    let oracle = Oracle::new(vec![at(0, "ada", "/a"), at(20, "ada", "/b"), at(40, "ada", "/c")]);
    let on_c = |range| Selection { filters: vec![is(Dimension::Page, Operator::Is, &["/c"])], ..all_of(range) };
    // The start's range holds no selected event: the session counts there, nobody visits.
    let start = total(&oracle, on_c(times(0, 10)));
    assert_eq!((start.sessions, start.session_us, start.session_page_views), (1, 40 * MINUTE, 3));
    assert_eq!((start.events, start.visitors, start.new_visitors), (0, 0, 0));
    // The event's range holds no start: someone visits, no session counts.
    let end = total(&oracle, on_c(times(30, 50)));
    assert_eq!((end.sessions, end.events, end.visitors, end.new_visitors), (0, 1, 1, 0));
    // A row exists on either ground.
    let start = rows(&oracle, all_of(times(0, 10)), Dimension::Page);
    assert_eq!((row(&start, "/c").sessions, row(&start, "/c").events), (1, 0));
    assert_eq!((row(&start, "/a").sessions, row(&start, "/a").events), (1, 1));
    let end = rows(&oracle, all_of(times(30, 50)), Dimension::Page);
    assert_eq!(end.len(), 1);
    assert_eq!((row(&end, "/c").sessions, row(&end, "/c").events), (0, 1));
}

#[test]
fn a_session_over_midnight_belongs_to_the_day_of_its_start() {
    let oracle = Oracle::new(vec![at(23 * 60 + 50, "ada", "/a"), at(24 * 60 + 5, "ada", "/b")]);
    let range = Range::Days { first: Day(0), last: Day(1) };
    let question = Traffic { selection: all_of(range), interval: Some(Interval::Day) };
    let steps = oracle.traffic(&question, &Zone::utc()).expect("an answer").steps;
    let numbers: Vec<_> = steps.iter().map(|(_, m)| (m.events, m.visitors, m.new_visitors, m.sessions)).collect();
    assert_eq!(numbers, [(1, 1, 1, 1), (1, 1, 0, 0)]);
    // Where the sun rises later, all of it happened on one day.
    let berlin = Zone::named("Europe/Berlin").expect("a zone");
    let question = Traffic { selection: all_of(range), interval: Some(Interval::Day) };
    let steps = oracle.traffic(&question, &berlin).expect("an answer").steps;
    let numbers: Vec<_> = steps.iter().map(|(_, m)| (m.events, m.visitors, m.new_visitors, m.sessions)).collect();
    assert_eq!(numbers, [(0, 0, 0, 0), (2, 1, 1, 1)]);
}

#[test]
fn new_visitors_look_at_their_first_event_ever_whatever_is_selected() {
    let mut first = at(0, "ada", "/a");
    first.bot = true;
    let oracle = Oracle::new(vec![first, at(100, "ada", "/b"), at(100, "bob", "/b")]);
    let people = |range| total(&oracle, Selection { bots: Bots::Exclude, ..all_of(range) });
    assert_eq!((people(times(90, 200)).visitors, people(times(90, 200)).new_visitors), (2, 1));
    assert_eq!((people(times(0, 200)).visitors, people(times(0, 200)).new_visitors), (2, 2));
    assert_eq!((people(times(0, 50)).visitors, people(times(0, 50)).new_visitors), (0, 0));
}

#[test]
fn bots_are_left_out_kept_or_alone() {
    let mut bot = at(1, "spider", "/a");
    bot.bot = true;
    let oracle = Oracle::new(vec![bot, at(2, "ada", "/a"), at(3, "bob", "/a")]);
    let events = |bots| total(&oracle, Selection { bots, ..all_of(times(0, 10)) }).events;
    assert_eq!((events(Bots::Exclude), events(Bots::Include), events(Bots::Only)), (2, 3, 1));
}

#[test]
fn an_event_has_each_of_its_topics_once_and_without_one_the_empty_topic() {
    let mut both = at(0, "ada", "/a");
    both.topics = ["news", "sports", "news"].map(str::to_owned).to_vec();
    let oracle = Oracle::new(vec![both, at(1, "bob", "/b")]);
    let found = rows(&oracle, all_of(times(0, 10)), Dimension::Topic);
    assert_eq!(found.len(), 3);
    assert!(["", "news", "sports"].iter().all(|topic| row(&found, topic).events == 1));

    let by_topic = |operator, values: &[&str]| filtered(&oracle, is(Dimension::Topic, operator, values)).events;
    assert_eq!(by_topic(Operator::Is, &["news"]), 1);
    assert_eq!(by_topic(Operator::IsNot, &["news"]), 1);
    assert_eq!(by_topic(Operator::IsNot, &["news", ""]), 0);
    assert_eq!(by_topic(Operator::Is, &["news", ""]), 2);
    assert_eq!(by_topic(Operator::DoesNotContain, &["ew"]), 1);
    assert_eq!(by_topic(Operator::StartsWith, &["sp", "x"]), 1);
    assert_eq!(by_topic(Operator::Contains, &[""]), 2);
}

#[test]
fn of_equal_property_keys_the_last_counts_and_an_absent_one_is_empty() {
    let mut event = at(0, "ada", "/a");
    event.properties = [("plan", "free"), ("plan", "pro")].map(|(key, value)| (key.into(), value.into())).to_vec();
    let oracle = Oracle::new(vec![event, at(1, "bob", "/b")]);
    let found = rows(&oracle, all_of(times(0, 10)), Dimension::Property("plan".to_owned()));
    assert_eq!(found.iter().map(|(value, _)| value.as_str()).collect::<Vec<_>>(), ["", "pro"]);
}

#[test]
fn entry_and_exit_rows_count_whole_sessions_of_the_range() {
    let mut events = vec![at(0, "ada", "/in"), at(10, "ada", "/mid"), at(20, "ada", "/out"), at(5, "bob", "/in")];
    events[1].value = Some(7);
    events[1].name = "purchase".to_owned();
    let oracle = Oracle::new(events);
    let entries = rows(&oracle, all_of(times(0, 8)), Dimension::EntryPage);
    assert_eq!(entries.len(), 1);
    let numbers = row(&entries, "/in");
    assert_eq!((numbers.sessions, numbers.visitors, numbers.new_visitors, numbers.bounces), (2, 2, 2, 1));
    assert_eq!((numbers.events, numbers.page_views, numbers.session_page_views), (4, 3, 3));
    assert_eq!((numbers.value_count, numbers.value_sum, numbers.value_min), (0, 0, None));
    let bought = vec![is(Dimension::EventName, Operator::Is, &["purchase"])];
    let exits = rows(&oracle, Selection { filters: bought, ..all_of(times(0, 8)) }, Dimension::ExitPage);
    assert_eq!(exits.len(), 1);
    assert_eq!((row(&exits, "/out").sessions, row(&exits, "/out").events), (1, 3));
    assert_eq!(rows(&oracle, all_of(times(8, 60)), Dimension::EntryPage), []);
}

#[test]
fn a_filter_by_entry_page_selects_all_events_of_those_sessions() {
    let oracle = Oracle::new(vec![at(0, "ada", "/in"), at(10, "ada", "/out"), at(5, "bob", "/out")]);
    let by_entry = filtered(&oracle, is(Dimension::EntryPage, Operator::Is, &["/in"]));
    assert_eq!((by_entry.events, by_entry.visitors, by_entry.sessions), (2, 1, 1));
    let by_exit = filtered(&oracle, is(Dimension::ExitPage, Operator::Is, &["/out"]));
    assert_eq!((by_exit.events, by_exit.visitors, by_exit.sessions), (3, 2, 2));
}

#[test]
fn events_of_one_instant_are_ordered_by_id() {
    let event = |id, page: &str| OracleEvent {
        page: page.to_owned(),
        ..OracleEvent::new(EventId::from_parts(0, id), Micros(0), "ada")
    };
    let oracle = Oracle::new(vec![event(2, "/b"), event(3, "/c"), event(1, "/a")]);
    let selection = all_of(times(0, 1));
    assert_eq!(rows(&oracle, selection.clone(), Dimension::EntryPage)[0].0, "/a");
    assert_eq!(rows(&oracle, selection.clone(), Dimension::ExitPage)[0].0, "/c");
    let exported: Vec<&str> = oracle.export(&selection, &Zone::utc()).iter().map(|e| e.page.as_str()).collect();
    assert_eq!(exported, ["/a", "/b", "/c"]);
}

#[test]
fn lists_are_ordered_by_number_then_bytewise_and_cut() {
    let pages = ["/z", "/z", "/b", "/a", "/\u{ffee}", "/😀"];
    let oracle = Oracle::new(pages.iter().zip(0..).map(|(page, minute)| at(minute, "ada", page)).collect());
    let list = |limit, offset| {
        let selection = all_of(times(0, 60));
        let question = Breakdown { selection, dimension: Dimension::Page, order_by: Metric::Events, limit, offset };
        oracle.breakdown(&question, &Zone::utc()).expect("an answer")
    };
    let values = |limit, offset| list(limit, offset).rows.into_iter().map(|(value, _)| value).collect::<Vec<_>>();
    assert_eq!(values(9, 0), ["/z", "/a", "/b", "/\u{ffee}", "/😀"]);
    assert_eq!(values(2, 1), ["/a", "/b"]);
    assert_eq!((list(2, 1).total_rows, list(2, 9).total_rows, list(2, 9).rows.len()), (5, 5, 0));
}

#[test]
fn values_are_summed_and_bounded_and_a_sum_that_does_not_fit_is_no_answer() {
    let worth = |minute, value| OracleEvent { value, ..at(minute, "ada", "/a") };
    let oracle = Oracle::new(vec![worth(0, Some(-5)), worth(1, None), worth(2, Some(3)), worth(3, Some(0))]);
    let numbers = total(&oracle, all_of(times(0, 10)));
    assert_eq!((numbers.value_count, numbers.value_sum), (3, -2));
    assert_eq!((numbers.value_min, numbers.value_max), (Some(-5), Some(3)));

    let rich = Oracle::new(vec![worth(0, Some(i64::MAX)), worth(1, Some(1)), worth(2, Some(-1))]);
    let sum = |to| rich.traffic(&Traffic { selection: all_of(times(0, to)), interval: None }, &Zone::utc());
    assert_eq!(sum(2), Err(Unanswerable::Overflow));
    // What happens on the way does not matter, the sum does.
    assert_eq!(sum(3).map(|answer| answer.total.value_sum), Ok(i64::MAX));
}

#[test]
fn a_series_of_more_than_ten_thousand_steps_is_no_answer() {
    let ask = |minutes| {
        let question = Traffic { selection: all_of(times(0, minutes)), interval: Some(Interval::Minute) };
        Oracle::new(Vec::new()).traffic(&question, &Zone::utc()).map(|answer| answer.steps.len())
    };
    assert_eq!(ask(10_000), Ok(10_000));
    assert_eq!(ask(10_001), Err(Unanswerable::TooManySteps));
}
