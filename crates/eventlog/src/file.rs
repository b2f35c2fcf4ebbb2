//! The embedded log (`file://`): a small segment log of our own. `docs/adr/0002-event-log.md` has the measurements.
//!
//! ```text
//!   file      the handle: open, append, read, close        config   settings and their limits
//!   frame     one record on disk                           segment  one file on disk, and its header
//!   scan      what a segment holds; torn or damaged        recover  opening: which records count
//!   commit    the committer: one write + fdatasync a group stock    prepares, retires and recycles segments
//!   read      batches of records, positions                shared   what the threads and readers share
//! ```
//!
//! All partitions share one sequence of segments, so that one sync makes the records of all of them durable:
//!
//! ```text
//!   append ─▶ queue ─▶ committer ─▶ pwritev, fdatasync ─▶ index, tail ─▶ answers, readers
//!                          ▲ full segment: takes the next one
//!                        stock ◀── trimmed segments come back (recycled files are written twice as fast as new ones)
//!
//!   0000000007.segment  [header | group 41: frame frame | group 42: frame | …]        sealed
//!   0000000008.segment  [header | group 57: frame frame frame | zeros or older epochs] the one being written
//!   spare-3                                                                            written before, ready
//! ```
//!
//! Invariant: group n + 1 is written only after the sync of group n returned. So a valid frame of a later group
//! proves that everything before it was durable, and damage there is damage; without such a proof, an incomplete
//! last group is a torn one that nobody was promised. While nothing comes in, the committer writes an empty group,
//! a *mark*, so that the last records too have their proof soon.

mod commit;
mod config;
mod frame;
mod read;
mod recover;
mod scan;
mod segment;
mod shared;
mod stock;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use parking_lot::Mutex;
use pistats_core::{Micros, Offset, PartitionId};

use crate::disk::{FileSystem, RealDisk};
use crate::{Append, Bounds, Error, EventLog, Position, Records};
use shared::Shared;

pub use config::Config;
pub use shared::Usage;

/// Where append times come from. Tests hand in their own.
pub type Clock = Arc<dyn Fn() -> Micros + Send + Sync>;

/// The system's clock.
pub fn wall_clock() -> Clock {
    Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    })
}

/// The embedded [`EventLog`]. Dropping it closes it: what was queued is written first.
pub struct FileLog {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl FileLog {
    /// Opens or makes the log in a directory, on the operating system's disk and clock.
    ///
    /// Blocks while it reads the last segment (64 MiB take about 50 ms) or writes the first one: call it off the
    /// async threads. A torn last group is cut and logged; it was never acknowledged.
    ///
    /// Errors: `Locked`, `Corrupt` (durable records are damaged; nothing is changed), `Config`, `Full`, `Io`.
    pub fn open(dir: impl AsRef<Path>, config: Config) -> Result<FileLog, Error> {
        FileLog::open_on(Arc::new(RealDisk), wall_clock(), dir, config)
    }

    /// Opens the log on any disk and clock.
    pub fn open_on(
        disk: Arc<dyn FileSystem>,
        clock: Clock,
        dir: impl AsRef<Path>,
        config: Config,
    ) -> Result<FileLog, Error> {
        let (shared, active) = recover::open(disk, clock, dir.as_ref(), config)?;
        let shared = Arc::new(shared);
        let mut threads = Vec::new();
        for (name, run) in [
            (
                "log-stock",
                Box::new({
                    let shared = shared.clone();
                    move || stock::run(&shared)
                }) as Box<dyn FnOnce() + Send>,
            ),
            (
                "log-commit",
                Box::new({
                    let shared = shared.clone();
                    move || commit::run(&shared, active)
                }),
            ),
        ] {
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
            threads.push(thread.map_err(|error| Error::io("starting a thread of the log", error))?);
        }
        Ok(FileLog { shared, threads: Mutex::new(threads) })
    }

    /// Writes what is queued, marks the end, stops the threads and frees the directory. Blocks for a sync or two.
    ///
    /// Appends that come later are answered `Closed`; readers get what is durable and then `Closed`.
    pub fn close(&self) {
        self.shared.stop();
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the log ended abnormally");
            }
        }
        self.shared.unlock();
    }

    /// What the log takes on disk.
    pub fn usage(&self) -> Usage {
        self.shared.usage()
    }
}

impl Drop for FileLog {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl EventLog for FileLog {
    async fn append(&self, records: Vec<Append>) -> Result<Vec<Offset>, Error> {
        commit::append(&self.shared, records).await
    }

    async fn read(&self, partition: PartitionId, from: Position) -> Result<Records, Error> {
        read::stream(&self.shared, partition, from).await
    }

    async fn bounds(&self, partition: PartitionId) -> Result<Bounds, Error> {
        crate::memory::check(partition)?;
        Ok(self.shared.bounds(partition))
    }

    async fn trim(&self, partition: PartitionId, below: Offset) -> Result<(), Error> {
        crate::memory::check(partition)?;
        self.shared.trim(partition, below)
    }
}
