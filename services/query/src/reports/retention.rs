//! `Retention`.

use super::{Reports, aside};
use crate::deadline::Deadline;
use crate::plan::{self, Tenant};
use crate::status;
use pistats_core::report::{AsOf, Cohort, Retention};
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
        let (as_of, cohorts) = self.retention_of(tenant, &question, deadline).await?;
        self.check_zone(tenant, &as_of, deadline).await?;
        Ok(RetentionResponse {
            cohorts: cohorts.into_iter().map(convert::cohort).collect(),
            as_of: Some(convert::as_of(&as_of)),
            time_zone: tenant.zone().name().to_owned(),
        })
    }

    /// The same as question and answer of the domain.
    pub(crate) async fn retention_of(
        &self,
        tenant: &Tenant,
        question: &Retention,
        deadline: Deadline,
    ) -> Result<(AsOf, Vec<Cohort>), Status> {
        let tenant = &*self.knowing(tenant, &question.selection.filters, deadline).await?;
        let plan = plan::retention(question).map_err(status::invalid)?;
        let people = self.people(tenant, &plan.sets, Vec::new(), deadline).await?;
        let cohorts = aside(move || plan.answer(&people.sets));
        Ok((people.as_of, deadline.bound(cohorts).await?))
    }
}
