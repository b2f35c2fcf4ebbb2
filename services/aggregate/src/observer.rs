//! What others may see of a running aggregator: notices of commits, and the live state.

use crate::aggregator::Handle;
use crate::epoch::Setup;
use crate::follow::{self, Following};
use pistats_core::report::{Bots, LivePart, Realtime};
use pistats_core::segment::SegmentId;
use pistats_core::{Changes, SiteId};
use std::sync::Arc;
use tokio::sync::broadcast;

/// Sees the aggregator and does not keep it running; cheap to clone.
#[derive(Clone)]
pub struct Observer {
    setup: Arc<Setup>,
}

impl Handle {
    /// For those who show what is folded.
    pub fn observer(&self) -> Observer {
        Observer { setup: self.setup.clone() }
    }
}

impl Observer {
    /// Notices of what each commit touched, from now on, sent when it is durable.
    ///
    /// A receiver that lags behind must take everything for touched; so must every receiver of a notice that is a reset.
    pub fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.setup.notices.subscribe()
    }

    /// Grows with every fold of a site, and when its state is read anew.
    pub fn moved(&self, site: SiteId) -> u64 {
        self.setup.live.moved(site)
    }

    /// What the partitions folded here know of a site now.
    pub fn part(&self, site: SiteId, bots: Bots) -> LivePart {
        self.setup.live.part(site, bots)
    }

    /// Who is in a segment, and who enters and leaves, of the partitions that are folded here: see
    /// [`pistats_core::segment::follow`]. Each stream holds a matcher of its own. Must be called within a runtime of several
    /// threads.
    pub fn follow(&self, site: SiteId, segment: SegmentId) -> Following {
        follow::follow(&self.setup, site, segment)
    }

    /// The live state of a site now, with lists of at most `limit` rows.
    pub fn realtime(&self, site: SiteId, bots: Bots, limit: usize) -> Realtime {
        self.part(site, bots).finish(limit)
    }
}
