//! A server in this process, in the shape that `topology` says, and a client of it.

use crate::topology::{Cluster, Ground, is_apart};
use pistats::client::{Authorized, MESSAGE_BYTES, channel};
use pistats::config::{Config, Overrides};
use pistats::import::{self, Format, Options, Report};
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::{CreateSiteRequest, Scope};
use pistats_proto::aggregate::v1::aggregate_service_client::AggregateServiceClient;
use pistats_proto::aggregate::v1::{ListPartitionsRequest, Upkeep};
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::ingest::v1::{CollectRequest, Event};
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::*;
use pistats_testkit::data::{self, Set};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) type Queries = QueryServiceClient<Authorized>;

/// A server on a free port with a data folder of its own, gone with the test.
pub(crate) struct Instance {
    pub(crate) running: Cluster,
    ground: Ground,
}

/// A site and its keys.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) server: String,
    pub(crate) read: String,
    pub(crate) server_key: String,
}

impl Instance {
    pub(crate) async fn start() -> Instance {
        Instance::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Instance {
        Instance::start_in(Ground::new(), change).await
    }

    pub(crate) async fn start_in(ground: Ground, change: impl FnOnce(&mut Config)) -> Instance {
        let mut config = Config::load(None, &Overrides::default()).unwrap();
        config.data = ground.data();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.log.segment_mib = 16;
        change(&mut config);
        let instance = Instance { running: Cluster::start(config, &ground).await, ground };
        instance.is_shared().await;
        instance
    }

    /// Waits until every process has heard of the sites and keys that there are: each looks once a second.
    pub(crate) async fn heard(&self) {
        if is_apart() {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
        }
    }

    /// Waits until every process that folds has its share.
    async fn is_shared(&self) {
        let mut aggregate = self.aggregate();
        for _ in 0..1_500 {
            if let Ok(told) = aggregate.list_partitions(ListPartitionsRequest {}).await {
                let partitions = told.into_inner().partitions;
                let owners: BTreeSet<&str> = partitions.iter().map(|partition| partition.owner.as_str()).collect();
                if owners.len() == self.running.aggregates() && !owners.contains("") {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the partitions were not shared within half a minute");
    }

    /// Stops in order and starts again on the same data.
    pub(crate) async fn restart(self, change: impl FnOnce(&mut Config)) -> Instance {
        let Instance { running, ground } = self;
        running.stop().await;
        Instance::start_in(ground, change).await
    }

    pub(crate) async fn stop(self) -> Ground {
        self.running.stop().await;
        self.ground
    }

    pub(crate) async fn site(&self, name: &str, time_zone: &str) -> Site {
        let mut admin = AdminServiceClient::new(self.instance_channel());
        let request =
            CreateSiteRequest { name: name.to_owned(), time_zone: time_zone.to_owned(), ..Default::default() };
        let made = admin.create_site(request).await.unwrap().into_inner();
        let secret = |scope: Scope| {
            let found = made.keys.iter().find(|new| new.key.as_ref().unwrap().scope() == scope);
            found.unwrap().secret.clone()
        };
        let site = Site { server: self.running.url(), read: secret(Scope::Read), server_key: secret(Scope::Server) };
        site.is_known().await;
        site
    }

    pub(crate) fn instance_channel(&self) -> Authorized {
        channel(&self.running.url(), &self.running.secrets.instance_key).unwrap()
    }

    pub(crate) fn aggregate(&self) -> AggregateServiceClient<Authorized> {
        AggregateServiceClient::new(self.instance_channel())
    }

    /// How far rollups and sheets are behind.
    pub(crate) async fn upkeep(&self) -> Upkeep {
        let told = self.aggregate().list_partitions(ListPartitionsRequest {}).await.unwrap().into_inner();
        told.upkeep.unwrap()
    }

    /// Waits until everything that is on disk now can be queried.
    pub(crate) async fn settle(&self) {
        let mut aggregate = self.aggregate();
        let mut ends: Option<Vec<u64>> = None;
        // Five million events on PostgreSQL, on a busy machine.
        for _ in 0..30_000 {
            let now = match aggregate.list_partitions(ListPartitionsRequest {}).await {
                Ok(told) => told.into_inner().partitions,
                // A process that folds on a machine with other work may not answer in time.
                Err(status) if status.code() == tonic::Code::Unavailable => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
                Err(status) => panic!("{status:?}"),
            };
            let ends = ends.get_or_insert_with(|| now.iter().map(|p| p.next_offset).collect());
            if now.iter().zip(ends.iter()).all(|(partition, end)| partition.checkpoint >= *end) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the log was not folded within ten minutes");
    }
}

impl Site {
    pub(crate) fn queries(&self) -> Queries {
        let channel = channel(&self.server, &self.read).unwrap();
        QueryServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES)
    }

    /// Waits until the collector knows its key: every process looks once a second.
    pub(crate) async fn is_known(&self) {
        while self.collect_nothing().await.is_err_and(|status| status.code() == tonic::Code::Unauthenticated) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Imports a file as `pistats import` does.
    pub(crate) async fn import(&self, path: &Path, format: Option<Format>) -> Report {
        let options = Options {
            server: self.server.clone(),
            tls: None,
            key: self.server_key.clone(),
            format,
            connections: 4,
            batch: 1_000,
            retry_for: Duration::from_secs(60),
            rejects: None,
        };
        import::run(path, &options, |_, _, _| {}).await.unwrap()
    }

    async fn collect_nothing(&self) -> Result<(), tonic::Status> {
        let mut client = IngestServiceClient::new(channel(&self.server, &self.server_key).unwrap());
        client.collect(CollectRequest { events: Vec::new() }).await.map(drop)
    }

    /// Sends batches on several connections side by side, each batch repeated until it is answered.
    pub(crate) async fn collect(&self, batches: Vec<Vec<Event>>, connections: usize) {
        let mut lanes: Vec<Vec<Vec<Event>>> = vec![Vec::new(); connections];
        for (index, batch) in batches.into_iter().enumerate() {
            lanes[index % connections].push(batch);
        }
        let mut senders = tokio::task::JoinSet::new();
        for lane in lanes {
            let mut client = IngestServiceClient::new(channel(&self.server, &self.server_key).unwrap());
            senders.spawn(async move {
                for events in lane {
                    let count = events.len() as u32;
                    let answer = client.collect(CollectRequest { events }).await.unwrap().into_inner();
                    assert_eq!(
                        (answer.accepted, answer.rejections.len()),
                        (count, 0),
                        "{:?}",
                        answer.rejections.first()
                    );
                }
            });
        }
        while let Some(sent) = senders.join_next().await {
            sent.unwrap();
        }
    }
}

/// Imports a set into a site of UTC, and has it asked twice: right after the import, while every refresh is held back, and when
/// nothing is behind any more. Does nothing where the data is absent.
pub(crate) async fn asked_before_and_after_a_refresh(set: Set, ask: impl AsyncFn(&Site)) {
    let Some(path) = data::events(set).unwrap() else { return };
    // How long an answer takes is not the question here: five million events without a rollup, beside other tests.
    let patient = |config: &mut Config| config.store.statement_seconds = 600;
    let instance = Instance::start_with(|config| {
        patient(config);
        config.aggregate.refresh_every_ms = 0;
    })
    .await;
    let site = instance.site(set.name(), "UTC").await;
    let since = Instant::now();
    let report = site.import(&path, None).await;
    assert_eq!(report.refused, 0, "{}", report.text());
    instance.settle().await;
    let folded = since.elapsed();
    let behind = instance.upkeep().await;
    assert!(behind.dirty_hours > 0 && behind.dirty_days > 0 && behind.built_days == 0, "{behind:?}");
    ask(&site).await;
    assert_eq!(instance.upkeep().await, behind, "nothing was refreshed while it was asked");
    let asked = since.elapsed() - folded;

    // Without the pauses between refreshes: hundreds of days are behind.
    let instance = instance
        .restart(|config| {
            patient(config);
            (config.aggregate.calm_ms, config.aggregate.refresh_every_ms) = (0, 20);
        })
        .await;
    let site = Site { server: instance.running.url(), ..site };
    let since = Instant::now();
    while is_behind(&instance.upkeep().await) {
        assert!(since.elapsed() < Duration::from_secs(300), "{:?} is behind for ever", instance.upkeep().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let refreshed = since.elapsed();
    assert_eq!(instance.upkeep().await.built_days, behind.dirty_days);
    let since = Instant::now();
    ask(&site).await;
    println!(
        "{set:?}: folded in {folded:.1?}, asked in {asked:.1?}; refreshed in {refreshed:.1?}, asked in {:.1?}",
        since.elapsed()
    );
    instance.stop().await;
}

fn is_behind(upkeep: &Upkeep) -> bool {
    upkeep.dirty_hours > 0 || upkeep.dirty_days > 0
}

/// Whole days, both included.
pub(crate) fn days(first: &str, last: &str) -> Option<Range> {
    Some(Range { range: Some(range::Range::Days(DayRange { first: first.to_owned(), last: last.to_owned() })) })
}

/// Everything of the range with bots, as the references count.
pub(crate) fn traffic(range: Option<Range>, interval: Interval) -> TrafficRequest {
    TrafficRequest { range, interval: interval.into(), bots: Bots::Include.into(), ..Default::default() }
}

pub(crate) fn breakdown(range: Option<Range>, dimension: Dimension, order_by: Metric, limit: u32) -> BreakdownRequest {
    BreakdownRequest {
        range,
        dimension: dimension.into(),
        bots: Bots::Include.into(),
        order_by: order_by.into(),
        limit,
        ..Default::default()
    }
}
