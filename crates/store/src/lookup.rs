//! What Aggregate asks the warehouse while it folds: batched, one call a kind and batch.

use pistats_core::{EventId, Micros, Session, SiteId, VisitorKey, VisitorNo};
use std::sync::Arc;

/// A visitor that the warehouse knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownVisitor {
    pub visitor: VisitorNo,
    pub key: VisitorKey,
    pub first_seen: Micros,
}

/// Asks for a visitor's living sessions whose last event is at or after `since`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionsOf {
    pub site: SiteId,
    pub visitor: VisitorNo,
    pub since: Micros,
}

/// A living session of a visitor.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub site: SiteId,
    pub visitor: VisitorNo,
    pub session: Session<Arc<str>>,
}

/// All that a repair needs of a visitor: what the events say, whatever the derived rows say.
#[derive(Clone, Debug, PartialEq)]
pub struct VisitorHistory {
    pub visitor: VisitorNo,
    /// Ascending by (time, id).
    pub events: Vec<HistoryEvent>,
    /// Living sessions, ascending.
    pub sessions: Vec<Session<Arc<str>>>,
    /// `None` where the visitor's row is missing.
    pub known: Option<KnownVisitor>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEvent {
    pub time: Micros,
    pub id: EventId,
    /// `host || path`.
    pub page: Arc<str>,
    pub page_view: bool,
    pub bot: bool,
}
