//! Funnel: how many visitors took steps one after the other.

use super::Reports;
use crate::deadline::Deadline;
use crate::plan::{self, Tenant};
use crate::status;
use pistats_proto::convert::query as convert;
use pistats_proto::query::v1::{FunnelRequest, FunnelResponse};
use tonic::Status;

impl Reports {
    /// Answers Funnel.
    pub(crate) async fn funnel(
        &self,
        tenant: &Tenant,
        request: &FunnelRequest,
        deadline: Deadline,
    ) -> Result<FunnelResponse, Status> {
        let question = convert::funnel(request).map_err(status::invalid)?;
        let tenant = &*self.knowing(tenant, &question.selection.filters, deadline).await?;
        let mut plan = plan::funnel(tenant, &question).map_err(status::invalid)?;
        let read = self.read(deadline, std::mem::take(&mut plan.statements)).await?;
        let (as_of, results) = (read.as_of, read.results);
        self.check_zone(tenant, &as_of, deadline).await?;
        // Millions of events may have to be walked: not on an async thread.
        let walked = tokio::task::spawn_blocking(move || plan.answer(results));
        let answer = walked.await.map_err(status::of_panic)?.map_err(status::of_unanswered)?;
        let mut told = convert::funnel_answer(&answer, &as_of, tenant.zone());
        told.visitor_days = tenant.knows_by_day(&question.selection.range);
        Ok(told)
    }
}
