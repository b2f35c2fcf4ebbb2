//! Several processes, and one that dies: each visitor gets one message, or one send that is told as uncertain.

use crate::house::{House, counts, now};
use pistats_proto::push::v1::*;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_one_sends_for_a_site() {
    let house = House::new();
    let other = house.another(2);
    house.subscribers(30).await;
    let results = house.done(&house.start(now()).await).await;
    assert_eq!(counts(&results), [30, 30, 0, 0, 0]);
    assert!(house.post.sent().values().all(|times| *times == 1), "{:?}", house.post.sent());
    other.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_on_its_way_when_a_process_died_is_uncertain_and_everybody_else_gets_it_once() {
    let house = House::new();
    house.subscribers(20).await;
    // Two are answered; four are on their way when the process dies.
    house.post.gate.forget_permits(1 << 20);
    house.post.gate.add_permits(2);
    let id = house.start(now()).await;
    house.until(&id, |_, results| results.accepted == 2 && results.sending == 4).await;
    house.die();
    house.rest().await;
    house.post.gate.add_permits(1 << 10);
    let before = house.post.sent();
    assert_eq!(before.len(), 6);
    let _other = house.another(2);
    let results = house.done(&id).await;
    assert_eq!(counts(&results), [20, 16, 0, 4, 0]);
    let sent = house.post.sent();
    assert_eq!((sent.len(), sent.values().max()), (20, Some(&1)), "nobody twice, and nobody forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_process_goes_on_after_a_restart_without_a_repetition() {
    let house = House::new();
    house.subscribers(12).await;
    house.post.gate.forget_permits(1 << 20);
    let id = house.start(now()).await;
    house.until(&id, |_, results| results.sending == 4).await;
    house.die();
    house.rest().await;
    house.post.gate.add_permits(1 << 10);
    house.run(1);
    let (_, results) = house.until(&id, |campaign, _| campaign.state() == CampaignState::Done).await;
    assert_eq!(counts(&results), [12, 8, 0, 4, 0]);
    assert!(house.post.sent().values().all(|times| *times == 1));
}
