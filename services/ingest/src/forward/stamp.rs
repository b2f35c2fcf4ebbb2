//! Where a record comes from, written behind its bytes: nothing of it is decoded or encoded again, because Protobuf reads
//! a field wherever it stands.

use bytes::Bytes;
use pistats_core::Offset;
use pistats_proto::record::v1::Forwarded;
use prost::Message;

/// What is read back of a record: only its origin, everything else is passed over.
#[derive(Clone, PartialEq, Message)]
struct Origin {
    #[prost(message, optional, tag = "10")]
    forwarded: Option<Forwarded>,
}

/// The record's bytes with its place in the spool.
pub(super) fn stamped(payload: &Bytes, writer: u64, sequence: Offset) -> Bytes {
    let origin = Origin { forwarded: Some(Forwarded { writer, sequence: sequence.0 }) };
    let mut bytes = Vec::with_capacity(payload.len() + origin.encoded_len());
    bytes.extend_from_slice(payload);
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

    #[test]
    fn a_stamped_record_is_the_record_and_its_origin() {
        let record =
            PackedRecord { site: 7, writer: 1, sequence: 2, traceparents: vec!["t".into()], ..Default::default() };
        for (writer, sequence) in [(0, 0), (u64::MAX, u64::MAX)] {
            let bytes = stamped(&record.encode_to_vec().into(), writer, Offset(sequence));
            let expected = PackedRecord { forwarded: Some(Forwarded { writer, sequence }), ..record.clone() };
            assert_eq!(PackedRecord::decode(bytes.clone()), Ok(expected));
            assert!(is(&bytes, writer, Offset(sequence)));
            assert!(!is(&bytes, writer ^ 1, Offset(sequence)) && !is(&bytes, writer, Offset(sequence ^ 1)));
        }
        assert!(!is(&Bytes::from_static(b"no message"), 0, Offset(0)) && !is(&Bytes::new(), 0, Offset(0)));
    }
}
