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
//! `PISTATS_TEST_TOPOLOGY=apart` chooses the second for every case; `make test` runs both.

use crate::front::{Front, Routes};
use pistats::config::Config;
use pistats::roles::Role;
use pistats::serve::Running;
use pistats_testkit::postgres::{self, Database};
use std::net::SocketAddr;
use std::path::Path;

/// Whether cases run with the roles apart.
pub(crate) fn is_apart() -> bool {
    match std::env::var("PISTATS_TEST_TOPOLOGY").as_deref() {
        Err(_) | Ok("" | "one") => false,
        Ok("apart") => true,
        Ok(other) => panic!("PISTATS_TEST_TOPOLOGY={other}: use one or apart"),
    }
}

/// True where the case cannot run with the roles apart, or not here; says why.
pub(crate) fn is_skipped(only_one: Option<&str>) -> bool {
    if !is_apart() {
        return false;
    }
    if let Some(reason) = only_one {
        eprintln!("skipped with roles apart: {reason}");
    }
    only_one.is_some()
}

/// What a server leaves behind when it stops: its folder, and its database where it has one.
pub(crate) struct Ground {
    folder: tempfile::TempDir,
    database: Option<Database>,
}

impl Ground {
    pub(crate) fn new() -> Ground {
        let database = is_apart().then(|| postgres::plain().expect("roles apart need PostgreSQL's package"));
        Ground { folder: tempfile::tempdir().unwrap(), database }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
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
            own.data = config.data.join(name);
            own.roles = roles.to_vec();
            own.store.url = database.to_owned();
            own.secrets.instance_key = "pst_instance_of_the_tests".to_owned();
            own.secrets.visitor_secret = "07".repeat(32);
            // Partitions change hands sooner, for impatient tests.
            (own.aggregate.lease_ms, own.aggregate.heartbeat_ms) = (3_000, 200);
            own
        };
        let ingest = Running::start(process("ingest", &[Role::Ingest])).await.unwrap();
        let mut aggregates = Vec::new();
        for name in ["aggregate-1", "aggregate-2"] {
            let mut own = process(name, &[Role::Aggregate]);
            own.log.url = format!("ingest://{}", ingest.address);
            aggregates.push(Running::start(own).await.unwrap());
        }
        let mut own = process("query", &[Role::Query, Role::Admin]);
        own.mesh.aggregate = aggregates.iter().map(Running::url).collect();
        own.mesh.ingest = vec![ingest.url()];
        let query = Running::start(own).await.unwrap();
        let routes = vec![
            ("/pistats.ingest.", ingest.url()),
            ("/pistats.log.", ingest.url()),
            ("/js/", ingest.url()),
            ("/collect", ingest.url()),
            ("/pixel.gif", ingest.url()),
            // Reports, sites and keys, and Aggregate's calls, which Query passes on to all of them.
            ("/", query.url()),
        ];
        let front = Front::start(Routes(routes)).await;
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
