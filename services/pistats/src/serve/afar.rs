//! Aggregators of other processes, as Query wants to see them: notices and live parts over the network, added up.
//!
//! ```text
//!   Aggregate ═ WatchChanges ═▶ notices ─▶ one numbered sequence ─▶ watched reports are looked at anew
//!   Aggregate ═ WatchLive ════▶ parts of a site ─▶ added up, if whole ─▶ Realtime
//! ```
//!
//! A partition is in one part, so the parts add up exactly. What is not whole (an Aggregate does not answer, a partition changes
//! hands, one is in another generation) is `Unreachable`, never silently less (V-4). A stream that breaks opens again by itself;
//! what may have been missed meanwhile is told as a reset (V-2).

mod notices;
mod sites;

use super::living;
use super::peers::Peer;
use pistats_core::report::{Bots, LivePart, Realtime};
use pistats_core::{Changes, SiteId};
use pistats_query::{Living, Unreachable};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

/// Every stream has a sign of life each second: one without for this long is taken for broken.
pub(super) const SILENT_MOST: Duration = Duration::from_secs(4);

/// Before a stream is opened again, doubled each time up to the second.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MOST: Duration = Duration::from_secs(1);

/// All Aggregates of a warehouse.
pub(super) struct Afar {
    notices: Arc<notices::Notices>,
    sites: sites::Sites,
    listening: Vec<AbortHandle>,
}

impl Afar {
    /// Begins to listen to all of them. Must be called within a runtime.
    pub(super) fn new(peers: Vec<Peer>) -> Afar {
        let notices = Arc::new(notices::Notices::default());
        let listen = |peer: &Peer| tokio::spawn(notices::listen(peer.clone(), notices.clone())).abort_handle();
        Afar { listening: peers.iter().map(listen).collect(), sites: sites::Sites::new(peers), notices }
    }

    /// What all of them know of a site, added up.
    pub(super) async fn part(&self, site: SiteId, bots: Bots) -> Result<(LivePart, u64), Unreachable> {
        let view = self.sites.view(site, bots);
        living::whole(|| view.whole()).await
    }
}

impl Drop for Afar {
    fn drop(&mut self) {
        self.listening.iter().for_each(AbortHandle::abort);
    }
}

#[tonic::async_trait]
impl Living for Afar {
    fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.notices.subscribe()
    }

    async fn realtime(&self, site: SiteId, bots: Bots, limit: usize) -> Result<Realtime, Unreachable> {
        self.part(site, bots).await.map(|(part, _)| part.finish(limit))
    }

    fn moved(&self, site: SiteId) -> u64 {
        self.sites.moved(site)
    }
}

/// The pauses between tries.
pub(super) struct Pauses(Duration);

impl Pauses {
    pub(super) fn new() -> Pauses {
        Pauses(RETRY_FIRST)
    }

    pub(super) fn worked(&mut self) {
        self.0 = RETRY_FIRST;
    }

    pub(super) async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(RETRY_MOST);
    }
}
