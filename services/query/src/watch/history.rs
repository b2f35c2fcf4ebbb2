//! The states of a watched report: the newest one whole, and the deltas that led to it from those before.
//!
//! ```text
//!   number      41        42        43        44 = newest
//!   kept       as_of ─▶ delta ─▶ delta ─▶  delta, whole answer
//! ```
//!
//! A reader goes on from any state that is kept, by the deltas after it; from any other it is sent the newest one whole.
//! Bounded in states and bytes. Pure: no clock, no lock.

use pistats_proto::convert::query::delta::{Difference, answer_as_of, diff, unchanged};
use pistats_proto::query::v1::watch_response::Content;
use pistats_proto::query::v1::{AsOf, Delta, Snapshot, WatchResponse};
use prost::Message;
use std::collections::VecDeque;
use std::sync::Arc;

/// States kept: a minute of a report that changes every second.
const MOST_STATES: usize = 64;
/// Bytes of deltas kept; beyond, a reader that comes back is sent the answer whole, which is about as long then.
const MOST_BYTES: usize = 128 << 10;

/// The states of one report, numbered 1, 2, 3 …
#[derive(Debug, Default)]
pub(super) struct History {
    newest: Option<Arc<Snapshot>>,
    /// Of the newest state; 0 before the first one.
    number: u64,
    /// The last state that voids what was known before.
    reset: u64,
    states: VecDeque<State>,
    bytes: usize,
}

#[derive(Debug)]
struct State {
    number: u64,
    as_of: Option<AsOf>,
    changed_us: i64,
    /// From the state before; none: there is no way from there.
    delta: Option<Arc<Delta>>,
    bytes: usize,
}

/// What a reader is sent next. Cheap: the message is made of it where no lock is held.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) number: u64,
    reset: bool,
    changed_us: i64,
    as_of: Option<AsOf>,
    content: Shown,
}

#[derive(Debug)]
enum Shown {
    Whole(Arc<Snapshot>),
    Delta(Arc<Delta>),
}

impl Next {
    /// For a reader that has seen nothing before it: no commit lies between.
    pub(super) fn without_change(self) -> Next {
        Next { changed_us: 0, ..self }
    }

    pub(super) fn message(self, tag: &str) -> WatchResponse {
        WatchResponse {
            tag: tag.to_owned(),
            number: self.number,
            reset: self.reset,
            as_of: self.as_of,
            changed_us: self.changed_us,
            content: Some(match self.content {
                Shown::Whole(answer) => Content::Snapshot(answer.as_ref().clone()),
                Shown::Delta(delta) => Content::Delta(delta.as_ref().clone()),
            }),
        }
    }
}

impl History {
    /// The number of the newest state, 0 before the first one.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The newest answer.
    pub(super) fn newest(&self) -> Option<&Snapshot> {
        self.newest.as_deref()
    }

    /// Adds what an evaluation gave, unless it is the newest state already: same numbers, same `as_of`.
    pub(super) fn add(&mut self, answer: Snapshot, changed_us: i64) -> bool {
        let delta = match &self.newest {
            None => None,
            Some(newest) => match diff(newest, &answer) {
                Difference::Nothing if answer_as_of(newest) == answer_as_of(&answer) => return false,
                Difference::Nothing => Some(unchanged(&answer)),
                Difference::Delta(delta) => Some(delta),
                Difference::Whole => None,
            },
        };
        self.push(answer, changed_us, delta);
        true
    }

    /// Adds a state that voids all that was known before it.
    pub(super) fn restart(&mut self, answer: Snapshot, changed_us: i64) {
        self.push(answer, changed_us, None);
        self.reset = self.number;
        while self.states.len() > 1 {
            self.forget();
        }
    }

    /// The first state with this `as_of`.
    pub(super) fn find(&self, as_of: &AsOf) -> Option<u64> {
        self.states.iter().find(|state| state.as_of.as_ref() == Some(as_of)).map(|state| state.number)
    }

    /// The newest state whole, for a reader that knows nothing, or nothing that is worth anything (`reset`).
    pub(super) fn whole(&self, reset: bool) -> Option<Next> {
        let (newest, state) = (self.newest.as_ref()?, self.states.back()?);
        Some(state.next(reset, Shown::Whole(newest.clone())))
    }

    /// What follows for a reader that knows the state `sent`: the next delta, when at most `most` are to be sent and all of
    /// them are kept, else the newest state whole; nothing when it knows the newest.
    pub(super) fn after(&self, sent: u64, most: u64) -> Option<Next> {
        if sent == self.number {
            return None;
        }
        let is_void = sent < self.reset;
        let mut missed = self.states.iter().filter(|state| state.number > sent);
        let next = missed.next().filter(|next| next.number == sent + 1);
        match next.and_then(|next| Some((next, next.delta.as_ref()?))) {
            Some((next, delta))
                if !is_void && self.number - sent <= most && missed.all(|state| state.delta.is_some()) =>
            {
                Some(next.next(false, Shown::Delta(delta.clone())))
            }
            _ => self.whole(is_void),
        }
    }

    fn push(&mut self, answer: Snapshot, changed_us: i64, delta: Option<Delta>) {
        self.number += 1;
        let as_of = answer_as_of(&answer).cloned();
        let bytes = delta.as_ref().map_or(0, Message::encoded_len);
        let state = State { number: self.number, as_of, changed_us, delta: delta.map(Arc::new), bytes };
        self.bytes += state.bytes;
        self.states.push_back(state);
        self.newest = Some(Arc::new(answer));
        while self.states.len() > 1 && (self.states.len() > MOST_STATES || self.bytes > MOST_BYTES) {
            self.forget();
        }
    }

    fn forget(&mut self) {
        if let Some(state) = self.states.pop_front() {
            self.bytes -= state.bytes;
        }
    }
}

impl State {
    fn next(&self, reset: bool, content: Shown) -> Next {
        Next { number: self.number, reset, changed_us: self.changed_us, as_of: self.as_of.clone(), content }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_proto::convert::query::delta::Watched;
    use pistats_proto::query::v1::{BreakdownResponse, Row, snapshot};

    fn answer(offset: u64, value: &str) -> Snapshot {
        let as_of = Some(AsOf { generation: 1, next_offsets: vec![offset] });
        let rows = vec![Row { value: value.to_owned(), ..Default::default() }];
        Snapshot {
            report: Some(snapshot::Report::Breakdown(BreakdownResponse {
                rows,
                total_rows: 1,
                as_of,
                visitor_days: false,
            })),
        }
    }

    fn history(states: u64) -> History {
        let mut history = History::default();
        for offset in 1..=states {
            assert!(history.add(answer(offset, &offset.to_string()), offset as i64));
        }
        history
    }

    fn is_whole(next: &Next) -> bool {
        matches!(next.content, Shown::Whole(_))
    }

    /// Reads on from a state until nothing follows.
    fn read(history: &History, mut sent: u64, most: u64, watched: &mut Watched) -> Vec<(u64, bool)> {
        let mut seen = Vec::new();
        while let Some(next) = history.after(sent, most) {
            sent = next.number;
            seen.push((sent, is_whole(&next)));
            watched.take(next.message("")).expect("it follows");
        }
        seen
    }

    #[test]
    fn a_reader_goes_on_by_deltas_or_with_the_newest_state() {
        let history = history(5);
        let mut watched = Watched::default();
        watched.take(history.whole(false).expect("a state").message("t")).expect("a snapshot");
        assert_eq!(watched.answer(), Some(&answer(5, "5")));
        assert!(history.after(5, 8).is_none());

        let mut known = Watched::default();
        let first = super::tests::history(2).whole(false).expect("a state");
        known.take(first.message("")).expect("a snapshot");
        assert_eq!(read(&history, 2, 8, &mut known), [(3, false), (4, false), (5, false)]);
        assert_eq!(known.answer(), Some(&answer(5, "5")));
        // Three are to be sent: not too many for three, too many for two.
        assert!(!is_whole(&history.after(2, 3).expect("news")));
        assert!(is_whole(&history.after(2, 2).expect("news")));
    }

    #[test]
    fn the_same_answer_is_no_state_and_the_same_numbers_later_are_one() {
        let mut history = history(1);
        assert!(!history.add(answer(1, "1"), 7));
        assert!(history.add(answer(2, "1"), 8));
        let next = history.after(1, 8).expect("news").message("t");
        assert_eq!((next.number, next.reset, next.changed_us), (2, false, 8));
        assert_eq!(next.as_of, Some(AsOf { generation: 1, next_offsets: vec![2] }));
        let nothing = unchanged(&answer(2, "1"));
        assert_eq!(next.content, Some(Content::Delta(nothing)));
    }

    #[test]
    fn states_are_found_by_as_of_as_long_as_they_are_kept() {
        let history = history(MOST_STATES as u64 + 3);
        let as_of = |offset| AsOf { generation: 1, next_offsets: vec![offset] };
        assert_eq!(history.find(&as_of(3)), None);
        assert_eq!(history.find(&as_of(4)), Some(4));
        assert!(is_whole(&history.after(2, u64::MAX).expect("news")));
        // The delta after the oldest kept state is kept, too.
        assert!(!is_whole(&history.after(4, u64::MAX).expect("news")));
        assert_eq!(history.find(&AsOf { generation: 2, next_offsets: vec![4] }), None);
    }

    #[test]
    fn bytes_are_bounded_and_the_newest_state_is_always_kept() {
        let mut history = history(0);
        for offset in 0..9 {
            history.add(answer(offset, &"x".repeat(MOST_BYTES / 4 + offset as usize)), 0);
        }
        assert!(history.bytes <= MOST_BYTES && history.states.len() < 9, "{} bytes", history.bytes);
        history.add(answer(99, &"y".repeat(MOST_BYTES * 2)), 0);
        assert_eq!((history.states.len(), history.number()), (1, 10));
        assert_eq!(history.whole(false).map(|next| next.number), Some(10));
    }

    #[test]
    fn after_a_reset_what_was_known_is_void_once() {
        let mut history = history(3);
        history.restart(answer(1, "1"), 0);
        let next = history.after(3, 8).expect("news");
        assert!(is_whole(&next) && next.reset && next.number == 4);
        history.add(answer(2, "2"), 0);
        assert!(history.after(3, 8).expect("news").reset);
        let next = history.after(4, 8).expect("news");
        assert!(!is_whole(&next) && !next.reset);
        assert!(!history.whole(false).expect("a state").reset, "who knew nothing has nothing to forget");
        assert_eq!(history.find(&AsOf { generation: 1, next_offsets: vec![3] }), None);
    }
}
