//! What waits for a partition's worker: records read from the log, bounded by their bytes, and batches to repair.
//!
//! The reader is async and waits for room without holding a thread; the worker is a thread and waits for work.

use crate::lost::Lost;
use parking_lot::{Condvar, Mutex};
use pistats_eventlog::Record;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{Notify, oneshot};

/// What a repaired batch came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Repaired {
    /// Events that were missing and are there again.
    pub repaired: u64,
    /// Events that were there.
    pub unchanged: u64,
}

/// Records to fold again, as a repair.
pub(crate) struct RepairBatch {
    pub records: Vec<Record>,
    /// Numbers of visitors whose rows are gone.
    pub lost: Arc<Lost>,
    /// Whether the checkpoint moves over them: only where somebody set it back.
    pub moves_checkpoint: bool,
    /// Answered when the repair is committed; dropped if the worker stops before.
    pub done: oneshot::Sender<Repaired>,
}

pub(crate) enum Work {
    Fold(Vec<Record>),
    Repair(RepairBatch),
}

#[derive(Default)]
struct State {
    records: VecDeque<Record>,
    bytes: usize,
    repairs: VecDeque<RepairBatch>,
    /// The last work was a repair: live records go first next time.
    repaired_last: bool,
    /// The worker has taken work and not come back yet.
    working: bool,
    closed: bool,
}

pub(crate) struct Inbox {
    state: Mutex<State>,
    filled: Condvar,
    room: Notify,
    bound_bytes: usize,
}

/// The inbox was closed: the worker is gone or going.
#[derive(Debug)]
pub(crate) struct Closed;

impl Inbox {
    pub(crate) fn new(bound_bytes: usize) -> Inbox {
        Inbox { state: Mutex::default(), filled: Condvar::new(), room: Notify::new(), bound_bytes }
    }

    /// Adds a record, waiting for room. One reader only. Cancellation-safe: the record is in or not.
    pub(crate) async fn push(&self, record: Record) -> Result<(), Closed> {
        loop {
            {
                let mut state = self.state.lock();
                if state.closed {
                    return Err(Closed);
                }
                if state.bytes == 0 || state.bytes + record.payload.len() <= self.bound_bytes {
                    state.bytes += record.payload.len();
                    state.records.push_back(record);
                    self.filled.notify_one();
                    return Ok(());
                }
            }
            self.room.notified().await;
        }
    }

    /// Adds a batch to repair; it takes turns with the live records.
    pub(crate) fn push_repair(&self, batch: RepairBatch) -> Result<(), Closed> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Closed);
        }
        state.repairs.push_back(batch);
        self.filled.notify_one();
        Ok(())
    }

    /// Takes what is next, waiting for it: all records there are, but not many more events than `most`.
    ///
    /// `None` once closed; what was left is still in the log.
    pub(crate) fn take(&self, most: usize) -> Option<Work> {
        let mut state = self.state.lock();
        state.working = false;
        while !state.closed && state.records.is_empty() && state.repairs.is_empty() {
            self.filled.wait(&mut state);
        }
        if state.closed {
            return None;
        }
        state.working = true;
        let repair_is_next = state.records.is_empty() || !state.repaired_last;
        state.repaired_last = false;
        if repair_is_next && let Some(batch) = state.repairs.pop_front() {
            state.repaired_last = true;
            return Some(Work::Repair(batch));
        }
        let mut records: Vec<Record> = Vec::new();
        let mut events = 0;
        while let Some(record) = state.records.front() {
            events += record.count as usize;
            if !records.is_empty() && events > most {
                break;
            }
            state.bytes -= record.payload.len();
            records.extend(state.records.pop_front());
        }
        self.room.notify_one();
        Some(Work::Fold(records))
    }

    /// Whether live records wait or are being folded.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.state.lock();
        state.working || !state.records.is_empty()
    }

    /// Ends the worker after the work it has taken.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        // Repairs that nobody will do: their senders learn it by the dropped answer.
        state.repairs.clear();
        state.records.clear();
        self.filled.notify_all();
        self.room.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures::FutureExt;
    use pistats_core::{Micros, Offset, PartitionId};

    fn record(offset: u64, bytes: usize) -> Record {
        Record {
            partition: PartitionId(0),
            offset: Offset(offset),
            appended_at: Micros(0),
            count: 10,
            payload: Bytes::from(vec![0; bytes]),
        }
    }

    #[test]
    fn a_reader_waits_for_room_but_one_record_always_fits() {
        let inbox = Inbox::new(100);
        assert!(inbox.push(record(0, 500)).now_or_never().is_some());
        assert!(inbox.push(record(1, 1)).now_or_never().is_none());
        let Some(Work::Fold(taken)) = inbox.take(10) else { panic!("records") };
        assert_eq!(taken.len(), 1);
        assert!(inbox.push(record(1, 50)).now_or_never().is_some());
        assert!(inbox.push(record(2, 50)).now_or_never().is_some());
        assert!(inbox.push(record(3, 1)).now_or_never().is_none());
    }

    #[test]
    fn a_batch_ends_before_its_events_exceed_the_most() {
        let inbox = Inbox::new(1_000);
        for offset in 0..5 {
            assert!(inbox.push(record(offset, 1)).now_or_never().is_some());
        }
        for expected in [2, 2, 1] {
            let Some(Work::Fold(taken)) = inbox.take(20) else { panic!("records") };
            assert_eq!(taken.len(), expected);
        }
        assert!(inbox.is_busy());
        inbox.close();
        assert!(inbox.take(20).is_none());
        assert!(!inbox.is_busy());
    }

    #[test]
    fn repairs_and_live_records_take_turns() {
        let inbox = Inbox::new(1_000);
        for offset in 0..3 {
            assert!(inbox.push(record(offset, 1)).now_or_never().is_some());
            let batch = RepairBatch {
                records: Vec::new(),
                lost: Arc::default(),
                moves_checkpoint: false,
                done: oneshot::channel().0,
            };
            inbox.push_repair(batch).expect("open");
        }
        let turns: Vec<bool> = (0..6).map(|_| matches!(inbox.take(10), Some(Work::Repair(_)))).collect();
        assert_eq!(turns, [true, false, true, false, true, false]);
    }
}
