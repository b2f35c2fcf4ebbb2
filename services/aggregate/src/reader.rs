//! A partition's reader: the log, from the checkpoint on, into the worker's inbox.
//!
//! ```text
//!   open ─▶ is it the log that was folded? ─▶ below high water: repaired ─▶ as it comes ─▶ inbox
//!             │ no (sameness.rs)
//!             ╰▶ the checkpoint goes back to where it still is, and everything starts again
//! ```
//!
//! Below the high water mark lie records that were folded before (somebody set the checkpoint back): they go in as
//! repairs, whatever follows goes in as it comes.

use crate::Error;
use crate::epoch::Epoch;
use crate::inbox::{Inbox, RepairBatch, Repaired};
use crate::lost::{self, Lost};
use crate::sameness::{self, Sameness};
use futures::StreamExt;
use pistats_core::{Offset, PartitionId, ids};
use pistats_eventlog::{Position, Record, Records};
use pistats_store::Mark;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Events of one repaired batch; each touches the whole history of its visitors.
pub(crate) const REPAIR_EVENTS: usize = 20_000;

/// Pause after the log failed, doubled each time.
const RETRY_FIRST: Duration = Duration::from_millis(50);

/// Where a reader stands.
struct Place {
    /// The offset that is due.
    next: Offset,
    /// Records below were folded before.
    high_water: Offset,
    /// The record before `next`, as far as it is known what it was.
    last: Option<Mark>,
    /// The first opening of an epoch starts at the stored checkpoint.
    is_stored: bool,
}

/// Reads until the epoch ends. A log that fails is opened again: one bad partition must not stop the others.
pub(crate) async fn run(epoch: Arc<Epoch>, partition: PartitionId) {
    let checkpoint = epoch.checkpoints.iter().find(|checkpoint| checkpoint.partition == partition);
    let (next, high_water) = checkpoint.map_or((Offset(0), Offset(0)), |at| (at.next, at.high_water));
    let mut place = Place { next, high_water, last: None, is_stored: true };
    let longest = Duration::from_millis(epoch.setup.config.retry_max_ms);
    let mut pause = RETRY_FIRST;
    loop {
        let before = place.next;
        let Err(error) = read(&epoch, partition, &mut place).await else { return };
        if place.next > before {
            pause = RETRY_FIRST;
        }
        if pause == RETRY_FIRST {
            let offset = place.next.0;
            tracing::error!(partition = partition.0, offset, %error, "the log cannot be read; trying again");
        }
        tokio::time::sleep(pause.min(longest)).await;
        pause = (pause * 2).min(longest);
    }
}

/// Reads on from a place, which moves along, until the worker is gone.
async fn read(epoch: &Epoch, partition: PartitionId, place: &mut Place) -> Result<(), Error> {
    let inbox = &epoch.inboxes[partition.index()];
    let Some(mut records) = open(epoch, partition, place).await? else { return Ok(()) };
    if place.next < place.high_water {
        let (from, to) = (place.next.0, place.high_water.0);
        tracing::warn!(partition = partition.0, from, to, "the checkpoint was set back: repairing");
        let lost = lost::find(&epoch.setup, partition, place.high_water).await?;
        let most = REPAIR_EVENTS.min(epoch.setup.config.commit_max_events);
        while place.next < place.high_water {
            let Some(batch) = next_batch(&mut records, place.high_water, most).await? else { break };
            let last = batch.last().map(mark_of);
            if repair(inbox, batch, lost.clone(), true).await.is_none() {
                return Ok(());
            }
            place.reached(last);
        }
    }
    while let Some(record) = records.next().await {
        let record = record?;
        let last = mark_of(&record);
        if inbox.push(record).await.is_err() {
            return Ok(());
        }
        place.reached(Some(last));
    }
    // A stream of a log ends after an error only.
    Err(Error::Log(pistats_eventlog::Error::Closed))
}

impl Place {
    fn reached(&mut self, last: Option<Mark>) {
        self.next = last.map_or(self.high_water, |last| last.offset.next());
        self.last = last;
        self.is_stored = false;
    }
}

fn mark_of(record: &Record) -> Mark {
    Mark { offset: record.offset, digest: ids::digest(&record.payload) }
}

/// Opens the log at a place, if it is still the log that was read up to there; `None`: it is not, and the epoch ends.
async fn open(epoch: &Epoch, partition: PartitionId, place: &mut Place) -> Result<Option<Records>, Error> {
    let Epoch { setup, .. } = epoch;
    if place.is_stored && place.last.is_none() {
        let newest = setup.store.minutes(partition, i64::MAX, 1).await?.pop().map(|minute| minute.last);
        // Where somebody set the checkpoint back, nothing is known of the record before it.
        place.last = newest.filter(|last| last.offset.next() == place.next);
    }
    let reason = match sameness::open(setup.log.as_ref(), partition, place.next, place.last).await? {
        Sameness::Same(records) => return Ok(Some(records)),
        Sameness::Forgotten { first } => {
            tracing::error!(
                partition = partition.0,
                from = place.next.0,
                to = first.0,
                "the log no longer keeps records that were not folded: they are lost"
            );
            setup.stats.lost(partition, first.0 - place.next.0);
            (place.next, place.last) = (first, None);
            return Ok(Some(setup.log.read(partition, Position::At(first)).await?));
        }
        Sameness::Other(reason) => reason,
    };
    // What was read since the checkpoint is dropped with the epoch; the next one looks at the checkpoint itself.
    let to = if place.is_stored { sameness::rewind(epoch, partition, place.next).await? } else { place.next };
    epoch.fail(Error::WentBack { partition, reason, to });
    Ok(None)
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
