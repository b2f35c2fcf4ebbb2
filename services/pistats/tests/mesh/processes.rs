//! The processes, in this one.

use pistats::config::{Config, MeshTlsConfig, Overrides, ServerTlsConfig};
use pistats::roles::Role;
use pistats::serve::Running;
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::{CreateSiteRequest, Scope};
use pistats_proto::aggregate::v1::aggregate_service_client::AggregateServiceClient;
use pistats_proto::aggregate::v1::{ListPartitionsRequest, ListPartitionsResponse};
use pistats_rpc::client::{self, Channel};
use pistats_rpc::tls::{ClientTls, IdentityFiles};
use pistats_testkit::authority::{Authority, Signed};
use pistats_testkit::postgres::{self, Database};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tonic::Status;

pub(crate) const INSTANCE_KEY: &str = "pst_instance_of_the_tests";

/// How often it is looked at something that takes half a minute at the most.
const LOOKS: u32 = 1_500;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// An instance with its roles apart.
pub(crate) struct Mesh {
    pub(crate) ingest: Running,
    pub(crate) aggregates: Vec<Running>,
    /// Query and Admin.
    pub(crate) query: Running,
    /// Signed what all of them show and believe.
    pub(crate) ours: Authority,
    /// Signed what nobody here believes.
    pub(crate) theirs: Authority,
    pub(crate) folder: tempfile::TempDir,
    database: Database,
}

/// A site and its keys.
pub(crate) struct Site {
    pub(crate) id: u32,
    pub(crate) server: String,
    pub(crate) read: String,
}

/// A process of the mesh, not started yet.
fn process(folder: &Path, database: &Database, name: &str, roles: &[Role], shown: &Signed, ca: &Path) -> Config {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut own = Config::load(None, &Overrides::default()).unwrap();
    own.data = folder.join(name);
    own.roles = roles.to_vec();
    own.server.listen = "127.0.0.1:0".parse().unwrap();
    own.store.url = database.url.clone();
    own.log.segment_mib = 16;
    own.secrets.instance_key = INSTANCE_KEY.to_owned();
    own.secrets.visitor_secret = "07".repeat(32);
    (own.aggregate.lease_ms, own.aggregate.heartbeat_ms) = (3_000, 200);
    let (cert, key) = (text(&shown.cert), text(&shown.key));
    own.server.tls = ServerTlsConfig { cert: cert.clone(), key: key.clone(), client_ca: text(ca) };
    own.mesh.tls = MeshTlsConfig { ca: text(ca), cert, key };
    own
}

impl Mesh {
    /// All processes, knowing each other; nothing where there is no PostgreSQL.
    pub(crate) async fn start() -> Option<Mesh> {
        let database = postgres::plain()?;
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "theirs"));
        let of = |name: &str, roles: &[Role]| {
            let shown = ours.signed(name, &["127.0.0.1"]);
            process(folder.path(), &database, name, roles, &shown, &ours.ca())
        };
        let ingest = Running::start(of("ingest", &[Role::Ingest])).await.unwrap();
        let mut aggregates = Vec::new();
        for name in ["aggregate-1", "aggregate-2"] {
            let mut own = of(name, &[Role::Aggregate]);
            own.log.url = format!("ingest://{}", ingest.address);
            aggregates.push(Running::start(own).await.unwrap());
        }
        let mut own = of("query", &[Role::Query, Role::Admin]);
        own.mesh.aggregate = aggregates.iter().map(Running::url).collect();
        own.mesh.ingest = vec![ingest.url()];
        let query = Running::start(own).await.unwrap();
        let mesh = Mesh { ingest, aggregates, query, ours, theirs, folder, database };
        mesh.is_shared().await;
        Some(mesh)
    }

    /// Another Query, which believes another authority.
    pub(crate) async fn distrustful(&self) -> Running {
        let shown = self.ours.signed("distrustful", &["127.0.0.1"]);
        let mut own =
            process(self.folder.path(), &self.database, "distrustful", &[Role::Query], &shown, &self.ours.ca());
        own.mesh.tls.ca = self.theirs.ca().to_str().unwrap().to_owned();
        own.mesh.aggregate = self.aggregates.iter().map(Running::url).collect();
        Running::start(own).await.unwrap()
    }

    pub(crate) fn processes(&self) -> impl Iterator<Item = &Running> {
        [&self.ingest, &self.query].into_iter().chain(&self.aggregates)
    }

    /// The certificates of a caller who may.
    pub(crate) fn right(&self) -> ClientTls {
        ClientTls { ca: Some(self.ours.ca()), identity: Some(identity(&self.ours)) }
    }

    /// A channel of a caller who may.
    pub(crate) fn channel(&self, process: &Running, key: &str) -> Channel {
        client::lazy(&process.url(), key, Some(&self.right())).unwrap()
    }

    /// What Query tells of the partitions.
    pub(crate) async fn partitions(&self, query: &Running) -> Result<ListPartitionsResponse, Status> {
        let mut aggregate = AggregateServiceClient::new(self.channel(query, INSTANCE_KEY));
        aggregate.list_partitions(ListPartitionsRequest {}).await.map(tonic::Response::into_inner)
    }

    /// Waits until each Aggregate has its share.
    async fn is_shared(&self) {
        for _ in 0..LOOKS {
            if let Ok(told) = self.partitions(&self.query).await {
                let owners: BTreeSet<&str> = told.partitions.iter().map(|partition| partition.owner.as_str()).collect();
                if owners.len() == 2 && !owners.contains("") {
                    return;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("the partitions were not shared within half a minute");
    }

    /// Waits until so many events are committed.
    pub(crate) async fn committed(&self, events: u64) {
        for _ in 0..LOOKS {
            let told = self.partitions(&self.query).await.unwrap();
            if told.partitions.iter().map(|partition| partition.events).sum::<u64>() >= events {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("{events} events were not committed within half a minute");
    }

    pub(crate) async fn site(&self) -> Site {
        let mut admin = AdminServiceClient::new(self.channel(&self.query, INSTANCE_KEY));
        let request = CreateSiteRequest { name: "example.org".to_owned(), ..Default::default() };
        let made = admin.create_site(request).await.unwrap().into_inner();
        let secret = |scope: Scope| {
            let found = made.keys.iter().find(|new| new.key.as_ref().unwrap().scope() == scope);
            found.unwrap().secret.clone()
        };
        // Every process looks once a second.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        Site { id: made.site.as_ref().unwrap().id, server: secret(Scope::Server), read: secret(Scope::Read) }
    }

    pub(crate) async fn stop(self) {
        for running in [self.ingest, self.query].into_iter().chain(self.aggregates) {
            running.stop().await.unwrap();
        }
    }
}

/// A caller's certificate of this authority: it names nobody, for who it is does not matter.
pub(crate) fn identity(authority: &Authority) -> IdentityFiles {
    let Signed { cert, key } = authority.signed("caller", &[]);
    IdentityFiles { cert, key }
}
