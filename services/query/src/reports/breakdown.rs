//! `Breakdown`.

use super::Reports;
use crate::deadline::Deadline;
use crate::lists::{self, Failure, Sheets};
use crate::plan::Tenant;
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
        let tenant = &*self.knowing(tenant, &question.selection.filters, deadline).await?;
        let list = async {
            lists::breakdown(&*self.store, &self.people.cache, tenant, &question, compare, Sheets::WhereCheaper)
                .await
                .map_err(|failure| match failure {
                    Failure::Store(error) => status::of_store(error),
                    Failure::Unanswered(error) => status::of_unanswered(error),
                    Failure::Panicked(error) => status::of_panic(error),
                })
        };
        let (answer, as_of) = deadline.bound(list).await?;
        self.check_zone(tenant, &as_of, deadline).await?;
        let rows = answer.rows.into_iter();
        Ok(BreakdownResponse {
            rows: rows.map(|row| convert::row(row.value, &row.metrics, row.compared.as_ref())).collect(),
            total_rows: answer.total_rows,
            as_of: Some(convert::as_of(&as_of)),
            visitor_days: tenant.compares_visitor_days(&question.selection.range, compare),
        })
    }
}
