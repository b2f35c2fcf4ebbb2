//! Replay: reads the log again from a position, as a repair, while live work goes on.
//!
//! ```text
//!   position ───────────▶ checkpoint at the start ─────▶ end at the start
//!            repaired here                  folded live, waited for
//! ```
//!
//! First everything in memory is dropped (what it remembers may be what was lost), then the records up to the checkpoint
//! go to their partition's worker in batches, each committed before the next.

use crate::Error;
use crate::aggregator::{Command, Handle};
use crate::epoch::{Current, Epoch, Setup};
use crate::inbox::Repaired;
use crate::lost::{self, Lost};
use crate::position;
use crate::reader::{REPAIR_EVENTS, next_batch, repair};
use pistats_core::{Offset, PartitionId};
use pistats_eventlog::{Bounds, Position, Record};
use pistats_store::minute_of;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};

/// How far a replay is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub records: u64,
    pub records_total: u64,
    pub events: u64,
    /// Events that were missing and are there again.
    pub repaired: u64,
    /// Events that were there already.
    pub unchanged: u64,
    pub done: bool,
}

/// Why a replay did not start, or did not end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("another replay is running; wait for its end")]
    Running,
    #[error("partition {}: {source}", partition.0)]
    Position { partition: PartitionId, source: pistats_eventlog::Error },
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Records of one partition that are to be repaired.
struct Stretch {
    partition: PartitionId,
    from: Offset,
    to: Offset,
    /// End of the log when the call came in.
    end: Offset,
}

/// A replay under way: progress comes in, the last one is `done`; an error ends it.
pub type Replaying = mpsc::Receiver<Result<Progress, ReplayError>>;

impl Handle {
    /// Replays partitions (none named: all that are folded here) from a position. Dropping the receiver ends it after the batch at hand.
    ///
    /// Errors: another replay runs; the position was trimmed or lies beyond the end; a partition is not folded here, or
    /// no longer. Where all partitions are meant,
    /// an offset that only some of them have is no error: the others have nothing to replay.
    pub async fn replay(&self, position: Position, partitions: &[PartitionId]) -> Result<Replaying, ReplayError> {
        let only = self.replaying.clone().try_lock_owned().map_err(|_| ReplayError::Running)?;
        let asked: Vec<PartitionId> = match partitions {
            [] => self.share().await,
            asked => asked.to_vec(),
        };
        if let Some(other) = asked.iter().find(|partition| !self.setup.holding.holds(**partition)) {
            return Err(Error::NotHere(*other).into());
        }
        let stretches = stretches(&self.setup, position, &asked, partitions.is_empty()).await?;
        let (progress, receiver) = mpsc::channel(16);
        let (setup, current, commands) = (self.setup.clone(), self.current.clone(), self.commands.clone());
        let replay = Replay { setup, current, progress, at: Progress::default(), only };
        tokio::spawn(replay.run(commands, stretches));
        Ok(receiver)
    }

    /// All that is folded here. Who has just begun has no share yet, which is not the same as nothing to replay: it is waited
    /// for, two heartbeats at most.
    async fn share(&self) -> Vec<PartitionId> {
        let until = Instant::now() + 2 * Duration::from_millis(self.setup.config.heartbeat_ms);
        loop {
            let held = self.setup.holding.held();
            if !held.is_empty() || Instant::now() > until {
                return held.iter().map(|held| held.partition).collect();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn stretches(
    setup: &Setup,
    position: Position,
    asked: &[PartitionId],
    are_all: bool,
) -> Result<Vec<Stretch>, ReplayError> {
    let mut stretches = Vec::new();
    let mut refused = None;
    for partition in asked.iter().copied() {
        let at = |source| ReplayError::Position { partition, source };
        let bounds = setup.log.bounds(partition).await.map_err(at)?;
        match start(setup, partition, position, bounds).await {
            Ok(from) => stretches.push(Stretch { partition, from, to: bounds.next, end: bounds.next }),
            Err(error @ (pistats_eventlog::Error::BeyondEnd { .. } | pistats_eventlog::Error::Trimmed { .. }))
                if are_all =>
            {
                refused = Some(at(error));
            }
            Err(error) => return Err(at(error)),
        }
    }
    match refused {
        Some(error) if stretches.is_empty() => Err(error),
        _ => Ok(stretches),
    }
}

/// The offset of a position.
async fn start(
    setup: &Setup,
    partition: PartitionId,
    position: Position,
    bounds: Bounds,
) -> Result<Offset, pistats_eventlog::Error> {
    match position {
        Position::First => Ok(bounds.first),
        Position::Latest => Ok(bounds.next),
        Position::At(asked) if asked < bounds.first => {
            Err(pistats_eventlog::Error::Trimmed { asked, first: bounds.first })
        }
        Position::At(asked) if asked > bounds.next => {
            Err(pistats_eventlog::Error::BeyondEnd { asked, next: bounds.next })
        }
        Position::At(asked) => Ok(asked),
        Position::AppendedAt(time) => {
            let minute = setup.store.minutes(partition, minute_of(time), 1).await;
            let minute = minute.unwrap_or_else(|error| {
                tracing::warn!(%error, "no minutes of the log: the position is searched");
                Vec::new()
            });
            position::first_appended(setup.log.as_ref(), partition, bounds, time, minute.first()).await
        }
    }
}

struct Replay {
    setup: Arc<Setup>,
    current: Current,
    progress: mpsc::Sender<Result<Progress, ReplayError>>,
    at: Progress,
    /// Held while it runs: there is one replay at a time.
    only: OwnedMutexGuard<()>,
}

impl Replay {
    async fn run(mut self, commands: mpsc::Sender<Command>, stretches: Vec<Stretch>) {
        let end = match self.replay(commands, stretches).await {
            Ok(()) => Ok(Progress { done: true, ..self.at }),
            Err(error) => Err(error.into()),
        };
        let Replay { progress, only, .. } = self;
        // Who hears the end may start the next replay at once.
        drop(only);
        let _ = progress.send(end).await;
    }

    async fn replay(&mut self, commands: mpsc::Sender<Command>, mut stretches: Vec<Stretch>) -> Result<(), Error> {
        let (reply, restarted) = oneshot::channel();
        commands.send(Command::Reset(reply)).await.map_err(|_| Error::Stopped)?;
        restarted.await.map_err(|_| Error::Stopped)?;
        for stretch in &mut stretches {
            stretch.to = stretch.end.min(self.setup.stats.checkpoint(stretch.partition)).max(stretch.from);
            self.at.records_total += stretch.to.0 - stretch.from.0;
        }
        for stretch in &stretches {
            if !self.repair_stretch(stretch).await? {
                return Ok(());
            }
        }
        for stretch in &stretches {
            if !self.setup.holding.holds(stretch.partition) {
                return Err(Error::NotHere(stretch.partition));
            }
            tokio::select! {
                () = self.setup.stats.reaches(stretch.partition, stretch.end) => {}
                () = self.progress.closed() => return Ok(()),
                () = commands.closed() => return Err(Error::Stopped),
            }
        }
        Ok(())
    }

    /// False if nobody listens any more.
    async fn repair_stretch(&mut self, stretch: &Stretch) -> Result<bool, Error> {
        let Stretch { partition, from, to, .. } = *stretch;
        if from >= to {
            return Ok(true);
        }
        let most = REPAIR_EVENTS.min(self.setup.config.commit_max_events);
        let lost = lost::find(&self.setup, partition, to).await?;
        let mut records = self.setup.log.read(partition, Position::At(from)).await?;
        let mut at = from;
        while at < to {
            let Some(batch) = next_batch(&mut records, to, most).await? else {
                return Err(Error::Log(pistats_eventlog::Error::Closed));
            };
            at = batch.last().map_or(to, |record| record.offset.next());
            let count = batch.len() as u64;
            let Repaired { repaired, unchanged } = self.repair(partition, batch, &lost).await?;
            self.at.records += count;
            self.at.events += repaired + unchanged;
            self.at.repaired += repaired;
            self.at.unchanged += unchanged;
            if self.progress.send(Ok(self.at)).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Repairs a batch; if folding fails meanwhile, again on the next start: a repair done twice changes nothing.
    async fn repair(&self, partition: PartitionId, batch: Vec<Record>, lost: &Arc<Lost>) -> Result<Repaired, Error> {
        loop {
            let epoch = self.epoch().await?;
            if !epoch.holds(partition) {
                return Err(Error::NotHere(partition));
            }
            if let Some(repaired) = repair(&epoch.inboxes[partition.index()], batch.clone(), lost.clone(), false).await
            {
                return Ok(repaired);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The epoch that runs, waiting for it while folding starts again.
    async fn epoch(&self) -> Result<Arc<Epoch>, Error> {
        loop {
            if let Some(epoch) = self.current.lock().clone() {
                return Ok(epoch);
            }
            if self.progress.is_closed() {
                return Err(Error::Stopped);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
