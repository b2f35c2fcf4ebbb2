//! The calls of query.v1: who asks, what, until when; one read, one message.

use crate::deadline::Deadline;
use crate::plan::{self, Series, Tenant};
use crate::{export, status};
use futures::stream::BoxStream;
use pistats_core::Scope;
use pistats_proto::convert::query as convert;
use pistats_proto::query::v1::query_service_server::QueryService;
use pistats_proto::query::v1::{
    BreakdownRequest, BreakdownResponse, ExportRequest, ExportResponse, FunnelRequest, FunnelResponse, JourneyRequest,
    JourneyResponse, RealtimeRequest, RealtimeResponse, RetentionRequest, RetentionResponse, Step, TrafficRequest,
    TrafficResponse, WatchRequest, WatchResponse,
};
use pistats_rpc::auth::{Principal, SharedDirectory};
use pistats_store::{Answer, Statement, Store};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The query service: reads, and changes nothing.
pub struct Query {
    store: Arc<dyn Store>,
    directory: SharedDirectory,
}

impl Query {
    pub fn new(store: Arc<dyn Store>, directory: SharedDirectory) -> Query {
        Query { store, directory }
    }

    /// Whose rows the caller may see. The site comes from the key alone.
    fn tenant<T>(&self, request: &Request<T>) -> Result<Tenant, Status> {
        let site = Principal::of(&self.directory, request)?.site_with(&[Scope::Read])?;
        match self.directory.load().site(site) {
            Some(site) => Ok(Tenant::of(site)),
            None => Err(Status::unauthenticated("the site of this key is gone")),
        }
    }

    async fn read(&self, deadline: Deadline, statements: Vec<Statement>) -> Result<Answer, Status> {
        deadline.bound(async { self.store.read(statements).await.map_err(status::of_store) }).await
    }
}

#[tonic::async_trait]
impl QueryService for Query {
    async fn traffic(&self, request: Request<TrafficRequest>) -> Result<Response<TrafficResponse>, Status> {
        let tenant = self.tenant(&request)?;
        let deadline = Deadline::of(request.metadata());
        let (question, compare) = convert::traffic(request.get_ref()).map_err(status::invalid)?;
        let mut plan = plan::traffic(&tenant, &question, compare).map_err(status::invalid)?;
        let read = self.read(deadline, std::mem::take(&mut plan.statements)).await?;
        let answer = plan.answer(read.results).map_err(status::of_malformed)?;
        let (compared_total, compared_steps) = match &answer.compared {
            Some(series) => (Some(convert::metrics(&series.total)), steps(series)),
            None => (None, Vec::new()),
        };
        Ok(Response::new(TrafficResponse {
            total: Some(convert::metrics(&answer.asked.total)),
            steps: steps(&answer.asked),
            compared_total,
            compared_steps,
            as_of: Some(convert::as_of(&read.as_of)),
            time_zone: tenant.zone().name().to_owned(),
        }))
    }

    async fn breakdown(&self, request: Request<BreakdownRequest>) -> Result<Response<BreakdownResponse>, Status> {
        let tenant = self.tenant(&request)?;
        let deadline = Deadline::of(request.metadata());
        let (question, compare) = convert::breakdown(request.get_ref()).map_err(status::invalid)?;
        let mut plan = plan::breakdown(&tenant, &question, compare);
        let read = self.read(deadline, std::mem::take(&mut plan.statements)).await?;
        let answer = plan.answer(read.results).map_err(status::of_malformed)?;
        let rows = answer.rows.into_iter();
        Ok(Response::new(BreakdownResponse {
            rows: rows.map(|row| convert::row(row.value, &row.metrics, row.compared.as_ref())).collect(),
            total_rows: answer.total_rows,
            as_of: Some(convert::as_of(&read.as_of)),
        }))
    }

    async fn retention(&self, _: Request<RetentionRequest>) -> Result<Response<RetentionResponse>, Status> {
        Err(Status::unimplemented("being built"))
    }

    async fn funnel(&self, _: Request<FunnelRequest>) -> Result<Response<FunnelResponse>, Status> {
        Err(Status::unimplemented("being built"))
    }

    async fn journey(&self, _: Request<JourneyRequest>) -> Result<Response<JourneyResponse>, Status> {
        Err(Status::unimplemented("being built"))
    }

    async fn realtime(&self, _: Request<RealtimeRequest>) -> Result<Response<RealtimeResponse>, Status> {
        Err(Status::unimplemented("being built"))
    }

    type WatchStream = BoxStream<'static, Result<WatchResponse, Status>>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("being built"))
    }

    type ExportStream = BoxStream<'static, Result<ExportResponse, Status>>;

    async fn export(&self, request: Request<ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        let tenant = self.tenant(&request)?;
        let deadline = Deadline::of(request.metadata());
        let question = convert::export(request.get_ref()).map_err(status::invalid)?;
        let stream = export::stream(self.store.clone(), tenant, question, deadline);
        Ok(Response::new(Box::pin(stream)))
    }
}

fn steps(series: &Series) -> Vec<Step> {
    series.steps.iter().map(|(bucket, metrics)| convert::step(bucket, metrics)).collect()
}
