//! Query's readers, as Segment wants to see them.

use async_trait::async_trait;
use pistats_core::directory::Site;
use pistats_core::segment::Plan;
use pistats_core::{Changes, Micros};
use pistats_query::segments::{self, Audience};
use pistats_query::{Living, Query, Tenant};
use pistats_segment::{Members, Reader, Reading, Written};
use pistats_store::{Cell, Engine};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::broadcast;
use tonic::Status;

/// A query service over the same warehouse, and who tells of commits.
pub(super) struct Readers {
    pub(super) query: Arc<Query>,
    pub(super) living: Arc<dyn Living>,
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

    fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.living.changes()
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
        Cell::Wide(number) => format!("{number:032x}"),
        Cell::Bytes(bytes) => format!("{} bytes", bytes.len()),
    }
}
