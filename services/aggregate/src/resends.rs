//! Records that came to the log more than once, told by (writer, sequence).
//!
//! ```text
//!   a writer's records along the partition     0 1 2 2 3 1 4 7        at or below the last: a resend
//!                                                    ▲   ▲   ▲        above the next: two are missing
//! ```
//!
//! A collector that forwards to a shared stream has one record under way in each partition and repeats it until it is
//! acknowledged; so first copies ascend, and the rule is exact, however late a copy comes. The last sequence of each writer
//! is stored with the checkpoint, in the commit that folds the record: no crash comes between them.
//!
//! Events do not need this, their ids tell (P-2); refusals have no such index, and counts of duplicates would tell of
//! what no client did. A repair reads again on purpose and is not judged here.

use crate::arrival::Arrived;
use hashbrown::HashMap;
use pistats_core::PartitionId;
use pistats_store::{Error, Lookup};

/// What one partition knows of its writers.
#[derive(Default)]
pub(crate) struct Resends {
    /// The last sequence of each, read from the warehouse when the first forwarded record comes.
    last: Option<HashMap<u64, u64>>,
}

impl Resends {
    /// Empties a record that is a resend, and counts what is missing before one that is not.
    pub(crate) fn judge(
        &mut self,
        arrived: &mut Arrived<'_>,
        partition: PartitionId,
        lookup: &dyn Lookup,
    ) -> Result<(), Error> {
        let Some((writer, sequence)) = arrived.forwarded else { return Ok(()) };
        let last = match &mut self.last {
            Some(last) => last,
            // Stored are those of the checkpoint: this worker has folded no forwarded record, and nobody else commits here.
            none => none.insert(lookup.sequences(partition)?.into_iter().map(|of| (of.writer, of.sequence)).collect()),
        };
        match last.get_mut(&writer) {
            None => {
                last.insert(writer, sequence);
            }
            Some(last) if sequence <= *last => {
                arrived.forwarded = None;
                arrived.events.clear();
                arrived.rejected.clear();
                arrived.traces = &[];
                arrived.counts = crate::stats::Counts { resent_records: 1, ..Default::default() };
            }
            Some(last) => {
                let missing = sequence - *last - 1;
                if missing > 0 {
                    let (partition, offset) = (partition.0, arrived.offset.0);
                    tracing::error!(partition, offset, writer, sequence, missing, "records are missing in the log");
                    arrived.counts.lost_records += missing;
                }
                *last = sequence;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrival;
    use crate::testing::NoRows;
    use pistats_core::{Directory, Micros, Offset};
    use pistats_eventlog::Record;
    use pistats_proto::record::v1::{Forwarded, PackedRecord};
    use prost::Message;

    /// Judges records of two writers: which are resends, and how many are missing before each.
    fn judged(forwarded: &[Option<(u64, u64)>]) -> Vec<(u64, u64)> {
        let mut resends = Resends::default();
        let judge = |(offset, forwarded): (usize, &Option<(u64, u64)>)| {
            let forwarded = forwarded.map(|(writer, sequence)| Forwarded { writer, sequence, first: None });
            let packed = PackedRecord { forwarded, ..PackedRecord::default() };
            let record = Record {
                partition: PartitionId(3),
                offset: Offset(offset as u64),
                appended_at: Micros(0),
                count: 0,
                payload: packed.encode_to_vec().into(),
            };
            judged_parts(&mut resends, &record)
        };
        forwarded.iter().enumerate().flat_map(judge).collect()
    }

    fn judged_parts(resends: &mut Resends, record: &Record) -> Vec<(u64, u64)> {
        let unpacked = arrival::unpack(record);
        let mut parts = arrival::read(record, &unpacked, &Directory::default(), &[0; 32]);
        for part in &mut parts {
            resends.judge(part, PartitionId(3), &NoRows).expect("judged");
        }
        parts.iter().map(|part| (part.counts.resent_records, part.counts.lost_records)).collect()
    }

    /// A record that holds those of a spool from one number to another.
    fn several(offset: u64, first: u64, last: u64) -> Record {
        let records = (first..=last).map(|_| PackedRecord::default()).collect();
        let forwarded = Some(Forwarded { writer: 9, sequence: last, first: Some(first) });
        let packed = PackedRecord { forwarded, records, ..PackedRecord::default() };
        let payload = packed.encode_to_vec().into();
        Record { partition: PartitionId(3), offset: Offset(offset), appended_at: Micros(0), count: 0, payload }
    }

    #[test]
    fn of_several_that_were_sent_as_one_only_those_that_came_before_are_resends() {
        let mut resends = Resends::default();
        let mut judge = |offset, first, last| judged_parts(&mut resends, &several(offset, first, last));
        assert_eq!(judge(0, 5, 7), [(0, 0), (0, 0), (0, 0)]);
        // Put together otherwise after a restart.
        assert_eq!(judge(1, 6, 9), [(1, 0), (1, 0), (0, 0), (0, 0)]);
        assert_eq!(judge(2, 12, 13), [(0, 2), (0, 0)]);
    }

    #[test]
    fn a_number_at_or_below_the_last_is_a_resend_and_a_gap_is_counted() {
        let numbers = [0, 1, 2, 2, 3, 1, 4, 7, 7, 8].map(|number| Some((9, number)));
        let resent: Vec<u64> = judged(&numbers).iter().map(|(resent, _)| *resent).collect();
        assert_eq!(resent, [0, 0, 0, 1, 0, 1, 0, 0, 1, 0]);
        assert_eq!(judged(&numbers).iter().map(|(_, lost)| *lost).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 0, 0, 2, 0, 0]);
    }

    #[test]
    fn writers_are_told_apart_begin_anywhere_and_a_record_without_one_is_never_a_resend() {
        let records = [Some((1, 50)), Some((2, 3)), None, None, Some((2, 3)), Some((1, 51)), Some((1, 50))];
        assert_eq!(judged(&records), [(0, 0), (0, 0), (0, 0), (0, 0), (1, 0), (0, 0), (1, 0)]);
    }
}
