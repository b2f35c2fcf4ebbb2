//! All subjects and all streams of a server.

use super::evaluator::{self, Means, Pace};
use super::question::Key;
use super::stream::{self, Reader};
use super::subject::Subject;
use super::{Evaluate, notices, question};
use crate::live::Living;
use crate::plan::Tenant;
use crate::reports::{Clock, system_clock};
use crate::status;
use futures::stream::BoxStream;
use pistats_proto::query::v1::watched_report::Report;
use pistats_proto::query::v1::{WatchRequest, WatchResponse};
use pistats_rpc::auth::SharedDirectory;
use pistats_rpc::status::exhausted;
use pistats_store::Engine;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::{Request, Status};

/// Different reports that are watched at once, those that linger too: each holds an answer and a history.
const MOST_SUBJECTS: usize = 20_000;
/// When a refused reader should come back: streams end when people close a page.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How much may be watched, and how eagerly.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Streams at once.
    pub(crate) streams: usize,
    /// Evaluations at once. Fewer than the warehouse answers at once, so that unary calls find room.
    pub(crate) evaluations: usize,
    pub(crate) pace: Pace,
    /// Of the warehouse.
    pub(crate) engine: Engine,
    /// Says when a local day begins.
    pub(crate) clock: Clock,
}

impl Default for Settings {
    fn default() -> Settings {
        let (pace, engine, clock) = (Pace::default(), Engine::default(), system_clock());
        Settings { streams: 10_000, evaluations: 2, pace, engine, clock }
    }
}

/// See the module.
pub(crate) struct Hub {
    means: Arc<Means>,
    directory: SharedDirectory,
    streams: Arc<Semaphore>,
    most_streams: usize,
    engine: Engine,
    clock: Clock,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    subjects: HashMap<Key, Arc<Subject>>,
    /// Ended with the hub.
    tasks: JoinSet<()>,
    is_listening: bool,
}

impl Hub {
    pub(crate) fn new(
        evaluate: Arc<dyn Evaluate>,
        living: Arc<dyn Living>,
        directory: SharedDirectory,
        settings: Settings,
    ) -> Arc<Hub> {
        let Settings { streams, evaluations, pace, engine, clock } = settings;
        Arc::new(Hub {
            means: Arc::new(Means { evaluate, living, room: Semaphore::new(evaluations), pace }),
            directory,
            streams: Arc::new(Semaphore::new(streams)),
            most_streams: streams,
            engine,
            clock,
            inner: Mutex::default(),
        })
    }

    /// Opens a stream. Everything that the contract refuses is refused here.
    pub(crate) fn watch(
        self: &Arc<Hub>,
        request: Request<WatchRequest>,
    ) -> Result<BoxStream<'static, Result<WatchResponse, Status>>, Status> {
        let (mut reader, message) = Reader::of(self, request)?;
        let room = self.streams.clone().try_acquire_owned().map_err(|_| {
            let most = self.most_streams;
            exhausted(format!("{most} streams are open already, which is as many as this server holds"), RETRY_AFTER)
        })?;
        question::check_count(&message).map_err(status::invalid)?;
        let keys = reader.open_all(&message)?;
        let reports = question::read(|number| reader.tenant(keys[number]), message).map_err(status::invalid)?;
        let reports =
            reports.into_iter().zip(keys).map(|((watched, question), key)| (watched, question, key)).collect();
        stream::open(reader, reports, room)
    }

    /// Open streams, and different reports that are watched.
    pub(crate) fn watching(&self) -> (usize, usize) {
        (self.most_streams.saturating_sub(self.streams.available_permits()), self.lock().subjects.len())
    }

    pub(super) fn engine(&self) -> Engine {
        self.engine
    }

    pub(super) fn directory(&self) -> &SharedDirectory {
        &self.directory
    }

    /// The subject of a key, with a bell on it; made and started where there is none.
    pub(super) fn join(
        self: &Arc<Hub>,
        tenant: &Tenant,
        key: Key,
        report: Report,
        bell: &Arc<tokio::sync::Notify>,
    ) -> Result<(Arc<Subject>, u64), Status> {
        let mut inner = self.lock();
        if !inner.is_listening {
            inner.is_listening = true;
            // Before the first evaluation: from now on no commit is missed.
            let (hub, changes) = (Arc::downgrade(self), self.means.living.changes());
            inner.tasks.spawn(notices::look_at_segments(hub.clone()));
            inner.tasks.spawn(notices::listen(hub, changes, self.directory.clone(), self.clock.clone()));
        }
        if let Some(subject) = inner.subjects.get(&key) {
            // Under the lock: it is not forgotten between the two.
            return Ok((subject.clone(), subject.join(bell.clone())));
        }
        if inner.subjects.len() >= MOST_SUBJECTS {
            let refusal = format!("{MOST_SUBJECTS} different reports are watched already");
            return Err(exhausted(refusal, RETRY_AFTER));
        }
        while inner.tasks.try_join_next().is_some() {}
        let subject = Arc::new(Subject::new(key.clone(), tenant.clone(), report));
        // Before the first evaluation: from now on no midnight is missed.
        subject.note_time((self.clock)());
        let number = subject.join(bell.clone());
        inner.subjects.insert(key, subject.clone());
        inner.tasks.spawn(evaluator::run(subject.clone(), self.means.clone(), Arc::downgrade(self)));
        Ok((subject, number))
    }

    /// Forgets a subject, so that who asks next starts anew; when told so, only if nobody watches it. Whether it did.
    pub(super) fn forget(&self, subject: &Arc<Subject>, only_unwatched: bool) -> bool {
        let mut inner = self.lock();
        if only_unwatched && subject.is_watched() {
            return false;
        }
        if inner.subjects.get(&subject.key).is_some_and(|known| Arc::ptr_eq(known, subject)) {
            inner.subjects.remove(&subject.key);
        }
        true
    }

    /// Whether a report that is watched names a segment.
    pub(super) fn names_segments(&self) -> bool {
        self.lock().subjects.values().any(|subject| subject.names_segments())
    }

    pub(super) fn evaluate(&self) -> Arc<dyn Evaluate> {
        self.means.evaluate.clone()
    }

    /// All subjects.
    pub(super) fn for_each(&self, act: impl FnMut(&Arc<Subject>)) {
        self.lock().subjects.values().for_each(act);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The map is whole after every single step, so a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
