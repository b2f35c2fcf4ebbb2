//! Refused events, once more: the collector behind the trait that the admin service calls, and behind the call of one elsewhere.

use crate::Collector;
use crate::service::refused;
use futures::FutureExt;
use futures::future::BoxFuture;
use pistats_core::{EventId, Micros, Refusal, SiteId};
use pistats_proto::ingest::v1::resubmit_service_server::{ResubmitService, ResubmitServiceServer};
use pistats_proto::ingest::v1::{Rejection, ResubmitRequest, ResubmitResponse};
use pistats_rpc::auth::{Principal, SharedDirectory};
use pistats_rpc::resubmit::{Resubmission, Resubmit};
use std::sync::Arc;
use tonic::{Request, Response, Status};

impl Resubmit for Collector {
    fn resubmit(
        &self,
        site: SiteId,
        events: Vec<Resubmission>,
    ) -> BoxFuture<'_, Result<Vec<Result<(), Refusal>>, Status>> {
        async move { self.judge_again(site, &events).await.map_err(refused) }.boxed()
    }
}

/// Messages hold whole events that were refused: a page of an Admin's retry.
const REQUEST_BYTES: usize = 64 << 20;

/// The collector, for an Admin in another process.
pub struct Again {
    collector: Arc<Collector>,
    directory: SharedDirectory,
}

impl Again {
    pub fn new(collector: Arc<Collector>, directory: SharedDirectory) -> Again {
        Again { collector, directory }
    }

    /// The service, ready to be added to a server.
    pub fn server(self) -> ResubmitServiceServer<Again> {
        pistats_rpc::configured!(ResubmitServiceServer::new(self), REQUEST_BYTES)
    }
}

#[tonic::async_trait]
impl ResubmitService for Again {
    async fn resubmit(&self, request: Request<ResubmitRequest>) -> Result<Response<ResubmitResponse>, Status> {
        Principal::of(&self.directory, &request)?.instance()?;
        let ResubmitRequest { site_id, events } = request.into_inner();
        let mut read = Vec::with_capacity(events.len());
        for event in events {
            let refusal = <[u8; 16]>::try_from(event.refusal_id.as_ref()).map_err(|_| {
                Status::invalid_argument("events.refusal_id: an id of a refusal has 16 bytes, as listed")
            })?;
            read.push(Resubmission {
                refusal: EventId(refusal),
                received: Micros(event.received_us),
                payload: event.payload,
                user_agent: event.user_agent,
            });
        }
        let outcomes = Resubmit::resubmit(self.collector.as_ref(), SiteId(site_id), read).await?;
        let rejection = |(index, outcome): (usize, Result<(), Refusal>)| {
            let Refusal { reason, field, message } = outcome.err()?;
            Some(Rejection { index: index as u32, reason: reason as i32, field, message })
        };
        let rejections = outcomes.into_iter().enumerate().filter_map(rejection).collect();
        Ok(Response::new(ResubmitResponse { rejections }))
    }
}
