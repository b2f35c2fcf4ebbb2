//! From one start to the next: everything that dies with a failure and is read again from the warehouse and the log.
//!
//! ```text
//!   supervisor: checkpoints ─▶ epoch { readers, workers, committer } ─▶ ended?
//!                    ▲                                                   │ failed: forget all, wait, start again
//!                    ├───────────────────────────────────────────────────┤ reset (a replay): commit, start again
//!                    └────────────────────────────────────────────────── ┘ shutdown: commit, done
//! ```
//!
//! Why so coarse: a commit that failed may or may not have taken effect, and what was folded on top of it may be wrong.
//! The warehouse knows; so everything in memory goes, and folding starts again at the stored checkpoints.

use crate::aggregator::Reload;
use crate::committer;
use crate::follow::Follows;
use crate::gate::Gate;
use crate::holding::{Holding, epoch_of};
use crate::ids::IdIndex;
use crate::inbox::Inbox;
use crate::live::Live;
use crate::notices::Notices;
use crate::reader;
use crate::stats::Stats;
use crate::times::Times;
use crate::worker::{Halt, Worker};
use crate::{Config, Error};
use parking_lot::Mutex;
use pistats_core::{Generation, PartitionId};
use pistats_eventlog::EventLog;
use pistats_rpc::auth::SharedDirectory;
use pistats_store::{Checkpoint, Held, Store};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::watch;

/// What every epoch is given.
pub(crate) struct Setup {
    pub config: Config,
    pub log: Arc<dyn EventLog>,
    pub store: Arc<dyn Store>,
    pub holding: Holding,
    pub directory: SharedDirectory,
    pub reload: Reload,
    pub secret: [u8; 32],
    pub live: Live,
    pub stats: Stats,
    pub times: Times,
    /// Number of commits since the start; changes with each.
    pub commits: watch::Sender<u64>,
    /// What each commit touched.
    pub notices: Notices,
    /// Who follows segments.
    pub follows: Follows,
}

/// The state that workers, readers and committer share.
pub(crate) struct Epoch {
    pub setup: Arc<Setup>,
    pub index: IdIndex,
    pub gate: Gate,
    pub inboxes: Vec<Inbox>,
    /// Where each partition started.
    pub checkpoints: Vec<Checkpoint>,
    /// In which it folds.
    pub generation: Generation,
    /// For threads that must wait for something async.
    pub runtime: tokio::runtime::Handle,
    /// The partitions that it folds, and under which leases.
    pub held: Vec<Held>,
    failure: watch::Sender<Option<Arc<Error>>>,
}

/// An epoch that runs.
pub(crate) struct Running {
    pub epoch: Arc<Epoch>,
    readers: Vec<tokio::task::JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
    committer: JoinHandle<()>,
}

impl Epoch {
    fn new(setup: Arc<Setup>, checkpoints: Vec<Checkpoint>, generation: Generation, held: Vec<Held>) -> Epoch {
        let config = &setup.config;
        Epoch {
            index: IdIndex::new(config.held_ids),
            gate: Gate::new(config),
            inboxes: PartitionId::all().map(|_| Inbox::new(config.inbox_bytes)).collect(),
            checkpoints,
            generation,
            held,
            runtime: tokio::runtime::Handle::current(),
            failure: watch::Sender::new(None),
            setup,
        }
    }

    /// Ends the epoch because something failed; the first failure is the one that is told.
    pub(crate) fn fail(&self, error: Error) {
        self.failure.send_if_modified(|failure| {
            let is_first = failure.is_none();
            if is_first {
                *failure = Some(Arc::new(error));
            }
            is_first
        });
        self.gate.fail();
        self.inboxes.iter().for_each(Inbox::close);
    }

    /// Waits for a failure that ends the epoch.
    pub(crate) async fn failed(&self) {
        // The sender lives as long as this epoch: the wait cannot fail.
        let _ = self.failure.subscribe().wait_for(Option::is_some).await;
    }

    /// The failure that ended the epoch, if one did.
    pub(crate) fn failure(&self) -> Option<Arc<Error>> {
        self.failure.borrow().clone()
    }

    /// Whether a partition is folded in it.
    pub(crate) fn holds(&self, partition: PartitionId) -> bool {
        epoch_of(&self.held, partition).is_some()
    }

    /// Whether live records wait or are being folded.
    pub(crate) fn is_busy(&self) -> bool {
        self.inboxes.iter().any(Inbox::is_busy)
    }
}

/// Fails the epoch when its thread ends by a panic, so that a partition never stands still unseen.
struct Guard(Arc<Epoch>, &'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(Error::Panicked(self.1));
        }
    }
}

impl Running {
    /// Starts all threads and tasks of an epoch. Must be called within the runtime.
    pub(crate) fn start(
        setup: Arc<Setup>,
        checkpoints: Vec<Checkpoint>,
        generation: Generation,
        held: Vec<Held>,
    ) -> Result<Running, Error> {
        let epoch = Arc::new(Epoch::new(setup, checkpoints, generation, held));
        let partitions: Vec<PartitionId> = epoch.held.iter().map(|held| held.partition).collect();
        let mut workers = Vec::new();
        for partition in partitions.iter().copied() {
            let own = epoch.clone();
            workers.push(spawn(format!("fold-{}", partition.0), move || {
                let _guard = Guard(own.clone(), "a worker");
                if let Err(Halt::Store(error)) = Worker::new(own.clone(), partition).run() {
                    own.fail(error.into());
                }
            })?);
        }
        let own = epoch.clone();
        let committer = spawn("commit".into(), move || {
            let _guard = Guard(own.clone(), "the committer");
            committer::run(&own, &own.runtime);
        })?;
        let readers =
            partitions.into_iter().map(|partition| tokio::spawn(reader::run(epoch.clone(), partition))).collect();
        Ok(Running { epoch, readers, workers, committer })
    }

    /// Ends the epoch: readers at once, workers after the record at hand; unless it failed, what is folded is committed.
    pub(crate) async fn stop(self) {
        let Running { epoch, readers, workers, committer } = self;
        readers.iter().for_each(tokio::task::JoinHandle::abort);
        epoch.inboxes.iter().for_each(Inbox::close);
        epoch.gate.drain();
        let joined = tokio::task::spawn_blocking(move || {
            for worker in workers {
                let _ = worker.join();
            }
            let _ = committer.join();
        });
        if joined.await.is_err() {
            tracing::error!("the aggregator's threads could not be joined");
        }
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    std::thread::Builder::new().name(name).spawn(work).map_err(|error| Error::Thread(error.to_string()))
}

/// The epoch that runs now, for those who come from outside.
pub(crate) type Current = Arc<Mutex<Option<Arc<Epoch>>>>;
