//! Listens for all subjects: to commits, to changes of sites and keys, to the clock, where a day begins, and to edits of segments.

use super::Marks;
use super::hub::Hub;
use super::subject::Subject;
use crate::deadline::Deadline;
use crate::reports::Clock;
use pistats_core::Changes;
use pistats_rpc::auth::SharedDirectory;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

/// How soon a revoked key ends its streams, and a local midnight or an edited segment is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Few numbers of a small table: a warehouse that takes longer is down, or as good as.
const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// Passes notices on until the hub is gone.
pub(super) async fn listen(
    hub: Weak<Hub>,
    mut changes: Receiver<Arc<Changes>>,
    directory: SharedDirectory,
    clock: Clock,
) {
    let mut number = None;
    let mut known = directory.load_full();
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_open = true;
    loop {
        let notice = tokio::select! {
            notice = changes.recv(), if is_open => notice,
            _ = looks.tick() => {
                let Some(hub) = hub.upgrade() else { return };
                let now = clock();
                hub.for_each(|subject| subject.note_time(now));
                let directory = directory.load_full();
                if !Arc::ptr_eq(&known, &directory) {
                    known = directory;
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

/// Looks for segments that were made, changed or taken away, by whatever process, while a watched report names one; until the hub is
/// gone.
pub(super) async fn look_at_segments(hub: Weak<Hub>) {
    // None: nothing is known of before, and anything may have changed.
    let mut known: Option<Marks> = None;
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let Some(evaluate) = hub.upgrade().map(|hub| hub.names_segments().then(|| hub.evaluate())) else { return };
        let Some(evaluate) = evaluate else {
            known = None;
            continue;
        };
        match evaluate.segments(Deadline::after(LONGEST_LOOK)).await {
            Ok(marks) => {
                let Some(hub) = hub.upgrade() else { return };
                hub.for_each(|subject| {
                    let site = &subject.key.site;
                    if known.as_ref().is_none_or(|known| known.get(site) != marks.get(site)) {
                        subject.note_segments();
                    }
                });
                known = Some(marks);
            }
            // Asked again in a second, and compared with what was known before.
            Err(status) => tracing::debug!(%status, "the marks of segments could not be read"),
        }
    }
}

fn note(subject: &Subject, changes: &Changes, is_next: bool) {
    if !is_next {
        subject.note_anything();
    }
    subject.note(changes);
}
