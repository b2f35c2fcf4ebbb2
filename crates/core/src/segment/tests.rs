use super::*;
use crate::report::Dimension;
use crate::{EventId, Micros, VisitorNo, Zone};
use std::collections::HashSet;

fn is(dimension: Dimension, value: &str) -> Condition {
    Condition { subject: Subject::Dimension(dimension), test: Test::Is(vec![value.to_owned()]) }
}

fn did(name: &str, amount: Amount, window: Window) -> Node {
    let conditions = vec![is(Dimension::EventName, name)];
    Node::Did(Did { conditions, amount, counted: Counted::Events, window })
}

fn bought() -> Node {
    did("purchase", Amount::AtLeast(1), Window::LastDays(2))
}

/// An event of a name, on an hour of 1970.
struct Named(&'static str, i64);

impl Facts for Named {
    fn id(&self) -> EventId {
        EventId::from_parts(self.1 as u64, 0)
    }
    fn time(&self) -> Micros {
        Micros(self.1 * Micros::HOUR)
    }
    fn is_by_bot(&self) -> bool {
        self.0 == "bot"
    }
    fn value(&self) -> Option<i64> {
        None
    }
    fn text(&self, dimension: &Dimension) -> &str {
        if *dimension == Dimension::EventName { self.0 } else { "" }
    }
    fn any_topic(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        test("")
    }
}

#[test]
fn a_number_has_twelve_digits_at_most_and_six_behind_the_point() {
    let read = |text: &str| Number::parse(text).map(|number| number.0);
    assert_eq!(read("999999999999.999999"), Some(999_999_999_999_999_999));
    assert_eq!(read("-0.5"), Some(-500_000));
    for text in ["1000000000000", "1.0000000", "1.", ".5", "", "-", "+1", " 1", "1e3", "1,5", "٣"] {
        assert_eq!(read(text), None, "{text:?}");
    }
    for text in ["0", "-12.5", "0.000001"] {
        assert_eq!(Number::parse(text).map(|number| number.to_string()).as_deref(), Some(text));
    }
}

#[test]
fn an_id_is_32_lower_case_digits() {
    let id = SegmentId(0x1f);
    assert_eq!(SegmentId::parse(&id.to_string()), Some(id));
    for text in ["1f", "0000000000000000000000000000001F", "+000000000000000000000000000001f"] {
        assert_eq!(SegmentId::parse(text), None, "{text}");
    }
}

#[test]
fn a_member_of_itself_is_refused_over_any_number_of_steps() {
    let ids = [SegmentId(1), SegmentId(2), SegmentId(3)];
    let of = |id| Node::Not(Box::new(Node::Member(id)));
    let book = Book::from([(ids[1], of(ids[2])), (ids[2], Node::All(vec![bought(), Node::Member(ids[0])]))]);
    let tree = Node::Any(vec![bought(), of(ids[1])]);
    let fault = check(&tree, Some(ids[0]), &book).expect_err("a cycle");
    assert_eq!(fault.path(), "any.nodes[1].not.member_of", "the node of this tree, not one within the member");
    assert_eq!(fault, Unresolved::Cycle { path: fault.path().into(), cycle: vec![ids[0], ids[1], ids[2], ids[0]] });
    let unknown = check(&of(SegmentId(9)), Some(ids[0]), &book).expect_err("no such segment");
    assert_eq!(unknown, Unresolved::Unknown { path: "not.member_of".into(), id: SegmentId(9) });
    let fine = Book::from([(ids[1], bought())]);
    assert_eq!(check(&tree, Some(ids[0]), &fine), Ok(()));
    let resolved = Node::Any(vec![bought(), Node::Not(Box::new(bought()))]);
    assert_eq!(resolve(&tree, &fine), Ok(resolved));
    assert_eq!(members(&tree), [("any.nodes[1].not.member_of".to_owned(), ids[1])]);
}

#[test]
fn one_level_and_one_node_more_than_the_limit_are_refused() {
    let mut deep = bought();
    for _ in 1..MOST_DEPTH {
        deep = Node::Not(Box::new(deep));
    }
    assert_eq!((depth(&deep), check(&deep, None, &Book::new())), (MOST_DEPTH, Ok(())));
    let deeper = Node::Not(Box::new(deep));
    assert!(matches!(check(&deeper, None, &Book::new()), Err(Unresolved::TooDeep { path }) if path.ends_with("not")));
    let wide = |count| Node::Any(vec![bought(); count]);
    assert_eq!(check(&wide(MOST_NODES - 1), None, &Book::new()), Ok(()));
    let fault = check(&wide(MOST_NODES), None, &Book::new());
    assert_eq!(fault, Err(Unresolved::TooManyNodes { path: String::new(), nodes: MOST_NODES + 1 }));
}

#[test]
fn members_count_with_what_they_say() {
    let id = |number: usize| SegmentId(number as u128);
    // Each of the segments 1 to 5 has the root and 99 leaves, 100 nodes: a root over them has 501.
    let book: Book = (1..=5).map(|number| (id(number), Node::Any(vec![bought(); 99]))).collect();
    let over = |count: usize| Node::All((1..=count).map(|number| Node::Member(id(number))).collect());
    assert_eq!(check(&over(4), None, &book), Ok(()));
    assert!(matches!(check(&over(5), None, &book), Err(Unresolved::TooManyMembers { .. })));
}

#[test]
fn every_clause_is_a_sentence() {
    let names = Names::from([(SegmentId(1), "Regulars".to_owned())]);
    let country =
        Condition { subject: Subject::Dimension(Dimension::Country), test: Test::IsNot(vec!["DE".into(), "".into()]) };
    let tree = Node::All(vec![
        Node::Any(vec![Node::Latest(country), Node::Member(SegmentId(1))]),
        did("purchase", Amount::AtLeast(3), Window::LastDays(30)),
        Node::Not(Box::new(Node::Seen(Seen { end: End::First, when: When::LongerAgo(7) }))),
        Node::Sequence(Sequence {
            steps: vec![vec![is(Dimension::EventName, "page_view"), is(Dimension::Path, "/pricing")], vec![]],
            within_us: Some(90 * Micros::MINUTE),
            window: Window::Ever,
        }),
    ]);
    assert_eq!(
        sentence(&tree, &names),
        "Visitors (whose latest country is not \"DE\" or nothing, or who are in the segment \"Regulars\"), and who did \
         \"purchase\" at least 3 times in the last 30 days, and not (who were first seen before the last 7 days), and who \
         did view a page (with path is \"/pricing\"), then anything within 1 hour 30 minutes."
    );
    assert_eq!(
        sentence(&did("a", Amount::AtMost(0), Window::LastDays(1)), &names),
        "Visitors who did not \"a\" today."
    );
    let once = |first, last| sentence(&did("a", Amount::AtLeast(1), Window::Between(first, last)), &names);
    assert_eq!(once(Day(0), Day(0)), "Visitors who did \"a\" at least once on 1970-01-01.");
    assert_eq!(once(Day(0), Day(6)), "Visitors who did \"a\" at least once from 1970-01-01 to 1970-01-07.");
}

#[test]
fn everybody_is_read_only_where_the_answer_needs_them() {
    let today = Day(10);
    let never = did("purchase", Amount::AtMost(0), Window::Ever);
    let both = plan(&Node::All(vec![bought(), never.clone()]), today);
    assert_eq!((both.leaves.len(), both.sets), (2, Sets::Both { all: vec![Sets::Leaf(0)], but: vec![Sets::Leaf(1)] }));
    let only_not = plan(&Node::Any(vec![never.clone(), never]), today);
    assert_eq!(only_not.leaves.len(), 2, "the purchases, once, and everybody");
    // Who is only a bot may have been seen first on a day, but is no visitor.
    let seen = plan(&Node::Seen(Seen { end: End::First, when: When::Since(Day(3)) }), today);
    assert_eq!(seen.sets, Sets::Both { all: vec![Sets::Leaf(0), Sets::Leaf(1)], but: vec![] });
}

#[test]
fn at_the_end_of_a_day_nothing_after_it_is_read() {
    let day = Day(10);
    let at_the_end = |tree: &Node| plan_at_end_of(tree, day, &Zone::utc());
    let once = |days| Leaf::Did {
        conditions: vec![is(Dimension::EventName, "purchase")],
        at_least: 1,
        counted: Counted::Events,
        days: Some(days),
    };
    let ever = did("purchase", Amount::AtLeast(1), Window::Ever);
    assert_eq!(at_the_end(&ever).leaves, [once((Day(-1_000_000), day))]);
    assert_eq!(at_the_end(&bought()).leaves, [once((Day(9), day))]);
    let between = |first, last| did("purchase", Amount::AtLeast(1), Window::Between(Day(first), Day(last)));
    assert_eq!(at_the_end(&between(8, 12)).leaves, [once((Day(8), day))]);
    let nobody = at_the_end(&between(11, 12));
    assert_eq!((nobody.leaves, nobody.sets), (vec![], Sets::Any(vec![])));
    // Both mean the same on this day, and are read once.
    assert_eq!(at_the_end(&Node::Any(vec![between(9, 10), bought()])).leaves.len(), 1);
    let seen = |end, when| at_the_end(&Node::Seen(Seen { end, when })).leaves;
    let (first, last) = (Day(3), day);
    assert_eq!(seen(End::First, When::Since(Day(3)))[0], Leaf::FirstSeen { first, last });
    assert_eq!(seen(End::Last, When::LastDays(2)).len(), 1, "there are no later days to be seen on");
    let latest = at_the_end(&Node::Latest(is(Dimension::Country, "DE")));
    let days = Some((Day(-1_000_000), day));
    assert_eq!(latest.leaves, [Leaf::Latest { condition: is(Dimension::Country, "DE"), days }]);
}

/// Newfoundland, 2010: at 00:01 of the 7th it was 23:01 of the 6th again.
#[test]
fn who_came_before_a_day_returned_and_again_on_it_is_of_that_day() {
    let (day, zone) = (Day::parse("2010-11-06").unwrap(), Zone::named("America/St_Johns").unwrap());
    let first_seen = |when, day| plan_at_end_of(&Node::Seen(Seen { end: End::First, when }), day, &zone);
    let of = |first, last| Leaf::FirstSeen { first, last };
    let there = |first, last| {
        let days = Some((first, last));
        Leaf::Did { conditions: vec![], at_least: 1, counted: Counted::Events, days }
    };
    let next = day.plus(1);
    let everybody = there(Day(-1_000_000), day);
    let both = |all| Sets::Both { all, but: vec![] };
    for when in [When::Since(day), When::LastDays(1)] {
        let plan = first_seen(when, day);
        assert_eq!(plan.leaves, [of(day, day), of(next, next), there(day, day), everybody.clone()]);
        let ahead = both(vec![Sets::Leaf(1), Sets::Leaf(2)]);
        assert_eq!(plan.sets, both(vec![Sets::Any(vec![Sets::Leaf(0), ahead]), Sets::Leaf(3)]));
    }
    // Not asked for the day itself; or one that came once.
    assert_eq!(first_seen(When::Before(day), day).leaves, [of(Day(-1_000_000), day.plus(-1)), everybody]);
    assert_eq!(first_seen(When::LastDays(1), next).leaves, [of(next, next), there(Day(-1_000_000), next)]);
}

#[test]
fn a_window_ends_at_midnight_without_any_event() {
    let zone = Zone::utc();
    let mut matcher = Matcher::new(bought(), &zone, Micros(0));
    let visitor = VisitorNo(1);
    assert_eq!(matcher.event(visitor, &Named("purchase", 5)), Some(Move::Enter));
    assert_eq!(matcher.event(visitor, &Named("purchase", 6)), None);
    // Two days: the first and the second of January.
    assert_eq!(matcher.advance(Micros(2 * Micros::DAY - 1)), []);
    assert_eq!(matcher.advance(Micros(2 * Micros::DAY)), [(visitor, Move::Leave)]);
    assert_eq!(matcher.event(visitor, &Named("purchase", 7)), None, "late, and of a day that is over");
    assert_eq!(matcher.event(visitor, &Named("purchase", 25)), Some(Move::Enter), "late, but within the window");
    assert_eq!((matcher.size(), matcher.members().collect::<Vec<_>>()), (1, vec![visitor]));
}

#[test]
fn days_of_the_calendar_stay_whatever_today_is() {
    let tree = did("purchase", Amount::AtLeast(2), Window::Between(Day(2), Day(3)));
    let mut matcher = Matcher::new(tree, &Zone::utc(), Micros(0));
    let visitor = VisitorNo(1);
    let at = |hour| Named("purchase", hour);
    // Hours: the last of day 1, the first of day 2, the last of day 3, the first of day 4.
    assert_eq!([47, 96].map(|hour| matcher.event(visitor, &at(hour))), [None, None], "outside, on both sides");
    assert_eq!(matcher.event(visitor, &at(48)), None, "one of two");
    assert_eq!(matcher.event(visitor, &at(95)), Some(Move::Enter));
    assert_eq!(matcher.advance(Micros(400 * Micros::DAY)), []);
    assert_eq!(matcher.size(), 1);
}

#[test]
fn who_is_only_a_bot_is_no_visitor_at_all() {
    let everybody = did("purchase", Amount::AtMost(0), Window::Ever);
    let mut matcher = Matcher::new(everybody, &Zone::utc(), Micros(0));
    assert_eq!(matcher.event(VisitorNo(1), &Named("bot", 1)), None);
    assert_eq!(matcher.event(VisitorNo(2), &Named("page_view", 1)), Some(Move::Enter));
}

#[test]
fn an_edited_segment_tells_who_left_and_who_came() {
    let before = HashSet::from([VisitorNo(1), VisitorNo(2)]);
    let mut edited = Matcher::new(bought(), &Zone::utc(), Micros(0));
    edited.seed(VisitorNo(2), &Named("purchase", 1));
    edited.seed(VisitorNo(3), &Named("purchase", 1));
    assert_eq!(edited.moves_since(&before), [(VisitorNo(1), Move::Leave), (VisitorNo(3), Move::Enter)]);
}
