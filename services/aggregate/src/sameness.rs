//! Is it still the log that was folded? A stream whose machine lost power may have lost its end, and gives the offsets away again;
//! somebody may have put another log in its place. Both look whole. What was folded is known by the records before the checkpoint
//! (`pistats_store::LogMinute`).
//!
//! ```text
//!   folded     a b c d e f g h │ checkpoint          compared at each opening: the record before what is due
//!   the log    a b c d x y z                         goes back to behind d: found by halving, over the first records of minutes
//! ```
//!
//! From there everything is folded again. Events that are known are told by their ids (P-2), records that a writer sent before by
//! their numbers; refusals of that stretch may count twice.

use crate::Error;
use crate::epoch::Epoch;
use crate::holding::epoch_of;
use futures::StreamExt;
use pistats_core::{Offset, PartitionId, ids};
use pistats_eventlog::{EventLog, Position, Records};
use pistats_store::{Commit, Fence, Held, Mark, Rewind};
use std::time::Duration;

/// A server that is just starting may know less than it has: before a log is said to have gone back it is asked again after this.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// What an opening found.
pub(crate) enum Sameness {
    /// The log, from the offset that is due.
    Same(Records),
    /// What is due is no longer kept; the first record that is.
    Forgotten { first: Offset },
    /// Another log, and why.
    Other(String),
}

/// Opens a partition at `next`, where the record before it was `last`.
pub(crate) async fn open(
    log: &dyn EventLog,
    partition: PartitionId,
    next: Offset,
    last: Option<Mark>,
) -> Result<Sameness, pistats_eventlog::Error> {
    match look(log, partition, next, last).await? {
        Sameness::Other(_) => {
            tokio::time::sleep(SECOND_LOOK).await;
            look(log, partition, next, last).await
        }
        found => Ok(found),
    }
}

async fn look(
    log: &dyn EventLog,
    partition: PartitionId,
    next: Offset,
    last: Option<Mark>,
) -> Result<Sameness, pistats_eventlog::Error> {
    let bounds = log.bounds(partition).await?;
    if bounds.next < next {
        return Ok(Sameness::Other(format!("it ends at offset {}, and was folded up to {}", bounds.next.0, next.0)));
    }
    if next < bounds.first {
        return Ok(Sameness::Forgotten { first: bounds.first });
    }
    let Some(last) = last.filter(|last| bounds.first <= last.offset) else {
        return Ok(Sameness::Same(log.read(partition, Position::At(next)).await?));
    };
    let mut records = log.read(partition, Position::At(last.offset)).await?;
    let there = records.next().await.unwrap_or(Err(pistats_eventlog::Error::Closed))?;
    if there.offset == last.offset && ids::digest(&there.payload) == last.digest {
        return Ok(Sameness::Same(records));
    }
    Ok(Sameness::Other(format!("offset {} holds another record than was folded", last.offset.0)))
}

/// Puts the stored checkpoint back to where the log still is what was folded. Returns where that is.
pub(crate) async fn rewind(epoch: &Epoch, partition: PartitionId, from: Offset) -> Result<Offset, Error> {
    let Epoch { setup, .. } = epoch;
    let to = same_until(epoch, partition).await?.min(from);
    let held = epoch_of(&epoch.held, partition).map(|epoch| Held { partition, epoch });
    let commit = Commit {
        rewinds: vec![Rewind { partition, from, to }],
        fence: Fence { leases: held.into_iter().collect(), generation: Some(epoch.generation) },
        ..Commit::default()
    };
    setup.store.commit(commit).await?;
    Ok(to)
}

/// One past the last record of the minutes that is still the one that was folded.
async fn same_until(epoch: &Epoch, partition: PartitionId) -> Result<Offset, Error> {
    let Epoch { setup, .. } = epoch;
    let mut minutes = setup.store.minutes(partition, i64::MAX, usize::MAX).await?;
    minutes.reverse();
    let log = setup.log.as_ref();
    let bounds = log.bounds(partition).await?;
    // A log loses its end only: what is the same comes first.
    let (mut low, mut high) = (0, minutes.len());
    while low < high {
        let middle = low + (high - low) / 2;
        match is_same(log, partition, minutes[middle].first).await? {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    let Some(minute) = low.checked_sub(1).and_then(|at| minutes.get(at)) else { return Ok(bounds.first) };
    let is_whole = is_same(log, partition, minute.last).await?;
    let last = if is_whole { minute.last } else { minute.first };
    Ok(last.offset.next().max(bounds.first))
}

/// Whether a record is there; one that is forgotten is taken for the same.
async fn is_same(log: &dyn EventLog, partition: PartitionId, mark: Mark) -> Result<bool, pistats_eventlog::Error> {
    let bounds = log.bounds(partition).await?;
    if mark.offset < bounds.first || mark.offset >= bounds.next {
        return Ok(mark.offset < bounds.first);
    }
    let mut records = log.read(partition, Position::At(mark.offset)).await?;
    let there = records.next().await.unwrap_or(Err(pistats_eventlog::Error::Closed))?;
    Ok(there.offset == mark.offset && ids::digest(&there.payload) == mark.digest)
}
