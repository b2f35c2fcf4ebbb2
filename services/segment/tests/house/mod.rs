//! The service over a store in memory, and a world that the test moves.

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pistats_core::directory::{Key, KeyHash, Site};
use pistats_core::report::AsOf;
use pistats_core::segment::Plan;
use pistats_core::{Changes, Day, Directory, Generation, Micros, Offset, Scope, SiteChange, SiteId, Zone};
use pistats_proto::query::v1::Dimension;
use pistats_proto::segment::v1 as wire;
use pistats_segment::{Members, Reader, Reading, Segment, Settings, Written};
use pistats_store::{DuckConfig, DuckStore};
use std::sync::{Arc, Mutex};
use tokio::sync::broadcast;
use tonic::{Request, Status};

pub(crate) const MANAGE: &str = "manage-1";
pub(crate) const READ: &str = "read-1";
/// A read key of another site.
pub(crate) const OTHER: &str = "read-2";

/// What the reading side finds.
pub(crate) struct World {
    members: Mutex<Vec<u32>>,
    generation: Mutex<u64>,
    now: Mutex<Micros>,
    changes: broadcast::Sender<Arc<Changes>>,
}

impl World {
    pub(crate) fn be(&self, members: &[u32]) {
        *self.members.lock().unwrap() = members.to_vec();
    }

    pub(crate) fn pass(&self, micros: i64) {
        let mut now = self.now.lock().unwrap();
        *now = now.plus(micros);
    }

    pub(crate) fn rebuild(&self, members: &[u32]) {
        *self.generation.lock().unwrap() += 1;
        self.be(members);
    }

    /// Tells of a commit of the site.
    pub(crate) fn commit(&self) {
        let change = SiteChange { site: SiteId(1), first: Day(0), last: Day(0) };
        let (committed, is_reset) = (self.now(), false);
        self.changes.send(Arc::new(Changes { number: 1, committed, is_reset, sites: vec![change] })).unwrap();
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

    fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.changes.subscribe()
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
            // A new store's own.
            generation: Mutex::new(1),
            now: Mutex::new(Micros(20_000 * Micros::DAY)),
            changes: broadcast::Sender::new(16),
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
