//! `Traffic`.

use super::{Reports, aside};
use crate::deadline::Deadline;
use crate::plan::{self, Series, Tenant, TrafficAnswer};
use crate::status;
use pistats_core::report::{AsOf, Compare, Traffic};
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
        let (as_of, answer) = self.traffic_of(tenant, &question, compare, deadline).await?;
        self.check_zone(tenant, &as_of, deadline).await?;
        let (compared_total, compared_steps) = match &answer.compared {
            Some(series) => (Some(convert::metrics(&series.total)), steps(series)),
            None => (None, Vec::new()),
        };
        Ok(TrafficResponse {
            total: Some(convert::metrics(&answer.asked.total)),
            steps: steps(&answer.asked),
            compared_total,
            compared_steps,
            as_of: Some(convert::as_of(&as_of)),
            time_zone: tenant.zone().name().to_owned(),
            visitor_days: tenant.compares_visitor_days(&question.selection.range, compare),
        })
    }

    /// The same as question and answer of the domain.
    pub(crate) async fn traffic_of(
        &self,
        tenant: &Tenant,
        question: &Traffic,
        compare: Option<Compare>,
        deadline: Deadline,
    ) -> Result<(AsOf, TrafficAnswer), Status> {
        let tenant = &*self.knowing(tenant, &question.selection.filters, deadline).await?;
        let mut plan = plan::traffic(tenant, question, compare).map_err(status::invalid)?;
        let statements = std::mem::take(&mut plan.statements);
        if plan.sets.is_empty() {
            let read = self.read(deadline, statements).await?;
            return Ok((read.as_of, plan.answer(read.results, &[]).map_err(status::of_malformed)?));
        }
        let people = self.people(tenant, &plan.sets, statements, deadline).await?;
        let counted = aside(move || plan.answer(people.more, &people.sets));
        Ok((people.as_of, deadline.bound(counted).await?))
    }
}

fn steps(series: &Series) -> Vec<Step> {
    series.steps.iter().map(|(bucket, metrics)| convert::step(bucket, metrics)).collect()
}
