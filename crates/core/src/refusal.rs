//! Why an event was refused: which field, which reason, what mends it.

use std::fmt;

/// Stable reasons; the numbers are those of `pistats.ingest.v1.Reason` (a test compares them).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Reason {
    Malformed = 1,
    InvalidText = 2,
    EventTooLarge = 3,
    TextTooLong = 4,
    TooMany = 5,
    InvalidId = 6,
    MissingVisitor = 7,
    TimeTooEarly = 8,
    TimeInFuture = 9,
    ValueOutOfRange = 10,
    InvalidCountry = 11,
    DayClosed = 12,
}

impl Reason {
    pub const ALL: [Reason; 12] = [
        Reason::Malformed,
        Reason::InvalidText,
        Reason::EventTooLarge,
        Reason::TextTooLong,
        Reason::TooMany,
        Reason::InvalidId,
        Reason::MissingVisitor,
        Reason::TimeTooEarly,
        Reason::TimeInFuture,
        Reason::ValueOutOfRange,
        Reason::InvalidCountry,
        Reason::DayClosed,
    ];

    /// The reason's name in metrics, lists and logs.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed",
            Reason::InvalidText => "invalid_text",
            Reason::EventTooLarge => "event_too_large",
            Reason::TextTooLong => "text_too_long",
            Reason::TooMany => "too_many",
            Reason::InvalidId => "invalid_id",
            Reason::MissingVisitor => "missing_visitor",
            Reason::TimeTooEarly => "time_too_early",
            Reason::TimeInFuture => "time_in_future",
            Reason::ValueOutOfRange => "value_out_of_range",
            Reason::InvalidCountry => "invalid_country",
            Reason::DayClosed => "day_closed",
        }
    }

    /// The reason of a number from the wire or the log.
    pub fn from_number(number: u32) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| *reason as u32 == number)
    }
}

/// One refused event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    /// Path below the event: `properties["plan"]`, `time_us`; empty when the event as a whole is meant.
    pub field: String,
    /// What is wrong and what to do, in one sentence.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.field, self.reason.name(), self.message)
    }
}
