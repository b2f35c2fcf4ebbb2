//! Segments as they change: followed once for all who watch one; each stream tells the difference to what it told.
//!
//! ```text
//!   Aggregate, Aggregate … ═ parts ═▶ whole ──▶ evaluator of a segment ──▶ newest state ──▶ stream: snapshot, then deltas 1, 2, …
//!     (core::segment::follow)        a set a part    at most once a second     (a set)        members now − members told = entered, left
//! ```
//!
//! A stream holds the set that it told last, so a slow reader gets one delta of everything that happened meanwhile, and
//! nothing queues up. Sets are exact (P-5); a late event, an edit and a midnight are all the same: another set. After a
//! restart, or when the warehouse was rebuilt and numbers are others, there is a snapshot: nobody enters or leaves by it.

mod evaluator;
mod stream;
mod whole;

pub(crate) use stream::open;

use crate::service::Shared;
use pistats_core::report::AsOf;
use pistats_core::segment::SegmentId;
use pistats_core::{Micros, SiteId};
use roaring::RoaringBitmap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{Semaphore, watch};
use tonic::Status;

/// Who is in a segment.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) members: Arc<RoaringBitmap>,
    pub(crate) as_of: AsOf,
    pub(crate) version: u32,
    pub(crate) now: Micros,
    pub(crate) causes: whole::Causes,
}

/// What an evaluator tells; none before the first evaluation.
pub(crate) type Told = Option<Result<Arc<State>, Status>>;

/// A segment that somebody watches. Its evaluator ends with the last receiver.
pub(crate) struct Subject {
    newest: watch::Receiver<Told>,
}

/// All that is watched.
pub(crate) struct Hub {
    pub(crate) shared: Arc<Shared>,
    pub(crate) streams: Arc<Semaphore>,
    subjects: Mutex<HashMap<(SiteId, SegmentId), Weak<Subject>>>,
}

impl Hub {
    pub(crate) fn new(shared: Arc<Shared>, streams: usize) -> Arc<Hub> {
        Arc::new(Hub { shared, streams: Arc::new(Semaphore::new(streams)), subjects: Mutex::default() })
    }

    /// The subject of a segment; made, and its evaluator started, where nobody watches it.
    pub(crate) fn join(&self, site: SiteId, id: SegmentId) -> Arc<Subject> {
        // The map is whole after every single step.
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(subject) = subjects.get(&(site, id)).and_then(Weak::upgrade) {
            return subject;
        }
        subjects.retain(|_, subject| subject.strong_count() > 0);
        let (tell, newest) = watch::channel(None);
        let parts = self.shared.reading.follow(site, id);
        tokio::spawn(evaluator::run(id, parts, tell));
        let subject = Arc::new(Subject { newest });
        subjects.insert((site, id), Arc::downgrade(&subject));
        subject
    }
}
