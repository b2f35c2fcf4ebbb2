//! `Realtime`: from memory, not from the warehouse.

use super::Reports;
use crate::plan::Tenant;
use crate::status;
use pistats_proto::convert::query as convert;
use pistats_proto::query::v1::{RealtimeRequest, RealtimeResponse};
use tonic::Status;

impl Reports {
    /// Answers `Realtime`.
    pub(crate) async fn realtime(
        &self,
        tenant: &Tenant,
        request: &RealtimeRequest,
    ) -> Result<RealtimeResponse, Status> {
        let (bots, limit) = convert::realtime(request).map_err(status::invalid)?;
        let state = self.living.realtime(tenant.site(), bots, limit).await;
        let state = state.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(convert::realtime_answer(&state))
    }
}
