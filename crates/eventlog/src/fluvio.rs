//! The log on Fluvio (`fluvio://HOST:PORT/TOPIC`): for when one machine is not enough.
//! `docs/adr/0013-fluvio.md` says why it is built as it is.
//!
//! ```text
//!   fluvio     the handle: open, append, read, bounds          config    settings and their limits
//!   topic      making and comparing the topic, SPUs            link      clients and producers, thrown away on errors
//!   envelope   what one Fluvio record carries                  resends   telling a resend from a record
//!   write      one writer a partition, one record in flight    read      one stream a partition, guarded
//!   fetch      batches, and the true ends of a partition       seek      positions by time
//! ```
//!
//! Every type of Fluvio stays inside this module.
//!
//! # The promises of the trait, on this backend
//!
//! - **L-1** is weaker: Fluvio never syncs. An answered record survives the death of the SPU's process, not a power cut.
//!   Ingest therefore keeps its own log and ships from it (store and forward).
//! - **L-2**: offsets are Fluvio's. A resend of ours takes an offset too; readers drop it, so it leaves a **hole**: no record
//!   has that offset, `read` passes over it, and `bounds` never ends with one. Records of one request are consecutive as long
//!   as no other process writes to the partition.
//! - **L-3**: each record comes exactly once to a reader. A request of several records is whole as long as the process lives:
//!   it is repeated until it is through. If the process dies, of each partition's records the first ones may be there.
//! - **L-6**: the topic forgets by its own retention, also what was not read; a reader that was late gets `Trimmed`. `trim`
//!   checks its argument and changes nothing, because Fluvio has no such call.
//! - **L-7**: a gap, a cut batch and damage are noticed by us; Fluvio 0.50 loses the tail of a cut batch silently.
//! - **L-8**: a full or broken SPU disk makes appends wait, not fail: the record is repeated until the SPU takes it.
//! - **L-9**: append times are the writer's; with several writers a reader lifts one that lies below its predecessor.

mod config;
#[cfg(test)]
mod copies;
mod envelope;
mod fetch;
mod link;
mod read;
mod resends;
mod seek;
mod topic;
mod write;

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use pistats_core::{Offset, PartitionId};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::file::{Clock, wall_clock};
use crate::memory::check;
use crate::{Append, Bounds, Error, EventLog, Position, Records};
use fetch::Trouble;
use link::{Client, Link};
use resends::{Resends, Seen};

pub use config::{Config, TOPIC};
pub use topic::{Spu, register_spu};

/// How many records before its start a reader looks at, so that it knows a late resend of one of them.
const LOOK_BACK: u64 = 32;
/// How many readers may catch up at a time: each may hold two fetches in memory.
const CATCH_UP_AT_ONCE: usize = 2;

/// What went on inside, since the log was opened. All but the first two should stay at zero while the servers stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections made, for writing and for reading.
    pub connects: u64,
    /// Resends that readers dropped.
    pub resends_dropped: u64,
    /// Records sent again.
    pub resent: u64,
    /// Streams opened again after the connection failed.
    pub reopened: u64,
    /// Batches that came cut or out of place, and were read again.
    pub cut: u64,
    /// Streams that had stopped although there was more, and were opened again.
    pub stalled: u64,
    /// Records that were acknowledged and are missing from the topic: the server lost them.
    pub missing: u64,
}

#[derive(Default)]
struct Counts {
    resends_dropped: AtomicU64,
    resent: AtomicU64,
    reopened: AtomicU64,
    cut: AtomicU64,
    stalled: AtomicU64,
    missing: AtomicU64,
}

fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

/// An [`EventLog`] on a Fluvio topic. Dropping it stops its writers; what was not answered may or may not be there.
pub struct FluvioLog {
    shared: Arc<Shared>,
    writers: write::Writers,
}

struct Shared {
    config: Arc<Config>,
    clock: Clock,
    /// Tells the records of this opening from all others.
    writer: u64,
    to_write: Link,
    to_read: Link,
    catch_up: Arc<Semaphore>,
    counts: Counts,
    /// Of each partition: an end that was asked for, and one past its last record that is no resend.
    ends: Mutex<HashMap<PartitionId, (u64, u64)>>,
    /// True once the log is closed. Readers wait for it.
    closed: watch::Sender<bool>,
}

impl FluvioLog {
    /// Opens the log: makes the topic if it is absent, compares it if it is there. Must be called within a runtime.
    ///
    /// Where the cluster does not answer within 10 s the log opens nevertheless, warns, and connects when it can: an Ingest
    /// must start without it (P-6). A topic that does not fit then shows with the first `append` or `read`.
    ///
    /// Errors: `Config`, `MetadataLost`.
    pub async fn open(config: Config) -> Result<FluvioLog, Error> {
        FluvioLog::open_at(config, wall_clock()).await
    }

    /// Opens the log with any clock.
    pub async fn open_at(config: Config, clock: Clock) -> Result<FluvioLog, Error> {
        config.validate()?;
        let config = Arc::new(config);
        let was_there = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared {
            clock,
            writer: random(),
            to_write: Link::new(config.clone(), was_there.clone()),
            to_read: Link::new(config.clone(), was_there),
            catch_up: Arc::new(Semaphore::new(CATCH_UP_AT_ONCE)),
            counts: Counts::default(),
            ends: Mutex::new(HashMap::new()),
            closed: watch::Sender::new(false),
            config,
        });
        match shared.reading_client().await {
            Ok(_) => {}
            Err(error @ Error::Unreachable { .. }) => tracing::warn!(%error, "the log is not there yet"),
            Err(error) => return Err(error),
        }
        let writers = write::Writers::start(&shared);
        Ok(FluvioLog { shared, writers })
    }

    /// For those who tell what went on inside, later and without waiting.
    pub fn watched(&self) -> Watched {
        Watched { shared: Arc::downgrade(&self.shared) }
    }

    /// What went on inside.
    pub async fn counters(&self) -> Counters {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = &self.shared.counts;
        Counters {
            connects: self.shared.to_write.connects().await + self.shared.to_read.connects().await,
            resends_dropped: of(&counts.resends_dropped),
            resent: of(&counts.resent),
            reopened: of(&counts.reopened),
            cut: of(&counts.cut),
            stalled: of(&counts.stalled),
            missing: of(&counts.missing),
        }
    }
}

/// Sees a log as long as it is there, and keeps nothing open.
#[derive(Clone)]
pub struct Watched {
    shared: Weak<Shared>,
}

impl Watched {
    /// What should stay at zero while the servers stand, by name; see [`Counters`]. None once the log is gone.
    pub fn faults(&self) -> Option<[(&'static str, u64); 5]> {
        let shared = self.shared.upgrade()?;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counts { resent, reopened, cut, stalled, missing, .. } = &shared.counts;
        let named =
            [("resent", resent), ("reopened", reopened), ("cut", cut), ("stalled", stalled), ("missing", missing)];
        Some(named.map(|(name, counter)| (name, of(counter))))
    }
}

impl Drop for FluvioLog {
    fn drop(&mut self) {
        self.shared.closed.send_replace(true);
    }
}

/// A number that no other opening has: the standard library's hash keys are random.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let mut hasher = std::hash::RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}

impl Shared {
    /// Waits for a client to read with, as long as `patience`.
    async fn reading_client(&self) -> Result<Arc<Client>, Error> {
        let until = Instant::now() + self.config.patience;
        let mut pause = link::PAUSE_FIRST;
        loop {
            match self.to_read.client().await {
                Err(error) if error.is_retryable() && Instant::now() + pause < until => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(link::PAUSE_LONGEST);
                }
                other => return other,
            }
        }
    }

    /// Asks the cluster something, until it answers or `patience` ends. Answers that are no trouble of the connection are
    /// given back.
    async fn ask<T, F: Future<Output = Result<T, Trouble>>>(
        &self,
        question: impl Fn(Arc<Client>) -> F,
    ) -> Result<Result<T, Trouble>, Error> {
        let until = Instant::now() + self.config.patience;
        loop {
            let client = self.reading_client().await?;
            let reason = match question(client.clone()).await {
                Err(Trouble::NotReady(reason)) => reason,
                Err(Trouble::Lost(reason)) => {
                    self.to_read.discard(&client).await;
                    reason
                }
                answer => return Ok(answer),
            };
            if Instant::now() > until {
                return Err(topic::unreachable(&self.config.address, reason));
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }

    /// The first offset kept and the end, as the SPU has them now.
    async fn ends(&self, partition: PartitionId) -> Result<(u64, u64), Error> {
        let ends = |client: Arc<Client>| async move {
            let end = fetch::end(&client, &self.config, partition).await?;
            Ok((fetch::first(&client, &self.config, partition, end).await?, end))
        };
        self.ask(ends).await?.map_err(|trouble| self.unreadable(partition, 0, &trouble))
    }

    /// One past the last record that is no resend: what a reader reaches.
    async fn reached(&self, partition: PartitionId, first: u64, end: u64) -> Result<u64, Error> {
        if let Some((_, reached)) = self.ends.lock().get(&partition).filter(|(of, _)| *of == end) {
            return Ok(*reached);
        }
        let from = end.saturating_sub(LOOK_BACK).max(first);
        let scan = |client: Arc<Client>| async move { fetch::scan(&client, &self.config, partition, from, end).await };
        let mut resends = Resends::default();
        let mut reached = from;
        for (offset, record) in self.ask(scan).await?.map_err(|trouble| self.unreadable(partition, from, &trouble))? {
            if resends.see(&record) != Seen::Again {
                reached = offset + 1;
            }
        }
        self.ends.lock().insert(partition, (end, reached));
        Ok(reached)
    }

    fn unreadable(&self, partition: PartitionId, at: u64, trouble: &Trouble) -> Error {
        match trouble {
            Trouble::Evicted { first } => Error::Trimmed { asked: Offset(at), first: Offset(*first) },
            Trouble::BeyondEnd { end } => Error::BeyondEnd { asked: Offset(at), next: Offset(*end) },
            Trouble::Cut { at, reason } => Error::Unreadable { partition, offset: Offset(*at), reason: reason.clone() },
            Trouble::NotReady(reason) | Trouble::Lost(reason) => {
                topic::unreachable(&self.config.address, reason.clone())
            }
        }
    }
}

#[async_trait]
impl EventLog for FluvioLog {
    /// Waits as long as the cluster is away. Dropping the future does not take back what was queued.
    async fn append(&self, records: Vec<Append>) -> Result<Vec<Offset>, Error> {
        records.iter().try_for_each(|record| check(record.partition))?;
        self.writers.append(&self.shared, records).await
    }

    async fn read(&self, partition: PartitionId, from: Position) -> Result<Records, Error> {
        check(partition)?;
        read::stream(&self.shared, partition, from).await
    }

    async fn bounds(&self, partition: PartitionId) -> Result<Bounds, Error> {
        check(partition)?;
        let (first, end) = self.shared.ends(partition).await?;
        let next = self.shared.reached(partition, first, end).await?;
        Ok(Bounds { first: Offset(first), next: Offset(next) })
    }

    /// Changes nothing: the topic's retention forgets (see the module's header).
    async fn trim(&self, partition: PartitionId, below: Offset) -> Result<(), Error> {
        let next = self.bounds(partition).await?.next;
        if below > next { Err(Error::BeyondEnd { asked: below, next }) } else { Ok(()) }
    }
}
