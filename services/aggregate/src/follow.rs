//! Segments that somebody follows: who enters and who leaves, by what is folded, by time, and by edits.
//!
//! ```text
//!   committer ── ahead(commit) ─▶ feed ─▶ follower ── seed: history, page by page ──▶ matcher ──▶ Members, Moves, …
//!       │                          ▲       one a stream, a task                       (core::segment::Matcher)
//!       └── store.commit ── settled┘       every second: did a day begin, is the tree another one?
//! ```
//!
//! What a stream promises stands at `core::segment::follow`. How F-3 is kept: a commit is told **before** it is stored, so whoever
//! reads history afterwards knows the ids of all events that may be in it already and will be fed later. Those are left out of
//! the seed; all others that it reads were stored before the stream began.
//!
//! Memory: a matcher holds each visitor of its site and partitions, a feed a few commits. A follower that falls behind loses its
//! place and starts again (F-5). Nothing is copied of a commit while nobody follows one of its sites.

mod facts;
mod feed;
mod follower;
mod history;

pub(crate) use feed::Follows;

use crate::epoch::Setup;
use pistats_core::SiteId;
use pistats_core::segment::SegmentId;
use pistats_core::segment::follow::Told;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Messages that wait for a reader; one that does not take them holds its follower up, not folding.
const WAITING: usize = 16;

/// The stream of one segment, as far as it is folded here. Dropping it ends its follower.
pub struct Following(mpsc::Receiver<Told>);

impl Following {
    /// The next message; none at the end. Cancellation-safe.
    pub async fn next(&mut self) -> Option<Told> {
        self.0.recv().await
    }
}

/// Begins to follow. Must be called within a runtime.
pub(crate) fn follow(setup: &Arc<Setup>, site: SiteId, segment: SegmentId) -> Following {
    let (told, receiver) = mpsc::channel(WAITING);
    // Here and not in the task: from now on no commit is missed.
    let feed = setup.follows.subscribe(site);
    tokio::spawn(follower::run(setup.clone(), site, segment, feed, told));
    Following(receiver)
}
