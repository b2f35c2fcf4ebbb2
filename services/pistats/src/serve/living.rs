//! The aggregator of this process, as Query wants to see it.

use pistats_aggregate::Observer;
use pistats_core::report::{Bots, Realtime};
use pistats_core::{Changes, SiteId};
use pistats_query::{Living, Unreachable};
use std::sync::Arc;
use tokio::sync::broadcast;

/// An aggregator that folds all partitions.
pub(super) struct Here(pub(super) Observer);

impl Living for Here {
    fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.0.changes()
    }

    fn realtime(&self, site: SiteId, bots: Bots, limit: usize) -> Result<Realtime, Unreachable> {
        Ok(self.0.realtime(site, bots, limit))
    }

    fn moved(&self, site: SiteId) -> u64 {
        self.0.moved(site)
    }
}
