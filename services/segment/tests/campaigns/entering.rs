//! Campaigns on entering: who triggers a message, and who never does.

use crate::house::{House, MANAGE, NOON, asked, campaign, counts};
use pistats_core::Micros;
use pistats_proto::push::v1::push_service_server::PushService;
use pistats_proto::push::v1::schedule::When;
use pistats_proto::push::v1::*;
use std::time::Duration;

/// A running campaign on entering, whose segment has these members now.
async fn running(house: &House, segment: &str, members: &[u64]) -> String {
    house.world.be(members);
    let content = CampaignContent { segment_id: segment.into(), ..campaign(When::OnEnter(OnEnter {})) };
    let id = house.start(content).await;
    house.until(&id, |campaign, _| campaign.state() == CampaignState::Running).await;
    // The segment is worked out once a second: this is after the first time.
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn who_enters_by_a_recent_event_gets_it_once_and_nobody_who_was_in_it() {
    let house = House::new();
    let segment = house.segment().await;
    house.subscribers(4).await;
    house.world.set(NOON);
    let id = running(&house, &segment, &[1]).await;
    // Two enters, as does a third without a subscription; one was in it and does something, too.
    house.world.be(&[1, 2, 9]);
    house.visits(9, &[NOON]).await;
    house.visits(1, &[NOON]).await;
    house.visits(2, &[NOON.plus(-10 * Micros::MINUTE)]).await;
    let results = house.until(&id, |_, results| results.accepted == 1).await.1;
    assert_eq!(
        (counts(&results), house.post.sent().into_keys().collect::<Vec<_>>()),
        ([1, 1, 0, 0, 0], vec!["b2".to_owned()])
    );

    // Leaves and enters again: once a campaign.
    house.world.be(&[1]);
    house.visits(1, &[NOON]).await;
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    house.world.be(&[1, 2, 3]);
    house.visits(2, &[NOON]).await;
    house.visits(3, &[NOON]).await;
    let results = house.until(&id, |_, results| results.accepted == 2).await.1;
    assert_eq!(results.planned, 2);
    house.push.cancel_campaign(asked(MANAGE, CancelCampaignRequest { id })).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_event_an_import_an_edit_and_no_event_at_all_trigger_nothing() {
    let house = House::new();
    let segment = house.segment().await;
    house.subscribers(6).await;
    house.world.set(NOON);
    let id = running(&house, &segment, &[]).await;
    let pause = async || tokio::time::sleep(Duration::from_millis(1_300)).await;
    // A microsecond too old.
    house.world.be(&[1]);
    house.visits(1, &[NOON.plus(-10 * Micros::MINUTE - 1)]).await;
    pause().await;
    // An import brings old events, and a new one with them: not what they did just now.
    house.world.be(&[1, 2]);
    house.visits(2, &[NOON.plus(-30 * Micros::DAY), NOON]).await;
    pause().await;
    // A replay that fills in what was missing, or a midnight: nothing new was folded of theirs.
    house.world.be(&[1, 2, 3]);
    house.visits(1, &[NOON]).await;
    pause().await;
    // Another version of the segment.
    house.world.be(&[1, 2, 3, 4]);
    house.edit(&segment).await;
    house.visits(4, &[NOON]).await;
    pause().await;
    assert_eq!(house.get(&id).await.1.planned, 0);
    house.world.be(&[1, 2, 3, 4, 5]);
    house.visits(5, &[NOON]).await;
    house.until(&id, |_, results| results.accepted == 1).await;
    assert_eq!(house.post.sent().into_keys().collect::<Vec<_>>(), ["b5"], "and still it listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_enters_while_it_is_held_gets_nothing_and_expiry_ends_it() {
    let house = House::new();
    let segment = house.segment().await;
    house.subscribers(3).await;
    house.world.set(NOON);
    house.world.be(&[]);
    let expires_us = NOON.0 + Micros::DAY;
    let content = CampaignContent { segment_id: segment, expires_us, ..campaign(When::OnEnter(OnEnter {})) };
    let id = house.start(content).await;
    house.until(&id, |campaign, _| campaign.state() == CampaignState::Running).await;
    house.push.pause_campaign(asked(MANAGE, PauseCampaignRequest { id: id.clone() })).await.unwrap();
    house.rest().await;
    house.world.be(&[1]);
    house.visits(1, &[NOON]).await;
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    house.push.resume_campaign(asked(MANAGE, ResumeCampaignRequest { id: id.clone() })).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    house.world.be(&[1, 2]);
    house.visits(2, &[NOON]).await;
    house.until(&id, |_, results| results.accepted == 1).await;
    assert_eq!(house.post.sent().into_keys().collect::<Vec<_>>(), ["b2"]);
    house.world.set(Micros(expires_us));
    assert_eq!(counts(&house.done(&id).await), [1, 1, 0, 0, 0]);
}
