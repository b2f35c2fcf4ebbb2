//! Query's readers and Aggregate's followers, as Segment wants to see them.

use super::following::Follows;
use async_trait::async_trait;
use pistats_core::directory::Site;
use pistats_core::segment::follow::Part;
use pistats_core::segment::{Plan, SegmentId};
use pistats_core::{Micros, SiteId};
use pistats_query::segments::{self, Audience};
use pistats_query::{Query, Tenant};
use pistats_segment::{Members, Reader, Reading, Written};
use pistats_store::{Cell, Engine};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tonic::Status;

/// A query service over the same warehouse, and who tells who enters and leaves.
pub(super) struct Readers {
    pub(super) query: Arc<Query>,
    pub(super) follows: Follows,
    pub(super) engine: Engine,
}

#[async_trait]
impl Reading for Readers {
    async fn members(&self, site: &Site, plan: Plan, only_sql: bool) -> Result<Members, Status> {
        let Audience { as_of, members, reader } =
            self.query.audience_of(&Tenant::of(site, self.engine), plan, only_sql).await?;
        let reader = match reader {
            segments::Reader::Bitmaps => Reader::Bitmaps,
            segments::Reader::Mixed => Reader::Mixed,
            segments::Reader::Sql => Reader::Sql,
        };
        Ok(Members { as_of, numbers: members, reader })
    }

    fn written(&self, site: &Site, plan: &Plan) -> Written {
        let statement = segments::statement(&Tenant::of(site, self.engine), plan);
        Written { sql: statement.sql, values: statement.values.iter().map(text).collect() }
    }

    fn follow(&self, site: SiteId, segment: SegmentId) -> mpsc::Receiver<Part> {
        self.follows.follow(site, segment)
    }

    fn now(&self) -> Micros {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A bound value as a person reads it.
fn text(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Bool(truth) => truth.to_string(),
        Cell::Int(number) => number.to_string(),
        Cell::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Cell::List(items) => format!("{items:?}"),
        Cell::Numbers(numbers) => format!("{} numbers", numbers.len()),
        Cell::Wide(number) => format!("{number:032x}"),
        Cell::Bytes(bytes) => format!("{} bytes", bytes.len()),
    }
}
