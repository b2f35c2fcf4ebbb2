//! A partition's reader: the log, from the checkpoint on, into the worker's inbox.
//!
//! Below the high water mark lie records that were folded before (somebody set the checkpoint back): they go in as
//! repairs, whatever follows goes in as it comes.

use crate::Error;
use crate::epoch::Epoch;
use crate::inbox::{Inbox, RepairBatch, Repaired};
use crate::lost::{self, Lost};
use futures::StreamExt;
use pistats_core::{Offset, PartitionId};
use pistats_eventlog::{Position, Record, Records};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Events of one repaired batch; each touches the whole history of its visitors.
pub(crate) const REPAIR_EVENTS: usize = 20_000;

/// Pause after the log failed, doubled each time.
const RETRY_FIRST: Duration = Duration::from_millis(50);

/// Reads until the epoch ends. A log that fails is opened again: one bad partition must not stop the others.
pub(crate) async fn run(epoch: Arc<Epoch>, partition: PartitionId) {
    let checkpoint = epoch.checkpoints.iter().find(|checkpoint| checkpoint.partition == partition);
    let (mut next, high_water) = checkpoint.map_or((Offset(0), Offset(0)), |at| (at.next, at.high_water));
    let longest = Duration::from_millis(epoch.setup.config.retry_max_ms);
    let mut pause = RETRY_FIRST;
    loop {
        let before = next;
        let Err(error) = read(&epoch, partition, &mut next, high_water).await else { return };
        if next > before {
            pause = RETRY_FIRST;
        }
        if pause == RETRY_FIRST {
            tracing::error!(partition = partition.0, offset = next.0, %error, "the log cannot be read; trying again");
        }
        tokio::time::sleep(pause.min(longest)).await;
        pause = (pause * 2).min(longest);
    }
}

/// Reads on from `next`, which moves along, until the worker is gone.
async fn read(epoch: &Epoch, partition: PartitionId, next: &mut Offset, high_water: Offset) -> Result<(), Error> {
    let inbox = &epoch.inboxes[partition.index()];
    let mut records = open(epoch, partition, next).await?;
    if *next < high_water {
        tracing::warn!(
            partition = partition.0,
            from = next.0,
            to = high_water.0,
            "the checkpoint was set back: repairing"
        );
        let lost = lost::find(&epoch.setup, partition, high_water).await?;
        let most = REPAIR_EVENTS.min(epoch.setup.config.commit_max_events);
        while *next < high_water {
            let Some(batch) = next_batch(&mut records, high_water, most).await? else { break };
            let reached = batch.last().map_or(high_water, |record| record.offset.next());
            if repair(inbox, batch, lost.clone(), true).await.is_none() {
                return Ok(());
            }
            *next = reached;
        }
    }
    while let Some(record) = records.next().await {
        let record = record?;
        let reached = record.offset.next();
        if inbox.push(record).await.is_err() {
            return Ok(());
        }
        *next = reached;
    }
    // A stream of a log ends after an error only.
    Err(Error::Log(pistats_eventlog::Error::Closed))
}

/// Opens the log at an offset; where the log forgot records that were never folded, says so and goes on behind them.
async fn open(epoch: &Epoch, partition: PartitionId, next: &mut Offset) -> Result<Records, Error> {
    match epoch.setup.log.read(partition, Position::At(*next)).await {
        Err(pistats_eventlog::Error::Trimmed { first, .. }) => {
            tracing::error!(
                partition = partition.0,
                from = next.0,
                to = first.0,
                "the log no longer keeps records that were not folded: they are lost"
            );
            epoch.setup.stats.lost(partition, first.0 - next.0);
            *next = first;
            Ok(epoch.setup.log.read(partition, Position::At(first)).await?)
        }
        other => Ok(other?),
    }
}

/// The next records below `end`, at least one, but not many more events than `most`; none at the end.
pub(crate) async fn next_batch(records: &mut Records, end: Offset, most: usize) -> Result<Option<Vec<Record>>, Error> {
    let mut batch: Vec<Record> = Vec::new();
    let mut events = 0;
    while events < most {
        if batch.last().is_some_and(|last| last.offset.next() >= end) {
            break;
        }
        let Some(record) = records.next().await else { break };
        let record = record?;
        events += record.count as usize;
        batch.push(record);
    }
    Ok((!batch.is_empty()).then_some(batch))
}

/// Hands a batch to the worker and waits until it is repaired; none if the epoch ended before.
pub(crate) async fn repair(
    inbox: &Inbox,
    records: Vec<Record>,
    lost: Arc<Lost>,
    moves_checkpoint: bool,
) -> Option<Repaired> {
    let (done, answer) = oneshot::channel();
    inbox.push_repair(RepairBatch { records, lost, moves_checkpoint, done }).ok()?;
    answer.await.ok()
}
