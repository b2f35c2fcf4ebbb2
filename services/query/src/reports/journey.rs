//! Journey: one visitor's sessions and events.

use super::Reports;
use crate::deadline::Deadline;
use crate::plan::{self, Tenant};
use crate::status;
use pistats_core::VisitorKey;
use pistats_proto::convert::query::{self as convert, Who};
use pistats_proto::query::v1::{JourneyRequest, JourneyResponse};
use tonic::Status;

impl Reports {
    /// Answers Journey. `secret` is the one under which Aggregate hashes visitor ids.
    pub(crate) async fn journey(
        &self,
        tenant: &Tenant,
        request: &JourneyRequest,
        secret: &[u8; 32],
        deadline: Deadline,
    ) -> Result<JourneyResponse, Status> {
        let question = convert::journey(request).map_err(status::invalid)?;
        let key = match &question.who {
            Who::Key(key) => *key,
            Who::Id(id) => VisitorKey::derive(secret, tenant.site(), id.as_bytes()),
        };
        let mut plan = plan::journey(tenant, key, question.sessions, question.before);
        let read = self.read(deadline, std::mem::take(&mut plan.statements)).await?;
        match plan.answer(read.results).map_err(status::of_malformed)? {
            Some(answer) => Ok(JourneyResponse { as_of: Some(convert::as_of(&read.as_of)), ..answer }),
            None => Err(Status::not_found("the site never saw this visitor")),
        }
    }
}
