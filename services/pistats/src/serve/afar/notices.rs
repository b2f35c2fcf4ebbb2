//! Notices of commits of several processes, as one sequence.

use super::{Pauses, SILENT_MOST};
use crate::serve::peers::Peer;
use parking_lot::Mutex;
use pistats_core::{Changes, Micros};
use pistats_proto::aggregate::v1::WatchChangesRequest;
use pistats_proto::convert::live as convert;
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio::time::timeout;
use tonic::Status;

/// Notices that wait for a receiver; one that is further behind looks at everything anew.
const WAITING_MOST: usize = 256;

pub(super) struct Notices {
    number: Mutex<u64>,
    sender: broadcast::Sender<Arc<Changes>>,
}

impl Default for Notices {
    fn default() -> Notices {
        Notices { number: Mutex::new(0), sender: broadcast::Sender::new(WAITING_MOST) }
    }
}

impl Notices {
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.sender.subscribe()
    }

    fn send(&self, changes: Changes) {
        // Sent under the lock, so that notices arrive in the order of their numbers.
        let mut number = self.number.lock();
        *number += 1;
        // Nobody may be listening.
        let _ = self.sender.send(Arc::new(Changes { number: *number, ..changes }));
    }

    fn reset(&self) {
        self.send(Changes { number: 0, committed: Micros(0), is_reset: true, sites: Vec::new() });
    }
}

/// Passes the notices of one process on, for ever.
pub(super) async fn listen(peer: Peer, notices: Arc<Notices>) {
    let mut pauses = Pauses::new();
    let mut is_failing = false;
    loop {
        let mut heard = false;
        let Err(status) = hear(&peer, &notices, &mut heard).await;
        if heard {
            // It may have committed once more, unheard.
            notices.reset();
            pauses.worked();
        }
        if heard || !is_failing {
            tracing::warn!(aggregate = peer.address, %status, "notices of commits are not heard; trying again");
        }
        is_failing = true;
        pauses.wait().await;
    }
}

async fn hear(peer: &Peer, notices: &Notices, heard: &mut bool) -> Result<std::convert::Infallible, Status> {
    let silent = |_| Status::unavailable("it is silent");
    let mut client = peer.aggregate();
    let stream = timeout(SILENT_MOST, client.watch_changes(WatchChangesRequest {})).await;
    let mut stream = stream.map_err(silent)??.into_inner();
    loop {
        let Some(message) = timeout(SILENT_MOST, stream.message()).await.map_err(silent)?? else {
            return Err(Status::unavailable("it ended the stream"));
        };
        if !std::mem::replace(heard, true) {
            tracing::info!(aggregate = peer.address, "listening to notices of commits");
            // What was committed before is not told.
            notices.reset();
        }
        convert::changes(message, 0).into_iter().for_each(|changes| notices.send(changes));
    }
}
