//! Small stands-in for unit tests.

use pistats_core::{EventId, PartitionId, SiteId, VisitorKey, VisitorNo};
use pistats_store::{Error, Found, KnownVisitor, Lookup, SessionsOf, VisitorHistory, WriterSequence};

/// A warehouse without rows.
pub(crate) struct NoRows;

impl Lookup for NoRows {
    fn ids(&self, _: SiteId, _: u64, _: u64) -> Result<Vec<EventId>, Error> {
        Ok(Vec::new())
    }

    fn visitors(&self, _: SiteId, _: PartitionId, _: &[VisitorKey]) -> Result<Vec<KnownVisitor>, Error> {
        Ok(Vec::new())
    }

    fn sequences(&self, _: PartitionId) -> Result<Vec<WriterSequence>, Error> {
        Ok(Vec::new())
    }

    fn next_ordinal(&self, _: SiteId, _: PartitionId) -> Result<u64, Error> {
        Ok(0)
    }

    fn sessions(&self, _: &[SessionsOf]) -> Result<Vec<Found>, Error> {
        Ok(Vec::new())
    }

    fn histories(&self, _: SiteId, _: &[VisitorNo]) -> Result<Vec<VisitorHistory>, Error> {
        Ok(Vec::new())
    }

    fn visitors_of_events(&self, _: SiteId, _: &[EventId]) -> Result<Vec<(EventId, VisitorNo)>, Error> {
        Ok(Vec::new())
    }
}
