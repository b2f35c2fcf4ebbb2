//! What Query needs of the living side: to be told of commits, and the state of this moment.
//!
//! Aggregate's handle stands behind it in one process (services never depend on each other: the binary wires them), and
//! streams of other processes where roles are split.

use pistats_core::report::{Bots, Realtime};
use pistats_core::{Changes, SiteId};
use std::sync::Arc;
use tokio::sync::broadcast;

/// The side of the house that folds.
///
/// Implementations MUST promise:
/// - **V-1** A notice is sent after its commit is durable: a read that starts when it is received sees the commit.
/// - **V-2** Every commit is told in order, or a later notice lacks a number in between, or has `is_reset`.
/// - **V-3** State is in memory: only the first question about a site may wait for it, and not for long.
/// - **V-4** What `realtime` tells is of all partitions, or it is `Unreachable`: never silently less.
#[tonic::async_trait]
pub trait Living: Send + Sync + 'static {
    /// Notices of commits from now on. A receiver that lags must take everything for touched.
    fn changes(&self) -> broadcast::Receiver<Arc<Changes>>;

    /// What is happening on a site now, with lists of at most `limit` rows.
    ///
    /// Errors: the live state is not known (yet).
    async fn realtime(&self, site: SiteId, bots: Bots, limit: usize) -> Result<Realtime, Unreachable>;

    /// Grows with every fold of a site, and when its state is read anew: where it stands still, only the clock moves the
    /// numbers of `realtime`.
    fn moved(&self, site: SiteId) -> u64;
}

/// The live state is not known (yet).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the live state cannot be reached: {0}")]
pub struct Unreachable(pub String);

/// Where nothing is folded: no notices, no live state.
pub struct Nothing(broadcast::Sender<Arc<Changes>>);

impl Default for Nothing {
    fn default() -> Nothing {
        Nothing(broadcast::Sender::new(1))
    }
}

#[tonic::async_trait]
impl Living for Nothing {
    fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.0.subscribe()
    }

    async fn realtime(&self, _: SiteId, _: Bots, _: usize) -> Result<Realtime, Unreachable> {
        Err(Unreachable("this server folds nothing".to_owned()))
    }

    fn moved(&self, _: SiteId) -> u64 {
        0
    }
}
