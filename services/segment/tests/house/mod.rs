//! The service over a store in memory, and a world that the test moves.

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pistats_core::directory::{Key, KeyHash, Site};
use pistats_core::report::AsOf;
use pistats_core::segment::follow::{Cause, Moved, News, Part, Told};
use pistats_core::segment::{Move, Plan, SegmentId};
use pistats_core::{Directory, EventId, Generation, Micros, Offset, PartitionId, Scope, SiteId, VisitorNo, Zone};
use pistats_proto::query::v1::Dimension;
use pistats_proto::segment::v1 as wire;
use pistats_segment::{Members, Reader, Reading, Segment, Settings, Written};
use pistats_store::{DuckConfig, DuckStore};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tonic::{Request, Status};

pub(crate) const MANAGE: &str = "manage-1";
pub(crate) const READ: &str = "read-1";
/// A read key of another site.
pub(crate) const OTHER: &str = "read-2";

/// What the reading side finds.
pub(crate) struct World {
    members: Mutex<Vec<u32>>,
    /// What followers know.
    told: Mutex<Vec<u32>>,
    version: Mutex<u32>,
    generation: Mutex<u64>,
    now: Mutex<Micros>,
    followers: Mutex<Vec<mpsc::Sender<Part>>>,
}

impl World {
    pub(crate) fn be(&self, members: &[u32]) {
        *self.members.lock().unwrap() = members.to_vec();
    }

    /// Time passes, and what it changed is told.
    pub(crate) fn pass(&self, micros: i64) {
        {
            let mut now = self.now.lock().unwrap();
            *now = now.plus(micros);
        }
        self.moved(Cause::Time);
    }

    /// Numbers are others, and everybody is told.
    pub(crate) fn rebuild(&self, members: &[u32]) {
        *self.generation.lock().unwrap() += 1;
        self.be(members);
        let everybody = self.everybody();
        self.tell(everybody);
    }

    /// Tells what a commit of the site changed.
    pub(crate) fn commit(&self) {
        self.moved(Cause::Event { id: EventId::from_parts(1, 1), time: self.now() });
    }

    /// Tells what an edit changed.
    pub(crate) fn edit(&self, version: u32) {
        *self.version.lock().unwrap() = version;
        self.moved(Cause::Edit);
    }

    /// The segment is gone.
    pub(crate) fn lose(&self) {
        self.tell(News::Gone);
    }

    fn everybody(&self) -> News {
        let members = self.members.lock().unwrap().clone();
        *self.told.lock().unwrap() = members.clone();
        News::Members(members.into_iter().map(|no| VisitorNo(u64::from(no))).collect())
    }

    fn moved(&self, cause: Cause) {
        let now = self.members.lock().unwrap().clone();
        let before = std::mem::replace(&mut *self.told.lock().unwrap(), now.clone());
        let entered = now.iter().filter(|no| !before.contains(no)).map(|no| (*no, Move::Enter));
        let left = before.iter().filter(|no| !now.contains(no)).map(|no| (*no, Move::Leave));
        let moves = entered.chain(left);
        let moves = moves.map(|(no, moved)| Moved { visitor: VisitorNo(u64::from(no)), moved, cause }).collect();
        self.tell(News::Moves(moves));
    }

    fn tell(&self, news: News) {
        let part = self.part(news);
        self.followers.lock().unwrap().iter().for_each(|follower| drop(follower.try_send(part.clone())));
    }

    fn part(&self, news: News) -> Part {
        let next_offsets = PartitionId::all().map(|partition| (partition, Offset(0))).collect();
        let generation = Generation(*self.generation.lock().unwrap());
        let (version, now) = (*self.version.lock().unwrap(), self.now());
        Part { number: 0, told: Told { version, generation, next_offsets, now, news } }
    }
}

#[async_trait]
impl Reading for World {
    async fn members(&self, _: &Site, _: Plan, only_sql: bool) -> Result<Members, Status> {
        let numbers = self.members.lock().unwrap().iter().copied().collect();
        let generation = Generation(*self.generation.lock().unwrap());
        let as_of = AsOf { generation, next_offsets: vec![Offset(0); 8] };
        Ok(Members { as_of, numbers, reader: if only_sql { Reader::Sql } else { Reader::Bitmaps } })
    }

    fn written(&self, _: &Site, _: &Plan) -> Written {
        Written { sql: "SELECT 1".into(), values: vec!["1".into()] }
    }

    fn follow(&self, _: SiteId, _: SegmentId) -> mpsc::Receiver<Part> {
        let (sender, receiver) = mpsc::channel(16);
        let everybody = self.everybody();
        sender.try_send(self.part(everybody)).unwrap();
        self.followers.lock().unwrap().push(sender);
        receiver
    }

    fn now(&self) -> Micros {
        *self.now.lock().unwrap()
    }
}

pub(crate) struct House {
    pub service: Segment,
    pub world: Arc<World>,
}

impl House {
    pub(crate) fn new() -> House {
        House::with_streams(10)
    }

    pub(crate) fn with_streams(streams: usize) -> House {
        let site = |id| Site::new(SiteId(id), format!("site {id}"), Zone::utc(), Micros(0));
        let key = |secret: &str, scope, site| Key {
            id: secret.to_owned(),
            hash: KeyHash::of(secret),
            scope,
            site: Some(SiteId(site)),
            name: String::new(),
            created: Micros(0),
            revoked: false,
        };
        let keys = [key(MANAGE, Scope::Manage, 1), key(READ, Scope::Read, 1), key(OTHER, Scope::Read, 2)];
        let directory = Arc::new(ArcSwap::from_pointee(Directory::new([site(1), site(2)], keys)));
        let store = Arc::new(DuckStore::open(DuckConfig::memory()).unwrap());
        let world = Arc::new(World {
            members: Mutex::default(),
            told: Mutex::default(),
            version: Mutex::new(1),
            // A new store's own.
            generation: Mutex::new(1),
            now: Mutex::new(Micros(20_000 * Micros::DAY)),
            followers: Mutex::default(),
        });
        let service = Segment::new(store.clone(), store, world.clone(), directory, &Settings { streams });
        House { service, world }
    }
}

pub(crate) fn asked<T>(key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    request
}

/// Visitors who did something at least once.
pub(crate) fn did(event: &str) -> wire::Node {
    let condition = wire::Condition {
        dimension: Dimension::EventName.into(),
        operator: wire::Operator::Is.into(),
        values: vec![event.to_owned()],
        ..wire::Condition::default()
    };
    let amount = Some(wire::did::Amount::AtLeast(1));
    let did = wire::Did { conditions: vec![condition], amount, ..wire::Did::default() };
    wire::Node { node: Some(wire::node::Node::Did(did)) }
}
