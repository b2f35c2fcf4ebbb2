//! One watched report: what is to be done about it, its states, and who waits for them.

use super::history::{History, Next};
use super::question::{Key, Question};
use super::span::{self, Span};
use crate::plan::Tenant;
use pistats_core::{Changes, Day, Micros};
use pistats_proto::query::v1::watched_report::Report;
use pistats_proto::query::v1::{AsOf, Snapshot};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tonic::Status;

/// Deltas that a reader who fell behind is sent one by one; beyond, the newest state says it in one message.
const CATCH_UP: u64 = 8;

/// A report of a site that somebody watches. Shared by its evaluator and its readers.
pub(super) struct Subject {
    pub(super) key: Key,
    pub(super) tenant: Tenant,
    pub(super) report: Report,
    span: Span,
    /// Whether a filter names a segment: who is in it changes when a local day begins, and when it is edited.
    names_segments: bool,
    state: Mutex<State>,
    /// Wakes the evaluator: there is something to do, or a reader came or went.
    pub(super) work: Notify,
}

#[derive(Default)]
struct State {
    history: History,
    due: Option<Due>,
    /// The local day that was looked at last.
    today: Option<Day>,
    /// Why it can never be answered.
    failed: Option<Status>,
    /// Of the readers; they are rung when there is news.
    bells: HashMap<u64, Arc<Notify>>,
    next_bell: u64,
}

/// Why an evaluation is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// When the first commit that is not shown yet became durable; none: nobody has asked before.
    pub(super) since: Option<Micros>,
    /// What was known before is void.
    pub(super) is_reset: bool,
}

impl Due {
    fn and(self, other: Due) -> Due {
        let since = self.since.into_iter().chain(other.since).min();
        Due { since, is_reset: self.is_reset || other.is_reset }
    }
}

/// What a reader knows of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing, or (`reset`) nothing that is worth anything.
    Nowhere { reset: bool },
    /// A state that it names; whether it is kept is looked up when there is a state.
    Named(AsOf),
    /// This state, and it was sent it on this stream or is (`is_back`) still being brought up to date after a cut.
    At { number: u64, is_back: bool },
}

impl Subject {
    pub(super) fn new(key: Key, tenant: Tenant, report: Report) -> Subject {
        let span = Span::of(&key.question, tenant.zone());
        let names_segments = span::names_segments(&key.question);
        let due = Some(Due { since: None, is_reset: false });
        let state = Mutex::new(State { due, ..State::default() });
        Subject { key, tenant, report, span, names_segments, state, work: Notify::new() }
    }

    /// Whether it moves by itself, without commits.
    pub(super) fn is_live(&self) -> bool {
        self.span.is_empty()
    }

    /// Whether it costs a read of the warehouse although it is live.
    pub(super) fn reads_rows(&self) -> bool {
        matches!(&self.key.question, Question::Realtime(asked) if !asked.filters.is_empty())
    }

    /// Takes note of a commit, when it concerns this report.
    pub(super) fn note(&self, changes: &Changes) {
        if self.is_live() {
            if changes.is_reset {
                self.demand(Due { since: None, is_reset: true });
            }
        } else if self.span.is_touched(changes, self.key.site) {
            self.demand(Due { since: Some(changes.committed), is_reset: false });
        }
    }

    /// Takes note of the time: where a day has begun, windows of segments have moved.
    pub(super) fn note_time(&self, now: Micros) {
        if !self.names_segments {
            return;
        }
        let today = self.tenant.zone().day_of(now);
        let before = self.lock().today.replace(today);
        if before.is_some_and(|before| before < today) {
            self.demand(Due { since: None, is_reset: false });
        }
    }

    /// Takes note of segments that are others.
    pub(super) fn note_segments(&self) {
        if self.names_segments {
            self.demand(Due { since: None, is_reset: false });
        }
    }

    pub(super) fn names_segments(&self) -> bool {
        self.names_segments
    }

    /// Commits may have been missed: anything may have changed.
    pub(super) fn note_anything(&self) {
        self.demand(Due { since: None, is_reset: self.is_live() });
    }

    /// An evaluation is due.
    pub(super) fn demand(&self, due: Due) {
        let mut state = self.lock();
        state.due = Some(state.due.map_or(due, |before| before.and(due)));
        drop(state);
        self.work.notify_one();
    }

    /// Whether an evaluation is due.
    pub(super) fn is_due(&self) -> bool {
        self.lock().due.is_some()
    }

    /// What the evaluation that now begins is due to; what is noted from now on is due to the next one.
    pub(super) fn take_due(&self) -> Option<Due> {
        self.lock().due.take()
    }

    /// Whether there is a newest answer, and it is as asked.
    pub(super) fn newest_is(&self, is_same: impl FnOnce(&Snapshot) -> bool) -> bool {
        self.lock().history.newest().is_some_and(is_same)
    }

    /// Shows an answer to everyone who waits, unless it is the newest already.
    pub(super) fn publish(&self, answer: Snapshot, due: Due) {
        let mut state = self.lock();
        let changed_us = match state.history.number() {
            0 => 0,
            _ => due.since.map_or(0, |since| since.0),
        };
        let is_news = match due.is_reset && state.history.number() > 0 {
            true => {
                state.history.restart(answer, changed_us);
                true
            }
            false => state.history.add(answer, changed_us),
        };
        if is_news {
            state.ring();
        }
    }

    /// The report can never be answered: everyone who watches it is told.
    pub(super) fn fail(&self, status: Status) {
        let mut state = self.lock();
        state.failed = Some(status);
        state.ring();
    }

    /// Wakes all readers, so that they look at what concerns themselves.
    pub(super) fn ring(&self) {
        self.lock().ring();
    }

    /// Adds a reader's bell. Answers its number.
    pub(super) fn join(&self, bell: Arc<Notify>) -> u64 {
        let mut state = self.lock();
        let number = state.next_bell;
        state.next_bell += 1;
        state.bells.insert(number, bell);
        drop(state);
        self.work.notify_one();
        number
    }

    /// Takes a reader's bell away.
    pub(super) fn leave(&self, number: u64) {
        let mut state = self.lock();
        state.bells.remove(&number);
        let is_last = state.bells.is_empty();
        drop(state);
        if is_last {
            self.work.notify_one();
        }
    }

    /// Whether anybody watches.
    pub(super) fn is_watched(&self) -> bool {
        !self.lock().bells.is_empty()
    }

    /// What follows for a reader at a place, which then knows it.
    ///
    /// Status: why the report can never be answered.
    pub(super) fn next(&self, place: &mut Place) -> Result<Option<Next>, Status> {
        let state = self.lock();
        if let Some(failed) = &state.failed {
            return Err(failed.clone());
        }
        let history = &state.history;
        if history.number() == 0 {
            return Ok(None);
        }
        if let Place::Named(as_of) = place {
            *place = match history.find(as_of) {
                // Between two states of one `as_of` the clock moved: what the reader knows may be none of ours.
                _ if self.is_live() => Place::Nowhere { reset: true },
                Some(number) => Place::At { number, is_back: true },
                None => Place::Nowhere { reset: true },
            };
        }
        let next = match place {
            // A first snapshot has no state before it.
            Place::Nowhere { reset } => history.whole(*reset).map(Next::without_change),
            Place::At { number, is_back } => history.after(*number, if *is_back { u64::MAX } else { CATCH_UP }),
            Place::Named(_) => None,
        };
        let number = next.as_ref().map(|next| next.number);
        match (number, &mut *place) {
            (Some(number), Place::At { is_back, .. }) => {
                let is_back = *is_back && number < history.number();
                *place = Place::At { number, is_back };
            }
            (Some(number), _) => *place = Place::At { number, is_back: false },
            (None, Place::At { is_back, .. }) => *is_back = false,
            (None, _) => {}
        }
        Ok(next)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is whole after each step, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ring(&self) {
        self.bells.values().for_each(|bell| bell.notify_one());
    }
}
