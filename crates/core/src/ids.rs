//! What things are called: newtypes, so that an offset is never taken for an ordinal.

use std::fmt;

/// A site: the tenant of everything. Assigned by the admin service, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SiteId(pub u32);

/// A partition of the event log: `hash(site, visitor) mod PARTITIONS`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PartitionId(pub u16);

/// How many partitions there are, fixed for the life of a log on every backend: changing it is a rebuild.
pub const PARTITIONS: u16 = 8;

impl PartitionId {
    /// All partitions in order.
    pub fn all() -> impl ExactSizeIterator<Item = PartitionId> {
        (0..PARTITIONS).map(PartitionId)
    }

    /// The partition of a visitor of a site: stable for ever, so that all events of a visitor meet in one place.
    ///
    /// xxh3-64 of the visitor id's bytes, seeded with the site.
    pub fn of(site: SiteId, visitor_id: &[u8]) -> PartitionId {
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(visitor_id, u64::from(site.0));
        PartitionId((hash % u64::from(PARTITIONS)) as u16)
    }

    /// The partition as an index into an array of [`PARTITIONS`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The position of one packed record in its partition: 0, 1, 2 … without gaps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Offset(pub u64);

impl Offset {
    /// The position after this one.
    pub fn next(self) -> Offset {
        Offset(self.0 + 1)
    }
}

/// What a record of the log is told from others at its offset by: xxh3-64 of its payload. It is stored: the function stays.
pub fn digest(payload: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(payload)
}

/// A generation of the warehouse: rebuilding makes a new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Generation(pub u64);

/// An event's id: the 16 bytes of a UUID, version 7. Ordered bytewise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub [u8; 16]);

impl EventId {
    /// Reads a UUIDv7; anything else is no event id.
    pub fn from_slice(bytes: &[u8]) -> Option<EventId> {
        let bytes: [u8; 16] = bytes.try_into().ok()?;
        let is_v7 = bytes[6] >> 4 == 7 && bytes[8] >> 6 == 0b10;
        is_v7.then_some(EventId(bytes))
    }

    /// Makes a v7-shaped id of a creation time and 74 bits of anything else (RFC 9562, section 5.7).
    pub fn from_parts(created_ms: u64, entropy: u128) -> EventId {
        let mut bytes = [0u8; 16];
        bytes[..6].copy_from_slice(&created_ms.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&entropy.to_be_bytes()[6..]);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        EventId(bytes)
    }

    /// When the id says it was made, in unix milliseconds (48 bits).
    pub fn created_ms(self) -> u64 {
        let mut ms = [0u8; 8];
        ms[2..].copy_from_slice(&self.0[..6]);
        u64::from_be_bytes(ms)
    }

    /// The id as one number, big-endian: the order of the numbers is the order of the ids.
    pub fn as_u128(self) -> u128 {
        u128::from_be_bytes(self.0)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}

/// A visitor within a site: a keyed hash of the visitor id (the id itself is never stored).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct VisitorKey(pub u128);

impl VisitorKey {
    /// Hashes a visitor id under the instance's secret; visitors of different sites never meet.
    ///
    /// BLAKE3 in keyed mode over site and id, first 128 bits.
    pub fn derive(secret: &[u8; 32], site: SiteId, visitor_id: &[u8]) -> VisitorKey {
        let mut hasher = blake3::Hasher::new_keyed(secret);
        hasher.update(&site.0.to_be_bytes());
        hasher.update(visitor_id);
        let mut first = [0u8; 16];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        VisitorKey(u128::from_be_bytes(first))
    }
}

/// A visitor's dense number within a site: `ordinal × PARTITIONS + partition`.
///
/// Each (site, partition) numbers its visitors 0, 1, 2 … as it first meets them, so numbers stay small (bitmaps and
/// columns compress) and tell their partition. They live only inside a generation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct VisitorNo(pub u64);

impl VisitorNo {
    pub fn new(partition: PartitionId, ordinal: u64) -> VisitorNo {
        VisitorNo(ordinal * u64::from(PARTITIONS) + u64::from(partition.0))
    }

    pub fn partition(self) -> PartitionId {
        PartitionId((self.0 % u64::from(PARTITIONS)) as u16)
    }

    pub fn ordinal(self) -> u64 {
        self.0 / u64::from(PARTITIONS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_same_for_ever() {
        // xxh3-64 of nothing and of one byte, as its specification gives them for seed 0.
        assert_eq!(digest(b""), 0x2d06_8005_38d3_94c2);
        assert_ne!(digest(b"a"), digest(b"b"));
    }

    #[test]
    fn an_id_keeps_its_creation_time_and_its_order() {
        let earlier = EventId::from_parts(1_000, u128::MAX);
        let later = EventId::from_parts(1_001, 0);
        assert_eq!(earlier.created_ms(), 1_000);
        assert!(earlier < later && earlier.as_u128() < later.as_u128());
        assert_eq!(EventId::from_slice(&earlier.0), Some(earlier));
    }

    #[test]
    fn only_sixteen_bytes_of_version_seven_are_an_id() {
        let id = EventId::from_parts(1_000, 7);
        assert_eq!(EventId::from_slice(&id.0[..15]), None);
        let mut version_four = id.0;
        version_four[6] = 0x40;
        assert_eq!(EventId::from_slice(&version_four), None);
        let mut wrong_variant = id.0;
        wrong_variant[8] = 0xc0;
        assert_eq!(EventId::from_slice(&wrong_variant), None);
    }

    #[test]
    fn visitor_numbers_are_dense_and_tell_their_partition() {
        let no = VisitorNo::new(PartitionId(3), 5);
        assert_eq!((no.0, no.partition(), no.ordinal()), (43, PartitionId(3), 5));
    }

    #[test]
    fn visitors_of_different_sites_never_meet() {
        let secret = [7; 32];
        let here = VisitorKey::derive(&secret, SiteId(1), b"ada");
        assert_eq!(here, VisitorKey::derive(&secret, SiteId(1), b"ada"));
        assert_ne!(here, VisitorKey::derive(&secret, SiteId(2), b"ada"));
        assert_ne!(here, VisitorKey::derive(&[8; 32], SiteId(1), b"ada"));
    }
}
