//! Subscriptions, campaigns and their messages (D-1 to D-5).

use super::sample::START;
use crate::{CampaignRow, Error, Owner, Planned, Pushing, Settled, SiteLease, Step, SubscriptionRow};
use pistats_core::push::{CampaignId, CampaignState, MessageState, Reason};
use pistats_core::segment::SegmentId;
use pistats_core::{Micros, SiteId, VisitorKey};
use std::time::Duration;

const SITE: SiteId = SiteId(3);
const LONG: Duration = Duration::from_secs(60);
const ID: CampaignId = CampaignId(0xc0ffee);

fn owner(id: u128) -> Owner {
    Owner { id, name: format!("owner {id}") }
}

fn visitor(number: u128) -> VisitorKey {
    VisitorKey(number << 64 | 0xabcd)
}

fn subscription(number: u128, endpoint: &str, updated: i64) -> SubscriptionRow {
    SubscriptionRow {
        site: SITE,
        endpoint: format!("https://push.example/{endpoint}"),
        p256dh: vec![4; 65],
        auth: vec![0, 255, 39, 10],
        visitor: visitor(number),
        time_zone: "Europe/Berlin".to_owned(),
        created: START,
        updated: START.plus(updated),
    }
}

fn campaign(state: CampaignState, version: u32) -> CampaignRow {
    CampaignRow {
        site: SITE,
        id: ID,
        state,
        version,
        content: vec![0, 1, 255],
        segment: Some(SegmentId(7)),
        created: START,
        updated: START.plus(version.into()),
        started: Some(START.plus(5)),
        ended: None,
        planned: None,
        closes: Some(START.plus(Micros::DAY)),
    }
}

/// A running campaign with a waiting message for each of these visitors, under a lease.
async fn running(store: &impl Pushing, visitors: &[u128]) -> Result<SiteLease, Error> {
    assert!(store.put_campaign(&campaign(CampaignState::Scheduled, 1), 0).await?);
    let lease = store.lease_site(SITE, &owner(1), LONG).await?.expect("a free lease");
    let planned = |number: &u128| Planned { visitor: visitor(*number), due: START.plus(*number as i64), skip: None };
    let messages: Vec<Planned> = visitors.iter().map(planned).collect();
    let new = store.plan(&lease, &campaign(CampaignState::Running, 2), 1, &messages).await?;
    assert_eq!(new, Some(visitors.len() as u64));
    Ok(lease)
}

fn send(number: u128) -> (VisitorKey, Step) {
    (visitor(number), Step::Send { endpoint: format!("https://push.example/{number}") })
}

async fn states(store: &impl Pushing) -> Result<Vec<(MessageState, Option<Reason>, u64)>, Error> {
    Ok(store.tally(SITE, ID).await?.messages)
}

pub(super) async fn a_key_is_kept_once(store: &impl Pushing) -> Result<(), Error> {
    assert_eq!(store.push_key(SITE, &[1; 32], START).await?, [1; 32]);
    assert_eq!(store.push_key(SITE, &[2; 32], START).await?, [1; 32], "what is stored stays");
    let (one, two) =
        tokio::join!(store.push_key(SiteId(4), &[3; 32], START), store.push_key(SiteId(4), &[4; 32], START));
    assert_eq!(one?, two?, "of two at once one wins, and both learn which");
    Ok(())
}

pub(super) async fn an_endpoint_is_kept_once_and_the_newest_comes_first(store: &impl Pushing) -> Result<(), Error> {
    assert!(store.put_subscription(&subscription(1, "a", 1), 2).await?);
    assert!(store.put_subscription(&subscription(1, "b", 2), 2).await?);
    assert!(!store.put_subscription(&subscription(1, "c", 3), 2).await?, "the visitor has two");
    let again = SubscriptionRow { created: START.plus(9), auth: vec![7], ..subscription(1, "a", 3) };
    assert!(store.put_subscription(&again, 2).await?, "one of the two");
    let expected = [SubscriptionRow { created: START, ..again }, subscription(1, "b", 2)];
    assert_eq!(store.subscriptions_of(SITE, visitor(1)).await?, expected);
    let elsewhere = SubscriptionRow { site: SiteId(4), ..subscription(1, "a", 1) };
    assert!(store.put_subscription(&elsewhere, 2).await?);
    let moved = subscription(2, "a", 4);
    assert!(store.put_subscription(&moved, 2).await?);
    assert_eq!(store.subscriptions_of(SITE, visitor(1)).await?.len(), 1, "it is another visitor's now");
    assert!(store.unsubscribe(SITE, &moved.endpoint, START).await?);
    assert!(!store.unsubscribe(SITE, &moved.endpoint, START).await?);
    assert!(store.subscriptions_of(SITE, visitor(2)).await?.is_empty());
    assert_eq!(store.subscriptions_of(SiteId(4), visitor(1)).await?, [elsewhere], "another site's stays");
    assert!(store.put_subscription(&moved, 2).await?, "and it may come back");
    assert_eq!(store.subscriptions_of(SITE, visitor(2)).await?.len(), 1);
    Ok(())
}

pub(super) async fn a_campaign_changes_on_the_version_that_was_looked_at(store: &impl Pushing) -> Result<(), Error> {
    let first = CampaignRow { segment: None, started: None, closes: None, ..campaign(CampaignState::Draft, 1) };
    assert!(store.put_campaign(&first, 0).await?);
    assert!(!store.put_campaign(&first, 0).await?, "it is there");
    assert_eq!(store.campaign(SITE, ID).await?, Some(first.clone()));
    let second = CampaignRow { planned: Some(START), ended: Some(START), ..campaign(CampaignState::Done, 2) };
    assert!(!store.put_campaign(&second, 2).await? && store.put_campaign(&second, 1).await?);
    let newer = CampaignRow { id: CampaignId(2), created: START.plus(1), ..first.clone() };
    assert!(store.put_campaign(&newer, 0).await?);
    assert_eq!(store.campaigns(SITE).await?, [newer, second]);
    assert!(store.campaigns(SiteId(4)).await?.is_empty() && store.campaign(SiteId(4), ID).await?.is_none());
    assert!(store.delete_campaign(SITE, ID).await? && !store.delete_campaign(SITE, ID).await?);
    assert_eq!(store.campaigns(SITE).await?.len(), 1);
    Ok(())
}

pub(super) async fn a_site_has_one_lease_and_who_lost_it_changes_nothing(store: &impl Pushing) -> Result<(), Error> {
    let lease = running(store, &[1, 2]).await?;
    assert_eq!(store.lease_site(SITE, &owner(2), LONG).await?, None, "D-1");
    let other = store.lease_site(SiteId(4), &owner(2), LONG).await?;
    assert!(other.is_some(), "another site's is free");
    assert!(store.keep_lease(&lease, Duration::from_millis(20)).await?);
    tokio::time::sleep(Duration::from_millis(60)).await;
    let theirs = store.lease_site(SITE, &owner(2), LONG).await?.expect("it ran out");
    assert!(theirs.epoch > lease.epoch);
    assert!(!store.keep_lease(&lease, LONG).await?);
    let lost = |result: Result<(), Error>| assert!(matches!(result, Err(Error::NotLeased(SITE))), "D-1: {result:?}");
    lost(store.begin(&lease, ID, &[send(1)], START).await.map(drop));
    lost(store.settle(&lease, &[(ID, visitor(1), Settled::Accepted)], START).await);
    lost(store.plan(&lease, &campaign(CampaignState::Done, 3), 2, &[]).await.map(drop));
    store.free_lease(&lease).await?;
    assert_eq!(store.lease_site(SITE, &owner(3), LONG).await?, None, "who lost it gives nothing back");
    assert_eq!(states(store).await?, [(MessageState::Waiting, None, 2)]);
    store.free_lease(&theirs).await?;
    assert!(store.lease_site(SITE, &owner(3), LONG).await?.is_some());
    Ok(())
}

pub(super) async fn a_message_is_begun_once_and_what_was_on_its_way_becomes_uncertain(
    store: &impl Pushing,
) -> Result<(), Error> {
    assert!(store.sites_to_serve().await?.is_empty(), "asked of an empty store, and again below");
    let lease = running(store, &[1, 2, 3]).await?;
    assert_eq!(store.begin(&lease, ID, &[send(1), send(2), send(9)], START.plus(50)).await?, [true, true, false]);
    assert_eq!(store.begin(&lease, ID, &[send(1)], START).await?, [false], "D-2: it does not wait any more");
    store.settle(&lease, &[(ID, visitor(1), Settled::Accepted)], START.plus(60)).await?;
    assert_eq!(store.sites_to_serve().await?, [SITE]);
    let next = store.lease_site(SITE, &owner(1), LONG).await?.expect("its own");
    let expected =
        [(MessageState::Waiting, None, 1), (MessageState::Accepted, None, 1), (MessageState::Uncertain, None, 1)];
    assert_eq!(states(store).await?, expected, "D-4");
    let late = [(ID, visitor(2), Settled::Accepted), (ID, visitor(1), Settled::Uncertain)];
    store.settle(&next, &late, START.plus(70)).await?;
    assert_eq!(states(store).await?, expected, "D-4: uncertain and accepted stay");
    assert_eq!(store.begin(&next, ID, &[send(2)], START).await?, [false], "never sent again");
    let again = [1, 2, 3, 4].map(|number| Planned { visitor: visitor(number), due: START, skip: None });
    let row = campaign(CampaignState::Running, 3);
    assert_eq!(store.plan(&next, &row, 2, &again).await?, Some(1), "D-5");
    assert_eq!(store.plan(&next, &row, 2, &again).await?, None, "another version is there");
    assert_eq!(store.tally(SITE, ID).await?.all(), 4);
    Ok(())
}

pub(super) async fn due_messages_come_in_order_with_the_newest_subscription(store: &impl Pushing) -> Result<(), Error> {
    let lease = running(store, &[1, 2, 3]).await?;
    for row in [subscription(1, "old", 1), subscription(1, "new", 2), subscription(3, "c", 1)] {
        assert!(store.put_subscription(&row, 9).await?);
    }
    let due = store.due(SITE, ID, START.plus(2), 10, START).await?;
    assert_eq!(due.iter().map(|due| due.visitor).collect::<Vec<_>>(), [visitor(1), visitor(2)], "what is due");
    assert_eq!(due[0].subscription, Some(subscription(1, "new", 2)));
    assert_eq!((&due[1].subscription, due[1].due, due[1].attempts, due[1].had), (&None, START.plus(2), 0, 0));
    assert_eq!(store.due(SITE, ID, START.plus(9), 1, START).await?.len(), 1);

    // Gone: the next one's turn; then an answer that asks to come back.
    let newest = "https://push.example/new".to_owned();
    let step = (visitor(1), Step::Send { endpoint: newest.clone() });
    store.begin(&lease, ID, std::slice::from_ref(&step), START.plus(20)).await?;
    assert_eq!(store.due(SITE, ID, START.plus(2), 10, START).await?.len(), 1, "it is on its way");
    store.settle(&lease, &[(ID, visitor(1), Settled::Gone { endpoint: newest })], START.plus(21)).await?;
    let due = store.due(SITE, ID, START.plus(1), 10, START).await?;
    assert_eq!((due[0].subscription.clone(), due[0].attempts), (Some(subscription(1, "old", 1)), 1));
    store.begin(&lease, ID, &[send(1)], START.plus(22)).await?;
    let again = Settled::Again { until: START.plus(100) };
    store.settle(&lease, &[(ID, visitor(1), again)], START.plus(23)).await?;
    let due = store.due(SITE, ID, START.plus(99), 10, START).await?;
    assert_eq!(due.iter().map(|due| due.visitor).collect::<Vec<_>>(), [visitor(2), visitor(3)]);
    let tally = store.tally(SITE, ID).await?;
    assert_eq!((tally.removed, tally.next), (1, Some(START.plus(2))));

    // Steps that send nothing.
    let steps =
        [(visitor(2), Step::Skip { reason: Reason::Gone }), (visitor(3), Step::Wait { until: START.plus(500) })];
    assert_eq!(store.begin(&lease, ID, &steps, START.plus(30)).await?, [true, true]);
    let expected = [(MessageState::Waiting, None, 2), (MessageState::NotSent, Some(Reason::Gone), 1)];
    assert_eq!(states(store).await?, expected);
    assert_eq!(store.tally(SITE, ID).await?.next, Some(START.plus(100)));
    Ok(())
}

pub(super) async fn what_a_visitor_had_is_counted_over_all_campaigns(store: &impl Pushing) -> Result<(), Error> {
    let lease = running(store, &[1, 2]).await?;
    store.begin(&lease, ID, &[send(1), send(2)], START.plus(10)).await?;
    let results = [(ID, visitor(1), Settled::Accepted), (ID, visitor(2), Settled::Failed { reason: Reason::TooLarge })];
    store.settle(&lease, &results, START.plus(11)).await?;
    let other = CampaignRow { id: CampaignId(2), ..campaign(CampaignState::Running, 1) };
    assert!(store.put_campaign(&other, 0).await?);
    let next = CampaignRow { version: 2, ..other.clone() };
    let messages = [1, 2].map(|number| Planned { visitor: visitor(number), due: START, skip: None });
    store.plan(&lease, &next, 1, &messages).await?;
    let had = async |since| {
        let due = store.due(SITE, other.id, START, 9, since).await?;
        Ok::<_, Error>(due.iter().map(|due| due.had).collect::<Vec<_>>())
    };
    assert_eq!(had(START.plus(10)).await?, [1, 0], "what failed was not had");
    assert_eq!(had(START.plus(11)).await?, [0, 0]);

    // Who unsubscribes is counted at the campaign that reached them last.
    assert!(store.put_subscription(&subscription(1, "a", 1), 9).await?);
    assert!(store.unsubscribe(SITE, &subscription(1, "a", 1).endpoint, START.plus(20)).await?);
    assert_eq!(store.tally(SITE, ID).await?.unsubscribed, 1);
    assert_eq!(store.tally(SITE, other.id).await?.unsubscribed, 0);
    Ok(())
}

pub(super) async fn a_held_campaign_begins_nothing_and_a_cancelled_one_takes_its_messages_with_it(
    store: &impl Pushing,
) -> Result<(), Error> {
    let lease = running(store, &[1, 2, 3]).await?;
    assert_eq!(store.begin(&lease, ID, &[send(1)], START).await?, [true]);
    assert!(store.put_campaign(&campaign(CampaignState::Paused, 3), 2).await?);
    assert_eq!(store.begin(&lease, ID, &[send(2)], START).await?, [false], "D-3");
    assert_eq!(store.sites_to_serve().await?, [SITE], "one is on its way");
    assert!(store.put_campaign(&campaign(CampaignState::Cancelled, 4), 3).await?);
    let cancelled = (MessageState::NotSent, Some(Reason::Cancelled));
    assert_eq!(states(store).await?, [(MessageState::Sending, None, 1), (cancelled.0, cancelled.1, 2)]);
    store.settle(&lease, &[(ID, visitor(1), Settled::Again { until: START })], START.plus(9)).await?;
    assert_eq!(states(store).await?, [(cancelled.0, cancelled.1, 3)], "nothing waits any more");
    assert!(store.sites_to_serve().await?.is_empty());
    let skipped = Planned { visitor: visitor(7), due: START, skip: Some(Reason::Missed) };
    store.plan(&lease, &campaign(CampaignState::Running, 5), 4, &[skipped]).await?;
    assert_eq!(states(store).await?[0], (MessageState::NotSent, Some(Reason::Missed), 1));
    assert!(store.delete_campaign(SITE, ID).await?);
    assert_eq!(store.tally(SITE, ID).await?, crate::Tally::default());
    Ok(())
}
