//! Segments: who is in one, and which ones the filters of a report name.

use super::{Reports, aside};
use crate::deadline::Deadline;
use crate::plan::Tenant;
use crate::segments::{Plans, Reader, Reading, Step, kept, statement, visitors};
use crate::status;
use crate::watch::Marks;
use pistats_core::Micros;
use pistats_core::report::{AsOf, Dimension, Filter};
use pistats_core::segment::{Plan, SegmentId, plan, resolve};
use roaring::RoaringBitmap;
use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::Status;

/// The members of a segment at a moment.
#[derive(Clone, Debug)]
pub struct Audience {
    /// What was folded then.
    pub as_of: AsOf,
    /// Numbers of visitors, which live inside a generation.
    pub members: RoaringBitmap,
    /// What was read.
    pub reader: Reader,
}

/// The server's clock; tests give their own.
pub type Clock = std::sync::Arc<dyn Fn() -> Micros + Send + Sync>;

/// The clock of the machine.
pub(crate) fn system_clock() -> Clock {
    std::sync::Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    })
}

impl Reports {
    /// Reads the members of a planned tree; from SQL alone where that is asked for, else from bitmaps where there are some.
    pub(crate) async fn audience(
        &self,
        tenant: &Tenant,
        plan: Plan,
        only_sql: bool,
        deadline: Deadline,
    ) -> Result<Audience, Status> {
        if only_sql {
            let read = self.read(deadline, vec![statement(tenant, &plan)]).await?;
            let rows = read.results.into_iter().next().unwrap_or_default();
            let members = deadline.bound(aside(move || visitors(&rows))).await?;
            return Ok(Audience { as_of: read.as_of, members, reader: Reader::Sql });
        }
        let reading = Reading::new(plan);
        let reader = reading.reader();
        let mut snapshot = self.snapshot(deadline).await?;
        let (days, _) = self.day_sets(&mut snapshot, tenant, &reading.wanted, vec![]).await?;
        let asking = tenant.clone();
        let mut step = deadline.bound(aside(move || reading.narrow(&asking, &days))).await?;
        let members = loop {
            let (narrowed, statement) = match step {
                Step::Members(members) => break members,
                Step::Ask(narrowed, statement) => (narrowed, statement),
            };
            let rows = snapshot.read(vec![statement]).await?.into_iter().next().unwrap_or_default();
            let asking = tenant.clone();
            step = deadline.bound(aside(move || narrowed.answered(&asking, &rows))).await?;
        };
        Ok(Audience { as_of: snapshot.end(), members, reader })
    }

    /// The marks of what sites keep as segments.
    pub(crate) async fn segment_marks(&self, deadline: Deadline) -> Result<Marks, Status> {
        let read = self.read(deadline, vec![kept::marks()]).await?;
        kept::marks_of(read.results.into_iter().next().unwrap_or_default()).map_err(status::of_malformed)
    }

    /// The tenant with the segments that filters name, as they are now.
    ///
    /// Errors: NOT_FOUND the site has no such segment.
    pub(crate) async fn knowing<'a>(
        &self,
        tenant: &'a Tenant,
        filters: &[Filter],
        deadline: Deadline,
    ) -> Result<Cow<'a, Tenant>, Status> {
        let by_segment = filters.iter().filter(|filter| filter.dimension == Dimension::Segment);
        let named: Vec<SegmentId> =
            by_segment.flat_map(|filter| &filter.values).filter_map(|id| SegmentId::parse(id)).collect();
        if named.iter().all(|id| tenant.knows(*id)) {
            return Ok(Cow::Borrowed(tenant));
        }
        let today = tenant.zone().day_of((self.clock)());
        let read = self.read(deadline, vec![kept::statement(tenant)]).await?;
        let book = kept::book(read.results.into_iter().next().unwrap_or_default()).map_err(status::of_malformed)?;
        let mut plans = Plans::new();
        for id in named {
            let Some(tree) = book.get(&id) else {
                return Err(Status::not_found(format!("filters: the site has no segment {id}")));
            };
            let resolved = resolve(tree, &book).map_err(|fault| Status::failed_precondition(fault.to_string()))?;
            plans.insert(id, plan(&resolved, today));
        }
        Ok(Cow::Owned(tenant.with_segments(plans)))
    }
}
