//! One visitor's timeline: all events, bots included.

use super::Oracle;
use pistats_core::{EventId, Micros};

/// Events of a session that are shown at most.
const EVENTS_SHOWN: usize = 500;

/// What `Journey` is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JourneyAnswer {
    pub first_seen: Micros,
    pub last_seen: Micros,
    pub total_sessions: u64,
    pub total_events: u64,
    /// Newest first.
    pub sessions: Vec<JourneySession>,
    /// The start of the oldest session shown, where there are older ones.
    pub next_before: Option<Micros>,
}

/// A session as a journey shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JourneySession {
    pub start: Micros,
    pub end: Micros,
    pub entry_page: String,
    pub exit_page: String,
    pub page_views: u64,
    pub total_events: u64,
    /// In order, the first 500.
    pub events: Vec<EventId>,
}

impl Oracle {
    /// The newest sessions of a visitor that start before an instant; `None`: nobody ever saw this visitor.
    pub fn journey(&self, visitor: &str, sessions: usize, before: Option<Micros>) -> Option<JourneyAnswer> {
        let visitor = self.events_of.iter().position(|numbers| self.events[numbers[0]].visitor == visitor)?;
        let time = |number: usize| self.events[number].time;
        let all: Vec<&Vec<usize>> =
            self.sessions.iter().filter(|session| self.visitor_of[session[0]] == visitor).collect();
        let mut shown: Vec<&Vec<usize>> =
            all.iter().copied().filter(|session| before.is_none_or(|before| time(session[0]) < before)).collect();
        shown.reverse();
        let more = shown.len() > sessions;
        shown.truncate(sessions);
        let of_session = |session: &&Vec<usize>| {
            let (first, last) = (&self.events[session[0]], &self.events[session[session.len() - 1]]);
            JourneySession {
                start: first.time,
                end: last.time,
                entry_page: first.page.clone(),
                exit_page: last.page.clone(),
                page_views: session.iter().filter(|number| self.events[**number].is_page_view()).count() as u64,
                total_events: session.len() as u64,
                events: session.iter().take(EVENTS_SHOWN).map(|number| self.events[*number].id).collect(),
            }
        };
        let numbers = &self.events_of[visitor];
        Some(JourneyAnswer {
            first_seen: time(numbers[0]),
            last_seen: time(numbers[numbers.len() - 1]),
            total_sessions: all.len() as u64,
            total_events: numbers.len() as u64,
            next_before: shown.last().filter(|_| more).map(|session| time(session[0])),
            sessions: shown.iter().map(of_session).collect(),
        })
    }
}
