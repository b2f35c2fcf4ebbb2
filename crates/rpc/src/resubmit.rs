//! Refused events, once more: what the admin service asks of the collector, without either knowing the other.

use bytes::Bytes;
use futures::future::BoxFuture;
use pistats_core::{EventId, Micros, Refusal, SiteId};
use tonic::Status;

/// A refused event as the log kept it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resubmission {
    /// Of the refusal; becomes the event's id where it has none, so that a repeated retry counts once.
    pub refusal: EventId,
    /// When the event first came in: its own clock is judged by this, not by the time of the retry.
    pub received: Micros,
    /// The whole event (a cut one cannot be sent again).
    pub payload: Bytes,
    /// What the request itself said, where the event says nothing.
    pub user_agent: String,
}

/// Takes refused events again, under today's limits.
pub trait Resubmit: Send + Sync + 'static {
    /// One outcome an event, in their order. An accepted one is on disk when this resolves; one that is refused again is not
    /// kept a second time.
    ///
    /// Status: RESOURCE_EXHAUSTED and UNAVAILABLE as `Collect`. Retry: safe, each event counts once.
    fn resubmit(
        &self,
        site: SiteId,
        events: Vec<Resubmission>,
    ) -> BoxFuture<'_, Result<Vec<Result<(), Refusal>>, Status>>;
}
