//! `Realtime`: from memory; under filters from the last half hour of the warehouse.

use super::Reports;
use crate::deadline::Deadline;
use crate::plan::{self, Tenant};
use crate::status;
use pistats_core::Micros;
use pistats_proto::convert::query as convert;
use pistats_proto::query::v1::{RealtimeRequest, RealtimeResponse};
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::Status;

impl Reports {
    /// Answers `Realtime`.
    pub(crate) async fn realtime(
        &self,
        tenant: &Tenant,
        request: &RealtimeRequest,
        deadline: Deadline,
    ) -> Result<RealtimeResponse, Status> {
        let question = convert::realtime(request).map_err(status::invalid)?;
        let state = if question.filters.is_empty() {
            let state = self.living.realtime(tenant.site(), question.bots, question.limit).await;
            state.map_err(|error| Status::unavailable(error.to_string()))?
        } else {
            let tenant = &*self.knowing(tenant, &question.filters, deadline).await?;
            let mut plan = plan::realtime(tenant, &question, now());
            let read = self.read(deadline, std::mem::take(&mut plan.statements)).await?;
            plan.answer(read.results, read.as_of).map_err(status::of_malformed)?
        };
        Ok(convert::realtime_answer(&state))
    }
}

fn now() -> Micros {
    Micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as i64)
}
