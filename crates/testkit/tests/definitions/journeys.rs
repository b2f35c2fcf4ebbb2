//! One visitor's sessions, newest first and in pages.

use crate::{MINUTE, at};
use pistats_core::Micros;
use pistats_testkit::Oracle;

/// Ada has sessions at minutes 0 (two events), 100 and 200 (a bot's); bob has one.
fn oracle() -> Oracle {
    let mut bought = at(5, "ada", "/b");
    bought.name = "purchase".to_owned();
    let mut bot = at(200, "ada", "/d");
    bot.bot = true;
    Oracle::new(vec![at(0, "ada", "/a"), bought, at(100, "ada", "/c"), bot, at(50, "bob", "/a")])
}

fn starts(oracle: &Oracle, sessions: usize, before: Option<i64>) -> (Vec<i64>, Option<i64>) {
    let before = before.map(|minute| Micros(minute * MINUTE));
    let journey = oracle.journey("ada", sessions, before).expect("ada");
    let minute = |at: Micros| at.0 / MINUTE;
    (journey.sessions.iter().map(|session| minute(session.start)).collect(), journey.next_before.map(minute))
}

#[test]
fn sessions_come_newest_first_and_a_page_ends_where_the_next_one_starts() {
    let oracle = oracle();
    assert_eq!(starts(&oracle, 20, None), (vec![200, 100, 0], None));
    assert_eq!(starts(&oracle, 3, None), (vec![200, 100, 0], None));
    assert_eq!(starts(&oracle, 2, None), (vec![200, 100], Some(100)));
    assert_eq!(starts(&oracle, 2, Some(100)), (vec![0], None));
    assert_eq!(starts(&oracle, 2, Some(0)), (vec![], None));
}

#[test]
fn totals_are_of_all_time_and_bots_are_kept() {
    let journey = oracle().journey("ada", 1, Some(Micros(MINUTE))).expect("ada");
    assert_eq!((journey.first_seen, journey.last_seen), (Micros(0), Micros(200 * MINUTE)));
    assert_eq!((journey.total_sessions, journey.total_events), (3, 4));
    let first = &journey.sessions[0];
    assert_eq!((first.start, first.end), (Micros(0), Micros(5 * MINUTE)));
    assert_eq!((first.entry_page.as_str(), first.exit_page.as_str()), ("/a", "/b"));
    assert_eq!((first.page_views, first.total_events), (1, 2));
    assert_eq!(first.events, [at(0, "ada", "/a").id, at(5, "ada", "/b").id]);
}

#[test]
fn five_hundred_events_of_a_session_are_shown_and_all_are_counted() {
    let oracle = Oracle::new((0..501).map(|minute| at(minute, "ada", "/a")).collect());
    let session = &oracle.journey("ada", 1, None).expect("ada").sessions[0];
    assert_eq!((session.events.len(), session.total_events), (500, 501));
    assert_eq!(session.events[499], at(499, "ada", "/a").id);
}

#[test]
fn nobody_else_has_a_journey() {
    assert_eq!(oracle().journey("cyd", 20, None), None);
}
