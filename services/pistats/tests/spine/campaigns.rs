//! Campaigns end to end: pages subscribe, people send, and a push service that others wrote decrypts every message.

use crate::harness::{Instance, Site};
use crate::process::Server;
use pistats::client::{Authorized, channel};
use pistats::config::Config;
use pistats_core::Micros;
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::{CreateKeyRequest, CreateSiteRequest, Scope};
use pistats_proto::aggregate::v1::ReplayRequest;
use pistats_proto::aggregate::v1::aggregate_service_client::AggregateServiceClient;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::ingest::v1::{CollectRequest, Event};
use pistats_proto::log::v1::{Position, position};
use pistats_proto::push::v1::push_service_client::PushServiceClient;
use pistats_proto::push::v1::schedule::When;
use pistats_proto::push::v1::*;
use pistats_proto::query::v1::Dimension;
use pistats_proto::segment::v1::segment_service_client::SegmentServiceClient;
use pistats_proto::segment::v1::{Condition, CreateSegmentRequest, Did, Node, Operator, node};
use pistats_testkit::push_receiver::{Browser, PushReceiver};
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SUBSCRIBERS: usize = 1_000;
/// At most so many may be on their way at a time.
const IN_FLIGHT: u64 = 64;

type Pushes = PushServiceClient<Authorized>;

/// A site with its keys, and a push service for its browsers.
struct Shop {
    url: String,
    write: String,
    server_key: String,
    manage: String,
    receiver: PushReceiver,
}

impl Shop {
    /// None: there is no receiver here.
    async fn open(url: &str, instance_key: &str) -> Option<Shop> {
        let mut admin = AdminServiceClient::new(channel(url, instance_key).unwrap());
        let request = CreateSiteRequest { name: "shop.example.org".into(), ..Default::default() };
        let made = admin.create_site(request).await.unwrap().into_inner();
        let site_id = made.site.unwrap().id;
        let secret = |scope: Scope| {
            made.keys.iter().find(|new| new.key.as_ref().unwrap().scope() == scope).unwrap().secret.clone()
        };
        let (write, server_key) = (secret(Scope::Write), secret(Scope::Server));
        let wish = CreateKeyRequest { site_id, scope: Scope::Manage.into(), name: "m".into() };
        let manage = admin.create_key(wish).await.unwrap().into_inner().key.unwrap().secret;
        // The collector is another process, perhaps.
        Site { server: url.to_owned(), read: secret(Scope::Read), server_key: server_key.clone() }.is_known().await;
        let mut pages = PushServiceClient::new(channel(url, &write).unwrap());
        let since = Instant::now();
        let key = loop {
            // Every process hears of a new site within a second.
            match pages.get_push_key(GetPushKeyRequest {}).await {
                Ok(told) => break told.into_inner().public_key,
                Err(status) => assert!(since.elapsed() < Duration::from_secs(20), "{status}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let receiver = tokio::task::block_in_place(|| PushReceiver::start(&base64url(&key)))?;
        Some(Shop { url: url.to_owned(), write, server_key, manage, receiver })
    }

    fn owner(&self) -> Pushes {
        PushServiceClient::new(channel(&self.url, &self.manage).unwrap())
    }

    /// A browser of a visitor subscribes; messages to it are answered so.
    async fn subscribe(&self, pages: &mut Pushes, visitor: &str, status: u16) -> Browser {
        let browser = tokio::task::block_in_place(|| self.receiver.browser(status));
        let subscription = Subscription {
            endpoint: browser.endpoint.clone(),
            p256dh: bytes(&browser.p256dh).into(),
            auth: bytes(&browser.auth).into(),
        };
        let request = SubscribeRequest {
            subscription: Some(subscription),
            visitor_id: visitor.to_owned(),
            time_zone: "Europe/Berlin".into(),
        };
        pages.subscribe(request).await.unwrap();
        browser
    }

    fn pages(&self) -> Pushes {
        PushServiceClient::new(channel(&self.url, &self.write).unwrap())
    }

    async fn collect(&self, events: Vec<Event>) {
        let mut client = IngestServiceClient::new(channel(&self.url, &self.server_key).unwrap());
        for events in events.chunks(1_000) {
            let answer = client.collect(CollectRequest { events: events.to_vec() }).await.unwrap().into_inner();
            assert_eq!(answer.accepted as usize, events.len(), "{:?}", answer.rejections.first());
        }
    }

    /// Who has bought.
    async fn buyers(&self) -> String {
        let condition = Condition {
            dimension: Dimension::EventName.into(),
            operator: Operator::Is.into(),
            values: vec!["purchase".into()],
            ..Condition::default()
        };
        let root = Node { node: Some(node::Node::Did(Did { conditions: vec![condition], ..Did::default() })) };
        let mut client = SegmentServiceClient::new(channel(&self.url, &self.manage).unwrap());
        let request = CreateSegmentRequest { name: "Buyers".into(), root: Some(root), ..Default::default() };
        client.create_segment(request).await.unwrap().into_inner().segment.unwrap().id
    }

    async fn start(&self, segment: &str, when: When) -> String {
        let message = Message {
            title: "Grüße".into(),
            body: "✓ Welcome back".into(),
            url: "https://shop.example.org/new".into(),
            topic: "spring".into(),
            urgency: Urgency::High.into(),
            ttl_seconds: 3_600,
            ..Message::default()
        };
        let content = CampaignContent {
            name: "Spring".into(),
            segment_id: segment.into(),
            message: Some(message),
            schedule: Some(Schedule { when: Some(when) }),
            ..CampaignContent::default()
        };
        let mut owner = self.owner();
        let made = owner.create_campaign(CreateCampaignRequest { content: Some(content) }).await.unwrap();
        let id = made.into_inner().campaign.unwrap().id;
        owner.start_campaign(StartCampaignRequest { id: id.clone(), expected_version: 1 }).await.unwrap();
        id
    }

    async fn get(&self, id: &str) -> (Campaign, Results) {
        let told = self.owner().get_campaign(GetCampaignRequest { id: id.into() }).await.unwrap().into_inner();
        (told.campaign.unwrap(), told.results.unwrap())
    }

    async fn until(&self, id: &str, is_so: impl Fn(&Campaign, &Results) -> bool) -> Results {
        let since = Instant::now();
        loop {
            let (campaign, results) = self.get(id).await;
            if is_so(&campaign, &results) {
                return results;
            }
            assert!(since.elapsed() < Duration::from_secs(180), "{:?} {results:?}", campaign.state());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn received(&self) -> HashMap<String, Vec<serde_json::Value>> {
        tokio::task::block_in_place(|| self.receiver.received())
    }
}

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().chain([0, 0].iter()).take(3).fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        for at in 0..=three.len() {
            text.push(char::from(LETTERS[(word >> (18 - 6 * at)) as usize & 63]));
        }
    }
    text
}

fn bytes(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = text.bytes().filter(|c| *c != b'=').map(digit).collect();
    let four = |letters: &[u8]| {
        let word = letters.iter().fold(0u32, |word, six| word << 6 | u32::from(*six)) << (6 * (4 - letters.len()));
        word.to_be_bytes()[1..letters.len()].to_vec()
    };
    letters.chunks(4).flat_map(four).collect()
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

fn event(visitor: &str, name: &str, ago: i64) -> Event {
    let time_us = Some(now() - ago);
    Event { visitor_id: visitor.into(), name: name.into(), url: "/a".into(), time_us, ..Event::default() }
}

/// Whether a message arrived whole, as the campaign says.
fn assert_arrived(one: &serde_json::Value, campaign: &str) {
    let plaintext = one["plaintext"].as_str().unwrap_or_else(|| panic!("not decrypted: {one}"));
    let payload: serde_json::Value = serde_json::from_str(plaintext).unwrap();
    assert_eq!((payload["title"].as_str(), payload["campaign"].as_str()), (Some("Grüße"), Some(campaign)));
    assert_eq!(one["vapid"]["ok"], true, "{one}");
    let headers = ["ttl", "urgency", "topic", "encoding"].map(|name| one[name].as_str().unwrap_or_default());
    assert_eq!(headers, ["3600", "high", "spring", "aes128gcm"]);
}

/// To a receiver on this machine, which has much to do.
fn sending(config: &mut Config) {
    config.push.test_allow_loopback_endpoints = true;
    config.push.contact = "mailto:ops@example.org".into();
    config.push.deadline_seconds = 60;
}

#[test]
fn texts_of_keys_are_read_as_they_were_written() {
    for length in [0, 1, 2, 3, 16, 65] {
        let all: Vec<u8> = (0..length).map(|byte| (byte * 37) as u8).collect();
        assert_eq!(bytes(&base64url(&all)), all);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_subscribers_get_it_once_each_and_every_answer_is_told() {
    let instance = Instance::start_with(sending).await;
    let key = instance.running.secrets.instance_key.clone();
    let Some(shop) = Shop::open(&instance.running.url(), &key).await else { return };
    let mut pages = shop.pages();
    // Who is gone has an older browser, or none.
    let odd = [(404, 10), (410, 10), (413, 10), (429, 3)];
    let statuses: Vec<u16> = odd.iter().flat_map(|(status, times)| vec![*status; *times]).collect();
    let statuses: Vec<u16> = statuses.into_iter().chain(std::iter::repeat(201)).take(SUBSCRIBERS).collect();
    let (mut browsers, mut older, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for (number, status) in statuses.iter().enumerate() {
        let visitor = format!("visitor {number}");
        if matches!(status, 404 | 410) && number % 2 == 0 {
            older.push(shop.subscribe(&mut pages, &visitor, 201).await);
        }
        browsers.push((*status, shop.subscribe(&mut pages, &visitor, *status).await));
        events.push(event(&visitor, "purchase", 60 * Micros::SECOND));
    }
    // Subscribed, and not in the segment.
    let others = [shop.subscribe(&mut pages, "other 1", 201).await, shop.subscribe(&mut pages, "other 2", 201).await];
    events.push(event("other 1", "page_view", 0));
    shop.collect(events).await;
    instance.settle().await;

    let begun = Instant::now();
    let id = shop.start(&shop.buyers().await, When::Now(Now {})).await;
    let results = shop.until(&id, |_, results| results.planned > 0 && results.waiting + results.sending <= 3).await;
    println!("{} messages in {:?}", results.planned, begun.elapsed());
    let told = (results.planned, results.accepted, results.failed, results.not_sent, results.uncertain);
    assert_eq!(told, (1_000, 977, 10, 10, 0), "{results:?}");
    assert_eq!(results.removed_subscriptions, 20);
    let names = |of: &[Reason]| of.iter().map(|reason| (reason.name.clone(), reason.count)).collect::<Vec<_>>();
    assert_eq!(names(&results.failures), [("too_large".to_owned(), 10)]);
    assert_eq!(names(&results.skips), [("gone".to_owned(), 10)]);

    // Who is limited is asked again, and stops being asked with the campaign.
    let limited: Vec<&str> = browsers.iter().filter(|(status, _)| *status == 429).map(|(_, one)| one.id()).collect();
    let since = Instant::now();
    while !limited.iter().all(|id| shop.received().get(*id).is_some_and(|got| got.len() >= 2)) {
        assert!(since.elapsed() < Duration::from_secs(60), "nobody asks again");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    shop.owner().cancel_campaign(CancelCampaignRequest { id: id.clone() }).await.unwrap();
    let results = shop.until(&id, |_, results| results.waiting + results.sending == 0).await;
    assert_eq!((results.accepted, results.not_sent), (977, 13));

    let received = shop.received();
    for (status, browser) in &browsers {
        let got = &received[browser.id()];
        assert!(got.len() == 1 || *status == 429, "{status}: {} messages", got.len());
        got.iter().for_each(|one| assert_arrived(one, &id));
    }
    for browser in &older {
        assert_eq!(received[browser.id()].len(), 1, "the next browser of who is gone");
        assert_arrived(&received[browser.id()][0], &id);
    }
    assert!(others.iter().all(|browser| !received.contains_key(browser.id())), "not in the segment");

    // A click comes back as an event.
    let properties = HashMap::from([("campaign".to_owned(), id.clone())]);
    let click = Event { properties, ..event("visitor 900", "push_click", 0) };
    shop.collect(vec![click.clone(), Event { visitor_id: "other 1".into(), ..click }]).await;
    let results = shop.until(&id, |_, results| results.clicked > 0).await;
    assert_eq!(results.clicked, 1, "of those who got it");
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_a_campaign_neither_repeats_nor_forgets() {
    let settings = [
        ("PISTATS_PUSH__TEST_ALLOW_LOOPBACK_ENDPOINTS", "true".to_owned()),
        ("PISTATS_PUSH__CONTACT", "mailto:ops@example.org".to_owned()),
        ("PISTATS_PUSH__DEADLINE_SECONDS", "60".to_owned()),
    ];
    let mut server = Server::start_printing(&settings).await;
    let Some(shop) = Shop::open(&server.url, &server.instance_key).await else { return };
    let mut pages = shop.pages();
    let mut browsers = Vec::new();
    for number in 0..SUBSCRIBERS {
        browsers.push(shop.subscribe(&mut pages, &format!("visitor {number}"), 201).await);
    }
    let id = shop.start("", When::Now(Now {})).await;
    let mut kills = 0;
    for enough in [100, 400] {
        // A campaign that goes by in one breath is not killed in the middle.
        let results = shop.until(&id, |_, results| results.accepted >= enough).await;
        if results.accepted < SUBSCRIBERS as u64 {
            kills += 1;
        }
        server.kill_all();
        server.resume().await;
    }
    assert!(kills > 0, "the campaign was over before the first kill");
    let results = shop.until(&id, |campaign, _| campaign.state() == CampaignState::Done).await;
    println!("{kills} kills: {} accepted, {} uncertain", results.accepted, results.uncertain);
    assert_eq!(results.accepted + results.uncertain, SUBSCRIBERS as u64, "{results:?}");
    assert!(results.uncertain <= kills * IN_FLIGHT, "{results:?}");
    let received = shop.received();
    let got = |browser: &Browser| received.get(browser.id()).map_or(0, Vec::len);
    assert!(browsers.iter().all(|browser| got(browser) <= 1), "somebody got it twice");
    let without = browsers.iter().filter(|browser| got(browser) == 0).count() as u64;
    assert!(without <= results.uncertain, "{without} got nothing, {} are uncertain", results.uncertain);
    server.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn seeding_an_import_and_a_replay_send_nothing_and_who_buys_now_gets_it() {
    let instance = Instance::start_with(sending).await;
    let key = instance.running.secrets.instance_key.clone();
    let Some(shop) = Shop::open(&instance.running.url(), &key).await else { return };
    let mut pages = shop.pages();
    for visitor in ["seeded", "imported", "buys"] {
        shop.subscribe(&mut pages, visitor, 201).await;
    }
    // Bought before anybody followed the segment.
    shop.collect(vec![event("seeded", "purchase", 0), event("buys", "page_view", 0)]).await;
    instance.settle().await;
    let segment = shop.buyers().await;
    let id = shop.start(&segment, When::OnEnter(OnEnter {})).await;
    shop.until(&id, |campaign, _| campaign.state() == CampaignState::Running).await;
    tokio::time::sleep(Duration::from_secs(3)).await;

    let old = (1..50).map(|days| event("imported", "purchase", days * Micros::DAY)).collect();
    shop.collect(old).await;
    instance.settle().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut aggregate = AggregateServiceClient::new(instance.instance_channel());
    let first = Some(Position { position: Some(position::Position::First(true)) });
    let request = ReplayRequest { position: first, partitions: Vec::new() };
    let mut replay = aggregate.replay(request).await.unwrap().into_inner();
    while let Some(told) = replay.message().await.unwrap() {
        if told.done {
            break;
        }
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(shop.get(&id).await.1.planned, 0, "seeded, imported, replayed");
    shop.collect(vec![event("buys", "purchase", 0)]).await;
    let results = shop.until(&id, |_, results| results.accepted > 0).await;
    assert_eq!((results.planned, shop.received().len()), (1, 1));
    instance.stop().await;
}
