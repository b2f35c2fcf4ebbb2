//! One record on disk: a header of 48 bytes, the payload, zeros up to a multiple of 8.
//!
//! ```text
//!   byte  0 header crc   crc32c of (nonce, position in the file, bytes 4..48)
//!         4 payload crc  crc32c of the payload; made by the caller's thread, not by the committer
//!         8 length       payload bytes, u32           24 offset       u64
//!        12 count        events in the record, u32    32 appended at  unix microseconds, i64
//!        16 group        commit group, u64            40 epoch        the segment's number, u32
//!                                                     44 partition, 46 flags, u16 each
//! ```
//!
//! All little-endian. Two checksums, so that positions can be found by headers alone. The header's covers the
//! *place* of the frame: an older frame of a recycled file, a frame written to the wrong position, or a payload that
//! was made to look like a frame (nobody outside knows the nonce) is no frame.

use pistats_core::{Micros, PartitionId};

pub(super) const HEADER_BYTES: usize = 48;

/// The last frame of its group: the group is complete.
const LAST: u16 = 1;
/// No record, only the end of a group: proof that what lies before was durable.
const MARK: u16 = 2;

/// What ties a frame to its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) epoch: u32,
    pub(super) nonce: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) payload_crc: u32,
    pub(super) length: u32,
    pub(super) count: u32,
    pub(super) group: u64,
    pub(super) offset: u64,
    pub(super) appended_at: Micros,
    pub(super) partition: PartitionId,
    pub(super) last: bool,
    pub(super) mark: bool,
}

/// Bytes a payload of this length takes on disk, header and padding included.
pub(super) fn framed(length: usize) -> u64 {
    (HEADER_BYTES + length.next_multiple_of(8)) as u64
}

fn header_crc(home: Home, position: u64, rest: &[u8]) -> u32 {
    let mut place = [0; 12];
    place[..4].copy_from_slice(&home.nonce.to_le_bytes());
    place[4..].copy_from_slice(&position.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&place), rest)
}

impl Frame {
    /// A group of no records.
    pub(super) fn mark(group: u64, appended_at: Micros) -> Frame {
        let (payload_crc, length, count, offset) = (crc32c::crc32c(&[]), 0, 0, 0);
        let partition = PartitionId(0);
        Frame { payload_crc, length, count, group, offset, appended_at, partition, last: true, mark: true }
    }

    pub(super) fn encode(&self, home: Home, position: u64) -> [u8; HEADER_BYTES] {
        let flags = if self.last { LAST } else { 0 } | if self.mark { MARK } else { 0 };
        let mut bytes = [0; HEADER_BYTES];
        bytes[4..8].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.count.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.group.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.offset.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.appended_at.0.to_le_bytes());
        bytes[40..44].copy_from_slice(&home.epoch.to_le_bytes());
        bytes[44..46].copy_from_slice(&self.partition.0.to_le_bytes());
        bytes[46..48].copy_from_slice(&flags.to_le_bytes());
        let crc = header_crc(home, position, &bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header of a frame of this home at this position; `None` if there is none.
    pub(super) fn decode(bytes: &[u8], home: Home, position: u64) -> Option<Frame> {
        let bytes: &[u8; HEADER_BYTES] = bytes.get(..HEADER_BYTES)?.try_into().ok()?;
        if !claims(bytes, home) || header_crc(home, position, &bytes[4..]) != u32_at(bytes, 0) {
            return None;
        }
        let flags = u16_at(bytes, 46);
        Some(Frame {
            payload_crc: u32_at(bytes, 4),
            length: u32_at(bytes, 8),
            count: u32_at(bytes, 12),
            group: u64_at(bytes, 16),
            offset: u64_at(bytes, 24),
            appended_at: Micros(u64_at(bytes, 32) as i64),
            partition: PartitionId(u16_at(bytes, 44)),
            last: flags & LAST != 0,
            mark: flags & MARK != 0,
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        framed(self.length as usize)
    }
}

/// Does this look like a frame of the home, sound or not?
pub(super) fn claims(bytes: &[u8], home: Home) -> bool {
    bytes.len() >= HEADER_BYTES && u32_at(bytes, 40) == home.epoch
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u64_of(&bytes[at..at + 2]) as u16
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u64_of(&bytes[at..at + 4]) as u32
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64_of(&bytes[at..at + 8])
}

/// A little-endian number of up to 8 bytes.
fn u64_of(bytes: &[u8]) -> u64 {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Home = Home { epoch: 7, nonce: 99 };

    fn sample() -> Frame {
        Frame {
            payload_crc: crc32c::crc32c(b"abc"),
            length: 3,
            count: 2,
            group: 41,
            offset: u64::MAX - 1,
            appended_at: Micros(-5),
            partition: PartitionId(7),
            last: true,
            mark: false,
        }
    }

    #[test]
    fn a_frame_comes_back_as_it_was() {
        assert_eq!(Frame::decode(&sample().encode(HOME, 4096), HOME, 4096), Some(sample()));
        let mark = Frame::mark(3, Micros(9));
        assert_eq!(Frame::decode(&mark.encode(HOME, 8), HOME, 8), Some(mark));
    }

    #[test]
    fn a_frame_is_valid_only_at_its_place_and_in_its_segment() {
        let bytes = sample().encode(HOME, 4096);
        assert_eq!(Frame::decode(&bytes, HOME, 4104), None);
        assert_eq!(Frame::decode(&bytes, Home { epoch: 8, ..HOME }, 4096), None);
        assert_eq!(Frame::decode(&bytes, Home { nonce: 98, ..HOME }, 4096), None);
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let bytes = sample().encode(HOME, 4096);
        for bit in 0..HEADER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Frame::decode(&flipped, HOME, 4096), None, "bit {bit}");
        }
    }

    #[test]
    fn zeros_and_cut_headers_are_no_frames() {
        assert_eq!(Frame::decode(&[0; HEADER_BYTES], Home { epoch: 0, nonce: 1 }, 0), None);
        assert_eq!(Frame::decode(&sample().encode(HOME, 0)[..47], HOME, 0), None);
    }
}
