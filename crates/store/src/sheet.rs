//! Day sheets: what a calm day of a site holds by the values of a few dimensions, made anew as a whole.
//!
//! ```text
//!   events of the day ───────────────┐             ┌─▶ visitor_bitmap   who: by dimension, value and bots
//!   sessions that start on the day ──┼─▶ Builder ──┼─▶ breakdown_1d     how much: by dimension, value and kind
//!   their events on other days ──────┤             └─▶ sheet            that it stands, and of which commit
//!   who was first seen on the day ───┘
//! ```
//!
//! Readers, in one snapshot: a day with a mark in `sheet_dirty` is read from its raw rows; any other day from its sheet; a
//! day that has neither holds nothing. A (site, day, version) never changes its content, so it may be cached by version.
//!
//! Not responsible for when a day is built, nor for rows (the backend's). docs/adr/0009 tells why whole days, and why one
//! bitmap for all partitions.

mod build;

pub use build::{
    BitmapLine, BreakdownLine, Builder, Counts, EventOfDay, SESSIONS_ONLY_BOTS, SESSIONS_WITH_BOTS,
    SESSIONS_WITHOUT_BOTS, SessionOfDay, Sheet, VisitorTooLarge,
};

use pistats_core::report::Dimension;

/// What bitmaps and breakdowns of a day are kept of. The numbers are stored: they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum SheetDimension {
    /// Every visitor with an event; the value is ''. Bitmaps only.
    All = 0,
    /// Visitors whose first event ever, bots included, lies on the day; the value is '', bot is false. Bitmaps only.
    FirstSeen = 1,
    Country = 2,
    Device = 3,
    Browser = 4,
    Os = 5,
    Channel = 6,
    EventName = 7,
    /// `host || path`.
    Page = 8,
}

impl SheetDimension {
    /// Those that events are broken down by, in the order of their numbers.
    pub const OF_EVENTS: [SheetDimension; 7] = [
        SheetDimension::Country,
        SheetDimension::Device,
        SheetDimension::Browser,
        SheetDimension::Os,
        SheetDimension::Channel,
        SheetDimension::EventName,
        SheetDimension::Page,
    ];

    /// All of them, in the order of their numbers.
    pub const ALL: [SheetDimension; 9] = [
        SheetDimension::All,
        SheetDimension::FirstSeen,
        SheetDimension::Country,
        SheetDimension::Device,
        SheetDimension::Browser,
        SheetDimension::Os,
        SheetDimension::Channel,
        SheetDimension::EventName,
        SheetDimension::Page,
    ];

    /// The kept dimension of a report's dimension, `None` where sheets hold nothing of it.
    pub fn of(dimension: &Dimension) -> Option<SheetDimension> {
        Some(match dimension {
            Dimension::Country => SheetDimension::Country,
            Dimension::Device => SheetDimension::Device,
            Dimension::Browser => SheetDimension::Browser,
            Dimension::Os => SheetDimension::Os,
            Dimension::Channel => SheetDimension::Channel,
            Dimension::EventName => SheetDimension::EventName,
            Dimension::Page => SheetDimension::Page,
            _ => return None,
        })
    }

    /// The number in the columns `dimension`.
    pub fn number(self) -> i16 {
        self as i16
    }
}
