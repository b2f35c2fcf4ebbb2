//! Where a record comes from, written behind its bytes: nothing of it is decoded or encoded again, because Protobuf reads
//! a field wherever it stands. Several records become one the same way: each is a field of a record that has nothing else.

use bytes::Bytes;
use pistats_core::Offset;
use pistats_eventlog::Record;
use pistats_proto::record::v1::Forwarded;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

/// Number of `PackedRecord.records`.
const RECORDS: u32 = 11;
/// Key and length of a record among several.
const MOST_FRAME_BYTES: usize = 6;

/// What is read back of a record: only its origin, everything else is passed over.
#[derive(Clone, PartialEq, Message)]
struct Origin {
    #[prost(message, optional, tag = "10")]
    forwarded: Option<Forwarded>,
}

/// The bytes of records of the spool that are forwarded as one, with their place there. They follow each other; there is one at
/// least.
pub(super) fn stamped(records: &[Record], writer: u64) -> Bytes {
    let (Some(first), Some(last)) = (records.first(), records.last()) else { return Bytes::new() };
    let several = (records.len() > 1).then_some(first.offset.0);
    let origin = Origin { forwarded: Some(Forwarded { writer, sequence: last.offset.0, first: several }) };
    let payloads: usize = records.iter().map(|record| record.payload.len() + MOST_FRAME_BYTES).sum();
    let mut bytes = Vec::with_capacity(payloads + origin.encoded_len());
    match records {
        [only] => bytes.extend_from_slice(&only.payload),
        several => {
            for Record { payload, .. } in several {
                encode_key(RECORDS, WireType::LengthDelimited, &mut bytes);
                encode_varint(payload.len() as u64, &mut bytes);
                bytes.extend_from_slice(payload);
            }
        }
    }
    origin.encode_raw(&mut bytes);
    bytes.into()
}

/// Whether a record of the stream is this one.
pub(super) fn is(payload: &Bytes, writer: u64, sequence: Offset) -> bool {
    let origin = Origin::decode(payload.clone()).ok().and_then(|origin| origin.forwarded);
    origin.is_some_and(|origin| origin.writer == writer && origin.sequence == sequence.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_proto::record::v1::PackedRecord;

    fn record(offset: u64, packed: &PackedRecord) -> Record {
        let (partition, appended_at) = (pistats_core::PartitionId(0), pistats_core::Micros(0));
        Record { partition, offset: Offset(offset), appended_at, count: 1, payload: packed.encode_to_vec().into() }
    }

    #[test]
    fn a_stamped_record_is_the_record_and_its_origin() {
        let packed =
            PackedRecord { site: 7, writer: 1, sequence: 2, traceparents: vec!["t".into()], ..Default::default() };
        for (writer, sequence) in [(0, 0), (u64::MAX, u64::MAX)] {
            let bytes = stamped(&[record(sequence, &packed)], writer);
            let forwarded = Some(Forwarded { writer, sequence, first: None });
            assert_eq!(PackedRecord::decode(bytes.clone()), Ok(PackedRecord { forwarded, ..packed.clone() }));
            assert!(is(&bytes, writer, Offset(sequence)));
            assert!(!is(&bytes, writer ^ 1, Offset(sequence)) && !is(&bytes, writer, Offset(sequence ^ 1)));
        }
        assert!(!is(&Bytes::from_static(b"no message"), 0, Offset(0)) && !is(&Bytes::new(), 0, Offset(0)));
    }

    #[test]
    fn several_records_are_one_that_holds_each_as_it_was() {
        // One is empty, one is longer than a byte tells.
        let long = "x".repeat(300);
        let of = |site, trace: &str| PackedRecord { site, traceparents: vec![trace.into()], ..Default::default() };
        let packed = [of(1, "a"), PackedRecord::default(), of(3, &long)];
        let records: Vec<Record> = packed.iter().zip(40..).map(|(packed, offset)| record(offset, packed)).collect();
        let bytes = stamped(&records, 9);
        let forwarded = Some(Forwarded { writer: 9, sequence: 42, first: Some(40) });
        let expected = PackedRecord { forwarded, records: packed.to_vec(), ..Default::default() };
        assert_eq!(PackedRecord::decode(bytes.clone()), Ok(expected));
        assert!(is(&bytes, 9, Offset(42)) && !is(&bytes, 9, Offset(40)));
    }
}
