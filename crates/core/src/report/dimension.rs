//! What a report may be broken down and filtered by.

/// The key of a property.
pub type Property = String;

/// A trait of an event (or of the event's session). An absent value is the empty text.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Dimension {
    /// As sent.
    Url,
    /// Host and path, without query.
    Page,
    Path,
    Host,
    Title,
    /// Page of the session's first event in the order (time, id).
    EntryPage,
    /// Page of the session's last event.
    ExitPage,
    /// As sent.
    Referrer,
    Source,
    Channel,
    UtmSource,
    UtmMedium,
    UtmCampaign,
    UtmTerm,
    UtmContent,
    Country,
    Language,
    Device,
    Screen,
    Browser,
    Os,
    EventName,
    /// An event has any number of them; an event without one has the empty topic.
    Topic,
    UserId,
    /// The segments that the event's visitor is in at the moment of asking, by their ids ([`crate::segment`]). Only to filter
    /// by, with `is` and `is not`.
    Segment,
    Property(Property),
}

impl Dimension {
    /// Whether the dimension is a trait of whole sessions.
    pub fn is_of_session(&self) -> bool {
        matches!(self, Dimension::EntryPage | Dimension::ExitPage)
    }
}
