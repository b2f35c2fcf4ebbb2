//! Packed records: the good events of one request, one record a partition, framed straight into its buffer.
//!
//! ```text
//!   [site, writer, sequence, received, traceparent] [event] [event] … [min time, max time]
//! ```
//!
//! Earliest and latest time stand at the end, where they are known; Protobuf allows any order.

use crate::check::Checked;
use crate::identity::Identity;
use crate::stamp::{bytes, time, varint, without};
use bytes::Bytes;
use pistats_core::ids::PARTITIONS;
use pistats_core::{Micros, PartitionId, SiteId};
use pistats_eventlog::Append;
use pistats_proto::record::v1::{PackedRecord, RejectedEvent};
use prost::Message;

/// A record is closed before it grows beyond this: a reader takes one into memory at a time.
const RECORD_BYTES: usize = 1 << 20;
/// Room for the two times at the end.
const TAIL_BYTES: usize = 22;
/// Key of `PackedRecord.events`, field 8, length-delimited.
const EVENTS_KEY: u8 = 8 << 3 | 2;

/// What all records of a request share.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) site: SiteId,
    pub(crate) identity: &'a Identity,
    pub(crate) received: Micros,
    /// W3C trace context, or empty.
    pub(crate) traceparent: &'a str,
}

pub(crate) struct Packer<'a> {
    head: Head<'a>,
    /// Bytes to set aside for a new record.
    expected_bytes: usize,
    open: [Option<Open>; PARTITIONS as usize],
    closed: Vec<Append>,
}

struct Open {
    payload: Vec<u8>,
    count: u32,
    min: Micros,
    max: Micros,
}

impl<'a> Packer<'a> {
    pub(crate) fn new(head: Head<'a>, batch_bytes: usize) -> Packer<'a> {
        // A partition gets an eighth on average; a sixth and the stamps spare most records from growing.
        let expected_bytes = (batch_bytes / 6 + 512).min(RECORD_BYTES);
        Packer { head, expected_bytes, open: Default::default(), closed: Vec::with_capacity(usize::from(PARTITIONS)) }
    }

    /// Adds a good event and its stamps.
    pub(crate) fn add(&mut self, checked: &Checked, event: &[u8], stamps: &[u8]) {
        let kept = if checked.is_cut() { cut_len(checked, event) } else { event.len() };
        let len = kept + stamps.len();
        let slot = checked.partition.index();
        // Six bytes: the key and the length of anything below 32 GiB.
        let full = |open: &Open| open.payload.len() + len + 6 + TAIL_BYTES > RECORD_BYTES;
        if self.open[slot].as_ref().is_some_and(full) {
            self.close(checked.partition);
        }
        let open = self.open[slot].get_or_insert_with(|| Open::new(&self.head, self.expected_bytes));
        open.payload.push(EVENTS_KEY);
        varint(len as u64, &mut open.payload);
        if checked.is_cut() {
            without(event, |field| checked.takes(field), |piece| open.payload.extend_from_slice(piece));
        } else {
            open.payload.extend_from_slice(event);
        }
        open.payload.extend_from_slice(stamps);
        open.count += 1;
        open.min = open.min.min(checked.time);
        open.max = open.max.max(checked.time);
    }

    fn close(&mut self, partition: PartitionId) {
        if let Some(mut open) = self.open[partition.index()].take() {
            time(5, open.min, &mut open.payload);
            time(6, open.max, &mut open.payload);
            self.closed.push(Append { partition, count: open.count, payload: Bytes::from(open.payload) });
        }
    }

    /// The records of the request: those of good events, then those of refused ones.
    pub(crate) fn finish(mut self, rejected: Vec<RejectedEvent>) -> Vec<Append> {
        PartitionId::all().for_each(|partition| self.close(partition));
        let mut record = Vec::new();
        let mut record_bytes = 0;
        for event in rejected {
            let bytes = event.encoded_len();
            if record_bytes + bytes > RECORD_BYTES - 1_024 {
                self.reject(std::mem::take(&mut record));
                record_bytes = 0;
            }
            record_bytes += bytes + 6;
            record.push(event);
        }
        self.reject(record);
        self.closed
    }

    /// Refused events have no visitor to go by: those of a site lie in one partition. They do not count as events.
    fn reject(&mut self, rejected: Vec<RejectedEvent>) {
        if rejected.is_empty() {
            return;
        }
        let record = PackedRecord { received_us: self.head.received.0, rejected, ..Default::default() };
        let mut payload = header(&self.head, record.encoded_len() + 64);
        record.encode_raw(&mut payload);
        let partition = PartitionId::of(self.head.site, b"");
        self.closed.push(Append { partition, count: 0, payload: Bytes::from(payload) });
    }
}

impl Open {
    fn new(head: &Head<'_>, expected_bytes: usize) -> Open {
        let mut payload = header(head, expected_bytes);
        time(4, head.received, &mut payload);
        Open { payload, count: 0, min: Micros(i64::MAX), max: Micros(i64::MIN) }
    }
}

/// Site, writer, sequence and trace of a new record.
fn header(head: &Head<'_>, capacity: usize) -> Vec<u8> {
    let mut payload = Vec::with_capacity(capacity);
    payload.push(1 << 3);
    varint(u64::from(head.site.0), &mut payload);
    payload.push(2 << 3 | 1);
    payload.extend_from_slice(&head.identity.writer.to_le_bytes());
    payload.push(3 << 3);
    varint(head.identity.next_sequence(), &mut payload);
    if !head.traceparent.is_empty() {
        bytes(7, head.traceparent.as_bytes(), &mut payload);
    }
    payload
}

fn cut_len(checked: &Checked, event: &[u8]) -> usize {
    let mut len = 0;
    without(event, |field| checked.takes(field), |piece| len += piece.len());
    len
}
