//! The aggregator of this process, as Admin wants to see it.

use pistats_admin::{Folding, Work};
use pistats_aggregate::Pauses;
use tonic::Status;

/// Pauses of an aggregator that folds all partitions.
pub(super) struct All(pub(super) Pauses);

#[tonic::async_trait]
impl Folding for All {
    async fn pause(&self, work: Work) -> Result<(), Status> {
        self.0.during(work).await.map_err(|error| Status::unavailable(format!("folding cannot be paused: {error}")))
    }
}
