//! The side that folds, as Admin wants to see it.

use pistats_admin::{Folding, Work};
use pistats_aggregate::Pauses;
use tonic::Status;

/// Pauses of the aggregator of this process, if there is one. Those of other processes are not paused: the store refuses what
/// they folded with an older time zone, and they fold it again.
pub(super) struct Here(pub(super) Option<Pauses>);

#[tonic::async_trait]
impl Folding for Here {
    async fn pause(&self, work: Work) -> Result<(), Status> {
        match &self.0 {
            Some(pauses) => {
                let paused = pauses.during(work).await;
                paused.map_err(|error| Status::unavailable(format!("folding cannot be paused: {error}")))
            }
            // To its end, also if the caller goes.
            None => tokio::spawn(work).await.map_err(|error| Status::internal(error.to_string())),
        }
    }
}
