//! Sending refused events again.

use async_trait::async_trait;
use pistats_core::SiteId;
use pistats_store::RejectedRow;
use tonic::Status;

/// The way back into the collector; the binary wires it to Ingest.
#[async_trait]
pub trait Resubmit: Send + Sync + 'static {
    /// Judges whole events anew, under today's limits. An event without an id takes the refusal's.
    ///
    /// Answers one verdict a row, in order, after the accepted ones are on disk.
    async fn resubmit(&self, site: SiteId, rows: &[RejectedRow]) -> Result<Vec<Resubmitted>, Status>;
}

/// What became of one refused event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resubmitted {
    Accepted,
    RefusedAgain,
}
