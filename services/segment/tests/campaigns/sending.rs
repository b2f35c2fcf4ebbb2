//! Who gets a message, once; and what the answers of push services mean.

use crate::house::{House, MANAGE, NOON, WRITE, asked, campaign, counts, endpoint, key, now, reasons};
use pistats_core::Micros;
use pistats_proto::push::v1::push_service_server::PushService;
use pistats_proto::push::v1::schedule::When;
use pistats_proto::push::v1::*;
use pistats_push::{Doubt, NotSent, Outcome};
use pistats_store::Subscriptions;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn members_with_a_subscription_get_it_once_and_nobody_else() {
    let house = House::new();
    let segment = house.segment().await;
    house.subscribers(9).await;
    house.visits(20, &[]).await;
    house.world.be(&[1, 2, 3, 4, 5, 20]);
    let id = house.start(CampaignContent { segment_id: segment, ..now() }).await;
    let results = house.done(&id).await;
    assert_eq!(counts(&results), [5, 5, 0, 0, 0]);
    let expected = (1..=5).map(|number| (format!("b{number}"), 1)).collect();
    assert_eq!(house.post.sent(), expected);
    let payload: serde_json::Value = serde_json::from_slice(house.post.last().payload()).unwrap();
    assert_eq!(payload["campaign"].as_str(), Some(id.as_str()));
    house.rest().await;
    assert_eq!(house.post.sent(), expected, "and once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_browser_gets_it_and_the_next_one_only_where_the_newer_one_is_gone() {
    let house = House::new();
    for browser in ["old", "middle", "new"] {
        house.subscribe(browser, 1, "").await;
    }
    house.subscribe("theirs", 2, "").await;
    house.subscribe("lost", 3, "").await;
    house.post.answer("new", [Outcome::Gone]);
    house.post.answer("lost", [Outcome::Gone]);
    let results = house.done(&house.start(now()).await).await;
    assert_eq!(counts(&results), [3, 2, 0, 0, 1]);
    assert_eq!((reasons(&results.skips), results.removed_subscriptions), (vec![("gone", 1)], 2));
    let sent: Vec<(String, usize)> = house.post.sent().into_iter().collect();
    let once = |name: &str| (name.to_owned(), 1);
    assert_eq!(sent, [once("lost"), once("middle"), once("new"), once("theirs")]);
    let kept = house.store.subscriptions_of(crate::house::SITE, key(1)).await.unwrap();
    let kept: Vec<&str> = kept.iter().map(|row| row.endpoint.as_str()).collect();
    assert_eq!(kept, [endpoint("middle"), endpoint("old")], "what is gone is removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_fails_once_and_what_may_have_arrived_is_never_sent_again() {
    let house = House::new();
    house.subscribers(6).await;
    house.post.answer("b1", [Outcome::TooLarge]);
    house.post.answer("b2", [Outcome::Rejected { status: 401, reason: String::new() }]);
    house.post.answer("b3", [Outcome::Rejected { status: 400, reason: String::new() }]);
    house.post.answer("b4", [Outcome::Uncertain(Doubt::Broken)]);
    house.post.answer("b5", [Outcome::NotSent(NotSent::Plain)]);
    let results = house.done(&house.start(now()).await).await;
    assert_eq!(counts(&results), [6, 1, 4, 1, 0]);
    let expected = [("too_large", 1), ("unauthorized", 1), ("rejected", 1), ("refused_address", 1)];
    assert_eq!(reasons(&results.failures), expected);
    assert!(house.post.sent().values().all(|times| *times == 1), "{:?}", house.post.sent());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_service_that_asks_to_wait_is_left_alone_for_so_long_and_then_gets_it() {
    let house = House::new();
    house.subscribers(1).await;
    let limited = |seconds| Outcome::RateLimited { retry_after: Some(Duration::from_secs(seconds)) };
    house.post.answer("b1", [limited(30), Outcome::NotSent(NotSent::Deadline)]);
    let id = house.start(now()).await;
    let waits = |_: &Campaign, results: &Results| results.waiting == 1 && results.next_us > 0;
    house
        .until(&id, |campaign, results| {
            waits(campaign, results) && results.next_us >= house_now(&house) + 20 * Micros::SECOND
        })
        .await;
    house.subscribe("b2", 2, "").await;
    house.world.pass(29 * Micros::SECOND);
    house.rest().await;
    assert_eq!(house.post.sent().values().sum::<usize>(), 1, "not yet");
    house.world.pass(2 * Micros::SECOND);
    house.until(&id, |_, results| results.waiting == 1 && results.next_us > house_now(&house)).await;
    house.world.pass(10 * Micros::SECOND);
    let results = house.done(&id).await;
    assert_eq!(counts(&results), [1, 1, 0, 0, 0]);
    assert_eq!(house.post.sent()["b1"], 3);
}

fn house_now(house: &House) -> i64 {
    use pistats_segment::Reading as _;
    house.world.now().0
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_the_segment_before_the_moment_gets_nothing_and_who_came_does() {
    let house = House::new();
    let segment = house.segment().await;
    house.subscribers(3).await;
    house.world.be(&[1, 2]);
    let at = house_now(&house) + Micros::HOUR;
    let wish = |when| CampaignContent { segment_id: segment.clone(), ..campaign(when) };
    let id = house.start(wish(When::AtUs(at))).await;
    house.rest().await;
    assert_eq!(house.get(&id).await.0.state(), CampaignState::Scheduled);
    house.world.be(&[2, 3]);
    house.world.pass(Micros::HOUR);
    let results = house.done(&id).await;
    assert_eq!((counts(&results), house.post.sent().len()), ([2, 2, 0, 0, 0], 2), "members of that moment");

    // Planned for different moments: who left meanwhile is skipped.
    let local = When::LocalTime(LocalTime { minute: 0, day: String::new() });
    let id = house.start(wish(local)).await;
    house.until(&id, |_, results| results.waiting == 2).await;
    house.world.be(&[3]);
    house.world.pass(Micros::DAY);
    let results = house.until(&id, |_, results| results.waiting + results.sending == 0).await.1;
    assert_eq!((counts(&results), reasons(&results.skips)), ([2, 1, 0, 0, 1], vec![("left_segment", 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_whose_segment_was_taken_away_is_cancelled() {
    use pistats_proto::segment::v1::DeleteSegmentRequest;
    use pistats_proto::segment::v1::segment_service_server::SegmentService;
    let house = House::new();
    let segment = house.segment().await;
    house.subscribers(1).await;
    let at = When::AtUs(house_now(&house) + Micros::HOUR);
    let id = house.start(CampaignContent { segment_id: segment.clone(), ..campaign(at) }).await;
    house.segments.delete_segment(asked(MANAGE, DeleteSegmentRequest { id: segment })).await.unwrap();
    house.world.pass(2 * Micros::HOUR);
    house.until(&id, |campaign, _| campaign.state() == CampaignState::Cancelled).await;
    assert!(house.post.sent().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_gets_no_more_messages_in_so_many_days_than_the_cap_says() {
    let house = House::new();
    house.subscribers(1).await;
    let capped = || CampaignContent { frequency_cap: Some(FrequencyCap { messages: 2, days: 3 }), ..now() };
    let mut sent = Vec::new();
    for _ in 0..3 {
        let results = house.done(&house.start(capped()).await).await;
        sent.push((results.accepted, reasons(&results.skips).first().map(|(name, _)| (*name).to_owned())));
        house.world.pass(Micros::DAY);
    }
    assert_eq!(sent, [(1, None), (1, None), (0, Some("capped".into()))]);
    house.world.pass(Micros::HOUR);
    // The first is three days old now.
    let results = house.done(&house.start(capped()).await).await;
    assert_eq!(results.accepted, 1);
    assert_eq!(house.done(&house.start(now()).await).await.accepted, 1, "without a cap it counts nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_campaign_begins_nothing_until_it_goes_on_and_a_cancelled_one_never_does() {
    let house = House::new();
    house.subscribers(10).await;
    // Four places, and nothing is answered.
    house.post.gate.forget_permits(1 << 20);
    let id = house.start(now()).await;
    house.until(&id, |_, results| results.sending == 4).await;
    house.push.pause_campaign(asked(MANAGE, PauseCampaignRequest { id: id.clone() })).await.unwrap();
    house.post.gate.add_permits(100);
    house.until(&id, |_, results| results.accepted == 4).await;
    house.rest().await;
    assert_eq!(house.post.sent().len(), 4, "what was on its way came to its end");
    house.push.resume_campaign(asked(MANAGE, ResumeCampaignRequest { id: id.clone() })).await.unwrap();
    assert_eq!(counts(&house.done(&id).await), [10, 10, 0, 0, 0]);

    house.post.gate.forget_permits(100);
    let id = house.start(now()).await;
    house.until(&id, |_, results| results.sending == 4).await;
    house.push.cancel_campaign(asked(MANAGE, CancelCampaignRequest { id: id.clone() })).await.unwrap();
    house.post.gate.add_permits(100);
    let results = house.until(&id, |_, results| results.sending == 0).await.1;
    assert_eq!((counts(&results), reasons(&results.skips)), ([10, 4, 0, 0, 6], vec![("cancelled", 6)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn clicks_come_back_as_events_and_who_unsubscribes_is_counted_where_they_were_reached_last() {
    let house = House::new();
    house.subscribers(3).await;
    let first = house.start(now()).await;
    house.done(&first).await;
    let second = house.start(now()).await;
    house.done(&second).await;
    house.visits(9, &[]).await;
    let at = house_now(&house);
    for (visitor, campaign) in [(1, &first), (1, &first), (2, &second), (9, &first)] {
        house.does(visitor, &[Micros(at)], &[("campaign", campaign.as_str()), ("url", "/x")]).await;
    }
    house.push.unsubscribe(asked(WRITE, UnsubscribeRequest { endpoint: endpoint("b3") })).await.unwrap();
    let (_, told) = house.get(&first).await;
    assert_eq!((told.clicked, told.unsubscribed), (1, 0), "visitors who got it, once");
    let (_, told) = house.get(&second).await;
    assert_eq!((told.clicked, told.unsubscribed), (1, 1));
    let third = house.start(now()).await;
    assert_eq!(counts(&house.done(&third).await), [2, 2, 0, 0, 0]);
    assert!(NOON.0 < at);
}
