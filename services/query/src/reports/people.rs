//! Day sets for reports: read in one snapshot, together with what else a report reads.

use super::{Reports, Snapshot, aside};
use crate::deadline::Deadline;
use crate::people::{BitmapCache, DaySets, DaysOf, Filled, Gather, Tallies};
use crate::plan::Tenant;
use pistats_core::report::AsOf;
use pistats_store::{Rows, Statement};
use std::sync::Arc;
use tonic::Status;

/// What reports share to count people.
pub(crate) struct Shared {
    pub(crate) cache: BitmapCache,
    pub(crate) tallies: Tallies,
}

impl Shared {
    /// With a cache of at most so many bytes of bitmaps.
    pub(crate) fn of_bytes(bytes: u64) -> Arc<Shared> {
        Arc::new(Shared { cache: BitmapCache::of_bytes(bytes), tallies: Tallies::default() })
    }
}

/// What was read in one snapshot.
pub(crate) struct People {
    pub(crate) as_of: AsOf,
    /// In the order of the question.
    pub(crate) sets: Vec<DaySets>,
    /// The answers of the other statements, in their order.
    pub(crate) more: Vec<Rows>,
}

impl Reports {
    /// Reads day sets and other statements in one snapshot.
    pub(crate) async fn people(
        &self,
        tenant: &Tenant,
        wanted: &[DaysOf],
        more: Vec<Statement>,
        deadline: Deadline,
    ) -> Result<People, Status> {
        let mut snapshot = self.snapshot(deadline).await?;
        let (sets, more) = self.day_sets(&mut snapshot, tenant, wanted, more).await?;
        Ok(People { as_of: snapshot.end(), sets, more })
    }

    /// Reads day sets and other statements: in one go where the cache holds all bitmaps, else in two.
    pub(super) async fn day_sets(
        &self,
        snapshot: &mut Snapshot,
        tenant: &Tenant,
        wanted: &[DaysOf],
        more: Vec<Statement>,
    ) -> Result<(Vec<DaySets>, Vec<Rows>), Status> {
        let question = Gather::new(tenant, wanted);
        let mut statements = question.statements();
        let own = statements.len();
        statements.extend(more);
        let mut results = snapshot.read(statements).await?;
        let more = results.split_off(own);
        let shared = self.people.clone();
        let first = aside(move || question.fill(results, &shared.cache, &shared.tallies));
        let sets = match snapshot.deadline.bound(first).await? {
            Filled::Sets(sets) => sets,
            Filled::Missing(mut missing) => {
                let fetched = snapshot.read(std::mem::take(&mut missing.statements)).await?;
                let shared = self.people.clone();
                let second = aside(move || missing.fill(fetched, &shared.cache, &shared.tallies));
                snapshot.deadline.bound(second).await?
            }
        };
        Ok((sets, more))
    }
}
