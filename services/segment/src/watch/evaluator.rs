//! Follows a watched segment: puts its parts together, and tells the newest state at most once a second.

use super::Told;
use super::whole::Whole;
use pistats_core::segment::SegmentId;
use pistats_core::segment::follow::Part;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tonic::Status;

/// States of a segment lie at least so far apart.
const PACE: Duration = Duration::from_secs(1);
/// A first state that is not there by then: whoever folds does not answer. Seeding ten million events takes a part of it.
const FIRST_WITHIN: Duration = Duration::from_secs(60);

/// Goes on until nobody watches, the segment is gone or nobody tells of it.
pub(super) async fn run(id: SegmentId, mut parts: mpsc::Receiver<Part>, tell: watch::Sender<Told>) {
    let mut whole = Whole::default();
    let mut due = Instant::now();
    let (mut is_dirty, mut is_known) = (false, false);
    let late = Instant::now() + FIRST_WITHIN;
    let failed = loop {
        tokio::select! {
            () = tell.closed() => return,
            part = parts.recv() => match part {
                None => break Status::unavailable("nobody tells of the segment any more; watch again"),
                Some(part) => match whole.take(id, part) {
                    Ok(()) => is_dirty = true,
                    Err(status) => break status,
                },
            },
            () = sleep_until(due), if is_dirty && Instant::now() < due => {}
            () = sleep_until(late), if !is_known => {
                break Status::unavailable("not every partition is folded by somebody who answers; watch again later");
            }
        }
        if !is_dirty || Instant::now() < due {
            continue;
        }
        if let Some(state) = whole.state() {
            tell.send_replace(Some(Ok(Arc::new(state))));
            due = Instant::now() + PACE;
            (is_dirty, is_known) = (false, true);
        }
    };
    tell.send_replace(Some(Err(failed)));
}
