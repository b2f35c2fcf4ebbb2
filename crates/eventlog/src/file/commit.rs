//! The committer: one thread that writes what has queued up as one group, syncs once, and only then answers.
//!
//! While a sync runs, requests queue up and become the next group: the slower the disk, the larger the groups. No
//! waiting time is added for that (measured in `INGEST.md`: a linger of 1 ms costs 15 % and 2 ms at the median).

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use pistats_core::{Micros, Offset, PartitionId};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::frame::{self, Frame, HEADER_BYTES, Home};
use super::segment::{self, Header, PerPartition, Place, Segment};
use super::shared::Shared;
use super::stock;
use crate::{Append, Error};

/// Payloads up to this are copied behind their header: a copy costs less than a part of a vectored write.
const COPY_BYTES: usize = 4096;

type Answer = Result<Vec<Offset>, Error>;

/// What waits for the committer.
#[derive(Default)]
pub(super) struct Queue {
    requests: VecDeque<Request>,
    /// Nothing more is taken.
    pub(super) stopped: bool,
}

struct Request {
    records: Vec<(Append, u32)>,
    /// On disk, frames included.
    bytes: u64,
    answer: oneshot::Sender<Answer>,
    /// Its place in the queue, given back with the answer.
    _place: OwnedSemaphorePermit,
}

/// `EventLog::append`: the caller's side.
pub(super) async fn append(shared: &Shared, records: Vec<Append>) -> Answer {
    records.iter().try_for_each(|record| crate::memory::check(record.partition))?;
    let bytes = records.iter().map(|record| frame::framed(record.payload.len())).sum();
    let bound = shared.config.group_bytes;
    if bytes > bound {
        return Err(Error::TooLarge { bytes, bound });
    }
    let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
    let place = shared.room.clone().acquire_many_owned(kib).await.map_err(|_| Error::Closed)?;
    // Here, because callers are many and the committer is one.
    let checked = |record: Append| {
        let payload_crc = crc32c::crc32c(&record.payload);
        (record, payload_crc)
    };
    let records: Vec<_> = records.into_iter().map(checked).collect();
    let (answer, answered) = oneshot::channel();
    {
        let mut queue = shared.queue.lock();
        if queue.stopped {
            return Err(shared.why_ended());
        }
        if records.is_empty() {
            return Ok(Vec::new());
        }
        queue.requests.push_back(Request { records, bytes, answer, _place: place });
    }
    shared.queued.notify_one();
    answered.await.unwrap_or_else(|_| Err(shared.why_ended()))
}

/// Where writing goes on.
pub(super) struct Active {
    pub(super) segment: Arc<Segment>,
    /// Position after the last durable group.
    pub(super) end: u64,
    /// The last durable group.
    pub(super) group: u64,
    pub(super) next: PerPartition<u64>,
    /// Something durable proves the last group: a mark, or the segment's header.
    pub(super) marked: bool,
    /// The newest append time: the clock may go back, append times do not (L-9).
    pub(super) appended_at: Micros,
}

/// The thread's work, until the log is stopped or fails.
pub(super) fn run(shared: &Shared, active: Active) {
    let mut committer = Committer { shared, active, pending: VecDeque::new(), unclean: None };
    let why = match committer.work() {
        Ok(()) => Error::Closed,
        Err(error) => {
            tracing::error!(%error, "the log has stopped");
            error
        }
    };
    shared.stop();
    shared.end(why);
    let why = shared.why_ended();
    let left = std::mem::take(&mut shared.queue.lock().requests);
    for request in committer.pending.into_iter().chain(left) {
        // A caller that is gone needs no answer, here and below.
        let _ = request.answer.send(Err(why.clone()));
    }
}

struct Committer<'a> {
    shared: &'a Shared,
    active: Active,
    /// Taken from the queue, oldest first.
    pending: VecDeque<Request>,
    /// A write that found the disk full left parts of frames here. They must be gone before the place is used again.
    unclean: Option<Range<u64>>,
}

enum Next {
    Group,
    Mark,
    Stop,
}

impl Committer<'_> {
    /// Runs until stopped; an error is one after which nothing can be promised.
    fn work(&mut self) -> Result<(), Error> {
        loop {
            let next = self.wait();
            // The stock keeper may have met a failed sync: nothing is written after that, not even a mark.
            if let Some(error) = self.shared.ended.lock().clone() {
                return Err(error);
            }
            match next {
                Next::Group => self.commit_next()?,
                Next::Mark => self.mark()?,
                Next::Stop if self.active.marked => return Ok(()),
                Next::Stop => return self.mark(),
            }
        }
    }

    fn wait(&mut self) -> Next {
        let mut queue = self.shared.queue.lock();
        loop {
            self.pending.append(&mut queue.requests);
            if !self.pending.is_empty() {
                return Next::Group;
            }
            if queue.stopped {
                return Next::Stop;
            }
            if self.active.marked {
                self.shared.queued.wait(&mut queue);
            } else if self.shared.queued.wait_for(&mut queue, self.shared.config.mark_after).timed_out() {
                return Next::Mark;
            }
        }
    }

    /// Commits as many of the pending requests as fit into one group. Requests that do not fit on the disk are
    /// answered `Full`.
    fn commit_next(&mut self) -> Result<(), Error> {
        let Some(first) = self.pending.front() else { return Ok(()) };
        let needed = first.bytes;
        let ready = if needed > self.room() { self.rotate() } else { self.clean() };
        if let Err(error) = ready {
            return self.refuse(1, error);
        }
        let most = self.room().min(self.shared.config.group_bytes);
        let (mut bytes, mut many) = (0, 0);
        for request in &self.pending {
            if bytes + request.bytes > most {
                break;
            }
            (bytes, many) = (bytes + request.bytes, many + 1);
        }
        let requests = self.pending.iter().take(many).flat_map(|request| &request.records);
        let group = Group::frame(requests, &self.active, (self.shared.clock)());
        match self.write(&group.parts, bytes) {
            Ok(()) => self.publish(many, group),
            Err(error) => return self.refuse(many, error),
        }
        Ok(())
    }

    /// Bytes that records may still take in this segment; there is always room left for a mark.
    fn room(&self) -> u64 {
        let size = self.active.segment.header.bytes;
        size.saturating_sub(self.active.end + HEADER_BYTES as u64)
    }

    /// Answers requests with an error; passes it on if it is the end of the log.
    fn refuse(&mut self, many: usize, error: Error) -> Result<(), Error> {
        for request in self.pending.drain(..many) {
            let _ = request.answer.send(Err(error.clone()));
        }
        if error.is_retryable() { Ok(()) } else { Err(error) }
    }

    /// Writes and syncs one group. After this returned `Ok` it is durable.
    fn write(&mut self, parts: &[Bytes], bytes: u64) -> Result<(), Error> {
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let start = self.active.end;
        let file = &self.active.segment.file;
        if let Err(error) = file.write_at(start, &mut slices) {
            self.unclean = Some(start..start + bytes);
            return Err(self.write_error("writing a commit group", error));
        }
        file.sync_data().map_err(|error| stock::failed("syncing a commit group", &error))?;
        self.active.end += bytes;
        self.active.group += 1;
        Ok(())
    }

    fn write_error(&self, doing: &str, error: io::Error) -> Error {
        let Shared { disk, dir, config, .. } = self.shared;
        match stock::write_error(&**disk, dir, config, doing, error) {
            Error::Full { .. } => self.shared.full(),
            other => other,
        }
    }

    /// Wipes what a failed write left, so that the next group written there cannot be mixed up with it.
    fn clean(&mut self) -> Result<(), Error> {
        let Some(range) = self.unclean.clone() else { return Ok(()) };
        let file = &self.active.segment.file;
        let wiped = super::recover::zero(&**file, range.start, range.end);
        wiped.map_err(|error| self.write_error("wiping a failed write", error))?;
        file.sync_data().map_err(|error| stock::failed("syncing a wiped place", &error))?;
        self.unclean = None;
        Ok(())
    }

    /// Lets readers see a durable group and answers its requests.
    fn publish(&mut self, many: usize, group: Group) {
        let Group { places, next, appended_at, .. } = group;
        if let Some(index) = &mut *self.active.segment.index.write() {
            for (partition, place) in places {
                index.push(partition, place);
            }
        }
        let before = std::mem::replace(&mut self.active.next, next);
        (self.active.appended_at, self.active.marked) = (appended_at, false);
        for ((tail, before), next) in self.shared.tails.iter().zip(before).zip(next) {
            if before != next {
                tail.send_modify(|tail| tail.next = next);
            }
        }
        let mut offsets = before;
        for Request { records, answer, .. } in self.pending.drain(..many) {
            let take = |(record, _): &(Append, u32)| {
                let offset = &mut offsets[record.partition.index()];
                *offset += 1;
                Offset(*offset - 1)
            };
            let _ = answer.send(Ok(records.iter().map(take).collect()));
        }
    }

    /// Writes an empty group: proof that everything before it was durable.
    fn mark(&mut self) -> Result<(), Error> {
        if let Err(error) = self.clean() {
            return self.refuse(0, error);
        }
        if self.active.end + HEADER_BYTES as u64 <= self.active.segment.header.bytes {
            let mark = Frame::mark(self.active.group + 1, self.active.appended_at);
            let frame = mark.encode(self.active.segment.header.home, self.active.end);
            if let Err(error) = self.write(&[Bytes::copy_from_slice(&frame)], HEADER_BYTES as u64) {
                return self.refuse(0, error);
            }
        }
        self.active.marked = true;
        Ok(())
    }

    /// Seals the segment and goes on in the next one.
    fn rotate(&mut self) -> Result<(), Error> {
        let Shared { disk, dir, config, .. } = self.shared;
        // The stock ends only when the log does.
        let ended = |error| if matches!(error, Error::Closed) { self.shared.why_ended() } else { error };
        let spare = self.shared.stock.take().map_err(ended)?;
        let sealed = &self.active;
        let created_at = (self.shared.clock)().max(sealed.appended_at);
        let header = Header {
            home: Home { epoch: sealed.segment.number() + 1, nonce: segment::nonce() },
            bytes: config.segment_bytes,
            created_at,
            first_group: sealed.group + 1,
            previous_end: sealed.end,
            base: sealed.next,
        };
        let segment = match stock::activate(&**disk, dir, config, &spare, header) {
            Ok(segment) => Arc::new(segment),
            Err(error) => {
                self.shared.stock.put_back(spare);
                return Err(error);
            }
        };
        sealed.segment.end.store(sealed.end, Ordering::Release);
        self.shared.segments.write().push_back(segment.clone());
        self.shared.count_index(&self.active.segment);
        self.active.segment = segment;
        (self.active.end, self.active.marked) = (segment::DATA_START, true);
        (self.active.appended_at, self.unclean) = (created_at, None);
        self.shared.stock.placed();
        Ok(())
    }
}

/// A commit group, framed for its place.
struct Group {
    parts: Vec<Bytes>,
    places: Vec<(PartitionId, Place)>,
    next: PerPartition<u64>,
    appended_at: Micros,
}

impl Group {
    fn frame<'r>(records: impl Iterator<Item = &'r (Append, u32)>, active: &Active, now: Micros) -> Group {
        let home = active.segment.header.home;
        let appended_at = now.max(active.appended_at);
        let mut group = Group { parts: Vec::new(), places: Vec::new(), next: active.next, appended_at };
        let mut copied = Vec::new();
        let mut position = active.end;
        let mut records = records.peekable();
        while let Some((Append { partition, count, payload }, payload_crc)) = records.next() {
            let offset = &mut group.next[partition.index()];
            let frame = Frame {
                payload_crc: *payload_crc,
                // At most `group_bytes`, which is less than 2 GiB.
                length: payload.len() as u32,
                count: *count,
                group: active.group + 1,
                offset: *offset,
                appended_at,
                partition: *partition,
                last: records.peek().is_none(),
                mark: false,
            };
            *offset += 1;
            group.places.push((*partition, Place { position: position as u32, length: frame.length }));
            copied.extend_from_slice(&frame.encode(home, position));
            if payload.len() <= COPY_BYTES {
                copied.extend_from_slice(payload);
            } else {
                group.parts.push(std::mem::take(&mut copied).into());
                group.parts.push(payload.clone());
            }
            let padding = payload.len().next_multiple_of(8) - payload.len();
            copied.extend_from_slice(&[0; 8][..padding]);
            position += frame.bytes();
        }
        group.parts.push(copied.into());
        group
    }
}
