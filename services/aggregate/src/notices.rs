//! Notices of commits, for those who show reports.

use parking_lot::Mutex;
use pistats_core::change::{Changes, Touched};
use pistats_core::{Day, Micros, SiteChange, SiteId};
use pistats_store::Commit;
use std::sync::Arc;
use tokio::sync::broadcast;

/// Notices that wait for a receiver: a minute of commits at twenty a second would be 1,200, and one that is so far
/// behind looks at everything anew just as well.
const WAITING_MOST: usize = 256;

/// Numbers notices and sends them to whoever listens.
pub(crate) struct Notices {
    number: Mutex<u64>,
    sender: broadcast::Sender<Arc<Changes>>,
}

impl Notices {
    pub(crate) fn new() -> Notices {
        Notices { number: Mutex::new(0), sender: broadcast::Sender::new(WAITING_MOST) }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.sender.subscribe()
    }

    /// A commit took effect.
    pub(crate) fn committed(&self, committed: Micros, sites: Vec<SiteChange>) {
        if !sites.is_empty() {
            self.send(committed, false, sites);
        }
    }

    /// Folding starts again after a failure: its last commit may have taken effect unheard.
    pub(crate) fn reset(&self, now: Micros) {
        self.send(now, true, Vec::new());
    }

    fn send(&self, committed: Micros, is_reset: bool, sites: Vec<SiteChange>) {
        // Sent under the lock, so that notices arrive in the order of their numbers.
        let mut number = self.number.lock();
        *number += 1;
        // Nobody may be listening.
        let _ = self.sender.send(Arc::new(Changes { number: *number, committed, is_reset, sites }));
    }
}

/// The local days that a commit's rows belong to, taken back ones too.
pub(crate) fn touched(commit: &Commit) -> Vec<SiteChange> {
    let mut touched = Touched::default();
    let events = commit.events.site.iter().zip(&commit.events.day);
    events.for_each(|(site, day)| touched.add(SiteId(*site), Day(*day)));
    commit.sessions.iter().for_each(|version| touched.add(version.site, version.day));
    commit.visitors.iter().for_each(|version| touched.add(version.site, version.first_day));
    touched.stretches()
}
