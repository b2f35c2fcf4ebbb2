//! `Visitors`.

use super::Reports;
use crate::deadline::Deadline;
use crate::plan::{self, Tenant};
use crate::status;
use pistats_proto::convert::query as convert;
use pistats_proto::query::v1::{VisitorsRequest, VisitorsResponse};
use tonic::Status;

impl Reports {
    /// Answers `Visitors`.
    pub(crate) async fn visitors(
        &self,
        tenant: &Tenant,
        request: &VisitorsRequest,
        deadline: Deadline,
    ) -> Result<VisitorsResponse, Status> {
        let question = convert::visitors(request).map_err(status::invalid)?;
        let tenant = &*self.knowing(tenant, &question.selection.filters, deadline).await?;
        let mut plan = plan::visitors(tenant, &question);
        let read = self.read(deadline, std::mem::take(&mut plan.statements)).await?;
        self.check_zone(tenant, &read.as_of, deadline).await?;
        let answer = plan.answer(read.results).map_err(status::of_malformed)?;
        Ok(VisitorsResponse { as_of: Some(convert::as_of(&read.as_of)), ..answer })
    }
}
