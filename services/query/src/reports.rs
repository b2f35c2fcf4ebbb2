//! The reports: a tenant and a request become an answer message. What the calls and Watch share.
//!
//! One file a report; each reads the request, plans, reads one snapshot, and writes the message. Who asks is the business
//! of `service`: here stands a [`Tenant`](crate::plan::Tenant) already.

mod breakdown;
mod funnel;
mod realtime;
mod traffic;

use crate::deadline::Deadline;
use crate::live::Living;
use crate::status;
use pistats_store::{Answer, Statement, Store};
use std::sync::Arc;
use tonic::Status;

/// Answers reports from the warehouse. Cheap to share; holds what reports share.
pub(crate) struct Reports {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) living: Arc<dyn Living>,
}

impl Reports {
    pub(crate) fn new(store: Arc<dyn Store>, living: Arc<dyn Living>) -> Reports {
        Reports { store, living }
    }

    /// Reads statements in one snapshot.
    pub(crate) async fn read(&self, deadline: Deadline, statements: Vec<Statement>) -> Result<Answer, Status> {
        deadline.bound(async { self.store.read(statements).await.map_err(status::of_store) }).await
    }
}
