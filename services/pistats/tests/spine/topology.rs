//! The same server in two shapes: one process, or its roles apart.
//!
//! ```text
//!   one      all roles ── file:// and duckdb://
//!
//!   apart    front ─┬─ ingest ── its own log ═ ingest:// ═▶ aggregate, aggregate ── leases ──┐
//!                   └─ query, admin ◀═ live parts, notices ═════════╝                        ├─ PostgreSQL
//!                            └───────────────────────────────────────────────────────────────┘
//! ```
//!
//! `PISTATS_TEST_TOPOLOGY` chooses for every case: `one`, `apart` (on a private PostgreSQL) or `timescale` (apart, on the server that
//! `PISTATS_TEST_TIMESCALE` names). `make test` runs the first two.
//!
//! Here every role is a server within the test's process. `program` starts the same shapes as processes that can be killed.

use crate::front::{Front, Routes};
use pistats::config::Config;
use pistats::roles::Role;
use pistats::serve::Running;
use pistats_testkit::postgres::{self, Database};
use std::net::SocketAddr;
use std::path::Path;

/// What all processes of an instance share.
pub(crate) const INSTANCE_KEY: &str = "pst_instance_of_the_tests";

/// Where the warehouse is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One process, on DuckDB.
    One,
    Apart,
    /// Apart, on TimescaleDB.
    Timescale,
}

/// The shape that this run asks for.
pub(crate) fn shape() -> Shape {
    match std::env::var("PISTATS_TEST_TOPOLOGY").as_deref() {
        Err(_) | Ok("" | "one") => Shape::One,
        Ok("apart") => Shape::Apart,
        Ok("timescale") => Shape::Timescale,
        Ok(other) => panic!("PISTATS_TEST_TOPOLOGY={other}: use one, apart or timescale"),
    }
}

/// Whether cases run with the roles apart.
pub(crate) fn is_apart() -> bool {
    shape() != Shape::One
}

/// The input of a case, or a smaller one with the roles apart: there a commit is a dozen round trips, and all processes of a mesh
/// share one machine.
pub(crate) fn or_apart<T>(one: T, apart: T) -> T {
    if is_apart() { apart } else { one }
}

/// The secrets of the instance, and how soon partitions change hands: sooner than usual, for impatient tests.
pub(crate) fn shared(config: &mut Config) {
    config.secrets.instance_key = INSTANCE_KEY.to_owned();
    config.secrets.visitor_secret = "07".repeat(32);
    (config.aggregate.lease_ms, config.aggregate.heartbeat_ms) = (3_000, 200);
}

/// What a server leaves behind when it stops: its folder, and its database where it has one.
pub(crate) struct Ground {
    folder: tempfile::TempDir,
    database: Option<Database>,
}

impl Ground {
    pub(crate) fn new() -> Ground {
        let database = match shape() {
            Shape::One => None,
            Shape::Apart => Some(postgres::plain().expect("roles apart need PostgreSQL's package")),
            Shape::Timescale => Some(postgres::timescale().expect("PISTATS_TEST_TIMESCALE names a server")),
        };
        Ground { folder: tempfile::tempdir().unwrap(), database }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where servers keep what is theirs.
    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.path().join("data")
    }

    pub(crate) fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }
}

/// The processes of a server, as one.
pub(crate) struct Cluster {
    /// In the order in which they are stopped.
    running: Vec<Running>,
    front: Option<Front>,
    pub(crate) address: SocketAddr,
    pub(crate) secrets: Shown,
}

/// What the tests need to know of the secrets.
pub(crate) struct Shown {
    pub(crate) instance_key: String,
}

impl Cluster {
    pub(crate) async fn start(config: Config, ground: &Ground) -> Cluster {
        match &ground.database {
            None => {
                let running = Running::start(config).await.unwrap();
                let secrets = Shown { instance_key: running.secrets.instance_key.clone() };
                Cluster { address: running.address, secrets, running: vec![running], front: None }
            }
            Some(database) => Cluster::apart(config, &database.url).await,
        }
    }

    async fn apart(config: Config, database: &str) -> Cluster {
        let process = |name: &str, roles: &[Role]| {
            let mut own = config.clone();
            shared(&mut own);
            own.data = config.data.join(name);
            own.roles = roles.to_vec();
            own.store.url = database.to_owned();
            own
        };
        let ingest = Running::start(process("ingest", &[Role::Ingest])).await.unwrap();
        let mut aggregates = Vec::new();
        for name in ["aggregate-1", "aggregate-2"] {
            let mut own = process(name, &[Role::Aggregate]);
            own.log.url = format!("ingest://{}", ingest.address);
            aggregates.push(Running::start(own).await.unwrap());
        }
        let mut own = process("query", &[Role::Query, Role::Admin, Role::Segment]);
        own.mesh.aggregate = aggregates.iter().map(Running::url).collect();
        own.mesh.ingest = vec![ingest.url()];
        let query = Running::start(own).await.unwrap();
        let front = Front::start(Routes::apart(ingest.url(), query.url())).await;
        let secrets = Shown { instance_key: query.secrets.instance_key.clone() };
        let mut running = vec![ingest, query];
        running.extend(aggregates);
        Cluster { running, address: front.address, front: Some(front), secrets }
    }

    /// How many processes fold.
    pub(crate) fn aggregates(&self) -> usize {
        if self.front.is_some() { 2 } else { 1 }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) async fn stop(self) {
        for running in self.running {
            running.stop().await.unwrap();
        }
    }
}
