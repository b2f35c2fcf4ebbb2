//! Cohorts and cells, worked out by hand. 2024-03-04 is a Monday, 2024-03-10 a Sunday.

use crate::{all_of, days, instant, on, page};
use pistats_core::Zone;
use pistats_core::report::{Bots, Period, Retention, RetentionMode, WeekStart};
use pistats_core::time::Range;
use pistats_testkit::{Oracle, OracleEvent};

/// Each word is `day-of-March/visitor` or `day-of-March/visitor/page`, at noon UTC.
fn march(words: &str) -> Oracle {
    Oracle::new(words.split(' ').map(view).collect())
}

fn view(word: &str) -> OracleEvent {
    let mut parts = word.split('/');
    let (day, visitor, page) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or("a"));
    on(instant(&format!("2024-03-{day}T12:00:00Z")), visitor, page)
}

fn ask(range: Range, period: Period, mode: RetentionMode) -> Retention {
    Retention { selection: all_of(range), period, mode, start: Vec::new(), returning: Vec::new(), cells: None }
}

/// `first day: visitors = cells`, one cohort each.
fn told(oracle: &Oracle, question: &Retention) -> Vec<String> {
    let cohorts = oracle.retention(question, &Zone::utc()).expect("an answer").into_iter();
    cohorts.map(|cohort| format!("{}: {} = {:?}", cohort.period.first, cohort.visitors, cohort.cells)).collect()
}

#[test]
fn a_visitor_starts_once_or_in_every_period_with_a_start_event() {
    let oracle = march("04/ada 04/bob 05/ada 06/bob 06/cyd");
    let range = days("2024-03-04", "2024-03-06");
    assert_eq!(
        told(&oracle, &ask(range, Period::Day, RetentionMode::FirstTime)),
        ["2024-03-04: 2 = [2, 1, 1]", "2024-03-05: 0 = [0, 0]", "2024-03-06: 1 = [1]"]
    );
    assert_eq!(
        told(&oracle, &ask(range, Period::Day, RetentionMode::Recurring)),
        ["2024-03-04: 2 = [2, 1, 1]", "2024-03-05: 1 = [1, 0]", "2024-03-06: 2 = [2]"]
    );
}

#[test]
fn a_first_event_before_the_range_starts_before_the_range() {
    let oracle = march("01/ada 04/ada 04/bob 05/ada");
    let range = days("2024-03-04", "2024-03-05");
    assert_eq!(
        told(&oracle, &ask(range, Period::Day, RetentionMode::FirstTime)),
        ["2024-03-04: 1 = [1, 0]", "2024-03-05: 0 = [0]"]
    );
    // A late event moves first seen back: bob leaves the cohort.
    let moved = march("01/ada 04/ada 04/bob 05/ada 03/bob");
    assert_eq!(
        told(&moved, &ask(range, Period::Day, RetentionMode::FirstTime)),
        ["2024-03-04: 0 = [0, 0]", "2024-03-05: 0 = [0]"]
    );
}

#[test]
fn the_first_event_ever_is_any_event_but_the_cohort_needs_a_selected_one_in_the_period() {
    // Bob's first event is a bot's: he starts on that day only with another event that is selected.
    let mut bot = view("04/bob");
    bot.bot = true;
    let people = |words: &str| {
        let mut events: Vec<OracleEvent> = words.split(' ').map(view).collect();
        events.push(bot.clone());
        let mut question = ask(days("2024-03-04", "2024-03-05"), Period::Day, RetentionMode::FirstTime);
        question.selection.bots = Bots::Exclude;
        told(&Oracle::new(events), &question)
    };
    assert_eq!(people("05/bob"), ["2024-03-04: 0 = [0, 0]", "2024-03-05: 0 = [0]"]);
    assert_eq!(people("04/bob/b 05/bob"), ["2024-03-04: 1 = [1, 1]", "2024-03-05: 0 = [0]"]);
}

#[test]
fn with_a_start_event_the_first_one_ever_counts_also_before_the_range() {
    let oracle = march("01/ada/buy 04/ada/buy 03/bob 05/bob/buy 06/bob/buy");
    let mut question = ask(days("2024-03-04", "2024-03-06"), Period::Day, RetentionMode::FirstTime);
    question.start = page("buy");
    let expected = ["2024-03-04: 0 = [0, 0, 0]", "2024-03-05: 1 = [1, 1]", "2024-03-06: 0 = [0]"];
    assert_eq!(told(&oracle, &question), expected);
    question.mode = RetentionMode::Recurring;
    let expected = ["2024-03-04: 1 = [1, 0, 0]", "2024-03-05: 1 = [1, 1]", "2024-03-06: 1 = [1]"];
    assert_eq!(told(&oracle, &question), expected);
}

#[test]
fn cells_count_return_events_only_and_those_of_the_period_wherever_they_lie_in_it() {
    // Ada returns before she starts, on one day; bob starts and never returns.
    let mut early = view("04/ada/back");
    early.time.0 -= 1;
    let events = ["04/ada/in", "06/ada/back", "05/ada/in", "04/bob/in"].map(view);
    let oracle = Oracle::new(events.into_iter().chain([early]).collect());
    let mut question = ask(days("2024-03-04", "2024-03-06"), Period::Day, RetentionMode::Recurring);
    (question.start, question.returning) = (page("in"), page("back"));
    let expected = ["2024-03-04: 2 = [1, 0, 1]", "2024-03-05: 1 = [0, 1]", "2024-03-06: 0 = [0]"];
    assert_eq!(told(&oracle, &question), expected);
}

#[test]
fn filters_select_the_start_and_the_return_but_not_the_first_event_ever() {
    let oracle = march("03/ada/x 04/ada/y 04/bob/y 05/bob/x 06/bob/y");
    let mut question = ask(days("2024-03-03", "2024-03-06"), Period::Day, RetentionMode::FirstTime);
    question.selection.filters = page("y");
    assert_eq!(
        told(&oracle, &question),
        ["2024-03-03: 0 = [0, 0, 0, 0]", "2024-03-04: 1 = [1, 0, 1]", "2024-03-05: 0 = [0, 0]", "2024-03-06: 0 = [0]"]
    );
}

#[test]
fn weeks_start_on_monday_or_sunday_and_cohorts_are_whole_periods() {
    // Sunday the 10th is the last day of one week and the first of the other.
    let oracle = march("04/ada 10/ada 10/bob 11/bob 17/ada");
    let range = days("2024-03-06", "2024-03-12");
    let week = |start| told(&oracle, &ask(range, Period::Week(start), RetentionMode::FirstTime));
    // The 4th lies before the range and in its first week: ada is in it.
    assert_eq!(week(WeekStart::Monday), ["2024-03-04: 2 = [2, 2]", "2024-03-11: 0 = [0]"]);
    assert_eq!(week(WeekStart::Sunday), ["2024-03-03: 1 = [1, 1]", "2024-03-10: 1 = [1]"]);
}

#[test]
fn cells_go_on_beyond_the_range_where_they_are_asked_for_and_are_cut_where_fewer_are() {
    let oracle = march("04/ada 05/ada 08/ada 31/ada");
    let mut question = ask(days("2024-03-04", "2024-03-05"), Period::Day, RetentionMode::FirstTime);
    question.cells = Some(5);
    assert_eq!(told(&oracle, &question), ["2024-03-04: 1 = [1, 1, 0, 0, 1]", "2024-03-05: 0 = [0, 0, 0, 0, 0]"]);
    question.cells = Some(1);
    assert_eq!(told(&oracle, &question), ["2024-03-04: 1 = [1]", "2024-03-05: 0 = [0]"]);
    // Months are as long as they are.
    question.period = Period::Month;
    question.selection.range = days("2024-02-01", "2024-03-01");
    question.cells = Some(2);
    assert_eq!(told(&oracle, &question), ["2024-02-01: 0 = [0, 0]", "2024-03-01: 1 = [1, 0]"]);
}

#[test]
fn days_are_those_of_the_zone() {
    // 2024-03-04 in UTC, but already the 5th in Kolkata.
    let oracle = Oracle::new(vec![on(instant("2024-03-04T18:30:00Z"), "ada", "a"), view("05/ada")]);
    let question = ask(days("2024-03-04", "2024-03-05"), Period::Day, RetentionMode::FirstTime);
    assert_eq!(told(&oracle, &question), ["2024-03-04: 1 = [1, 1]", "2024-03-05: 0 = [0]"]);
    let kolkata = Zone::named("Asia/Kolkata").expect("a zone");
    let cohorts = oracle.retention(&question, &kolkata).expect("an answer");
    assert_eq!(cohorts.iter().map(|cohort| cohort.visitors).collect::<Vec<_>>(), [0, 1]);
}
