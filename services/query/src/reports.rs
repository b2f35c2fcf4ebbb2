//! The reports: a tenant and a request become an answer message. What the calls and Watch share.
//!
//! One file a report; each reads the request, plans, reads one snapshot, and writes the message. Who asks is the business
//! of `service`: here stands a [`Tenant`](crate::plan::Tenant) already.

mod breakdown;
mod funnel;
mod journey;
mod people;
mod realtime;
mod retention;
mod segments;
mod traffic;
mod visitors;
mod zone;

pub(crate) use segments::system_clock;
pub use segments::{Audience, Clock};

use crate::config::Config;
use crate::deadline::Deadline;
use crate::live::Living;
use crate::plan::Malformed;
use crate::status;
use pistats_core::report::AsOf;
use pistats_store::{Answer, Rows, Statement, Store};
use std::sync::Arc;
use tonic::Status;

/// Answers reports from the warehouse. Cheap to share; holds what reports share.
pub(crate) struct Reports {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) living: Arc<dyn Living>,
    pub(crate) people: Arc<people::Shared>,
    zones: zone::Zones,
    /// Which day it is, for segments.
    pub(crate) clock: Clock,
}

impl Reports {
    pub(crate) fn new(store: Arc<dyn Store>, living: Arc<dyn Living>, config: &Config, clock: Clock) -> Reports {
        let people = people::Shared::of_bytes(config.bitmap_cache_bytes);
        Reports { store, living, people, zones: zone::Zones::default(), clock }
    }

    /// Reads statements in one snapshot.
    pub(crate) async fn read(&self, deadline: Deadline, statements: Vec<Statement>) -> Result<Answer, Status> {
        deadline.bound(async { self.store.read(statements).await.map_err(status::of_store) }).await
    }

    /// A snapshot for several reads, until the deadline.
    async fn snapshot(&self, deadline: Deadline) -> Result<Snapshot, Status> {
        let inner = deadline.bound(async { self.store.snapshot().await.map_err(status::of_store) }).await?;
        Ok(Snapshot { inner, deadline })
    }
}

/// A snapshot that is read until a deadline.
pub(crate) struct Snapshot {
    inner: Box<dyn pistats_store::Snapshot>,
    deadline: Deadline,
}

impl Snapshot {
    async fn read(&mut self, statements: Vec<Statement>) -> Result<Vec<Rows>, Status> {
        self.deadline.bound(async { self.inner.read(statements).await.map_err(status::of_store) }).await
    }

    /// Lets go of it; tells how far the log was folded in it.
    fn end(self) -> AsOf {
        self.inner.as_of().clone()
    }
}

/// Works off the async threads: for arithmetic that takes milliseconds and more.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Malformed> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(status::of_malformed),
        Err(error) => {
            tracing::error!(%error, "a report's arithmetic ended abnormally");
            Err(Status::internal("the report could not be worked out; the server's log says why"))
        }
    }
}
