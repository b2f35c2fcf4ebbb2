//! Watch: reports as they change, evaluated once for all who watch them.
//!
//! ```text
//!   notices of commits ─▶ notices ─touch─▶ Subject (a site's report) ◀─join── Stream of a reader
//!                                            │  ▲                               ▲
//!                             evaluator ◀─work  └─publish─ state n, delta n─────┘ bell: there is news
//! ```
//!
//! | module | does |
//! |---|---|
//! | `question` | what is watched, read and checked; equal questions are one subject |
//! | `span` | the days that a report depends on |
//! | `notices` | listens to commits, to the directory and to edits of segments for all subjects |
//! | `subject` | one watched report: what is to be done, its states, who waits |
//! | `history` | numbered states, the newest whole, deltas of the ones before |
//! | `evaluator` | the one task of a subject: when it is evaluated |
//! | `hub` | all subjects and streams of the server |
//! | `stream` | one reader: the number sent last of each report, nothing else |
//!
//! Invariants: a subject is evaluated at most once a second however many watch it, and only when a commit or an edit touched it; a
//! state that a reader was sent and all states up to the newest differ by exactly the deltas that it is sent next; a reader
//! that does not read costs its place in each report and never a queue, because messages are made when they are asked for.
//!
//! Streams are polled, not fed: no task and no channel a reader. A server's way down is the transport's (crate `rpc`): it
//! cuts streams with UNAVAILABLE, and a reader goes on elsewhere with `resume_from`.

mod evaluator;
mod history;
mod hub;
mod notices;
mod question;
mod span;
mod stream;
mod subject;
#[cfg(test)]
mod tests;

pub(crate) use hub::{Hub, Settings};

use crate::deadline::Deadline;
use crate::plan::Tenant;
use crate::reports::Reports;
use futures::FutureExt;
use futures::future::BoxFuture;
use pistats_core::SiteId;
use pistats_proto::query::v1::watched_report::Report;
use pistats_proto::query::v1::{Snapshot, snapshot};
use std::collections::HashMap;
use tonic::Status;

/// Answers a report whole; what the hub needs of [`Reports`].
pub(crate) trait Evaluate: Send + Sync + 'static {
    fn evaluate<'a>(
        &'a self,
        tenant: &'a Tenant,
        report: &'a Report,
        deadline: Deadline,
    ) -> BoxFuture<'a, Result<Snapshot, Status>>;

    /// The marks of what sites keep as segments.
    fn segments(&self, deadline: Deadline) -> BoxFuture<'_, Result<Marks, Status>>;
}

/// By site: another mark where a segment was made, changed or taken away.
pub(crate) type Marks = HashMap<SiteId, Vec<i64>>;

impl Evaluate for Reports {
    fn evaluate<'a>(
        &'a self,
        tenant: &'a Tenant,
        report: &'a Report,
        deadline: Deadline,
    ) -> BoxFuture<'a, Result<Snapshot, Status>> {
        async move {
            let report = match report {
                Report::Traffic(asked) => snapshot::Report::Traffic(self.traffic(tenant, asked, deadline).await?),
                Report::Breakdown(asked) => snapshot::Report::Breakdown(self.breakdown(tenant, asked, deadline).await?),
                Report::Retention(asked) => snapshot::Report::Retention(self.retention(tenant, asked, deadline).await?),
                Report::Funnel(asked) => snapshot::Report::Funnel(self.funnel(tenant, asked, deadline).await?),
                Report::Realtime(asked) => snapshot::Report::Realtime(self.realtime(tenant, asked, deadline).await?),
            };
            Ok(Snapshot { report: Some(report) })
        }
        .boxed()
    }

    fn segments(&self, deadline: Deadline) -> BoxFuture<'_, Result<Marks, Status>> {
        self.segment_marks(deadline).boxed()
    }
}
