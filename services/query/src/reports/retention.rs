//! `Retention`.

use super::{Reports, aside};
use crate::deadline::Deadline;
use crate::plan::{self, Tenant};
use crate::status;
use pistats_core::Micros;
use pistats_core::report::{AsOf, Cohort, Retention};
use pistats_core::time::Range;
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
        if let Some(refused) = retention_refused(tenant, &question.selection.range) {
            return Err(refused);
        }
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

/// Why there is no retention over a range: nobody who came on one day can be told to come back on another.
///
/// Status: FAILED_PRECONDITION.
pub(crate) fn retention_refused(tenant: &Tenant, range: &Range) -> Option<Status> {
    let why = match (tenant.visitor_days_before(), tenant.knows_by_day(range)) {
        (Some(Micros(i64::MAX)), true) => "this site is cookieless".to_owned(),
        (Some(before), true) => format!("this site was cookieless until {}", tenant.zone().day_of(before)),
        _ => return None,
    };
    Some(Status::failed_precondition(format!(
        "{why}: visitors are told apart within a day and never across days, so who comes back is not known; ask for traffic or \
         breakdowns, or for a range in which visitors have ids"
    )))
}
