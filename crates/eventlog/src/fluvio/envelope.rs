//! What one Fluvio record carries: our record, with what Fluvio itself does not keep.
//!
//! ```text
//!    0 magic "pSt1"     4 crc32c of all that follows      8 writer (u64)     16 sequence (u64)
//!   24 append time, unix microseconds (i64)              32 count (u32)     36 payload …          little-endian
//! ```
//!
//! Writer and sequence tell a resend from a record: a writer is one opening of the log, and numbers the records of each
//! partition 0, 1, 2 … The checksum is ours because Fluvio writes one and never looks at it. The append time is ours
//! because Fluvio's comes from the producer's clock, in milliseconds, and may go back.

use bytes::Bytes;
use pistats_core::Micros;

const MAGIC: [u8; 4] = *b"pSt1";
/// Bytes before the payload.
pub(super) const HEADER_BYTES: usize = 36;
/// Where the checksummed part starts.
const CHECKED_FROM: usize = 8;

/// A record as it lies in the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    /// The opening of the log that wrote it.
    pub writer: u64,
    /// Its number among the writer's records of the partition.
    pub sequence: u64,
    pub appended_at: Micros,
    pub count: u32,
    pub payload: Bytes,
    /// Of everything above: two records with the same one are taken for the same.
    pub checksum: u32,
}

/// The bytes of a record.
pub(super) fn encode(writer: u64, sequence: u64, appended_at: Micros, count: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&writer.to_le_bytes());
    bytes.extend_from_slice(&sequence.to_le_bytes());
    bytes.extend_from_slice(&appended_at.0.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(payload);
    let checksum = crc32c::crc32c(&bytes[CHECKED_FROM..]);
    bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Reads a record; none of another make, or a damaged one, is taken for ours: the reason is returned.
///
/// The payload is copied: a slice would hold the whole fetched block (up to 40 MiB) in memory.
pub(super) fn decode(bytes: &[u8]) -> Result<Envelope, String> {
    if bytes.len() < HEADER_BYTES {
        return Err(format!("a record of {} bytes is too short to be one of ours", bytes.len()));
    }
    if bytes[..4] != MAGIC {
        return Err("a record that piStats did not write".to_owned());
    }
    let checksum = u32::from_le_bytes(array(bytes, 4));
    if crc32c::crc32c(&bytes[CHECKED_FROM..]) != checksum {
        return Err("its checksum does not match: the record is damaged".to_owned());
    }
    Ok(Envelope {
        writer: u64::from_le_bytes(array(bytes, 8)),
        sequence: u64::from_le_bytes(array(bytes, 16)),
        appended_at: Micros(i64::from_le_bytes(array(bytes, 24))),
        count: u32::from_le_bytes(array(bytes, 32)),
        payload: Bytes::copy_from_slice(&bytes[HEADER_BYTES..]),
        checksum,
    })
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was() {
        let bytes = encode(7, 9, Micros(-5), 3, b"payload");
        let read = decode(&bytes).expect("one of ours");
        assert_eq!((read.writer, read.sequence, read.appended_at, read.count), (7, 9, Micros(-5), 3));
        assert_eq!(&read.payload[..], b"payload");
        assert!(decode(&encode(0, 0, Micros(0), 0, b"")).expect("an empty one").payload.is_empty());
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let bytes = encode(1, 2, Micros(3), 4, b"abc");
        for byte in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[byte] ^= 0x10;
            assert!(decode(&flipped).is_err(), "byte {byte}");
        }
        assert!(decode(&bytes[..HEADER_BYTES - 1]).is_err());
        assert!(decode(&bytes[..HEADER_BYTES]).is_err(), "its payload is missing");
    }
}
