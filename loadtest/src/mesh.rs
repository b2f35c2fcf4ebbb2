//! The mesh as it runs in earnest, for scenarios that break it: real engines and roles apart, all of them children of this
//! process, on loopback, in one private folder that goes with it.
//!
//! ```text
//!   writer ─▶ ingest ═ spool ═▶ Fluvio SC + SPU ═▶ aggregate-1, aggregate-2 ═▶ PostgreSQL (TimescaleDB where it is installed)
//!                                                        ╰════════▶ front: query and admin ◀═ reports ═╯
//!
//!   process    a child that is killed, held and started again       fluvio, postgres    the engines
//!   load       a writer that keeps a list of what was acknowledged  counted             that list beside what Export tells
//!   service    `pistats serve` with some of the roles               guards              what its metrics tell of Fluvio
//! ```
//!
//! Programs come from the environment: `PISTATS_TEST_FLUVIO_RUN` names Fluvio's server program, `PISTATS_TEST_POSTGRES_BIN` the folder
//! of PostgreSQL's programs (else the newest in /usr/lib/postgresql).

pub(crate) mod counted;
pub(crate) mod fluvio;
pub(crate) mod guards;
pub(crate) mod load;
pub(crate) mod postgres;
pub(crate) mod process;
mod service;

use crate::Failure;
use crate::client::{Authorized, connect};
use fluvio::Fluvio;
use guards::Guards;
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::{CreateSiteRequest, Scope};
use pistats_proto::aggregate::v1::aggregate_service_client::AggregateServiceClient;
use pistats_proto::aggregate::v1::{ListPartitionsRequest, ListPartitionsResponse};
use pistats_proto::log::v1::log_service_client::LogServiceClient;
use pistats_proto::log::v1::{StateRequest, StateResponse};
use postgres::Postgres;
use process::{Ground, Process};
use service::{Service, Shared};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

/// A call that takes longer is asked again: a process that was held does not answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The longest that a command may run: a replay reads the whole log.
const COMMAND_WITHIN: Duration = Duration::from_secs(300);
/// What every process of the mesh is given; random would do, but nobody else reaches loopback ports of a private run.
const VISITOR_SECRET_BYTE: &str = "5a";

/// What lies between Ingest and the Aggregates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    /// A cluster of its own.
    Fluvio,
    /// Nothing: Aggregates read the collector's log (`ingest://`).
    Nothing,
}

/// Keys of a site.
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) server_key: String,
    pub(crate) read_key: String,
}

/// Everything that runs.
pub(crate) struct Mesh {
    // In the order in which they go down.
    pub(crate) ingest: Service,
    pub(crate) aggregates: [Service; 2],
    pub(crate) front: Service,
    stream: Option<Fluvio>,
    pub(crate) postgres: Postgres,
    key: String,
    ground: Arc<Ground>,
}

impl Mesh {
    /// Starts all of it; every process is healthy on return.
    pub(crate) async fn start(program: &Path, parent: &Path, between: Between) -> Result<Mesh, Failure> {
        let ground = Arc::new(Ground::new(parent)?);
        let postgres = Postgres::start(&ground).await?;
        let stream = match between {
            Between::Fluvio => Some(Fluvio::start(&ground, program).await?),
            Between::Nothing => None,
        };
        let key = format!("pst_instance_{:032x}", rand::random::<u128>());
        let log = |url: &str| {
            let settle = fluvio::SETTLE.as_secs();
            format!("[log]\nurl = \"{url}\"\nsegment_mib = 16\nsettle_seconds = {settle}\n")
        };
        let mut shared = Shared {
            program: program.canonicalize().map_err(|error| format!("{}: {error}", program.display()))?,
            secrets: format!(
                "[secrets]\ninstance_key = \"{key}\"\nvisitor_secret = \"{}\"\n",
                VISITOR_SECRET_BYTE.repeat(32)
            ),
            log: log(&stream.as_ref().map_or_else(|| "file://log".to_owned(), Fluvio::url)),
            store: format!("[store]\nurl = \"{}\"\n", postgres.url()),
        };
        let mut ingest = Service::new(&ground, &shared, "ingest", &["ingest"], "")?;
        if stream.is_none() {
            shared.log = log(&ingest.url().replace("http://", "ingest://"));
        }
        let mut aggregates = [
            Service::new(&ground, &shared, "aggregate-1", &["aggregate"], "")?,
            Service::new(&ground, &shared, "aggregate-2", &["aggregate"], "")?,
        ];
        let peers = format!(
            "[mesh]\ningest = [\"{}\"]\naggregate = [\"{}\", \"{}\"]\n",
            ingest.url(),
            aggregates[0].url(),
            aggregates[1].url()
        );
        let mut front = Service::new(&ground, &shared, "front", &["query", "admin"], &peers)?;
        front.start().await?;
        ingest.start().await?;
        for aggregate in &mut aggregates {
            aggregate.start().await?;
        }
        let mesh = Mesh { ingest, aggregates, front, stream, postgres, key, ground };
        mesh.shared_out().await?;
        Ok(mesh)
    }

    /// The cluster, for cases that break it.
    pub(crate) fn fluvio(&mut self) -> Result<&mut Fluvio, Failure> {
        self.stream.as_mut().ok_or_else(|| "this needs Fluvio between Ingest and the Aggregates".to_owned())
    }

    pub(crate) fn spu(&self) -> Option<&Process> {
        self.stream.as_ref().map(Fluvio::spu)
    }

    /// Brings back whatever does not run; after a case that failed half-way.
    pub(crate) async fn heal(&mut self) -> Result<(), Failure> {
        self.postgres.ensure().await?;
        if let Some(fluvio) = &mut self.stream {
            fluvio.ensure().await?;
        }
        for service in [&mut self.front, &mut self.ingest].into_iter().chain(&mut self.aggregates) {
            service.ensure().await?;
        }
        self.shared_out().await
    }

    /// Waits until both Aggregates fold their share, four partitions each.
    pub(crate) async fn shared_out(&self) -> Result<(), Failure> {
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            let mut own = Vec::new();
            for aggregate in &self.aggregates {
                own.push(self.partitions(aggregate).await.map_or(0, |all| owned(&all).len()));
            }
            if own == [4, 4] {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("the Aggregates hold {own:?} partitions, not four each"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A connection to a process, with the instance key.
    async fn channel(&self, service: &Service) -> Result<InterceptedService<Channel, Authorized>, Failure> {
        connect(&service.url(), &self.key).await
    }

    /// A new site.
    pub(crate) async fn site(&self, name: &str) -> Result<Site, Failure> {
        let mut admin = AdminServiceClient::new(self.channel(&self.front).await?);
        let request = CreateSiteRequest { name: name.to_owned(), time_zone: "UTC".to_owned(), ..Default::default() };
        let made = admin.create_site(request).await.map_err(|status| format!("a site: {status}"))?.into_inner();
        let secret = |scope: Scope| {
            let keys = made.keys.iter().find(|new| new.key.as_ref().is_some_and(|key| key.scope() == scope));
            keys.map(|new| new.secret.clone()).ok_or_else(|| format!("the site has no {scope:?} key"))
        };
        Ok(Site { name: name.to_owned(), server_key: secret(Scope::Server)?, read_key: secret(Scope::Read)? })
    }

    /// `ListPartitions` as a process tells it.
    pub(crate) async fn partitions(&self, service: &Service) -> Result<ListPartitionsResponse, Failure> {
        let asked = async {
            let mut client = AggregateServiceClient::new(self.channel(service).await?);
            let answer = client.list_partitions(ListPartitionsRequest {}).await;
            Ok(answer.map_err(|status| format!("{}: {status}", service.name))?.into_inner())
        };
        let late = |_| format!("{} does not answer", service.name);
        tokio::time::timeout(ANSWER_WITHIN, asked).await.map_err(late)?
    }

    /// Runs a command of the program against a process, with the instance key; what it printed.
    pub(crate) async fn command(&self, service: &Service, args: &[&str]) -> Result<String, Failure> {
        let mut command = tokio::process::Command::new(service.program());
        command.args(args).args(["--server", &service.url(), "--key", &self.key]).kill_on_drop(true);
        let named = format!("pistats {}", args.join(" "));
        let done = tokio::time::timeout(COMMAND_WITHIN, command.output()).await;
        let done = done.map_err(|_| format!("{named}: no end"))?.map_err(|error| format!("{named}: {error}"))?;
        if !done.status.success() {
            return Err(format!("{named}: {}\n{}", done.status, String::from_utf8_lossy(&done.stderr).trim()));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// How the collector stands.
    pub(crate) async fn state(&self) -> Result<StateResponse, Failure> {
        let asked = async {
            let mut client = LogServiceClient::new(self.channel(&self.ingest).await?);
            Ok(client.state(StateRequest {}).await.map_err(|status| format!("ingest: {status}"))?.into_inner())
        };
        tokio::time::timeout(ANSWER_WITHIN, asked).await.map_err(|_| "ingest does not answer".to_owned())?
    }

    /// Records of the spool that the stream does not have yet; none where there is no stream.
    pub(crate) async fn backlog(&self) -> Result<u64, Failure> {
        if self.stream.is_none() {
            return Ok(0);
        }
        let forwarding = self.state().await?.forwarding.ok_or("nothing is forwarded")?;
        Ok(forwarding.partitions.iter().map(|one| one.next.saturating_sub(one.forwarded)).sum())
    }

    /// What the guards of Fluvio counted in each process that writes or reads the log, since that process started.
    pub(crate) async fn guards(&self) -> Result<Guards, Failure> {
        let mut guards = Guards::default();
        for service in [&self.ingest].into_iter().chain(&self.aggregates) {
            guards.add(&service.name, &service.page().await?)?;
        }
        Ok(guards)
    }

    /// Waits until everything that was acknowledged is folded. Returns how long that took.
    pub(crate) async fn settle(&self, patience: Duration) -> Result<Duration, Failure> {
        let begun = Instant::now();
        loop {
            let reached = match self.backlog().await {
                Ok(0) => self.folded().await,
                Ok(records) => Err(format!("{records} records wait in the spool")),
                Err(failure) => Err(failure),
            };
            match reached {
                Ok(()) => return Ok(begun.elapsed()),
                Err(what) if begun.elapsed() > patience => {
                    return Err(format!("not settled after {} s: {what}", patience.as_secs()));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn folded(&self) -> Result<(), Failure> {
        let all = self.partitions(&self.front).await?;
        if let Some(process) = all.unreachable.first() {
            return Err(format!("unreachable: {process}"));
        }
        // A checkpoint beyond the end, too: the log went back, and nothing of what came since is folded.
        let behind: u64 =
            all.partitions.iter().map(|partition| partition.next_offset.abs_diff(partition.checkpoint)).sum();
        if behind > 0 || all.partitions.len() != 8 { Err(format!("{behind} records are not folded")) } else { Ok(()) }
    }

    /// `kill -9` of every process, engines too.
    pub(crate) fn kill_everything(&mut self) {
        for service in [&mut self.ingest, &mut self.front].into_iter().chain(&mut self.aggregates) {
            service.kill();
        }
        if let Some(fluvio) = &mut self.stream {
            fluvio.kill_spu();
            fluvio.kill_sc();
        }
        self.postgres.kill();
    }

    /// Events of a site in the traffic report, over all days.
    pub(crate) async fn count(&self, site: &Site) -> Result<u64, Failure> {
        counted::reported(self, site).await
    }

    /// Versions of all that takes part.
    pub(crate) async fn versions(&self) -> Result<Vec<String>, Failure> {
        let pistats = self.front.version().await?;
        let stream = match &self.stream {
            Some(fluvio) => fluvio.version().await?,
            None => "no stream: Aggregates read the collector's log (ingest://)".to_owned(),
        };
        Ok(vec![pistats, stream, self.postgres.version().await?])
    }

    /// The private folder.
    pub(crate) fn folder(&self) -> &Path {
        self.ground.path()
    }
}

/// The partitions that the answering process folds.
pub(crate) fn owned(all: &ListPartitionsResponse) -> Vec<u32> {
    all.partitions.iter().filter(|partition| partition.is_own).map(|partition| partition.partition).collect()
}
