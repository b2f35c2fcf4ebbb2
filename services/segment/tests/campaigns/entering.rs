//! Campaigns on entering: who triggers a message, and who never does.

use crate::house::{House, MANAGE, NOON, asked, campaign, counts};
use pistats_core::segment::Move;
use pistats_core::segment::follow::{Cause, News};
use pistats_core::{EventId, Micros, VisitorNo};
use pistats_proto::push::v1::push_service_server::PushService;
use pistats_proto::push::v1::schedule::When;
use pistats_proto::push::v1::*;
use pistats_proto::segment::v1::DeleteSegmentRequest;
use pistats_proto::segment::v1::segment_service_server::SegmentService;

/// A running campaign on entering, and visitors 1 to `count` with a browser each.
async fn running(house: &House, count: u64, expires_us: i64) -> (String, String) {
    let segment = house.segment().await;
    house.subscribers(count).await;
    house.world.set(NOON);
    // Who is in it when a message is sent.
    house.world.be(&(1..=count).collect::<Vec<_>>());
    let content = CampaignContent { segment_id: segment.clone(), expires_us, ..campaign(When::OnEnter(OnEnter {})) };
    let id = house.start(content).await;
    followed(house, 1).await;
    (id, segment)
}

/// Waits until so many follow the segment.
async fn followed(house: &House, followers: usize) {
    while house.world.followers() != followers {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn event(age: i64) -> Cause {
    Cause::Event { id: EventId::from_parts(1, 1), time: NOON.plus(-age) }
}

fn sent(house: &House) -> Vec<String> {
    house.post.sent().into_keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_enters_by_a_recent_event_gets_it_once_a_campaign() {
    let house = House::new();
    house.visits(9, &[]).await;
    let (id, _) = running(&house, 3, 0).await;
    house.world.moves(2, Move::Enter, event(10 * Micros::MINUTE));
    // Nobody to send to.
    house.world.moves(9, Move::Enter, event(0));
    let results = house.until(&id, |_, results| results.accepted == 1).await.1;
    assert_eq!((counts(&results), sent(&house)), ([1, 1, 0, 0, 0], vec!["b2".to_owned()]));
    house.world.moves(2, Move::Leave, event(0));
    house.world.moves(2, Move::Enter, event(0));
    house.world.moves(3, Move::Enter, event(0));
    let results = house.until(&id, |_, results| results.accepted == 2).await.1;
    assert_eq!((results.planned, house.post.sent()["b2"]), (2, 1));
    house.push.cancel_campaign(asked(MANAGE, CancelCampaignRequest { id })).await.unwrap();
    followed(&house, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seeding_old_events_replays_edits_and_midnights_trigger_nothing() {
    let house = House::new();
    let (id, _) = running(&house, 6, 0).await;
    house.world.tell(News::Members(vec![VisitorNo(1), VisitorNo(2)]));
    house.world.moves(1, Move::Leave, event(0));
    house.world.moves(2, Move::Enter, event(10 * Micros::MINUTE + 1));
    house.world.moves(3, Move::Enter, Cause::Replay);
    house.world.moves(4, Move::Enter, Cause::Edit);
    house.world.moves(5, Move::Enter, Cause::Time);
    house.world.tell(News::Members((1..=5).map(VisitorNo).collect()));
    house.rest().await;
    assert_eq!(house.get(&id).await.1.planned, 0);
    house.world.moves(6, Move::Enter, event(0));
    house.until(&id, |_, results| results.accepted == 1).await;
    assert_eq!(sent(&house), ["b6"], "and still it listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_left_again_before_it_is_sent_gets_nothing() {
    let house = House::new();
    let (id, _) = running(&house, 2, 0).await;
    house.world.be(&[2]);
    house.world.moves(1, Move::Enter, event(0));
    house.world.moves(2, Move::Enter, event(0));
    let results = house.until(&id, |_, results| results.accepted + results.not_sent == 2).await.1;
    assert_eq!((counts(&results), sent(&house)), ([2, 1, 0, 0, 1], vec!["b2".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_enters_while_it_is_held_gets_nothing_and_expiry_ends_it() {
    let house = House::new();
    let expires_us = NOON.0 + Micros::DAY;
    let (id, _) = running(&house, 3, expires_us).await;
    house.push.pause_campaign(asked(MANAGE, PauseCampaignRequest { id: id.clone() })).await.unwrap();
    followed(&house, 0).await;
    house.world.moves(1, Move::Enter, event(0));
    house.push.resume_campaign(asked(MANAGE, ResumeCampaignRequest { id: id.clone() })).await.unwrap();
    followed(&house, 1).await;
    house.world.moves(2, Move::Enter, event(0));
    house.until(&id, |_, results| results.accepted == 1).await;
    assert_eq!(sent(&house), ["b2"]);
    house.world.set(Micros(expires_us));
    assert_eq!(counts(&house.done(&id).await), [1, 1, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tells_of_the_segment_may_come_back_and_a_segment_that_is_gone_cancels_it() {
    let house = House::new();
    let (id, segment) = running(&house, 2, 0).await;
    house.world.fall_silent();
    followed(&house, 1).await;
    house.world.moves(1, Move::Enter, event(0));
    house.until(&id, |_, results| results.accepted == 1).await;
    house.segments.delete_segment(asked(MANAGE, DeleteSegmentRequest { id: segment })).await.unwrap();
    house.world.tell(News::Gone);
    house.until(&id, |campaign, _| campaign.state() == CampaignState::Cancelled).await;
}
