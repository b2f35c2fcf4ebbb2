//! `Breakdown`.

use super::Reports;
use crate::deadline::Deadline;
use crate::plan::{self, Tenant};
use crate::status;
use pistats_proto::convert::query as convert;
use pistats_proto::query::v1::{BreakdownRequest, BreakdownResponse};
use tonic::Status;

impl Reports {
    /// Answers `Breakdown`.
    pub(crate) async fn breakdown(
        &self,
        tenant: &Tenant,
        request: &BreakdownRequest,
        deadline: Deadline,
    ) -> Result<BreakdownResponse, Status> {
        let (question, compare) = convert::breakdown(request).map_err(status::invalid)?;
        let mut plan = plan::breakdown(tenant, &question, compare);
        let read = self.read(deadline, std::mem::take(&mut plan.statements)).await?;
        let answer = plan.answer(read.results).map_err(status::of_malformed)?;
        let rows = answer.rows.into_iter();
        Ok(BreakdownResponse {
            rows: rows.map(|row| convert::row(row.value, &row.metrics, row.compared.as_ref())).collect(),
            total_rows: answer.total_rows,
            as_of: Some(convert::as_of(&read.as_of)),
        })
    }
}
