//! One file of the log: a page of header, then groups of frames. Its size is fixed and its bytes exist beforehand.
//!
//! The header is durable before the file gets its name, so a segment without a sound header is damage, never a
//! crash. Each header says where its predecessor ended; so only the last segment has to be read on opening.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::RwLock;
use pistats_core::ids::PARTITIONS;
use pistats_core::{Micros, PartitionId};

use super::frame::{Home, u32_at, u64_at};
use crate::Error;
use crate::disk::File;

/// Where frames start: one page is the header's.
pub(super) const DATA_START: u64 = 4096;
const HEADER_BYTES: usize = 64 + 8 * PARTITIONS as usize;
const MAGIC: u64 = u64::from_le_bytes(*b"piStats\x01");

/// A number for each partition.
pub(super) type PerPartition<T> = [T; PARTITIONS as usize];

/// What a segment says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The segment's number and the epoch of its frames: 1, 2, 3 …, never used twice.
    pub(super) home: Home,
    /// Size of the file.
    pub(super) bytes: u64,
    pub(super) created_at: Micros,
    pub(super) first_group: u64,
    /// Where the frames of the segment before end; 0 if this is the first one ever.
    pub(super) previous_end: u64,
    /// The offset each partition goes on with here.
    pub(super) base: PerPartition<u64>,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[8..16].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.home.epoch.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.home.nonce.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.created_at.0.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.first_group.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.previous_end.to_le_bytes());
        bytes[56..60].copy_from_slice(&u32::from(PARTITIONS).to_le_bytes());
        for (base, into) in self.base.iter().zip(bytes[64..].chunks_exact_mut(8)) {
            into.copy_from_slice(&base.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes[8..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Header, &'static str> {
        if u32_at(bytes, 0) != crc32c::crc32c(&bytes[8..]) {
            return Err("the segment's header fails its checksum");
        }
        if u64_at(bytes, 8) != MAGIC {
            return Err("this is no segment of a log of this version");
        }
        if u32_at(bytes, 56) != u32::from(PARTITIONS) {
            return Err("the log was made with another number of partitions");
        }
        let mut base = [0; PARTITIONS as usize];
        for (base, from) in base.iter_mut().zip(bytes[64..].chunks_exact(8)) {
            *base = u64_at(from, 0);
        }
        Ok(Header {
            home: Home { epoch: u32_at(bytes, 16), nonce: u32_at(bytes, 20) },
            bytes: u64_at(bytes, 24),
            created_at: Micros(u64_at(bytes, 32) as i64),
            first_group: u64_at(bytes, 40),
            previous_end: u64_at(bytes, 48),
            base,
        })
    }

    pub(super) fn read(file: &dyn File, number: u32) -> Result<Header, Error> {
        let damaged = |reason: &str| Error::Corrupt { segment: number, position: 0, reason: reason.to_owned() };
        let doing = || format!("reading the header of segment {number}");
        let mut bytes = [0; HEADER_BYTES];
        if file.read_at(0, &mut bytes).map_err(|error| Error::io(doing(), error))? < HEADER_BYTES {
            return Err(damaged("the segment is cut off"));
        }
        let header = Header::decode(&bytes).map_err(damaged)?;
        if header.home.epoch != number {
            return Err(damaged("the segment's header is that of another segment"));
        }
        if file.size().map_err(|error| Error::io(doing(), error))? < header.bytes {
            return Err(damaged("the segment is cut off"));
        }
        Ok(header)
    }
}

/// Where a record's frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) position: u32,
    /// Payload bytes.
    pub(super) length: u32,
}

/// Where the durable records of a segment lie, in offset order from the segment's base on. 8 bytes a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    places: PerPartition<Vec<Place>>,
}

impl Index {
    pub(super) fn push(&mut self, partition: PartitionId, place: Place) {
        self.places[partition.index()].push(place);
    }

    pub(super) fn of(&self, partition: PartitionId) -> &[Place] {
        &self.places[partition.index()]
    }

    pub(super) fn memory(&self) -> u64 {
        self.places.iter().map(|places| size_of_val(places.as_slice()) as u64).sum()
    }
}

/// An open segment. Readers hold it while they read; its file is recycled only when nobody does.
pub(super) struct Segment {
    pub(super) header: Header,
    pub(super) file: Arc<dyn File>,
    /// Where its frames end, once it is sealed; 0 before.
    pub(super) end: AtomicU64,
    /// Always there for the segment being written; made when needed, and forgotten again, for the others.
    pub(super) index: RwLock<Option<Index>>,
    /// When the index was last used: a count, not a time.
    pub(super) used: AtomicU64,
}

impl Segment {
    pub(super) fn new(header: Header, file: Arc<dyn File>, index: Option<Index>) -> Segment {
        Segment { header, file, end: AtomicU64::new(0), index: RwLock::new(index), used: AtomicU64::new(0) }
    }

    pub(super) fn number(&self) -> u32 {
        self.header.home.epoch
    }
}

pub(super) fn path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:010}.segment"))
}

/// The number in a segment's name; `None` if the name is none.
pub(super) fn number_of(name: &str) -> Option<u32> {
    name.strip_suffix(".segment").filter(|digits| digits.len() == 10)?.parse().ok()
}

pub(super) fn spare_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("spare-{number}"))
}

/// The number in a spare file's name.
pub(super) fn spare_number_of(name: &str) -> Option<u64> {
    name.strip_prefix("spare-")?.parse().ok()
}

/// A number nobody outside can guess: the standard library seeds its hashers from the system's random source.
pub(super) fn nonce() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_as_it_was_and_a_flipped_bit_is_noticed() {
        let header = Header {
            home: Home { epoch: 3, nonce: 77 },
            bytes: 1 << 20,
            created_at: Micros(12),
            first_group: 9,
            previous_end: 8_192,
            base: [1, 2, 3, 4, 5, 6, 7, 8],
        };
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Ok(header));
        for bit in (0..32).chain(64..HEADER_BYTES * 8) {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn names_and_numbers_agree() {
        assert_eq!(path(Path::new("log"), 12), Path::new("log/0000000012.segment"));
        assert_eq!(number_of("0000000012.segment"), Some(12));
        assert_eq!((number_of("12.segment"), number_of("lock"), number_of("spare-1")), (None, None, None));
        assert_eq!((spare_number_of("spare-31"), spare_number_of("spare-x")), (Some(31), None));
    }
}
