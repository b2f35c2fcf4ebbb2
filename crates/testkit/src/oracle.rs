//! The definitions as a program: obviously right, and slow.
//!
//! Every backend, every path and every clever structure has to agree with this module to the last unit. It sorts and
//! loops; it shares nothing with the implementation but the words of questions (`core::report`) and the civil days and
//! steps of `core::time`, which have an independent check of their own in this crate's tests.
//!
//! # What it pins
//!
//! **Events.** Of events with one id the first one handed in counts, the others never happened. Events are ordered by
//! (time, id).
//!
//! **Visitors** are told apart by their id. In a cookieless site one is told by local day of the event, address and user agent
//! ([`OracleEvent::without_cookies`]): all that follows is then of such a visitor.
//!
//! **Sessions.** A visitor's events in order; a gap of more than 30:00 minutes starts a new session, exactly 30:00 stays.
//! A session lies where its first event lies. Its duration is last minus first event time, it is a bounce when it has one
//! event, its entry and exit page are those of its first and last event.
//!
//! **Place.** A range, a step of a series cut to the range, or the range of a list. An event lies in it by its local day
//! (day ranges; day, week and month steps) or by its instant (time ranges; minute and hour steps).
//!
//! **Selected** is an event that passes all filters and the bots mode, wherever it lies. A filter by entry or exit page
//! selects the events of the sessions with that page. Absent values are "". Of equal property keys the last one counts.
//!
//! **Numbers of a place**, over a set of selected events:
//! - `events`, `page_views` (named page_view), `value_*`: of those that lie in the place;
//! - `visitors`: distinct visitors of those that lie in the place;
//! - `new_visitors`: those of these visitors whose first event ever lies in the place: any event, bots included, no filter;
//! - `sessions`, `bounces`, `session_us`, `session_page_views`: of the whole sessions that lie in the place and hold at
//!   least one event of the set, which itself may lie outside of the place.
//!
//! **Row of value v** of a dimension of events: the numbers over the selected events that have the value v. An event with
//! several topics has each of them (once), one without has the topic "". There is a row when one of these events or one of
//! these sessions lies in the range.
//!
//! **Row of value v of ENTRY_PAGE, EXIT_PAGE**: over the sessions that lie in the range, hold at least one selected event
//! and have that page: visitors are theirs, events and page views those of the whole sessions, new visitors as above,
//! values none.
//!
//! **Lists** are ordered by the asked number descending, then by value bytewise ascending; `limit` and `offset` cut them.
//! **Retention, funnels, journeys, realtime** are as `query.proto` defines them.
//!
//! **Numbers that 64 bits cannot hold** are no answer ([`Unanswerable`]); numbers in rows that were cut do not matter.
//!
//! ```text
//!   counts   traffic and lists      retention  who comes back     journey   one visitor's sessions
//!   numbers  sums that cannot wrap  funnel     who gets how far   realtime  current visitors, trending, at a given now
//!                                   segment    who is in a segment, at a given now; and wrongly, by `flaws`
//! ```

mod counts;
mod event;
mod flaws;
mod funnel;
mod journey;
mod numbers;
mod realtime;
mod retention;
mod segment;
mod visitors;

pub use counts::{BreakdownAnswer, TrafficAnswer};
pub use event::OracleEvent;
pub use flaws::{Flaw, Unnoticed};
pub use journey::{JourneyAnswer, JourneySession};
pub use realtime::{Realtime, Trend};
pub use visitors::VisitorRow;

use pistats_core::report::{Bots, Dimension, Filter, Operator, Selection};
use pistats_core::time::{Bucket, Range};
use pistats_core::{Day, EventId, Micros, Zone};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The most steps that a series may have.
pub const MOST_STEPS: usize = 10_000;

/// 30:00 minutes, in microseconds.
const LONGEST_GAP_US: i64 = 30 * 60 * 1_000_000;

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    #[error("a number of the answer exceeds 64 bits")]
    Overflow,
    #[error("the series has more than {MOST_STEPS} steps")]
    TooManySteps,
}

/// All events of one site, and what follows from them.
#[derive(Clone, Debug)]
pub struct Oracle {
    /// Each id once, ordered by (time, id). Elsewhere events are numbers: their position in this list.
    events: Vec<OracleEvent>,
    /// The events of each session, in order.
    sessions: Vec<Vec<usize>>,
    /// The session of each event.
    session_of: Vec<usize>,
    /// The visitor of each event: visitors are numbers too.
    visitor_of: Vec<usize>,
    /// The events of each visitor, in order. Never none.
    events_of: Vec<Vec<usize>>,
    /// Who is in each segment that filters may name, at the moment of asking.
    segments: BTreeMap<String, BTreeSet<usize>>,
}

/// Where numbers are counted.
struct Place<'a> {
    zone: &'a Zone,
    range: Range,
    /// A step of the range, and whether it is told apart by instants.
    step: Option<(Bucket, bool)>,
}

impl Place<'_> {
    fn holds(&self, at: Micros) -> bool {
        let day: Day = self.zone.day_of(at);
        let in_range = match self.range {
            Range::Days { first, last } => first <= day && day <= last,
            Range::Times { from, to } => from <= at && at < to,
        };
        let in_step = match self.step {
            None => true,
            Some((bucket, true)) => bucket.from <= at && at < bucket.to,
            Some((bucket, false)) => bucket.first_day <= day && day <= bucket.last_day,
        };
        in_range && in_step
    }
}

impl Oracle {
    /// Takes all events of a site, in the order in which they arrived.
    pub fn new(arrived: Vec<OracleEvent>) -> Oracle {
        let mut ids: HashSet<EventId> = HashSet::new();
        let mut events: Vec<OracleEvent> = arrived.into_iter().filter(|event| ids.insert(event.id)).collect();
        // Cached: events are large, and moving them about is what costs.
        events.sort_by_cached_key(|event| (event.time, event.id));

        let mut visitor_numbers: HashMap<&str, usize> = HashMap::new();
        let mut visitor_of = Vec::new();
        let mut events_of: Vec<Vec<usize>> = Vec::new();
        for (number, event) in events.iter().enumerate() {
            let visitor = *visitor_numbers.entry(&event.visitor).or_insert(events_of.len());
            if visitor == events_of.len() {
                events_of.push(Vec::new());
            }
            events_of[visitor].push(number);
            visitor_of.push(visitor);
        }

        let mut sessions: Vec<Vec<usize>> = Vec::new();
        let mut session_of = vec![0; events.len()];
        for numbers in &events_of {
            let mut before: Option<Micros> = None;
            for &number in numbers {
                let time = events[number].time;
                let stays = before.is_some_and(|before| time.0 - before.0 <= LONGEST_GAP_US);
                if !stays {
                    sessions.push(Vec::new());
                }
                before = Some(time);
                let session = sessions.len() - 1;
                sessions[session].push(number);
                session_of[number] = session;
            }
        }
        Oracle { events, sessions, session_of, visitor_of, events_of, segments: BTreeMap::new() }
    }

    /// Each event once, in the order (time, id).
    pub fn events(&self) -> &[OracleEvent] {
        &self.events
    }

    /// The selected events of the range, in the order (time, id).
    pub fn export(&self, selection: &Selection, zone: &Zone) -> Vec<&OracleEvent> {
        let place = Place { zone, range: selection.range, step: None };
        let selected = self.selected(selection).into_iter().map(|number| &self.events[number]);
        selected.filter(|event| place.holds(event.time)).collect()
    }

    /// The distinct values of a dimension over all events, bytewise ascending.
    pub fn values(&self, dimension: &Dimension) -> Vec<String> {
        let all: BTreeSet<&str> = (0..self.events.len()).flat_map(|number| self.values_of(number, dimension)).collect();
        all.into_iter().map(str::to_owned).collect()
    }

    /// The values of one event. Never none, never one twice.
    fn values_of(&self, number: usize, dimension: &Dimension) -> BTreeSet<&str> {
        let event = &self.events[number];
        let session = &self.sessions[self.session_of[number]];
        let value: &str = match dimension {
            Dimension::Topic if event.topics.is_empty() => "",
            Dimension::Topic => return event.topics.iter().map(String::as_str).collect(),
            Dimension::EntryPage => &self.events[session[0]].page,
            Dimension::ExitPage => &self.events[session[session.len() - 1]].page,
            Dimension::Url => &event.url,
            Dimension::Page => &event.page,
            Dimension::Path => &event.path,
            Dimension::Host => &event.host,
            Dimension::Title => &event.title,
            Dimension::Referrer => &event.referrer,
            Dimension::Source => &event.source,
            Dimension::Channel => &event.channel,
            Dimension::UtmSource => &event.utm_source,
            Dimension::UtmMedium => &event.utm_medium,
            Dimension::UtmCampaign => &event.utm_campaign,
            Dimension::UtmTerm => &event.utm_term,
            Dimension::UtmContent => &event.utm_content,
            Dimension::Country => &event.country,
            Dimension::Language => &event.language,
            Dimension::Device => &event.device,
            Dimension::Screen => &event.screen,
            Dimension::Browser => &event.browser,
            Dimension::Os => &event.os,
            Dimension::EventName => &event.name,
            Dimension::UserId => &event.user_id,
            Dimension::Segment => return self.segments_of(self.visitor_of[number]),
            Dimension::Property(key) => event.property(key),
        };
        BTreeSet::from([value])
    }

    fn selected(&self, selection: &Selection) -> Vec<usize> {
        let passes = |number: &usize| {
            let by_bot = self.events[*number].bot;
            let right_kind = match selection.bots {
                Bots::Exclude => !by_bot,
                Bots::Include => true,
                Bots::Only => by_bot,
            };
            right_kind && self.passes_all(*number, &selection.filters)
        };
        (0..self.events.len()).filter(passes).collect()
    }

    /// The selected events of each visitor, in order; of some none.
    fn selected_by_visitor(&self, selection: &Selection) -> Vec<Vec<usize>> {
        let mut by_visitor = vec![Vec::new(); self.events_of.len()];
        for number in self.selected(selection) {
            by_visitor[self.visitor_of[number]].push(number);
        }
        by_visitor
    }

    fn passes_all(&self, number: usize, filters: &[Filter]) -> bool {
        filters.iter().all(|filter| self.passes(number, filter))
    }

    fn passes(&self, number: usize, filter: &Filter) -> bool {
        let values = self.values_of(number, &filter.dimension);
        let some = |matches: fn(&str, &str) -> bool| {
            values.iter().any(|value| filter.values.iter().any(|wanted| matches(value, wanted)))
        };
        match filter.operator {
            Operator::Is => some(|value, wanted| value == wanted),
            Operator::IsNot => !some(|value, wanted| value == wanted),
            Operator::Contains => some(|value, wanted| value.contains(wanted)),
            Operator::DoesNotContain => !some(|value, wanted| value.contains(wanted)),
            Operator::StartsWith => some(|value, wanted| value.starts_with(wanted)),
        }
    }
}
