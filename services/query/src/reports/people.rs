//! Day sets for reports: read in one snapshot, together with what else a report reads.

use super::{Reports, aside};
use crate::deadline::Deadline;
use crate::people::{BitmapCache, DaySets, DaysOf, Filled, Gather, Tallies};
use crate::plan::Tenant;
use pistats_core::report::AsOf;
use pistats_store::{Rows, Statement};
use std::sync::Arc;
use tonic::Status;

/// How often a question starts over because sheets were built anew under it. Builds take turns with many milliseconds in
/// between; after this many it is answered from raw rows.
const MOST_STARTS: usize = 3;

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
        let question = Gather::new(tenant, wanted);
        for _ in 0..MOST_STARTS {
            if let Some(people) = self.gather(question.clone(), more.clone(), deadline).await? {
                return Ok(people);
            }
        }
        match self.gather(question.without_bitmaps(), more, deadline).await? {
            Some(people) => Ok(people),
            None => Err(Status::internal("raw rows have no bitmaps to wait for")),
        }
    }

    /// One try; nothing where a sheet was built anew between the two reads.
    async fn gather(
        &self,
        question: Gather,
        more: Vec<Statement>,
        deadline: Deadline,
    ) -> Result<Option<People>, Status> {
        let mut statements = question.statements();
        let own = statements.len();
        statements.extend(more);
        let mut read = self.read(deadline, statements).await?;
        let more = read.results.split_off(own);
        let shared = self.people.clone();
        let first = aside(move || question.fill(read.results, &shared.cache, &shared.tallies));
        let sets = match deadline.bound(first).await? {
            Filled::Sets(sets) => Some(sets),
            Filled::Missing(mut missing) => {
                let fetch = self.read(deadline, std::mem::take(&mut missing.statements)).await?;
                let shared = self.people.clone();
                let second = aside(move || missing.fill(fetch.results, &shared.cache, &shared.tallies));
                deadline.bound(second).await?
            }
        };
        Ok(sets.map(|sets| People { as_of: read.as_of, sets, more }))
    }
}
