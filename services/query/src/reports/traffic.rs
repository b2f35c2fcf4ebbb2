//! `Traffic`.

use super::Reports;
use crate::deadline::Deadline;
use crate::plan::{self, Series, Tenant};
use crate::status;
use pistats_proto::convert::query as convert;
use pistats_proto::query::v1::{Step, TrafficRequest, TrafficResponse};
use tonic::Status;

impl Reports {
    /// Answers `Traffic`.
    pub(crate) async fn traffic(
        &self,
        tenant: &Tenant,
        request: &TrafficRequest,
        deadline: Deadline,
    ) -> Result<TrafficResponse, Status> {
        let (question, compare) = convert::traffic(request).map_err(status::invalid)?;
        let mut plan = plan::traffic(tenant, &question, compare).map_err(status::invalid)?;
        let read = self.read(deadline, std::mem::take(&mut plan.statements)).await?;
        let answer = plan.answer(read.results).map_err(status::of_malformed)?;
        let (compared_total, compared_steps) = match &answer.compared {
            Some(series) => (Some(convert::metrics(&series.total)), steps(series)),
            None => (None, Vec::new()),
        };
        Ok(TrafficResponse {
            total: Some(convert::metrics(&answer.asked.total)),
            steps: steps(&answer.asked),
            compared_total,
            compared_steps,
            as_of: Some(convert::as_of(&read.as_of)),
            time_zone: tenant.zone().name().to_owned(),
        })
    }
}

fn steps(series: &Series) -> Vec<Step> {
    series.steps.iter().map(|(bucket, metrics)| convert::step(bucket, metrics)).collect()
}
