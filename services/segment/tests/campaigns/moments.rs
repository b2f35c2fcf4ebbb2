//! Local times, usual hours, quiet hours and expiry, across changes of the clock.

use crate::house::{House, NOON, campaign, counts, now, reasons};
use pistats_core::Micros;
use pistats_proto::push::v1::schedule::When;
use pistats_proto::push::v1::*;

/// Subscribes visitors 1, 2, … from these zones, as `b1`, `b2`, …; then it is noon (UTC).
async fn from(house: &House, zones: &[&str]) {
    for (number, zone) in (1..).zip(zones) {
        house.visits(number, &[]).await;
        house.subscribe(&format!("b{number}"), number, zone).await;
    }
    house.world.set(NOON);
}

/// Who has got it by then.
async fn by(house: &House, id: &str, now: Micros, accepted: u64) -> Vec<String> {
    house.world.set(now);
    house.until(id, |_, results| results.accepted == accepted).await;
    house.rest().await;
    assert_eq!(house.get(id).await.1.accepted, accepted);
    house.post.sent().into_keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_it_at_nine_of_their_own_clock_on_the_day_the_clock_changes() {
    let house = House::new();
    from(&house, &["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Pacific/Kiritimati"]).await;
    let nine = LocalTime { minute: 540, day: "2026-03-29".into() };
    let id = house.start(campaign(When::LocalTime(nine))).await;
    let hour = |hours: i64| NOON.plus(hours * Micros::HOUR);
    assert_eq!(by(&house, &id, hour(7).plus(-1), 0).await, Vec::<String>::new());
    assert_eq!(house.get(&id).await.0.state(), CampaignState::Scheduled, "Kiritimati is first, seven hours later");
    assert_eq!(by(&house, &id, hour(7), 1).await, ["b4"]);
    assert_eq!((house.get(&id).await.1.waiting, house.get(&id).await.1.next_us), (3, hour(12).0));
    assert_eq!(by(&house, &id, hour(12), 2).await, ["b3", "b4"], "Tokyo at midnight UTC");
    // Berlin went to summer time in the night: nine is seven o'clock UTC, not eight.
    assert_eq!(by(&house, &id, hour(19).plus(-1), 2).await.len(), 2);
    assert_eq!(by(&house, &id, hour(19), 3).await, ["b1", "b3", "b4"]);
    assert_eq!(by(&house, &id, hour(25), 4).await.len(), 4, "New York has had summer time for weeks");
    house.world.set(hour(40));
    assert_eq!(counts(&house.done(&id).await), [4, 4, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_moment_is_past_at_the_start_gets_nothing_unless_the_day_is_open() {
    let house = House::new();
    from(&house, &["Europe/Berlin", "Asia/Tokyo", "America/New_York"]).await;
    // One o'clock in the afternoon of Berlin: past in Berlin and Tokyo, to come in New York.
    let nine = |day: &str| campaign(When::LocalTime(LocalTime { minute: 540, day: day.into() }));
    let id = house.start(nine("2026-03-28")).await;
    let results = house.until(&id, |_, results| results.planned == 3).await.1;
    assert_eq!((results.waiting, reasons(&results.skips)), (1, vec![("missed", 2)]));
    let open = house.start(nine("")).await;
    house.until(&open, |_, results| results.waiting == 3).await;
    house.world.set(NOON.plus(26 * Micros::HOUR));
    assert_eq!(counts(&house.done(&open).await), [3, 3, 0, 0, 0]);
    assert_eq!(counts(&house.done(&id).await), [3, 1, 0, 0, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usual_hour_is_the_visitors_own_and_the_sites_for_who_has_no_history() {
    let house = House::new();
    let day = |days: i64, hour: i64| NOON.plus(-days * Micros::DAY).plus((hour - 12) * Micros::HOUR);
    // Berlin, in winter time until now: 20:30 on the clock is 19:30 UTC. Summer time begins tonight.
    house.visits(1, &[day(3, 19).plus(30 * Micros::MINUTE), day(2, 19), day(1, 7)]).await;
    house.subscribe("b1", 1, "Europe/Berlin").await;
    // Nobody's habit: the site's is the hour with most events of all, 06:00 UTC, 07:00 in the site's zone.
    house.subscribe("b2", 2, "America/New_York").await;
    house.visits(3, &[day(1, 6), day(2, 6), day(3, 6), day(4, 6)]).await;
    // Older than a habit.
    house.visits(4, &[day(91, 3), day(91, 3), day(92, 3), day(93, 3), day(94, 3)]).await;
    house.world.set(NOON.plus(9 * Micros::HOUR));
    let id = house.start(campaign(When::UsualHour(UsualHour {}))).await;
    house.until(&id, |_, results| results.waiting == 2).await;
    let hour = |hours: i64| NOON.plus(hours * Micros::HOUR);
    // 21:00 UTC is 22:00 in Berlin: the next 20:00 there is tomorrow at 18:00 UTC. In New York 07:00 is 11:00 UTC.
    assert_eq!(by(&house, &id, hour(23).plus(-1), 0).await.len(), 0);
    assert_eq!(by(&house, &id, hour(23), 1).await, ["b2"]);
    assert_eq!(by(&house, &id, hour(30).plus(-1), 1).await.len(), 1);
    assert_eq!(by(&house, &id, hour(30), 2).await, ["b1", "b2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_hold_a_message_and_expiry_ends_what_waits_for_too_long() {
    let house = House::new();
    from(&house, &["Europe/Berlin", "Asia/Tokyo"]).await;
    // 13:00 in Berlin and 21:00 in Tokyo.
    let quiet = Some(QuietHours { from_minute: 1_200, to_minute: 480 });
    let id = house.start(CampaignContent { quiet_hours: quiet, ..now() }).await;
    let brief = CampaignContent { quiet_hours: quiet, expires_us: NOON.0 + 11 * Micros::HOUR, ..now() };
    let brief = house.start(brief).await;
    assert_eq!(by(&house, &id, NOON, 1).await, ["b1"]);
    assert_eq!(by(&house, &id, NOON.plus(11 * Micros::HOUR - 1), 1).await, ["b1"]);
    house.world.set(NOON.plus(11 * Micros::HOUR));
    assert_eq!(counts(&house.done(&id).await), [2, 2, 0, 0, 0], "08:00 in Tokyo");
    let results = house.done(&brief).await;
    assert_eq!((counts(&results), reasons(&results.skips)), ([2, 1, 0, 0, 1], vec![("expired", 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_messages_may_still_be_due_gets_one_at_their_moment() {
    let house = House::new();
    from(&house, &["America/New_York"]).await;
    let nine = LocalTime { minute: 540, day: "2026-03-29".into() };
    let id = house.start(campaign(When::LocalTime(nine))).await;
    house.world.set(NOON.plus(7 * Micros::HOUR));
    house.until(&id, |_, results| results.waiting == 1).await;
    house.visits(2, &[]).await;
    house.subscribe("b2", 2, "America/New_York").await;
    house.world.pass(61 * Micros::SECOND);
    house.until(&id, |_, results| results.waiting == 2).await;
    // Too late for a moment that is past in Kiritimati, where it is nine at 19:00 UTC.
    house.world.set(NOON.plus(8 * Micros::HOUR));
    house.subscribe("b3", 3, "Pacific/Kiritimati").await;
    house.world.pass(61 * Micros::SECOND);
    house.rest().await;
    assert_eq!(house.get(&id).await.1.planned, 2);
    house.world.set(NOON.plus(40 * Micros::HOUR));
    assert_eq!(counts(&house.done(&id).await), [2, 2, 0, 0, 0]);
}
