use super::*;
use crate::Zone;

fn at(text: &str) -> Micros {
    Micros(text.parse::<jiff::Timestamp>().expect("a timestamp").as_microsecond())
}

fn topic(name: &str, weighted: u64, usual: u64) -> TopicSum {
    TopicSum { topic: name.into(), weighted, usual }
}

fn part(pages: &[(&str, u64)], topics: Vec<TopicSum>) -> LivePart {
    let pages = pages.iter().map(|(page, visitors)| (Arc::from(*page), *visitors)).collect();
    LivePart { pages, topics, minutes: vec![1; MINUTES], usual_minutes: Some(420), ..LivePart::default() }
}

#[test]
fn weights_halve_every_five_minutes_and_are_rounded_to_the_nearest() {
    for age in 0..MINUTES {
        assert_eq!(weight(age), (65_536.0 * (-(age as f64) / 5.0).exp2()).round() as u64, "{age}");
    }
    assert_eq!((weight(MINUTES), weights()), (0, (0..MINUTES).map(weight).sum()));
}

#[test]
fn lists_rank_by_visitors_then_value_and_trends_by_score_then_topic() {
    let usual = |minutes: u64| 420 * minutes;
    let topics = vec![
        topic("calm", 2 * weights(), usual(2)),
        topic("b", 9 * weights(), usual(3)),
        topic("a", 9 * weights(), usual(3)),
        topic("new", 4 * weights(), 0),
        topic("fading", weights(), usual(8)),
    ];
    let state = part(&[("/b", 2), ("/a", 2), ("/c", 9), ("/d", 1)], topics).finish(3);
    let pages: Vec<(&str, u64)> = state.top_pages.iter().map(|(page, visitors)| (&**page, *visitors)).collect();
    assert_eq!(pages, [("/c", 9), ("/a", 2), ("/b", 2)]);
    let trends: Vec<(&str, f64)> = state.trending.iter().map(|trend| (&*trend.topic, trend.score)).collect();
    assert_eq!(trends, [("new", 4.0), ("a", 3.0), ("b", 3.0)]);
    // Without a usual level nothing is known to be unusual.
    let unknown = LivePart { usual_minutes: None, ..part(&[], vec![topic("new", weights(), 0)]) };
    assert_eq!(unknown.finish(3).trending, []);
}

#[test]
fn parts_add_up_in_any_order() {
    let one = LivePart {
        next_offsets: vec![(PartitionId(0), Offset(5)), (PartitionId(7), Offset(2))],
        current_visitors: 3,
        ..part(&[("/a", 2), ("/b", 1)], vec![topic("x", 10, 7)])
    };
    let other = LivePart {
        next_offsets: vec![(PartitionId(3), Offset(9))],
        current_visitors: 4,
        now: Micros(8),
        ..part(&[("/b", 4)], vec![topic("x", 5, 7), topic("y", weights(), 0)])
    };
    let (mut ab, mut ba) = (one.clone(), other.clone());
    ab.merge(other);
    ba.merge(one);
    let (ab, ba) = (ab.finish(10), ba.finish(10));
    assert_eq!(ab, ba);
    assert_eq!((ab.now, ab.current_visitors, ab.minutes.iter().sum::<u64>()), (Micros(8), 7, 2 * MINUTES as u64));
    assert_eq!(ab.top_pages, [("/b".into(), 5), ("/a".into(), 2)]);
    assert_eq!(ab.as_of.next_offsets.iter().map(|offset| offset.0).collect::<Vec<_>>(), [5, 0, 0, 9, 0, 0, 0, 2]);
    assert_eq!(ab.trending.len(), 1);
}

#[test]
fn a_cut_part_says_so_and_a_whole_one_does_not() {
    let mut whole = part(&[("/a", 2), ("/b", 1)], vec![topic("x", 10, 7), topic("y", 11, 7)]);
    whole.cut(2);
    assert!(!whole.is_cut && whole.pages.len() == 2);
    whole.cut(1);
    assert!(whole.is_cut);
    assert_eq!((&*whole.pages[0].0, &*whole.topics[0].topic), ("/a", "y"));
}

#[test]
fn the_usual_hours_are_those_at_which_the_clock_showed_the_same_hour() {
    let berlin = Zone::named("Europe/Berlin").expect("Berlin");
    // 14:30 in summer.
    let usual = UsualHours::of(&berlin, at("2024-06-10T12:30:00Z"));
    assert_eq!((usual.from, usual.to), (at("2024-06-10T12:00:00Z"), at("2024-06-10T13:00:00Z")));
    assert_eq!((usual.hours.len(), usual.minutes()), (7, 420));
    assert_eq!(usual.hours[0], (at("2024-06-03T12:00:00Z"), at("2024-06-03T13:00:00Z")));
    assert!(usual.hold(usual.from) && !usual.hold(usual.to) && !usual.hold(usual.from.plus(-1)));
    // The week of the change in spring skipped 02:00 once; autumn lived it twice.
    assert_eq!(UsualHours::of(&berlin, at("2024-04-02T00:10:00Z")).minutes(), 360);
    assert_eq!(UsualHours::of(&berlin, at("2024-10-29T01:10:00Z")).minutes(), 480);
    // Clocks that show half an hour more.
    let kolkata = Zone::named("Asia/Kolkata").expect("Kolkata");
    let usual = UsualHours::of(&kolkata, at("2024-06-10T12:30:00Z"));
    assert_eq!((usual.from, usual.to), (at("2024-06-10T12:30:00Z"), at("2024-06-10T13:30:00Z")));
    assert_eq!(usual.hours[6], (at("2024-06-09T12:30:00Z"), at("2024-06-09T13:30:00Z")));
}
