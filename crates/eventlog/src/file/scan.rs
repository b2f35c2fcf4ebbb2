//! What a segment holds: walks its groups, and tells a torn end from damage.
//!
//! At an invalid frame in group g (the group after the last complete one), the rest of the segment is searched for
//! valid frame headers of this epoch:
//!
//! ```text
//!   one of a group > g is there   g was durable before it was written: the damage is in durable data   → Corrupt
//!   only ones of g, or none       the writing of g was cut short (pages reach a disk in any order),    → cut g
//!                                 nobody was told it is durable
//! ```
//!
//! What cannot be told apart, on any log without a second sync: damage to the very last group after it was
//! acknowledged but before anything else was written, and a crash in the midst of writing that group. Marks (see
//! the parent's header) keep that window to a quarter of a second.

use std::ops::Range;
use std::sync::Arc;

use pistats_core::Micros;
use pistats_core::ids::PARTITIONS;

use super::frame::{self, Frame, HEADER_BYTES};
use super::segment::{DATA_START, Header, Index, PerPartition, Place, Segment};
use crate::Error;
use crate::disk::File;

/// Read at once while walking; most frames fit.
const WINDOW_BYTES: u64 = 256 * 1024;

/// What the last segment holds.
pub(super) struct Recovered {
    pub(super) index: Index,
    pub(super) next: PerPartition<u64>,
    /// Where the last complete group ends.
    pub(super) end: u64,
    /// The last complete group and where it lies; before the first group of the segment an empty range.
    pub(super) group: u64,
    pub(super) group_at: Range<u64>,
    /// The last complete group is a mark.
    pub(super) marked: bool,
    pub(super) appended_at: Micros,
    /// Remains of an incomplete group were found after `end`.
    pub(super) torn: bool,
}

/// Reads the last segment, whose end is not known. Fails if durable records in it are damaged.
pub(super) fn last(file: &Arc<dyn File>, header: &Header) -> Result<Recovered, Error> {
    let mut walk = Walk::new(file, header, header.bytes);
    let mut found = Recovered {
        index: Index::default(),
        next: header.base,
        end: DATA_START,
        group: header.first_group - 1,
        group_at: DATA_START..DATA_START,
        // The header itself is proof for what lies before it.
        marked: true,
        appended_at: header.created_at,
        torn: false,
    };
    loop {
        match walk.group(found.group + 1, found.end, found.next, true)? {
            Group::Complete { frames, end } => {
                found.marked = frames.iter().all(|(_, frame)| frame.mark);
                for (position, frame) in frames {
                    found.appended_at = found.appended_at.max(frame.appended_at);
                    if !frame.mark {
                        found.next[frame.partition.index()] += 1;
                        found.index.push(frame.partition, place(position, &frame));
                    }
                }
                found.group += 1;
                found.group_at = found.end..end;
                found.end = end;
            }
            Group::Broken { at, reason } => {
                found.torn = walk.only_remains_of(found.group + 1, found.end, at, reason)?;
                return Ok(found);
            }
        }
    }
}

/// Finds the records of a sealed segment. Anything invalid before its end is damage.
pub(super) fn sealed(segment: &Segment, end: u64) -> Result<Index, Error> {
    let header = &segment.header;
    let mut walk = Walk::new(&segment.file, header, end);
    let mut index = Index::default();
    let (mut position, mut group, mut next) = (DATA_START, header.first_group, header.base);
    while position < end {
        match walk.group(group, position, next, false)? {
            Group::Complete { frames, end } => {
                for (position, frame) in frames.into_iter().filter(|(_, frame)| !frame.mark) {
                    next[frame.partition.index()] += 1;
                    index.push(frame.partition, place(position, &frame));
                }
                (position, group) = (end, group + 1);
            }
            Group::Broken { at, reason } => {
                return Err(Error::Corrupt { segment: segment.number(), position: at, reason: reason.to_owned() });
            }
        }
    }
    Ok(index)
}

fn place(position: u64, frame: &Frame) -> Place {
    // Segments are at most 2 GiB (`Config::validate`).
    Place { position: position as u32, length: frame.length }
}

enum Group {
    Complete { frames: Vec<(u64, Frame)>, end: u64 },
    Broken { at: u64, reason: &'static str },
}

struct Walk<'a> {
    file: &'a Arc<dyn File>,
    header: &'a Header,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl<'a> Walk<'a> {
    fn new(file: &'a Arc<dyn File>, header: &'a Header, end: u64) -> Walk<'a> {
        Walk { file, header, end, window: Vec::new(), window_at: 0 }
    }

    /// The bytes at a position; fewer than asked only at the end of the segment.
    fn bytes(&mut self, position: u64, length: u64) -> Result<&[u8], Error> {
        let length = length.min(self.end.saturating_sub(position));
        let window = self.window_at..self.window_at + self.window.len() as u64;
        if position < window.start || position + length > window.end {
            let size = length.max(WINDOW_BYTES).min(self.end.saturating_sub(position));
            self.window.resize(size as usize, 0);
            let read = self.file.read_at(position, &mut self.window);
            let read = read.map_err(|error| Error::io(format!("reading segment {}", self.header.home.epoch), error))?;
            self.window.truncate(read);
            self.window_at = position;
        }
        let from = (position - self.window_at) as usize;
        Ok(&self.window[from.min(self.window.len())..(from + length as usize).min(self.window.len())])
    }

    fn frame(&mut self, position: u64) -> Result<Option<Frame>, Error> {
        let home = self.header.home;
        let frame = Frame::decode(self.bytes(position, HEADER_BYTES as u64)?, home, position);
        Ok(frame.filter(|frame| position + frame.bytes() <= self.end))
    }

    fn payload_is_sound(&mut self, position: u64, frame: &Frame) -> Result<bool, Error> {
        let length = u64::from(frame.length);
        let payload = self.bytes(position + HEADER_BYTES as u64, length)?;
        Ok(payload.len() as u64 == length && crc32c::crc32c(payload) == frame.payload_crc)
    }

    /// Walks one group; `next` are the offsets it has to go on with.
    fn group(&mut self, group: u64, start: u64, mut next: PerPartition<u64>, payloads: bool) -> Result<Group, Error> {
        let (mut frames, mut at) = (Vec::new(), start);
        loop {
            let broken = |reason| Ok(Group::Broken { at, reason });
            let Some(frame) = self.frame(at)? else { return broken("no valid frame where one must be") };
            if frame.group != group {
                return broken("a frame of another group is where the next one must be");
            }
            if payloads && !self.payload_is_sound(at, &frame)? {
                return broken("a payload fails its checksum");
            }
            if !frame.mark {
                if frame.partition.0 >= PARTITIONS || frame.offset != next[frame.partition.index()] {
                    return broken("a frame is out of sequence");
                }
                next[frame.partition.index()] += 1;
            }
            let (last, position) = (frame.last, at);
            at += frame.bytes();
            frames.push((position, frame));
            if last {
                return Ok(Group::Complete { frames, end: at });
            }
        }
    }

    /// After a broken group: `Ok(true)` if remains of it are there, `Ok(false)` if nothing is, `Corrupt` if there is
    /// proof that it was durable.
    fn only_remains_of(&mut self, group: u64, start: u64, at: u64, reason: &str) -> Result<bool, Error> {
        let home = self.header.home;
        let mut remains = at > start || frame::claims(self.bytes(at, HEADER_BYTES as u64)?, home);
        let mut position = at;
        while position + HEADER_BYTES as u64 <= self.end {
            if frame::claims(self.bytes(position, HEADER_BYTES as u64)?, home)
                && let Some(frame) = self.frame(position)?
            {
                if frame.group > group {
                    let reason = format!("{reason}, yet group {} after it is there", frame.group);
                    return Err(Error::Corrupt { segment: home.epoch, position: at, reason });
                }
                remains = true;
            }
            position += 8;
        }
        Ok(remains)
    }
}
