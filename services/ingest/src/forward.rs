//! Store and forward: the collector answers from its own durable log, the spool, and what lies there is shipped to the stream
//! that collectors share.
//!
//! ```text
//!   collect ─▶ spool (fsync) ─▶ answer                 spool       the collector's log, and what of it waits
//!                │                                     lane        one a partition: in order, one record under way
//!                └─ lane ─ stamped ─▶ stream           stamp       where a record comes from, behind its bytes
//!                     │ acknowledged ─▶ checkpoint     checkpoint  how far, durably
//!                     └ settled, still there ─▶ trim   backlog     what waits, as people and metrics see it
//! ```
//!
//! Promises (docs/adr/0018-store-and-forward.md has the reasons):
//! - **F-1** Collecting never waits for the stream and never fails because of it, until the spool reaches its bound.
//! - **F-2** Every record of the spool comes to be in the stream at least once, and the first copies in the spool's order. A
//!   copy carries (writer, sequence): the spool's partition, and the record's offset there. So along a partition of the
//!   stream a record whose sequence is not above its writer's last is a resend, exactly.
//! - **F-3** The spool forgets a record only when the stream acknowledged it, a settling time went by, and the stream was asked
//!   and still holds it: what acknowledges may not have written yet. If the stream lost it, everything the spool still has is
//!   sent again, as a new writer, so that nobody takes it for resends.
//!
//! It is not responsible for telling resends (Aggregate), nor for how a stream is reached (its `EventLog`).

mod backlog;
mod checkpoint;
mod lane;
mod spool;
mod stamp;

pub use backlog::{Backlog, PartitionBacklog};
pub use spool::{Room, Spool};

use crate::NoRandomNumbers;
use checkpoint::Place;
use lane::Lane;
use parking_lot::Mutex;
use pistats_core::PartitionId;
use pistats_eventlog::{Error, EventLog};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How a spool is forwarded.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file that says how far.
    pub checkpoint: PathBuf,
    /// Which stream, as the checkpoint names it: of another one nothing was forwarded yet.
    pub stream: String,
    /// How long the spool keeps what the stream acknowledged: longer than the stream's machine may keep it in memory only.
    pub settle: Duration,
    /// A record that was not acknowledged within this is sent again. Streams repeat by themselves, and what is given up here
    /// may still be on its way: so this is only for one that hangs.
    pub answer_within: Duration,
    /// The checkpoint is written this often while it moves.
    pub save_every: Duration,
}

impl Settings {
    /// The settings for a stream that writes its pages back within 35 s.
    pub fn new(checkpoint: PathBuf, stream: String) -> Settings {
        Settings {
            checkpoint,
            stream,
            settle: Duration::from_secs(60),
            answer_within: Duration::from_secs(60),
            save_every: Duration::from_millis(250),
        }
    }
}

/// Why forwarding cannot begin.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StartError {
    #[error("the spool: {0}")]
    Spool(#[from] Error),
    #[error(transparent)]
    NoRandomNumbers(#[from] NoRandomNumbers),
}

/// What the lanes, the saver and those who look share.
struct Shared {
    settings: Settings,
    spool: Arc<Spool>,
    stream: Arc<dyn EventLog>,
    places: Mutex<Vec<Place>>,
    /// Places that are not in the file yet.
    moved: AtomicBool,
    /// One writer of the file at a time.
    saving: Mutex<()>,
    problems: Mutex<Vec<Option<String>>>,
    forwarded: AtomicU64,
    repeated: AtomicU64,
    rewinds: AtomicU64,
}

/// A spool that is being forwarded. Dropping it ends that at once: what is under way may be sent again.
pub struct Forwarding {
    shared: Arc<Shared>,
    lanes: Vec<JoinHandle<()>>,
    saver: JoinHandle<()>,
}

impl Forwarding {
    /// Starts shipping where the checkpoint stands. The stream need not be there yet. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`]. A checkpoint that cannot be used is none: everything in the spool is sent, as a new writer.
    pub async fn start(
        spool: Arc<Spool>,
        stream: Arc<dyn EventLog>,
        settings: Settings,
    ) -> Result<Forwarding, StartError> {
        let mut places = Vec::new();
        let mut stored = match checkpoint::read(&settings.checkpoint, &settings.stream) {
            Ok(stored) => stored.unwrap_or_default().into_iter(),
            Err(reason) => {
                let file = settings.checkpoint.display().to_string();
                tracing::warn!(
                    file,
                    reason,
                    "how far the spool was forwarded is not known: all of it is sent once more"
                );
                Vec::new().into_iter()
            }
        };
        for partition in PartitionId::all() {
            places.push(begin(&spool, partition, stored.next()).await?);
        }
        let shared = Arc::new(Shared {
            settings,
            spool,
            stream,
            places: Mutex::new(places.clone()),
            moved: AtomicBool::new(true),
            saving: Mutex::new(()),
            problems: Mutex::new(vec![None; places.len()]),
            forwarded: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            rewinds: AtomicU64::new(0),
        });
        // The writers' names must be known before anything is sent under them.
        let saved = shared.clone();
        let _ = tokio::task::spawn_blocking(move || saved.save()).await;
        let lanes = PartitionId::all()
            .zip(places)
            .map(|(partition, place)| tokio::spawn(Lane::new(shared.clone(), partition, place).run()))
            .collect();
        let saver = tokio::spawn(save_now_and_then(shared.clone()));
        Ok(Forwarding { shared, lanes, saver })
    }

    /// What waits.
    pub fn backlog(&self) -> Backlog {
        backlog::of(&self.shared)
    }

    /// For those who look now and then, and keep nothing running: metrics, `log.v1.State`.
    pub fn watch(&self) -> Watch {
        Watch(Arc::downgrade(&self.shared))
    }

    /// Ends shipping and writes how far it came. Nothing is lost: the spool is on disk.
    pub async fn stop(mut self) {
        for task in std::mem::take(&mut self.lanes) {
            task.abort();
            let _ = task.await;
        }
        self.saver.abort();
        let shared = self.shared.clone();
        let _ = tokio::task::spawn_blocking(move || shared.save()).await;
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        self.lanes.iter().for_each(JoinHandle::abort);
        self.saver.abort();
    }
}

/// Looks at a forwarding as long as there is one.
#[derive(Clone)]
pub struct Watch(Weak<Shared>);

impl Watch {
    /// What waits; none once the forwarding has ended.
    pub fn now(&self) -> Option<Backlog> {
        self.0.upgrade().map(|shared| backlog::of(&shared))
    }
}

/// Where a partition goes on.
async fn begin(spool: &Spool, partition: PartitionId, stored: Option<Place>) -> Result<Place, StartError> {
    let bounds = spool.bounds(partition).await?;
    match stored {
        // Its torn end was cut, though it was shipped: other records will have these offsets.
        Some(place) if place.next > bounds.next => Ok(Place::new_writer(bounds.next)?),
        // An old file: what the spool forgot was acknowledged and has settled.
        Some(place) if place.next < bounds.first => Ok(Place { next: bounds.first, last: None, ..place }),
        Some(place) => Ok(place),
        None => Ok(Place::new_writer(bounds.first)?),
    }
}

async fn save_now_and_then(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(shared.settings.save_every).await;
        if shared.moved.load(Relaxed) {
            let saved = shared.clone();
            let _ = tokio::task::spawn_blocking(move || saved.save()).await;
        }
    }
}

impl Shared {
    /// Writes the checkpoint; blocks for a sync or two. A failure is told, and costs resends only.
    fn save(&self) -> bool {
        let _only = self.saving.lock();
        self.moved.store(false, Relaxed);
        let places = self.places.lock().clone();
        let written = checkpoint::write(&self.settings.checkpoint, &self.settings.stream, &places);
        if let Err(error) = &written {
            self.moved.store(true, Relaxed);
            let file = self.settings.checkpoint.display().to_string();
            tracing::error!(file, %error, "how far the spool was forwarded cannot be written");
        }
        written.is_ok()
    }

    fn put(&self, partition: PartitionId, place: Place) {
        self.places.lock()[partition.index()] = place;
        self.moved.store(true, Relaxed);
    }

    fn problem(&self, partition: PartitionId, problem: Option<String>) {
        self.problems.lock()[partition.index()] = problem;
    }
}

fn random() -> Result<u64, NoRandomNumbers> {
    Ok(getrandom::u64()?)
}
