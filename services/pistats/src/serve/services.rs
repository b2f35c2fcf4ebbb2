//! The services of a process's roles, and what each is handed.

use super::afar::Afar;
use super::directory::Source;
use super::following::Follows;
use super::peers;
use super::reading::Readers;
use super::relay::Relay;
use super::resubmit::Elsewhere;
use super::secrets::Secrets;
use super::web::{self, Shop};
use super::{Backends, Warehouse, folding, living, metrics, spool};
use crate::config::Config;
use crate::roles::Role;
use pistats_admin::{Admin, SignIns};
use pistats_aggregate::{Aggregator, Handle, Parts, Refusals};
use pistats_ingest::{Again, Collector, Ingest, Log};
use pistats_proto::admin::v1::admin_service_server::AdminServiceServer;
use pistats_proto::aggregate::v1::aggregate_service_server::AggregateServiceServer;
use pistats_proto::push::v1::push_service_server::PushServiceServer;
use pistats_proto::query::v1::query_service_server::QueryServiceServer;
use pistats_proto::segment::v1::segment_service_server::SegmentServiceServer;
use pistats_query::{Living, Nothing, Query};
use pistats_rpc::resubmit::Resubmit;
use pistats_rpc::{Server, configured};
use pistats_segment::Segment;
use pistats_store::Owner;
use pistats_telemetry::Meters;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;

/// Bytes of a call that is no batch of events: requests of reports and admin are small.
const REQUEST_BYTES: usize = 4 << 20;

/// What runs.
pub(super) struct Services {
    pub(super) server: Server,
    pub(super) aggregator: Option<Arc<Handle>>,
    /// Where Admin runs here.
    pub(super) sign_ins: Option<Arc<SignIns>>,
    pub(super) shop: Shop,
    /// What goes on beside the port, to be aborted at the end.
    pub(super) beside: Vec<AbortHandle>,
}

/// Makes the services of the configured roles; the aggregator folds from now on.
pub(super) fn make(
    config: &Config,
    backends: &Backends,
    secrets: &Secrets,
    source: &Source,
    meters: &Meters,
    address: SocketAddr,
) -> Result<Services, String> {
    let has = |role| config.roles.contains(&role);
    let directory = source.shared();
    let log = || backends.log.clone().ok_or_else(|| "log.url: these roles need a log".to_owned());
    let warehouse = || backends.warehouse.clone().ok_or_else(|| "store.url: these roles need a warehouse".to_owned());
    let settings = pistats_rpc::server::Settings {
        calls: config.server.concurrent_calls,
        drain: Duration::from_secs(config.server.drain_seconds),
        tls: config.server_tls(),
        ..Default::default()
    };
    let mut server = Server::new(settings).map_err(|error| error.to_string())?.measured(meters);
    let mut beside = Vec::new();
    if let Some(fluvio) = backends.fluvio.clone() {
        metrics::of_fluvio(meters, move || fluvio.faults());
    }

    let mut collector = None;
    if has(Role::Ingest) {
        let inlet = backends.inlet.clone().ok_or_else(|| "log.url: a collector needs a log".to_owned())?;
        let made = Collector::new(inlet, config.limits.clone());
        let made = Arc::new(made.map_err(|error| format!("the system has no randomness: {error}"))?);
        metrics::of_ingest(meters, &made.counters());
        backends.forwarding.iter().for_each(|forwarding| metrics::of_forwarding(meters, forwarding));
        backends.log_folder(config).into_iter().for_each(|folder| metrics::of_log_files(meters, folder));
        let kept = backends.kept.clone();
        let age = kept.map(|kept| Box::new(move || kept.age()) as spool::Age);
        let ingest = Ingest::new(made.clone(), directory.clone());
        let ingest = ingest.deriving(source.salts()).behind(config.server.proxies());
        server = server
            .pages(pistats_ingest::web::routes(ingest.clone()))
            .add(ingest.server())
            .add(Again::new(made.clone(), directory.clone()).server())
            .add(Log::new(log()?, directory.clone()).with_state(spool::state(&backends.forwarding, age)).server());
        collector = Some(made);
    }

    let mut aggregator = None;
    if has(Role::Aggregate) {
        let parts = Parts::new(
            config.aggregate.settings(),
            log()?,
            warehouse()?.store,
            warehouse()?.leases,
            directory.clone(),
            secrets.visitor_secret,
        );
        // Host and process, and where it listens: one process may serve twice.
        let owner = Owner { name: format!("{} ({address})", parts.owner.name), ..parts.owner.clone() };
        let parts = Parts { meters: meters.clone(), owner, reload: source.reload(), ..parts };
        let handle = Arc::new(Aggregator::start(parts));
        beside.extend(metrics::of_aggregate(meters, handle.watched(), &log()?));
        let refusals = collector.as_ref().map(|collector| {
            let counters = collector.counters();
            Arc::new(move || counters.refused()) as Refusals
        });
        server = server.add(pistats_aggregate::Service::new(handle.clone(), refusals).into_server());
        aggregator = Some(handle);
    }

    if has(Role::Query) || has(Role::Segment) {
        let others = peers::aggregates(config, &secrets.instance_key)?;
        let afar = (!others.is_empty()).then(|| Arc::new(Afar::new(others.clone())));
        let follows = match (others.is_empty(), &aggregator) {
            (true, Some(here)) => Follows::Here(here.observer()),
            _ => Follows::Afar(others.clone()),
        };
        let living: Arc<dyn Living> = match (&afar, &aggregator) {
            (Some(afar), _) => afar.clone(),
            (None, Some(here)) => Arc::new(living::Here(here.observer())),
            (None, None) => Arc::new(Nothing::default()),
        };
        if let (Some(afar), None, true) = (afar, &aggregator, has(Role::Query)) {
            let relay = Relay::new(others, afar, directory.clone());
            server = server.add(configured!(AggregateServiceServer::new(relay), REQUEST_BYTES));
        }
        let (store, secret) = (warehouse()?.store, secrets.visitor_secret);
        let engine = store.engine();
        let query = Query::new(store, living.clone(), directory.clone(), secret, &config.query.settings());
        let query = Arc::new(query.reading_ahead());
        if has(Role::Query) {
            metrics::of_query(meters, query.watching());
            server = server.add(configured!(QueryServiceServer::from_arc(query.clone()), REQUEST_BYTES));
        }
        if has(Role::Segment) {
            let Warehouse { store, segments, pushing, .. } = warehouse()?;
            let reading = Arc::new(Readers { query, follows, engine });
            let segment = Segment::new(store, segments, reading, directory.clone(), &Default::default());
            let channel = Arc::new(config.push.sender().map_err(|error| format!("push: {error}"))?);
            let push = segment.push(pushing, channel, secrets.visitor_secret, config.push.settings());
            beside.push(push.start(sender(address)?));
            metrics::of_push(meters, push.sending());
            server = server.add(configured!(PushServiceServer::new(push), REQUEST_BYTES));
            server = server.add(configured!(SegmentServiceServer::new(segment), REQUEST_BYTES));
        }
    }

    let mut sign_ins = None;
    if has(Role::Admin) {
        let resubmit: Arc<dyn Resubmit> = match &collector {
            Some(collector) => collector.clone(),
            None => Arc::new(Elsewhere(peers::ingest(config, &secrets.instance_key)?)),
        };
        let pauses = aggregator.as_ref().map(|aggregator| aggregator.pauses());
        let made = Arc::new(SignIns::new(secrets.instance_key.clone()));
        let folding = Arc::new(folding::Here(pauses));
        let admin = Admin::new(backends.registry.clone(), directory, resubmit, folding, made.clone());
        server = server.add(configured!(AdminServiceServer::new(admin), REQUEST_BYTES));
        sign_ins = Some(made);
    }
    let shop = Shop::default();
    server = server.pages(web::routes(&config.roles, &shop));
    Ok(Services { server, aggregator, sign_ins, shop, beside })
}

/// Who sends campaigns here: another one after every start.
fn sender(address: SocketAddr) -> Result<Owner, String> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| format!("the system has no randomness: {error}"))?;
    Ok(Owner { id: u128::from_be_bytes(id), name: format!("{} ({address})", std::process::id()) })
}
