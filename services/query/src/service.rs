//! The calls of query.v1: who asks, until when; what is answered stands in `reports`.

use crate::config::Config;
use crate::deadline::Deadline;
use crate::live::Living;
use crate::people::{ReadAhead, Tally};
use crate::plan::{Tenant, TrafficAnswer};
use crate::reports::{Audience, Clock, Reports, system_clock};
use crate::watch::{Hub, Settings};
use crate::{export, status};
use futures::stream::BoxStream;
use pistats_core::Scope;
use pistats_core::report::{Cohort, Compare, Retention, Traffic};
use pistats_core::segment::Plan;
use pistats_proto::convert::query as convert;
use pistats_proto::query::v1::query_service_server::QueryService;
use pistats_proto::query::v1::{
    BreakdownRequest, BreakdownResponse, ExportRequest, ExportResponse, FunnelRequest, FunnelResponse, JourneyRequest,
    JourneyResponse, RealtimeRequest, RealtimeResponse, RetentionRequest, RetentionResponse, TrafficRequest,
    TrafficResponse, VisitorsRequest, VisitorsResponse, WatchRequest, WatchResponse,
};
use pistats_rpc::auth::{self, Principal, SharedDirectory};
use pistats_store::{Engine, Store};
use std::sync::{Arc, Weak};
use tokio::task::JoinSet;
use tonic::{Request, Response, Status};

/// The query service: reads, and changes nothing.
pub struct Query {
    reports: Arc<Reports>,
    hub: Arc<Hub>,
    directory: SharedDirectory,
    visitor_secret: [u8; 32],
    cache_bytes: u64,
    /// Ended with the service.
    tasks: JoinSet<()>,
}

impl Query {
    /// The service over a warehouse. `visitor_secret` is the one that Aggregate hashes visitor ids with.
    pub fn new(
        store: Arc<dyn Store>,
        living: Arc<dyn Living>,
        directory: SharedDirectory,
        visitor_secret: [u8; 32],
        config: &Config,
    ) -> Query {
        Query::with_clock(store, living, directory, visitor_secret, config, system_clock())
    }

    /// The same with a clock of its own, which says what day it is for segments.
    pub fn with_clock(
        store: Arc<dyn Store>,
        living: Arc<dyn Living>,
        directory: SharedDirectory,
        visitor_secret: [u8; 32],
        config: &Config,
        clock: Clock,
    ) -> Query {
        let reports = Arc::new(Reports::new(store, living.clone(), config, clock.clone()));
        let settings =
            Settings { streams: config.watch_streams, engine: reports.store.engine(), clock, ..Settings::default() };
        let hub = Hub::new(reports.clone(), living, directory.clone(), settings);
        let cache_bytes = config.bitmap_cache_bytes;
        Query { reports, hub, directory, visitor_secret, cache_bytes, tasks: JoinSet::new() }
    }

    /// The same service, with bitmaps of days that are built put into its cache before they are asked for. Needs a
    /// runtime.
    pub fn reading_ahead(mut self) -> Query {
        let ahead = self.read_ahead();
        self.tasks.spawn(ahead.run());
        self
    }

    /// What reads ahead, to be told when.
    pub fn read_ahead(&self) -> ReadAhead {
        ReadAhead::new(&self.reports, self.cache_bytes)
    }

    /// Traffic as question and answer of the domain, for who stands in the same process and knows the tenant.
    ///
    /// Errors: as the call's.
    pub async fn traffic_of(
        &self,
        tenant: &Tenant,
        question: &Traffic,
        compare: Option<Compare>,
    ) -> Result<TrafficAnswer, Status> {
        let (_, answer) = self.reports.traffic_of(tenant, question, compare, Deadline::none()).await?;
        Ok(answer)
    }

    /// Retention in the same way.
    pub async fn retention_of(&self, tenant: &Tenant, question: &Retention) -> Result<Vec<Cohort>, Status> {
        let (_, cohorts) = self.reports.retention_of(tenant, question, Deadline::none()).await?;
        Ok(cohorts)
    }

    /// Who is in a segment: the members of a planned tree, read from SQL alone or as it is quickest. For who stands in the
    /// same process and knows the tenant.
    ///
    /// Errors: as the calls'.
    pub async fn audience_of(&self, tenant: &Tenant, plan: Plan, only_sql: bool) -> Result<Audience, Status> {
        self.reports.audience(tenant, plan, only_sql, Deadline::none()).await
    }

    /// Where people were counted from so far.
    pub fn tally(&self) -> Tally {
        self.reports.people.tallies.now()
    }

    /// For those who tell how much is watched.
    pub fn watching(&self) -> Watching {
        Watching(Arc::downgrade(&self.hub))
    }

    fn tenant<T>(&self, request: &Request<T>) -> Result<Tenant, Status> {
        tenant(&self.directory, self.reports.store.engine(), request)
    }
}

/// Sees what is watched, and keeps nothing running.
#[derive(Clone)]
pub struct Watching(Weak<Hub>);

impl Watching {
    /// Open streams, and different reports that are watched or were a moment ago; none once the service is gone.
    pub fn now(&self) -> Option<(usize, usize)> {
        Some(self.0.upgrade()?.watching())
    }
}

/// Whose rows the caller may see. The site comes from the key alone.
pub(crate) fn tenant<T>(directory: &SharedDirectory, engine: Engine, request: &Request<T>) -> Result<Tenant, Status> {
    tenant_with(directory, engine, auth::secret(request)?)
}

/// Whose rows a key opens.
pub(crate) fn tenant_with(directory: &SharedDirectory, engine: Engine, secret: &str) -> Result<Tenant, Status> {
    let site = Principal::with(directory, secret)?.site_with(&[Scope::Read])?;
    match directory.load().site(site) {
        Some(site) => Ok(Tenant::of(site, engine)),
        None => Err(Status::unauthenticated("the site of this key is gone")),
    }
}

#[tonic::async_trait]
impl QueryService for Query {
    async fn traffic(&self, request: Request<TrafficRequest>) -> Result<Response<TrafficResponse>, Status> {
        let (tenant, deadline) = (self.tenant(&request)?, Deadline::of(request.metadata()));
        Ok(Response::new(self.reports.traffic(&tenant, request.get_ref(), deadline).await?))
    }

    async fn breakdown(&self, request: Request<BreakdownRequest>) -> Result<Response<BreakdownResponse>, Status> {
        let (tenant, deadline) = (self.tenant(&request)?, Deadline::of(request.metadata()));
        Ok(Response::new(self.reports.breakdown(&tenant, request.get_ref(), deadline).await?))
    }

    async fn retention(&self, request: Request<RetentionRequest>) -> Result<Response<RetentionResponse>, Status> {
        let (tenant, deadline) = (self.tenant(&request)?, Deadline::of(request.metadata()));
        Ok(Response::new(self.reports.retention(&tenant, request.get_ref(), deadline).await?))
    }

    async fn funnel(&self, request: Request<FunnelRequest>) -> Result<Response<FunnelResponse>, Status> {
        let (tenant, deadline) = (self.tenant(&request)?, Deadline::of(request.metadata()));
        Ok(Response::new(self.reports.funnel(&tenant, request.get_ref(), deadline).await?))
    }

    async fn journey(&self, request: Request<JourneyRequest>) -> Result<Response<JourneyResponse>, Status> {
        let (tenant, deadline) = (self.tenant(&request)?, Deadline::of(request.metadata()));
        let answer = self.reports.journey(&tenant, request.get_ref(), &self.visitor_secret, deadline).await?;
        Ok(Response::new(answer))
    }

    async fn realtime(&self, request: Request<RealtimeRequest>) -> Result<Response<RealtimeResponse>, Status> {
        let (tenant, deadline) = (self.tenant(&request)?, Deadline::of(request.metadata()));
        Ok(Response::new(self.reports.realtime(&tenant, request.get_ref(), deadline).await?))
    }

    async fn visitors(&self, request: Request<VisitorsRequest>) -> Result<Response<VisitorsResponse>, Status> {
        let (tenant, deadline) = (self.tenant(&request)?, Deadline::of(request.metadata()));
        Ok(Response::new(self.reports.visitors(&tenant, request.get_ref(), deadline).await?))
    }

    type WatchStream = BoxStream<'static, Result<WatchResponse, Status>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(self.hub.watch(request)?))
    }

    type ExportStream = BoxStream<'static, Result<ExportResponse, Status>>;

    async fn export(&self, request: Request<ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        let tenant = self.tenant(&request)?;
        let deadline = Deadline::of(request.metadata());
        let question = convert::export(request.get_ref()).map_err(status::invalid)?;
        let tenant = self.reports.knowing(&tenant, &question.selection.filters, deadline).await?.into_owned();
        let stream = export::stream(self.reports.clone(), tenant, question, deadline);
        Ok(Response::new(Box::pin(stream)))
    }
}
