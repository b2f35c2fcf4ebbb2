//! Telling a resend from a record: by writer and sequence, never by what it says.
//!
//! A writer has one record in flight in each partition. After an error it cannot know whether that record came to be in
//! the topic, so it sends it again, with the same number; and a connection it gave up may still deliver its copy, up to
//! half a minute later. So copies may come late, but never before the first: a number that is not above the writer's
//! highest so far is a resend. (With several in flight this would be wrong: first copies then come out of order.)

use std::collections::HashMap;

use super::envelope::Envelope;

/// The highest number of each writer seen so far, in one partition.
#[derive(Default, Debug)]
pub(super) struct Resends {
    highest: HashMap<u64, u64>,
}

/// What a record is to a reader that saw everything before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// It comes for the first time.
    First,
    /// It came before.
    Again,
    /// It comes for the first time, and this many of its writer's records before it, though acknowledged, are missing.
    AfterMissing(u64),
}

impl Resends {
    /// Takes note of a record.
    pub(super) fn see(&mut self, record: &Envelope) -> Seen {
        let Some(highest) = self.highest.get_mut(&record.writer) else {
            self.highest.insert(record.writer, record.sequence);
            return Seen::First;
        };
        if record.sequence <= *highest {
            return Seen::Again;
        }
        let missing = record.sequence - *highest - 1;
        *highest = record.sequence;
        if missing == 0 { Seen::First } else { Seen::AfterMissing(missing) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::envelope::{decode, encode};
    use super::*;
    use pistats_core::Micros;

    fn record(writer: u64, sequence: u64) -> Envelope {
        decode(&encode(writer, sequence, Micros(0), 1, b"x")).expect("one of ours")
    }

    #[test]
    fn a_number_seen_before_is_a_resend_however_late_it_comes() {
        let mut resends = Resends::default();
        let seen: Vec<Seen> = [0, 1, 1, 2, 0, 3, 1].map(|number| resends.see(&record(5, number))).into();
        use Seen::{Again, First};
        assert_eq!(seen, [First, First, Again, First, Again, First, Again]);
    }

    #[test]
    fn writers_are_told_apart_and_may_start_anywhere() {
        let mut resends = Resends::default();
        assert_eq!(resends.see(&record(1, 40)), Seen::First);
        assert_eq!(resends.see(&record(2, 3)), Seen::First);
        assert_eq!(resends.see(&record(1, 41)), Seen::First);
        assert_eq!(resends.see(&record(2, 3)), Seen::Again);
    }

    #[test]
    fn a_gap_in_a_writers_numbers_is_told_with_its_size() {
        let mut resends = Resends::default();
        assert_eq!(resends.see(&record(1, 0)), Seen::First);
        assert_eq!(resends.see(&record(1, 4)), Seen::AfterMissing(3));
        assert_eq!(resends.see(&record(1, 5)), Seen::First);
    }
}
