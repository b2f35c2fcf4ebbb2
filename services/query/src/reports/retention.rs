//! `Retention`.

use super::Reports;
use crate::deadline::Deadline;
use crate::plan::{self, Tenant};
use crate::status;
use pistats_proto::convert::query as convert;
use pistats_proto::query::v1::{RetentionRequest, RetentionResponse};
use tonic::Status;

impl Reports {
    /// Answers `Retention`.
    pub(crate) async fn retention(
        &self,
        tenant: &Tenant,
        request: &RetentionRequest,
        deadline: Deadline,
    ) -> Result<RetentionResponse, Status> {
        let question = convert::retention(request).map_err(status::invalid)?;
        let plan = plan::retention(&question).map_err(status::invalid)?;
        let people = self.people(tenant, &plan.sets, deadline).await?;
        let as_of = people.as_of;
        let cohorts = deadline.bound(super::aside(move || plan.answer(&people.sets))).await?;
        Ok(RetentionResponse {
            cohorts: cohorts.into_iter().map(convert::cohort).collect(),
            as_of: Some(convert::as_of(&as_of)),
            time_zone: tenant.zone().name().to_owned(),
        })
    }
}
