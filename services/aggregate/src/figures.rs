//! What a running aggregator counted, for whoever reads metrics. It is looked at, and keeps nothing running.

use crate::aggregator::Handle;
use crate::epoch::Setup;
use pistats_core::{Offset, PartitionId};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Sees an aggregator as long as it is there.
#[derive(Clone)]
pub struct Watched {
    setup: Weak<Setup>,
}

/// Numbers since the process started.
#[derive(Clone, Debug)]
pub struct Figures {
    pub partitions: Vec<PartitionFigures>,
    /// Since the collector received the newest committed event; none before the first commit.
    pub newest_age: Option<Duration>,
}

/// Of one partition.
#[derive(Clone, Copy, Debug)]
pub struct PartitionFigures {
    pub partition: PartitionId,
    /// Whether it is folded here now. Of one that is not, only the counts mean something.
    pub is_here: bool,
    /// The first record that is not committed.
    pub checkpoint: Offset,
    /// Taken into the warehouse.
    pub events: u64,
    pub duplicates: u64,
    /// Bytes that are no event, or no record.
    pub undecodable: u64,
    /// Of a site that does not exist (any more).
    pub unknown_site: u64,
    /// Records that the log had forgotten before they were folded.
    pub lost_records: u64,
    /// Records that came to the log more than once: each is folded once.
    pub resent_records: u64,
}

impl Handle {
    /// For those who tell what was counted.
    pub fn watched(&self) -> Watched {
        Watched { setup: Arc::downgrade(&self.setup) }
    }
}

impl Watched {
    /// The figures now; none once the aggregator is gone.
    pub fn figures(&self) -> Option<Figures> {
        let setup = self.setup.upgrade()?;
        let (view, folded) = (setup.stats.view(), setup.stats.folded());
        let partitions = PartitionId::all().zip(view.partitions).map(|(partition, of)| PartitionFigures {
            partition,
            is_here: folded.contains(&partition),
            checkpoint: of.checkpoint,
            events: of.counts.events,
            duplicates: of.counts.duplicates,
            undecodable: of.counts.undecodable,
            unknown_site: of.counts.unknown_site,
            lost_records: of.counts.lost_records,
            resent_records: of.counts.resent_records,
        });
        let age = |newest| Duration::from_micros(u64::try_from(setup.live.now().since(newest)).unwrap_or(0));
        Some(Figures { partitions: partitions.collect(), newest_age: view.newest.map(age) })
    }
}
