//! Reading: from a position to an endless stream of records, in batches, off the async threads.
//!
//! A batch holds records of one partition out of one segment, up to `read_ahead_bytes`. Their places come from the
//! segment's index; frames that lie close together are read with one call, whatever lies between them. While the
//! consumer works on one batch the next is being read. Every frame's header and payload are checked again.

use std::sync::Arc;
use std::vec;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use pistats_core::{Micros, Offset, PartitionId};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::frame::{Frame, HEADER_BYTES, framed};
use super::segment::{Place, Segment};
use super::shared::{Shared, Tail};
use crate::{Bounds, Error, Position, Record, Records};

/// Frames with at most this between them are read together: copying 8 KiB costs about as much as a call.
const GAP_BYTES: u64 = 8 * 1024;
/// Records of a batch, however small they are.
const BATCH_RECORDS: usize = 8192;

/// `EventLog::read`.
pub(super) async fn stream(shared: &Arc<Shared>, partition: PartitionId, from: Position) -> Result<Records, Error> {
    crate::memory::check(partition)?;
    let tail = shared.tails[partition.index()].subscribe();
    let Bounds { first, next } = shared.bounds(partition);
    let (start, not_before) = match from {
        Position::First => (first, None),
        Position::Latest => (next, None),
        Position::At(asked) if asked < first => return Err(Error::Trimmed { asked, first }),
        Position::At(asked) if asked > next => return Err(Error::BeyondEnd { asked, next }),
        Position::At(asked) => (asked, None),
        Position::AppendedAt(time) => {
            let shared = shared.clone();
            let found = tokio::task::spawn_blocking(move || at_time(&shared, partition, time)).await;
            (found.map_err(|_| Error::Closed)??, Some(time))
        }
    };
    let batch = Vec::new().into_iter();
    let shared = shared.clone();
    let cursor = Cursor { shared, partition, next: start.0, tail, batch, ahead: None, not_before, ended: false };
    Ok(stream::unfold(cursor, Cursor::step).boxed())
}

struct Cursor {
    shared: Arc<Shared>,
    partition: PartitionId,
    /// The offset the next batch starts with.
    next: u64,
    tail: watch::Receiver<Tail>,
    batch: vec::IntoIter<Record>,
    /// The next batch, being read.
    ahead: Option<JoinHandle<Result<Vec<Record>, Error>>>,
    /// Records before this time are passed over: the position was a time to come.
    not_before: Option<Micros>,
    ended: bool,
}

impl Cursor {
    async fn step(mut self) -> Option<(Result<Record, Error>, Cursor)> {
        loop {
            if let Some(record) = self.batch.next() {
                if self.not_before.is_some_and(|time| record.appended_at < time) {
                    continue;
                }
                return Some((Ok(record), self));
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.refill().await {
                self.ended = true;
                return Some((Err(error), self));
            }
        }
    }

    async fn refill(&mut self) -> Result<(), Error> {
        let reading = match self.ahead.take() {
            Some(reading) => reading,
            None => {
                let next = self.next;
                let tail = self.tail.wait_for(|tail| tail.next > next || tail.ended).await;
                let durable = tail.map_err(|_| Error::Closed)?.next;
                if durable <= next {
                    return Err(self.shared.why_ended());
                }
                self.fetch(durable)
            }
        };
        let batch = reading.await.map_err(|_| Error::Closed)?;
        // A log that ended no longer guards its files: another one may have taken them over.
        let batch = batch.map_err(|error| if self.tail.borrow().ended { self.shared.why_ended() } else { error })?;
        self.next += batch.len() as u64;
        let durable = self.tail.borrow().next;
        if durable > self.next {
            self.ahead = Some(self.fetch(durable));
        }
        self.batch = batch.into_iter();
        Ok(())
    }

    fn fetch(&self, durable: u64) -> JoinHandle<Result<Vec<Record>, Error>> {
        let (shared, partition, next) = (self.shared.clone(), self.partition, self.next);
        tokio::task::spawn_blocking(move || batch(&shared, partition, next, durable))
    }
}

/// Reads records from `next` on, at least one; all of them lie below `durable`.
fn batch(shared: &Shared, partition: PartitionId, next: u64, durable: u64) -> Result<Vec<Record>, Error> {
    let segment = {
        let segments = shared.segments.read();
        // Of several that start with the same offset only the last can hold it.
        let after = segments.partition_point(|segment| segment.header.base[partition.index()] <= next);
        match after.checked_sub(1).and_then(|at| segments.get(at)) {
            Some(segment) => segment.clone(),
            None => {
                let first = segments.front().map_or(0, |segment| segment.header.base[partition.index()]);
                return Err(Error::Trimmed { asked: Offset(next), first: Offset(first) });
            }
        }
    };
    let skip = (next - segment.header.base[partition.index()]) as usize;
    let most = usize::try_from(durable - next).unwrap_or(usize::MAX).min(BATCH_RECORDS);
    let places = shared.with_index(&segment, |index| {
        let mut room = shared.config.read_ahead_bytes;
        let fits = |place: &&Place| {
            let fits = room > 0;
            room = room.saturating_sub(framed(place.length as usize));
            fits
        };
        index.of(partition).iter().skip(skip).take(most).take_while(fits).copied().collect::<Vec<_>>()
    })?;
    if places.is_empty() {
        let reason = format!("offset {next} of partition {} is missing", partition.0);
        return Err(Error::Corrupt { segment: segment.number(), position: 0, reason });
    }
    let mut records = Vec::with_capacity(places.len());
    let mut rest = places.as_slice();
    while !rest.is_empty() {
        let (together, after) = rest.split_at(close_together(rest, shared.config.read_ahead_bytes));
        read_together(&segment, partition, next, together, &mut records)?;
        rest = after;
    }
    Ok(records)
}

/// How many frames to read with one call: those with small gaps, up to a span of `most` bytes.
fn close_together(places: &[Place], most: u64) -> usize {
    let ends = |place: &Place| u64::from(place.position) + framed(place.length as usize);
    let Some(first) = places.first() else { return 0 };
    let gaps = places.windows(2).take_while(|pair| {
        let (gap, span) = (u64::from(pair[1].position) - ends(&pair[0]), ends(&pair[1]) - u64::from(first.position));
        gap <= GAP_BYTES && span <= most
    });
    1 + gaps.count()
}

fn read_together(
    segment: &Segment,
    partition: PartitionId,
    next: u64,
    places: &[Place],
    records: &mut Vec<Record>,
) -> Result<(), Error> {
    let (Some(first), Some(last)) = (places.first(), places.last()) else { return Ok(()) };
    let start = u64::from(first.position);
    let span = u64::from(last.position) + framed(last.length as usize) - start;
    let mut bytes = vec![0; span as usize];
    let read = segment.file.read_at(start, &mut bytes);
    let read = read.map_err(|error| Error::io(format!("reading segment {}", segment.number()), error))?;
    bytes.truncate(read);
    let bytes = Bytes::from(bytes);
    for place in places {
        let damaged = |reason: &str| Error::Corrupt {
            segment: segment.number(),
            position: u64::from(place.position),
            reason: reason.to_owned(),
        };
        let at = (u64::from(place.position) - start) as usize;
        let header = bytes.get(at..at + HEADER_BYTES).unwrap_or_default();
        let frame = Frame::decode(header, segment.header.home, u64::from(place.position))
            .ok_or_else(|| damaged("no valid frame where one must be"))?;
        let offset = next + records.len() as u64;
        if (frame.partition, frame.offset, frame.length) != (partition, offset, place.length) {
            return Err(damaged("a frame is out of sequence"));
        }
        let payload = at + HEADER_BYTES..at + HEADER_BYTES + frame.length as usize;
        if payload.end > bytes.len() || crc32c::crc32c(&bytes[payload.clone()]) != frame.payload_crc {
            return Err(damaged("a payload fails its checksum"));
        }
        records.push(Record {
            partition,
            offset: Offset(offset),
            appended_at: frame.appended_at,
            count: frame.count,
            payload: bytes.slice(payload),
        });
    }
    Ok(())
}

/// The offset of the first durable record that was appended at or after a time; `next` if there is none.
fn at_time(shared: &Shared, partition: PartitionId, time: Micros) -> Result<Offset, Error> {
    let segment = {
        let segments = shared.segments.read();
        // Everything in the segments before one is at most as young as that one's creation.
        let after = segments.partition_point(|segment| segment.header.created_at < time);
        segments.get(after.saturating_sub(1)).cloned()
    };
    let Some(segment) = segment else { return Ok(Offset(0)) };
    let places = shared.with_index(&segment, |index| index.of(partition).to_vec())?;
    let (mut low, mut high) = (0, places.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let position = u64::from(places[middle].position);
        let mut header = [0; HEADER_BYTES];
        let read = segment.file.read_at(position, &mut header);
        read.map_err(|error| Error::io(format!("reading segment {}", segment.number()), error))?;
        let frame = Frame::decode(&header, segment.header.home, position).ok_or_else(|| Error::Corrupt {
            segment: segment.number(),
            position,
            reason: "no valid frame where one must be".to_owned(),
        })?;
        if frame.appended_at < time { low = middle + 1 } else { high = middle }
    }
    Ok(Offset(segment.header.base[partition.index()] + low as u64))
}
