//! The service over a store in memory; a world and a push service that the test moves.

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pistats_core::directory::{Key, KeyHash, Site};
use pistats_core::report::AsOf;
use pistats_core::segment::follow::{Cause, Moved, News, Part, Told};
use pistats_core::segment::{Move, Plan, SegmentId};
use pistats_core::{Directory, Generation, Micros, Offset, PartitionId, Scope, SiteId, VisitorKey, VisitorNo, Zone};
use pistats_proto::push::v1::push_service_server::PushService;
use pistats_proto::push::v1::schedule::When;
use pistats_proto::push::v1::*;
use pistats_proto::segment::v1::segment_service_server::SegmentService;
use pistats_proto::segment::v1::{CreateSegmentRequest, Node, Seen, node, seen};
use pistats_push::{Identity, Message as Sealed, Outcome, Subscription as Receiver, VapidKey};
use pistats_segment::{Channel, Members, Push, PushSettings, Reader, Reading, Segment, Settings, Written};
use pistats_store::contract::sample;
use pistats_store::{Commit, DuckConfig, DuckStore, EventRow, Owner, Sign, Store, VisitorVersion};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use tonic::{Request, Status};

pub(crate) const SITE: SiteId = sample::SITE;
pub(crate) const MANAGE: &str = "manage";
pub(crate) const READ: &str = "read";
pub(crate) const WRITE: &str = "write";
/// Of another site, which is cookieless.
pub(crate) const OTHER_WRITE: &str = "other write";
pub(crate) const OTHER_MANAGE: &str = "other manage";
/// Of a site whose name is no host.
pub(crate) const NAMELESS: &str = "nameless";
pub(crate) const SECRET: [u8; 32] = [7; 32];
/// 2026-03-28T12:00:00Z, a day before clocks spring forward in Europe.
pub(crate) const NOON: Micros = Micros(1_774_699_200_000_000);

/// What the reading side finds.
pub(crate) struct World {
    members: Mutex<Vec<u32>>,
    now: Mutex<Micros>,
    followers: Mutex<Vec<mpsc::Sender<Part>>>,
}

impl World {
    pub(crate) fn be(&self, members: &[u64]) {
        *self.members.lock().unwrap() = members.iter().map(|number| *number as u32).collect();
    }

    pub(crate) fn pass(&self, micros: i64) {
        let mut now = self.now.lock().unwrap();
        *now = now.plus(micros);
    }

    pub(crate) fn set(&self, now: Micros) {
        *self.now.lock().unwrap() = now;
    }

    /// Tells all who follow the segment.
    pub(crate) fn tell(&self, news: News) {
        let next_offsets = PartitionId::all().map(|partition| (partition, Offset(0))).collect();
        let told = Told { version: 1, generation: Generation(1), next_offsets, now: self.now(), news };
        let followers = self.followers.lock().unwrap();
        followers.iter().for_each(|follower| drop(follower.try_send(Part { number: 0, told: told.clone() })));
    }

    /// Tells that a visitor has moved.
    pub(crate) fn moves(&self, number: u64, moved: Move, cause: Cause) {
        self.tell(News::Moves(vec![Moved { visitor: VisitorNo(number), moved, cause }]));
    }

    /// How many follow a segment.
    pub(crate) fn followers(&self) -> usize {
        let mut followers = self.followers.lock().unwrap();
        followers.retain(|follower| !follower.is_closed());
        followers.len()
    }

    /// Nobody tells of segments any more.
    pub(crate) fn fall_silent(&self) {
        self.followers.lock().unwrap().clear();
    }
}

#[async_trait]
impl Reading for World {
    async fn members(&self, _: &Site, _: Plan, _: bool) -> Result<Members, Status> {
        let numbers = self.members.lock().unwrap().iter().copied().collect();
        let as_of = AsOf { generation: Generation(1), next_offsets: vec![Offset(0); 8] };
        Ok(Members { as_of, numbers, reader: Reader::Sql })
    }

    fn written(&self, _: &Site, _: &Plan) -> Written {
        Written { sql: "SELECT 1".into(), values: vec![] }
    }

    fn follow(&self, _: SiteId, _: SegmentId) -> mpsc::Receiver<Part> {
        let (tell, parts) = mpsc::channel(64);
        self.followers.lock().unwrap().push(tell);
        parts
    }

    fn now(&self) -> Micros {
        *self.now.lock().unwrap()
    }
}

/// A push service: answers as it was told, and as accepted otherwise; keeps what came.
pub(crate) struct Post {
    answers: Mutex<HashMap<String, VecDeque<Outcome>>>,
    sent: Mutex<Vec<(String, Sealed)>>,
    /// What is let through; more waits on its way.
    pub(crate) gate: Semaphore,
}

#[async_trait]
impl Channel for Post {
    async fn send(&self, _: &Identity, to: &Receiver, message: &Sealed) -> Outcome {
        self.sent.lock().unwrap().push((to.endpoint().to_owned(), message.clone()));
        self.gate.acquire().await.unwrap().forget();
        let answer = self.answers.lock().unwrap().get_mut(to.endpoint()).and_then(VecDeque::pop_front);
        answer.unwrap_or(Outcome::Accepted)
    }
}

impl Post {
    pub(crate) fn answer(&self, browser: &str, outcomes: impl IntoIterator<Item = Outcome>) {
        self.answers.lock().unwrap().entry(endpoint(browser)).or_default().extend(outcomes);
    }

    /// How many messages came to each browser.
    pub(crate) fn sent(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (endpoint, _) in self.sent.lock().unwrap().iter() {
            *counts.entry(endpoint.rsplit('/').next().unwrap().to_owned()).or_default() += 1;
        }
        counts
    }

    pub(crate) fn last(&self) -> Sealed {
        self.sent.lock().unwrap().last().unwrap().1.clone()
    }
}

pub(crate) struct House {
    pub(crate) segments: Segment,
    pub(crate) push: Push,
    pub(crate) world: Arc<World>,
    pub(crate) post: Arc<Post>,
    pub(crate) store: Arc<DuckStore>,
    runner: Mutex<Option<AbortHandle>>,
    events: Mutex<u64>,
}

impl House {
    /// One that sends.
    pub(crate) fn new() -> House {
        let house = House::idle();
        house.run(1);
        house
    }

    /// One that sends nothing until it is told to.
    pub(crate) fn idle() -> House {
        let site = |id, name: &str, cookieless| {
            let site = Site::new(SiteId(id), name, Zone::named("Europe/Berlin").unwrap(), Micros(0));
            Site { cookieless, ..site }
        };
        let key = |secret: &str, scope, site| Key {
            id: secret.to_owned(),
            hash: KeyHash::of(secret),
            scope,
            site: Some(SiteId(site)),
            name: String::new(),
            created: Micros(0),
            revoked: false,
        };
        let keys = [
            key(MANAGE, Scope::Manage, 7),
            key(READ, Scope::Read, 7),
            key(WRITE, Scope::Write, 7),
            key(OTHER_WRITE, Scope::Write, 8),
            key(OTHER_MANAGE, Scope::Manage, 8),
            key(NAMELESS, Scope::Manage, 9),
        ];
        let sites = [site(7, "shop.example.org", false), site(8, "other.example.org", true), site(9, "My shop", false)];
        let directory = Arc::new(ArcSwap::from_pointee(Directory::new(sites, keys)));
        let store = Arc::new(DuckStore::open(DuckConfig::memory()).unwrap());
        let world = Arc::new(World { members: Mutex::default(), now: Mutex::new(NOON), followers: Mutex::default() });
        let post = Arc::new(Post { answers: Mutex::default(), sent: Mutex::default(), gate: Semaphore::new(1 << 20) });
        let segments = Segment::new(store.clone(), store.clone(), world.clone(), directory, &Settings::default());
        let push = segments.push(store.clone(), post.clone(), SECRET, settings());
        House { segments, push, world, post, store, runner: Mutex::default(), events: Mutex::default() }
    }

    /// Sends from now on, as this owner.
    pub(crate) fn run(&self, owner: u128) {
        let started = self.push.start(Owner { id: owner, name: "here".into() });
        *self.runner.lock().unwrap() = Some(started);
    }

    /// The process dies: nobody tells what was on its way.
    pub(crate) fn die(&self) {
        self.runner.lock().unwrap().take().unwrap().abort();
    }

    /// Another process over the same store.
    pub(crate) fn another(&self, owner: u128) -> AbortHandle {
        let push = self.segments.push(self.store.clone(), self.post.clone(), SECRET, settings());
        push.start(Owner { id: owner, name: "there".into() })
    }

    /// Makes a visitor known by its number, with events at these times.
    pub(crate) async fn visits(&self, number: u64, times: &[Micros]) {
        self.does(number, times, &[]).await;
    }

    /// The same as clicks, where there are properties.
    pub(crate) async fn does(&self, number: u64, times: &[Micros], properties: &[(&str, &str)]) {
        let visitor = VisitorNo(number);
        let partition = visitor.partition();
        let mut commit = Commit::default();
        let is_new = self.store.lookup().visitors(SITE, partition, &[key(number)]).unwrap().is_empty();
        if is_new {
            let first_seen = times.first().copied().unwrap_or(NOON);
            let version = VisitorVersion {
                site: SITE,
                visitor,
                key: key(number),
                first_seen,
                first_day: sample::day(first_seen),
                sign: Sign::Add,
            };
            commit.visitors.push(version);
        }
        for time in times {
            let id = {
                let mut events = self.events.lock().unwrap();
                *events += 1;
                *events
            };
            let name = if properties.is_empty() { "page_view" } else { "push_click" };
            let row = EventRow { name, properties, ..sample::event(visitor, *time, id.into()) };
            commit.events.push(&row);
        }
        self.store.commit(commit).await.unwrap();
    }

    /// Subscribes a browser of the visitor with this number.
    pub(crate) async fn subscribe(&self, browser: &str, number: u64, time_zone: &str) {
        let request = SubscribeRequest {
            subscription: Some(subscription(browser)),
            visitor_id: format!("visitor {number}"),
            time_zone: time_zone.into(),
        };
        self.push.subscribe(asked(WRITE, request)).await.unwrap();
        // No two are equally new.
        self.world.pass(1);
    }

    /// Visitors 1 to `count`, known and subscribed, as `b1`, `b2`, …
    pub(crate) async fn subscribers(&self, count: u64) {
        for number in 1..=count {
            self.visits(number, &[]).await;
            self.subscribe(&format!("b{number}"), number, "Europe/Berlin").await;
        }
    }

    pub(crate) async fn segment(&self) -> String {
        let request = CreateSegmentRequest { name: "Here".into(), root: Some(seen(30)), ..Default::default() };
        let made = self.segments.create_segment(asked(MANAGE, request)).await.unwrap().into_inner();
        made.segment.unwrap().id
    }

    pub(crate) async fn create(&self, content: CampaignContent) -> Campaign {
        let request = CreateCampaignRequest { content: Some(content) };
        self.push.create_campaign(asked(MANAGE, request)).await.unwrap().into_inner().campaign.unwrap()
    }

    pub(crate) async fn start(&self, content: CampaignContent) -> String {
        let id = self.create(content).await.id;
        let request = StartCampaignRequest { id: id.clone(), expected_version: 1 };
        self.push.start_campaign(asked(MANAGE, request)).await.unwrap();
        id
    }

    pub(crate) async fn get(&self, id: &str) -> (Campaign, Results) {
        let request = GetCampaignRequest { id: id.into() };
        let told = self.push.get_campaign(asked(READ, request)).await.unwrap().into_inner();
        (told.campaign.unwrap(), told.results.unwrap())
    }

    /// Waits until a campaign is as it should be.
    pub(crate) async fn until(&self, id: &str, is_so: impl Fn(&Campaign, &Results) -> bool) -> (Campaign, Results) {
        let since = Instant::now();
        loop {
            let (campaign, results) = self.get(id).await;
            if is_so(&campaign, &results) {
                return (campaign, results);
            }
            assert!(since.elapsed() < Duration::from_secs(30), "{campaign:?}\n{results:?}\n{:?}", self.post.sent());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn done(&self, id: &str) -> Results {
        self.until(id, |campaign, _| campaign.state() == CampaignState::Done).await.1
    }

    /// Long enough for a runner that had something to do.
    pub(crate) async fn rest(&self) {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

fn settings() -> PushSettings {
    PushSettings {
        in_flight: 4,
        streams: 1,
        lease: Duration::from_millis(600),
        pace: Duration::from_millis(20),
        members_for: Duration::ZERO,
        plan_every: Duration::from_secs(60),
        ..PushSettings::default()
    }
}

pub(crate) fn key(number: u64) -> VisitorKey {
    VisitorKey::derive(&SECRET, SITE, format!("visitor {number}").as_bytes())
}

pub(crate) fn endpoint(browser: &str) -> String {
    format!("https://push.example.net/{browser}")
}

pub(crate) fn subscription(browser: &str) -> Subscription {
    let point = VapidKey::generate().unwrap().public_bytes();
    Subscription { endpoint: endpoint(browser), p256dh: point.to_vec().into(), auth: vec![1; 16].into() }
}

fn seen(days: u32) -> Node {
    let seen = Seen { end: pistats_proto::segment::v1::End::Last.into(), when: Some(seen::When::LastDays(days)) };
    Node { node: Some(node::Node::Seen(seen)) }
}

pub(crate) fn asked<T>(key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    request
}

pub(crate) fn campaign(when: When) -> CampaignContent {
    CampaignContent {
        name: "Spring".into(),
        message: Some(Message { title: "Hello".into(), body: "World".into(), ..Message::default() }),
        schedule: Some(Schedule { when: Some(when) }),
        ..CampaignContent::default()
    }
}

pub(crate) fn now() -> CampaignContent {
    campaign(When::Now(Now {}))
}

/// The counts that most cases look at: planned, accepted, failed, uncertain, not sent.
pub(crate) fn counts(results: &Results) -> [u64; 5] {
    [results.planned, results.accepted, results.failed, results.uncertain, results.not_sent]
}

/// Reasons by their names.
pub(crate) fn reasons(of: &[Reason]) -> Vec<(&str, u64)> {
    of.iter().map(|reason| (reason.name.as_str(), reason.count)).collect()
}
