//! Listens for all subjects: to commits, and to changes of sites and keys.

use super::hub::Hub;
use super::subject::Subject;
use pistats_core::Changes;
use pistats_rpc::auth::SharedDirectory;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

/// How soon a revoked key ends its streams.
const DIRECTORY_EVERY: Duration = Duration::from_secs(1);

/// Passes notices on until the hub is gone.
pub(super) async fn listen(hub: Weak<Hub>, mut changes: Receiver<Arc<Changes>>, directory: SharedDirectory) {
    let mut number = None;
    let mut known = directory.load_full();
    let mut looks = interval(DIRECTORY_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_open = true;
    loop {
        let notice = tokio::select! {
            notice = changes.recv(), if is_open => notice,
            _ = looks.tick() => {
                let now = directory.load_full();
                if !Arc::ptr_eq(&known, &now) {
                    known = now;
                    let Some(hub) = hub.upgrade() else { return };
                    hub.for_each(|subject| subject.ring());
                }
                continue;
            }
        };
        let Some(hub) = hub.upgrade() else { return };
        match notice {
            Ok(changes) => {
                let is_next = number.is_none_or(|number: u64| changes.number == number + 1);
                number = Some(changes.number);
                hub.for_each(|subject| note(subject, &changes, is_next));
            }
            Err(RecvError::Lagged(_)) => {
                number = None;
                hub.for_each(|subject| subject.note_anything());
            }
            Err(RecvError::Closed) => is_open = false,
        }
    }
}

fn note(subject: &Subject, changes: &Changes, is_next: bool) {
    if !is_next {
        subject.note_anything();
    }
    subject.note(changes);
}
