//! The five cases that catch everyone out (DESIGN section 9), on the live matcher: what is told, and that it ends where the
//! oracle stands.

use pistats_core::report::Dimension;
use pistats_core::segment::{
    Amount, Book, Condition, Counted, Did, End, Matcher, Move, Node, Seen, Subject, Test, When, Window,
};
use pistats_core::{EventId, Micros, VisitorNo, Zone};
use pistats_testkit::{Oracle, OracleEvent};
use std::collections::{BTreeSet, HashSet};

const DAY: i64 = Micros::DAY;

/// Events by `name@day` of visitors `a`, `b`, `c`.
fn event(number: u128, visitor: char, name: &str, at: i64) -> OracleEvent {
    let id = EventId::from_parts(u64::try_from(at / 1_000).unwrap(), number);
    let mut event = OracleEvent::new(id, Micros(at), visitor.to_string());
    event.name = name.to_owned();
    event
}

fn did(name: &str, amount: Amount, window: Window) -> Node {
    let subject = Subject::Dimension(Dimension::EventName);
    let conditions = vec![Condition { subject, test: Test::Is(vec![name.to_owned()]) }];
    Node::Did(Did { conditions, amount, counted: Counted::Events, window })
}

fn no(event: &OracleEvent) -> VisitorNo {
    VisitorNo(u64::from(event.visitor.as_bytes()[0] - b'a'))
}

fn names(members: impl IntoIterator<Item = VisitorNo>) -> BTreeSet<String> {
    members.into_iter().map(|no| char::from(b'a' + no.0 as u8).to_string()).collect()
}

fn expected(events: &[OracleEvent], tree: &Node, now: i64) -> BTreeSet<String> {
    Oracle::new(events.to_vec()).segment(tree, &Book::new(), &Zone::utc(), Micros(now))
}

fn seeded(tree: &Node, events: &[OracleEvent], now: i64) -> Matcher {
    let mut matcher = Matcher::new(tree.clone(), &Zone::utc(), Micros(now));
    events.iter().for_each(|event| matcher.seed(no(event), event));
    matcher
}

/// Days after 1970 began, as old data; the matcher is switched on at 100.
fn history() -> Vec<OracleEvent> {
    vec![
        event(1, 'a', "purchase", 90 * DAY),
        event(2, 'b', "page_view", 91 * DAY),
        event(3, 'b', "purchase", 99 * DAY),
        event(4, 'c', "page_view", 99 * DAY),
    ]
}

#[test]
fn a_site_that_is_switched_on_late_counts_what_was_before_and_nobody_enters_by_it() {
    let tree = did("purchase", Amount::AtLeast(2), Window::LastDays(30));
    let mut events = history();
    let mut matcher = seeded(&tree, &events, 100 * DAY);
    assert_eq!(matcher.size(), 0);
    // The first purchase lies before the switch: with this one it is two.
    events.push(event(5, 'a', "purchase", 100 * DAY));
    assert_eq!(matcher.event(VisitorNo(0), &events[4]), Some(Move::Enter));
    assert_eq!(names(matcher.members()), expected(&events, &tree, 100 * DAY));
    // Nobody entered by history alone.
    let bought = did("purchase", Amount::AtLeast(1), Window::LastDays(30));
    let before: HashSet<VisitorNo> = seeded(&bought, &history(), 100 * DAY).members().collect();
    assert_eq!(seeded(&bought, &history(), 100 * DAY).moves_since(&before), []);
}

#[test]
fn a_new_segment_over_old_data_begins_with_its_members() {
    let tree = did("purchase", Amount::AtLeast(1), Window::LastDays(5));
    let events = history();
    let matcher = seeded(&tree, &events, 100 * DAY);
    assert_eq!(names(matcher.members()), expected(&events, &tree, 100 * DAY));
    assert_eq!(names(matcher.members()), BTreeSet::from(["b".to_owned()]), "the other bought ten days ago");
}

#[test]
fn of_an_edited_segment_the_old_members_leave_who_are_no_longer_in_it() {
    let events = history();
    let old = seeded(&did("purchase", Amount::AtLeast(1), Window::Ever), &events, 100 * DAY);
    let tree = did("page_view", Amount::AtLeast(1), Window::Ever);
    let edited = seeded(&tree, &events, 100 * DAY);
    let moves = edited.moves_since(&old.members().collect());
    assert_eq!(moves, [(VisitorNo(0), Move::Leave), (VisitorNo(2), Move::Enter)], "b stays");
    assert_eq!(names(edited.members()), expected(&events, &tree, 100 * DAY));
}

#[test]
fn after_lost_state_the_moves_that_were_missed_are_told_once() {
    let tree = did("purchase", Amount::AtLeast(1), Window::LastDays(5));
    let mut events = history();
    let told: HashSet<VisitorNo> = seeded(&tree, &events, 100 * DAY).members().collect();
    // Down for four days: one event more, and a window that ended.
    events.push(event(5, 'c', "purchase", 103 * DAY));
    let mut back = seeded(&tree, &events, 104 * DAY);
    assert_eq!(back.moves_since(&told), [(VisitorNo(1), Move::Leave), (VisitorNo(2), Move::Enter)]);
    assert_eq!(back.moves_since(&back.members().collect()), [], "and not again");
    assert_eq!(back.advance(Micros(104 * DAY)), []);
    assert_eq!(names(back.members()), expected(&events, &tree, 104 * DAY));
}

#[test]
fn silent_visitors_leave_when_time_passes_and_silence_lets_others_enter() {
    let events = history();
    let bought = did("purchase", Amount::AtLeast(1), Window::LastDays(5));
    let mut matcher = seeded(&bought, &events, 100 * DAY);
    assert_eq!(matcher.advance(Micros(104 * DAY - 1)), []);
    assert_eq!(matcher.advance(Micros(104 * DAY)), [(VisitorNo(1), Move::Leave)], "the 99th is the sixth day back");
    assert_eq!(names(matcher.members()), expected(&events, &bought, 104 * DAY));
    let asleep = Node::Seen(Seen { end: End::Last, when: When::LongerAgo(3) });
    let mut matcher = seeded(&asleep, &events, 100 * DAY);
    assert_eq!(names(matcher.members()), BTreeSet::from(["a".to_owned()]));
    assert_eq!(matcher.advance(Micros(102 * DAY)), [(VisitorNo(1), Move::Enter), (VisitorNo(2), Move::Enter)]);
    assert_eq!(names(matcher.members()), expected(&events, &asleep, 102 * DAY));
}
