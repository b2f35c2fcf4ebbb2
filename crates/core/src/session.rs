//! Sessions as an algebra: folding events in any order, in any grouping, gives the same sessions.
//!
//! ```text
//!   time ──▶   a  b c        d e            gap > 30:00 between c and d: two sessions
//!              └──┬─┘        └┬┘
//!                 late event between c and d, within 30:00 of both ──▶ one session a … e
//! ```
//!
//! A session is a maximal run of a visitor's events in which no two neighbours lie more than [`GAP_US`] apart. Joining two
//! runs is associative and commutative, so a late event only has to meet the stored sessions around it.

use crate::{Day, EventId, Micros, Zone};

/// A gap of more than 30:00 minutes starts a new session; exactly 30:00 stays.
pub const GAP_US: i64 = 30 * Micros::MINUTE;

/// A run of events of one visitor. `P` is the page text: owned, shared or borrowed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session<P> {
    /// Time and id of the first and the last event, in the total order (time, id).
    pub first: (Micros, EventId),
    pub last: (Micros, EventId),
    pub entry_page: P,
    pub exit_page: P,
    pub events: u64,
    pub page_views: u64,
    /// Events by bots among them.
    pub bot_events: u64,
}

impl<P: Clone> Session<P> {
    /// The session of a single event.
    pub fn of_event(at: (Micros, EventId), page: P, is_page_view: bool, is_bot: bool) -> Session<P> {
        Session {
            first: at,
            last: at,
            entry_page: page.clone(),
            exit_page: page,
            events: 1,
            page_views: u64::from(is_page_view),
            bot_events: u64::from(is_bot),
        }
    }

    /// Whether two runs of one visitor belong to one session: no more than 30:00 lie between them.
    pub fn joins(&self, other: &Session<P>) -> bool {
        let (earlier, later) = if self.first <= other.first { (self, other) } else { (other, self) };
        later.first.0.since(earlier.last.0) <= GAP_US
    }

    /// The union of two runs.
    pub fn join(self, other: Session<P>) -> Session<P> {
        let (first, entry_page) =
            if self.first <= other.first { (self.first, self.entry_page) } else { (other.first, other.entry_page) };
        let (last, exit_page) =
            if self.last >= other.last { (self.last, self.exit_page) } else { (other.last, other.exit_page) };
        Session {
            first,
            last,
            entry_page,
            exit_page,
            events: self.events + other.events,
            page_views: self.page_views + other.page_views,
            bot_events: self.bot_events + other.bot_events,
        }
    }

    /// Last minus first event time, microseconds.
    pub fn duration_us(&self) -> i64 {
        self.last.0.since(self.first.0)
    }

    /// A session of one event.
    pub fn is_bounce(&self) -> bool {
        self.events == 1
    }

    /// The local day that the session belongs to: that of its start.
    pub fn day(&self, zone: &Zone) -> Day {
        zone.day_of(self.first.0)
    }
}

/// Adds a run to a visitor's sessions (disjoint, ascending) and returns what it replaced.
///
/// After the call the list is again disjoint and ascending. The replaced sessions are to be retracted, the session that
/// now stands at the returned index is to be added.
pub fn insert<P: Clone>(sessions: &mut Vec<Session<P>>, run: Session<P>) -> (usize, Vec<Session<P>>) {
    let from = sessions.partition_point(|s| s.first < run.first && !s.joins(&run));
    let mut to = from;
    let mut joined = run;
    while to < sessions.len() && sessions[to].joins(&joined) {
        joined = sessions[to].clone().join(joined);
        to += 1;
    }
    let replaced = sessions.splice(from..to, [joined]).collect();
    (from, replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(second: i64, id: u128) -> Session<u128> {
        Session::of_event((Micros(second * Micros::SECOND), EventId::from_parts(0, id)), id, true, false)
    }

    fn fold(events: &[Session<u128>]) -> Vec<Session<u128>> {
        let mut sessions = Vec::new();
        for event in events {
            insert(&mut sessions, event.clone());
        }
        sessions
    }

    #[test]
    fn exactly_thirty_minutes_stay_and_a_microsecond_more_does_not() {
        let mut late = event(1_800, 2);
        assert_eq!(fold(&[event(0, 1), late.clone()]).len(), 1);
        late.first.0 = late.first.0.plus(1);
        late.last.0 = late.last.0.plus(1);
        assert_eq!(fold(&[event(0, 1), late]).len(), 2);
    }

    #[test]
    fn a_late_event_merges_the_sessions_around_it_and_names_what_it_replaced() {
        let mut sessions = fold(&[event(0, 1), event(3_000, 2)]);
        assert_eq!(sessions.len(), 2);
        let old = sessions.clone();
        let (at, replaced) = insert(&mut sessions, event(1_500, 3));
        assert_eq!((at, replaced), (0, old));
        assert_eq!((sessions.len(), sessions[0].events, sessions[0].exit_page), (1, 3, 2));
    }

    #[test]
    fn every_order_gives_the_same_sessions() {
        let events: Vec<_> = [0, 10, 10, 1_900, 3_700, 9_000, 9_000, 10_801]
            .into_iter()
            .enumerate()
            .map(|(id, second)| event(second, id as u128))
            .collect();
        let expected = fold(&events);
        // Deterministic shuffles: step through the list with every stride that is coprime to its length.
        for stride in [1, 3, 5, 7] {
            for start in 0..events.len() {
                let order: Vec<_> =
                    (0..events.len()).map(|i| events[(start + i * stride) % events.len()].clone()).collect();
                assert_eq!(fold(&order), expected);
            }
        }
        assert_eq!(expected.iter().map(|s| s.events).collect::<Vec<_>>(), [3, 2, 2, 1]);
    }

    #[test]
    fn events_of_one_instant_are_ordered_by_id() {
        let sessions = fold(&[event(5, 9), event(5, 3), event(5, 6)]);
        assert_eq!((sessions[0].entry_page, sessions[0].exit_page), (3, 9));
        assert_eq!(sessions[0].duration_us(), 0);
        assert!(!sessions[0].is_bounce());
    }
}
