//! Reading: one stream a partition, watched closely.
//!
//! ```text
//!     start          next
//!   ────┬─────────────┬───────────────────▶      open at `start`: a few records before the first one that is due, to know
//!       └ looked back ┘ handed out               late resends of them; after a break: at the last record that was seen, to
//!                                                know that it is still the same
//! ```
//!
//! What may happen, and what follows:
//!
//! | | |
//! |---|---|
//! | the connection fails, the partition is being loaded | opened again at the last record, for ever |
//! | a batch is cut, out of place or damaged | opened again once; the second time in a row `Unreadable`, never skipped |
//! | the last record is another one now, or lies past the end | `WentBack` |
//! | what is due is no longer kept | `Trimmed` |
//! | nothing comes for `watch_after` although there is more | opened again |
//!
//! While a reader is far behind it holds one of two permits, so that not all partitions hold large fetches at once. It
//! waits for one only so long: a permit is held while the consumer works, and consumers may wait for one another.

#[cfg(test)]
mod guards;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use pistats_core::{Micros, Offset, PartitionId};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::fetch::{self, Batches, Raw, Trouble};
use super::link::{Client, PAUSE_FIRST, PAUSE_LONGEST};
use super::resends::{Resends, Seen};
use super::{LOOK_BACK, Shared, count, envelope, seek};
use crate::{Error, Position, Record, Records};

/// A reader more than this many records behind is catching up.
const FAR_BEHIND: u64 = 512;
/// How long a reader waits for its permit to catch up.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(2);
/// Before a log is said to have gone back it is asked again after this.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// A stream from a position on.
pub(super) async fn stream(shared: &Arc<Shared>, partition: PartitionId, from: Position) -> Result<Records, Error> {
    let (first, end) = shared.ends(partition).await?;
    let (next, not_before) = match from {
        Position::First => (first, None),
        Position::Latest => (end, None),
        Position::At(asked) if asked.0 < first => return Err(Error::Trimmed { asked, first: Offset(first) }),
        Position::At(asked) if asked.0 > end => return Err(Error::BeyondEnd { asked, next: Offset(end) }),
        Position::At(asked) => (asked.0, None),
        Position::AppendedAt(time) => {
            let config = &shared.config;
            let seek = |client: Arc<Client>| async move {
                seek::offset_of(&client, config, partition, (first, end), time).await
            };
            let near = shared.ask(seek).await?.map_err(|trouble| shared.unreadable(partition, first, &trouble))?;
            (near.saturating_sub(LOOK_BACK).max(first), Some(time))
        }
    };
    let reader = Reader::new(shared, partition, (first, end), next, not_before);
    Ok(stream::unfold(reader, Reader::step).boxed())
}

struct Reader {
    shared: Arc<Shared>,
    closed: watch::Receiver<bool>,
    partition: PartitionId,
    /// The offset that is due.
    next: u64,
    /// Where the first opening starts.
    start: u64,
    /// Where the partition ended when the reader came: up to there it may be catching up.
    caught_up_at: u64,
    /// The last record seen, and what it was: `next - 1` once there is one.
    last: Option<(u64, u32)>,
    resends: Resends,
    /// The newest append time seen.
    clock: Micros,
    not_before: Option<Micros>,
    batches: Option<Batches>,
    permit: Option<OwnedSemaphorePermit>,
    ready: VecDeque<Record>,
    /// The due offset when records last came wrong.
    failed_at: Option<u64>,
    pause: Duration,
    ended: bool,
}

impl Reader {
    /// A reader that hands out `next` and what follows, of a partition with these ends.
    fn new(
        shared: &Arc<Shared>,
        partition: PartitionId,
        (first, end): (u64, u64),
        next: u64,
        not_before: Option<Micros>,
    ) -> Reader {
        Reader {
            closed: shared.closed.subscribe(),
            shared: shared.clone(),
            partition,
            next,
            start: next.saturating_sub(LOOK_BACK).max(first),
            caught_up_at: end,
            last: None,
            resends: Resends::default(),
            clock: Micros(i64::MIN),
            not_before,
            batches: None,
            permit: None,
            ready: VecDeque::new(),
            failed_at: None,
            pause: PAUSE_FIRST,
            ended: false,
        }
    }

    async fn step(mut self) -> Option<(Result<Record, Error>, Reader)> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Some((Ok(record), self));
            }
            if self.ended {
                return None;
            }
            let mut closed = self.closed.clone();
            let filled = tokio::select! {
                biased;
                _ = closed.wait_for(|closed| *closed) => Err(Error::Closed),
                filled = self.fill() => filled,
            };
            if let Err(error) = filled {
                self.ended = true;
                self.batches = None;
                self.permit = None;
                return Some((Err(error), self));
            }
        }
    }

    /// One step towards more records.
    async fn fill(&mut self) -> Result<(), Error> {
        let Some(batches) = &mut self.batches else { return self.open().await };
        let trouble = match tokio::time::timeout(self.shared.config.watch_after, batches.next()).await {
            Ok(Ok(came)) => {
                self.pause = PAUSE_FIRST;
                match self.take(came) {
                    Ok(()) => return Ok(()),
                    Err(Taken::Wrong(trouble)) => trouble,
                    Err(Taken::Fatal(error)) => return Err(error),
                }
            }
            Ok(Err(trouble)) => trouble,
            Err(_) => {
                let client = batches.client();
                return self.watch(client).await;
            }
        };
        let client = self.batches.take().and_then(|batches| batches.client());
        self.answer(client, trouble).await
    }

    async fn open(&mut self) -> Result<(), Error> {
        if self.permit.is_none() && self.next + FAR_BEHIND < self.caught_up_at {
            let permit = tokio::time::timeout(PERMIT_TIMEOUT, self.shared.catch_up.clone().acquire_owned()).await;
            self.permit = permit.ok().and_then(Result::ok);
        }
        let client = match self.shared.to_read.client().await {
            Ok(client) => client,
            Err(error) if error.is_retryable() => {
                if self.pause == PAUSE_LONGEST {
                    tracing::warn!(partition = self.partition.0, %error, "the log cannot be read; trying again");
                }
                self.wait().await;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let start = self.last.map_or(self.start, |(offset, _)| offset);
        let config = &self.shared.config;
        match fetch::open(&client, config, self.partition, start, config.fetch_bytes).await {
            Ok(batches) => {
                self.batches = Some(batches);
                Ok(())
            }
            Err(trouble) => self.answer(Some(client), trouble).await,
        }
    }

    /// Takes in what came: records that were seen are compared, resends dropped, the rest made ready.
    fn take(&mut self, came: Vec<Raw>) -> Result<(), Taken> {
        for Raw { offset, value } in came {
            let record = match envelope::decode(&value) {
                Ok(record) => record,
                Err(reason) => return Err(Taken::Wrong(Trouble::Cut { at: offset, reason })),
            };
            if let Some((at, checksum)) = self.last {
                if offset < at {
                    continue;
                }
                if offset == at {
                    if record.checksum != checksum {
                        let reason = format!("offset {offset} holds another record than it did");
                        return Err(Taken::Fatal(Error::WentBack { partition: self.partition, reason }));
                    }
                    continue;
                }
            }
            let seen = self.resends.see(&record);
            self.clock = self.clock.max(record.appended_at);
            if offset < self.next {
                continue;
            }
            self.next = offset + 1;
            self.last = Some((offset, record.checksum));
            match seen {
                Seen::First => {}
                Seen::Again => {
                    count(&self.shared.counts.resends_dropped, 1);
                    continue;
                }
                Seen::AfterMissing(missing) => {
                    count(&self.shared.counts.missing, missing);
                    let (partition, writer) = (self.partition.0, record.writer);
                    tracing::error!(partition, offset, writer, missing, "the log lost records it had acknowledged");
                }
            }
            if self.not_before.is_none_or(|time| self.clock >= time) {
                self.not_before = None;
                self.ready.push_back(Record {
                    partition: self.partition,
                    offset: Offset(offset),
                    appended_at: self.clock,
                    count: record.count,
                    payload: record.payload,
                });
            }
        }
        if self.next >= self.caught_up_at {
            self.permit = None;
        }
        Ok(())
    }

    /// Does what a trouble asks for. The stream is closed by now.
    async fn answer(&mut self, client: Option<Arc<Client>>, trouble: Trouble) -> Result<(), Error> {
        match trouble {
            Trouble::NotReady(_) => self.wait().await,
            Trouble::Lost(reason) => {
                count(&self.shared.counts.reopened, 1);
                if self.pause == PAUSE_FIRST {
                    tracing::warn!(partition = self.partition.0, reason, "a stream of the log broke; opening it again");
                }
                if let Some(client) = client {
                    self.shared.to_read.discard(&client).await;
                }
                self.wait().await;
            }
            Trouble::Cut { at, reason } => {
                count(&self.shared.counts.cut, 1);
                tracing::warn!(partition = self.partition.0, at, reason, "records came wrong; reading them again");
                if self.failed_at == Some(self.next) {
                    return Err(Error::Unreadable { partition: self.partition, offset: Offset(at), reason });
                }
                self.failed_at = Some(self.next);
            }
            Trouble::Evicted { first } if first <= self.next => {
                // What was looked back at is gone, what is due is not.
                self.start = first;
                self.last = None;
            }
            Trouble::Evicted { first } => {
                return Err(Error::Trimmed { asked: Offset(self.next), first: Offset(first) });
            }
            Trouble::BeyondEnd { .. } => self.has_gone_back().await?,
        }
        Ok(())
    }

    /// Nothing came for a while: is there nothing?
    async fn watch(&mut self, client: Option<Arc<Client>>) -> Result<(), Error> {
        self.permit = None;
        let Some(client) = client else { return Ok(()) };
        match fetch::end(&client, &self.shared.config, self.partition).await {
            Ok(end) if end == self.next => {}
            Ok(end) if end < self.next => {
                self.batches = None;
                self.has_gone_back().await?;
            }
            Ok(_) => {
                count(&self.shared.counts.stalled, 1);
                self.batches = None;
            }
            Err(trouble) => {
                self.batches = None;
                self.answer(Some(client), trouble).await?;
            }
        }
        Ok(())
    }

    /// Looks a second time whether the log ends before what was read from it.
    async fn has_gone_back(&mut self) -> Result<(), Error> {
        tokio::time::sleep(SECOND_LOOK).await;
        let Ok(client) = self.shared.to_read.client().await else { return Ok(()) };
        match fetch::end(&client, &self.shared.config, self.partition).await {
            Ok(end) if end < self.next => {
                let reason = format!("it ends at offset {end}, and was read up to {}", self.next);
                Err(Error::WentBack { partition: self.partition, reason })
            }
            // It has grown meanwhile, or cannot be asked: opening it again tells.
            _ => Ok(()),
        }
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_LONGEST);
    }
}

/// Why what came cannot be taken in.
enum Taken {
    Wrong(Trouble),
    Fatal(Error),
}
