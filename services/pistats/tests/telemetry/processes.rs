//! The program itself, a process a role: ingest, two aggregates, query, admin, on the collector's own log and PostgreSQL.

use crate::server::{Site, new_site};
use pistats::client::{Authorized, channel};
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::aggregate::v1::ListPartitionsRequest;
use pistats_proto::aggregate::v1::aggregate_service_client::AggregateServiceClient;
use pistats_proto::ingest::v1::CollectRequest;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::query::v1::JourneyRequest;
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_testkit::postgres::{self, Database};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use tonic::{Code, Status};

const INSTANCE_KEY: &str = "pst_instance_of_the_tests";

/// How often it is looked at something that takes half a minute at the most.
const LOOKS: u32 = 1_500;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The processes, by name.
pub(crate) struct Mesh {
    processes: Mutex<BTreeMap<&'static str, Child>>,
    ports: BTreeMap<&'static str, u16>,
    collector: SocketAddr,
    folder: tempfile::TempDir,
    database: Database,
}

impl Mesh {
    /// Starts all of them and waits until they know each other; nothing where there is no PostgreSQL. Only traces that a caller
    /// records are told to the collector. The collecting process gets settings of its own besides.
    pub(crate) async fn start(collector: SocketAddr, of_ingest: &[(&str, &str)]) -> Option<Mesh> {
        let database = postgres::plain()?;
        let names = ["ingest", "aggregate-1", "aggregate-2", "query", "admin"];
        // Held until all are chosen, so that they differ.
        let free: Vec<_> = names.map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).into();
        let ports: BTreeMap<_, _> =
            names.into_iter().zip(free.iter().map(|listener| listener.local_addr().unwrap().port())).collect();
        drop(free);
        let folder = tempfile::tempdir().unwrap();
        let mesh = Mesh { processes: Mutex::default(), ports, collector, folder, database };
        for name in names {
            mesh.run(name, if name == "ingest" { of_ingest } else { &[] });
        }
        mesh.is_shared().await;
        Some(mesh)
    }

    /// Starts a process, the first time or again on the same data and address.
    pub(crate) fn run(&self, name: &'static str, more: &[(&str, &str)]) {
        let Mesh { ports, folder, database, collector, .. } = self;
        let role = name.split('-').next().unwrap();
        let log = match role {
            "ingest" => "file://log".to_owned(),
            _ => format!("ingest://127.0.0.1:{}", ports["ingest"]),
        };
        let aggregates = ["aggregate-1", "aggregate-2"].map(|name| format!("http://127.0.0.1:{}", ports[name]));
        let child = Command::new(env!("CARGO_BIN_EXE_pistats"))
            .args(["serve", "--roles", role, "--listen", &format!("127.0.0.1:{}", ports[name]), "--data"])
            .arg(folder.path().join(name))
            .env("PISTATS_STORE__URL", &database.url)
            .env("PISTATS_LOG__URL", log)
            .env("PISTATS_LOG__SEGMENT_MIB", "16")
            .env("PISTATS_MESH__INGEST", format!("[\"http://127.0.0.1:{}\"]", ports["ingest"]))
            .env("PISTATS_MESH__AGGREGATE", format!("{aggregates:?}"))
            .env("PISTATS_SECRETS__INSTANCE_KEY", INSTANCE_KEY)
            .env("PISTATS_SECRETS__VISITOR_SECRET", "\"07\"".replace("07", &"07".repeat(32)))
            .env("PISTATS_AGGREGATE__LEASE_MS", "3000")
            .env("PISTATS_AGGREGATE__HEARTBEAT_MS", "200")
            .env("PISTATS_TELEMETRY__OTLP", format!("http://{collector}"))
            .env("PISTATS_TELEMETRY__SAMPLING", "0")
            .env("PISTATS_TELEMETRY__SERVICE", name)
            .envs(more.iter().copied())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.processes.lock().unwrap().insert(name, child);
    }

    /// Waits until both Aggregates have their share.
    async fn is_shared(&self) {
        let mut aggregate = AggregateServiceClient::new(self.channel("query", INSTANCE_KEY));
        for _ in 0..LOOKS {
            if let Ok(told) = aggregate.list_partitions(ListPartitionsRequest {}).await {
                let partitions = told.into_inner().partitions;
                let owners: BTreeSet<&str> = partitions.iter().map(|partition| partition.owner.as_str()).collect();
                if owners.len() == 2 && !owners.contains("") {
                    return;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("the partitions were not shared within half a minute");
    }

    pub(crate) fn instance_key(&self) -> &'static str {
        INSTANCE_KEY
    }

    /// A channel to a process.
    pub(crate) fn channel(&self, process: &str, key: &str) -> Authorized {
        channel(&format!("http://127.0.0.1:{}", self.ports[process]), key).unwrap()
    }

    /// A site whose keys the collector knows.
    pub(crate) async fn site(&self) -> Site {
        let mut admin = AdminServiceClient::new(self.channel("admin", INSTANCE_KEY));
        let mut made = None;
        for _ in 0..LOOKS {
            match admin.create_site(new_site()).await {
                Ok(answer) => {
                    made = Some(answer.into_inner());
                    break;
                }
                // It may still be starting.
                Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let site = Site::of(made.expect("Admin answers within half a minute"));
        self.know(&site).await;
        site
    }

    /// Waits until collector and Query have heard of a site's keys: calls that ask for nothing are not UNAUTHENTICATED then.
    pub(crate) async fn know(&self, site: &Site) {
        let mut ingest = IngestServiceClient::new(self.channel("ingest", &site.server));
        let mut query = QueryServiceClient::new(self.channel("query", &site.read));
        let is_known = |status: &Status| ![Code::Unauthenticated, Code::Unavailable].contains(&status.code());
        for _ in 0..LOOKS {
            let collected = ingest.collect(CollectRequest::default()).await.map(drop);
            let asked = query.journey(JourneyRequest::default()).await.map(drop);
            if collected.as_ref().err().is_none_or(is_known) && asked.as_ref().err().is_none_or(is_known) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("the keys were not known within half a minute");
    }

    /// Ends a process in order.
    pub(crate) fn stop(&self, name: &str) {
        let Some(mut process) = self.processes.lock().unwrap().remove(name) else { return };
        assert!(Command::new("kill").arg(process.id().to_string()).status().unwrap().success());
        assert!(process.wait().unwrap().success(), "{name} ends well");
    }

    pub(crate) fn stop_all(&self) {
        let names: Vec<&str> = self.processes.lock().unwrap().keys().copied().collect();
        names.into_iter().for_each(|name| self.stop(name));
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        for process in self.processes.lock().unwrap().values_mut() {
            // Where a test fails.
            _ = process.kill();
            _ = process.wait();
        }
    }
}
