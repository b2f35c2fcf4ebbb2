//! Refused events, once more: the collector behind the trait that the admin service calls.

use crate::Collector;
use crate::service::refused;
use futures::FutureExt;
use futures::future::BoxFuture;
use pistats_core::{Refusal, SiteId};
use pistats_rpc::resubmit::{Resubmission, Resubmit};
use tonic::Status;

impl Resubmit for Collector {
    fn resubmit(
        &self,
        site: SiteId,
        events: Vec<Resubmission>,
    ) -> BoxFuture<'_, Result<Vec<Result<(), Refusal>>, Status>> {
        async move { self.judge_again(site, &events).await.map_err(refused) }.boxed()
    }
}
