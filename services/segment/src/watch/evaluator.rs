//! Works a watched segment out again when it may have changed: after a commit of its site, an edit, or a midnight.

use super::{State, Told};
use crate::kept::Kept;
use crate::service::Shared;
use pistats_core::segment::SegmentId;
use pistats_core::{Changes, Day, SiteId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tonic::{Code, Status};

/// Evaluations of a segment lie at least so far apart.
const PACE: Duration = Duration::from_secs(1);
/// How soon an edit and a midnight are noticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a segment is worked out again.
enum Reason {
    Commit,
    /// An edit or a midnight may have come.
    Look,
}

/// Goes on until nobody watches.
pub(super) async fn run(
    shared: Arc<Shared>,
    site: SiteId,
    id: SegmentId,
    mut changes: broadcast::Receiver<Arc<Changes>>,
    tell: watch::Sender<Told>,
) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The version and the day that were told last.
    let mut known: Option<(u32, Day)> = None;
    let mut is_open = true;
    let mut is_dirty = true;
    loop {
        let started = Instant::now();
        match evaluate(&shared, site, id, known.filter(|_| !is_dirty)).await {
            Ok(Some(state)) => {
                known = Some((state.version, state.today));
                is_dirty = false;
                tell.send_replace(Some(Ok(Arc::new(state))));
            }
            Ok(None) => {}
            Err(status) => {
                let is_final =
                    matches!(status.code(), Code::NotFound | Code::Unauthenticated | Code::FailedPrecondition);
                if is_final || known.is_none() {
                    tell.send_replace(Some(Err(status)));
                    return;
                }
                // What was told stands until the warehouse answers again.
                tracing::warn!(%status, segment = %id, "a watched segment could not be worked out");
                is_dirty = true;
            }
        }
        sleep_until(started + PACE).await;
        loop {
            let reason = tokio::select! {
                _ = tell.closed() => return,
                notice = changes.recv(), if is_open => match notice {
                    Ok(changes) if changes.touch(site, Day(i32::MIN), Day(i32::MAX)) => Reason::Commit,
                    Ok(_) => continue,
                    Err(broadcast::error::RecvError::Lagged(_)) => Reason::Commit,
                    Err(broadcast::error::RecvError::Closed) => {
                        is_open = false;
                        continue;
                    }
                },
                _ = looks.tick() => Reason::Look,
            };
            is_dirty |= matches!(reason, Reason::Commit);
            break;
        }
    }
}

/// The members now; nothing where version and day are those that are known.
async fn evaluate(
    shared: &Shared,
    site: SiteId,
    id: SegmentId,
    known: Option<(u32, Day)>,
) -> Result<Option<State>, Status> {
    let gone = || Status::unauthenticated("the site of this key is gone");
    let site = shared.directory.load().site(site).cloned().ok_or_else(gone)?;
    let kept = Kept::read(shared.segments.as_ref(), &site).await?;
    let version = kept.row(id)?.version;
    let now = shared.reading.now();
    let today = site.zone.day_of(now);
    // A member may have been edited as well: then its tree is another, and this version is not. Rare, and cheap enough to be
    // worked out with every look where a segment has members at all.
    let has_members = !pistats_core::segment::members(kept.tree(id)?).is_empty();
    if known == Some((version, today)) && !has_members {
        return Ok(None);
    }
    let plan = shared.plan(&site, &kept, kept.tree(id)?, now)?;
    let found = shared.reading.members(&site, plan, false).await?;
    Ok(Some(State { members: Arc::new(found.numbers), as_of: found.as_of, version, now, today }))
}
