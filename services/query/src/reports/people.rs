//! Day sets for reports, read in one snapshot.

use super::{Reports, aside};
use crate::deadline::Deadline;
use crate::people::{DaySets, DaysOf, gather, statement};
use crate::plan::Tenant;
use pistats_core::report::AsOf;
use pistats_store::Statement;
use tonic::Status;

/// What was read in one snapshot.
pub(crate) struct People {
    pub(crate) as_of: AsOf,
    /// In the order of the question.
    pub(crate) sets: Vec<DaySets>,
}

impl Reports {
    /// Reads day sets in one snapshot.
    pub(crate) async fn people(
        &self,
        tenant: &Tenant,
        wanted: &[DaysOf],
        deadline: Deadline,
    ) -> Result<People, Status> {
        let statements: Vec<Statement> = wanted.iter().map(|wanted| statement(tenant, wanted)).collect();
        let read = self.read(deadline, statements).await?;
        let (tenant, wanted, rows) = (tenant.clone(), wanted.to_vec(), read.results);
        let sets =
            aside(move || wanted.iter().zip(&rows).map(|(wanted, rows)| gather(&tenant, wanted, rows)).collect());
        Ok(People { as_of: read.as_of, sets: deadline.bound(sets).await? })
    }
}
