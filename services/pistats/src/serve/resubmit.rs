//! The collector of another process, as Admin wants to see it.

use super::peers::IngestClient;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use pistats_core::{Reason, Refusal, SiteId};
use pistats_proto::ingest::v1 as proto;
use pistats_rpc::resubmit::{Resubmission, Resubmit};
use tonic::Status;

/// Any Ingest: each takes refused events again.
pub(super) struct Elsewhere(pub(super) IngestClient);

impl Resubmit for Elsewhere {
    fn resubmit(
        &self,
        site: SiteId,
        events: Vec<Resubmission>,
    ) -> BoxFuture<'_, Result<Vec<Result<(), Refusal>>, Status>> {
        let mut client = self.0.clone();
        async move {
            let mut outcomes = vec![Ok(()); events.len()];
            let events = events.into_iter().map(message).collect();
            let answer = client.resubmit(proto::ResubmitRequest { site_id: site.0, events }).await?.into_inner();
            for proto::Rejection { index, reason, field, message } in answer.rejections {
                let reason = Reason::from_number(reason as u32).unwrap_or(Reason::Malformed);
                if let Some(outcome) = outcomes.get_mut(index as usize) {
                    *outcome = Err(Refusal { reason, field, message });
                }
            }
            Ok(outcomes)
        }
        .boxed()
    }
}

fn message(event: Resubmission) -> proto::Resubmission {
    let Resubmission { refusal, received, payload, user_agent } = event;
    proto::Resubmission { refusal_id: refusal.0.to_vec().into(), received_us: received.0, payload, user_agent }
}
