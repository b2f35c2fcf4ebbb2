//! What following a segment tells: who is in it, then who enters and who leaves, each with its cause.
//!
//! ```text
//!   Members ─ Moves ─ Moves ─ … ─ Members ─ Moves ─ …        a stream of one part: some partitions, folded by one process
//!   a beginning: nobody enters      ╰── what lay between was not seen: told as it is now, nobody enters or leaves by it
//! ```
//!
//! Aggregate tells it, of the partitions that it folds. A visitor lives in one partition, so several parts of one segment
//! are disjoint: a reader of all of them holds a set a part, and its segment is their union.
//!
//! A stream MUST promise:
//! - **F-1** The first message is [`News::Members`]: everybody of the part at `now`, seeded from committed history.
//! - **F-2** Members, with the moves told since, are at each message who the tree selects among all committed events.
//! - **F-3** Events committed after the stream was asked for are told as moves with their cause, also those that are committed
//!   while history is read: the seed ends exactly where the moves begin.
//! - **F-4** [`Cause::Event`] is an event of the log that was folded for the first time, with the event's own time. A repair is
//!   [`Cause::Replay`], a local midnight is [`Cause::Time`], another version of the tree is [`Cause::Edit`].
//! - **F-5** What cannot be told without a gap is no move: after lost state (a failed commit, a restart of the process, other
//!   partitions, another generation, a reader that was too slow) there is [`News::Members`] once more.
//! - **F-6** [`News::Gone`] is the last message: the segment was deleted, or its tree cannot be read.
//!
//! So who sends messages on entering takes [`Moved::triggers`] and nothing else: seeding, replays, edits and passing time are
//! never one, nor is an event that is older than [`MOST_AGE_US`] when it is told (an import, a collector that was away).

use super::Move;
use crate::{EventId, Generation, Micros, Offset, PartitionId, VisitorNo};

/// An event that is older when its move is told triggers nothing, microseconds: DESIGN section 9.
pub const MOST_AGE_US: i64 = 10 * Micros::MINUTE;

/// A message of one of several parts, for who reads all of them. Parts are numbered from 0 by who tells them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    pub number: usize,
    pub told: Told,
}

/// One message of a part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Of the segment's own tree. A member of it that was edited counts up nothing, and is an edit all the same.
    pub version: u32,
    /// In which visitors have these numbers.
    pub generation: Generation,
    /// The partitions that the part is of, ascending, and the first offset of each that may be lacking: all before it is told.
    pub next_offsets: Vec<(PartitionId, Offset)>,
    /// The clock of the process when it was told.
    pub now: Micros,
    pub news: News,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// Everybody, in ascending order: replaces all that was told before.
    Members(Vec<VisitorNo>),
    /// In the order in which they happened; a visitor may be in it more than once.
    Moves(Vec<Moved>),
    Gone,
}

/// Who entered or left, and why.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Moved {
    pub visitor: VisitorNo,
    pub moved: Move,
    pub cause: Cause,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    /// A new event of the visitor: which, and when it happened (not when it was folded).
    Event { id: EventId, time: Micros },
    /// A local midnight of the site.
    Time,
    /// An event that was missing and that a replay filled in.
    Replay,
    /// The segment, or one that is a member of it, is another one now.
    Edit,
}

impl Moved {
    /// Whether the visitor has just entered by what they did, no more than [`MOST_AGE_US`] before `now`.
    pub fn triggers(&self, now: Micros) -> bool {
        match self.cause {
            Cause::Event { time, .. } => self.moved == Move::Enter && now.since(time) <= MOST_AGE_US,
            Cause::Time | Cause::Replay | Cause::Edit => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_enters_by_an_event_of_the_last_ten_minutes_triggers() {
        let now = Micros(50 * MOST_AGE_US);
        let by = |moved, cause| Moved { visitor: VisitorNo(1), moved, cause };
        let event = |age: i64| Cause::Event { id: EventId::from_parts(1, 1), time: now.plus(-age) };
        for (age, triggers) in [(0, true), (-1, true), (MOST_AGE_US, true), (MOST_AGE_US + 1, false)] {
            assert_eq!(by(Move::Enter, event(age)).triggers(now), triggers, "{age} microseconds old");
            assert!(!by(Move::Leave, event(age)).triggers(now));
        }
        for cause in [Cause::Time, Cause::Replay, Cause::Edit] {
            assert!(!by(Move::Enter, cause).triggers(now), "{cause:?}");
        }
    }
}
