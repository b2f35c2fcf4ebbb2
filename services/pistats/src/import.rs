//! Import: a file of events through the collector, as any client sends them.
//!
//! ```text
//!   file ─lines─▶ chunks ─▶ n senders: parse → Collect → retry until answered ─▶ report
//! ```
//!
//! Every event gets an id made of its time and a hash of (file digest, line number): never of its content. Identical lines
//! all count, and a file imported twice, or resumed after a crash of either side, counts once.

mod combined;
mod ids;
mod ndjson;
mod report;
mod send;
mod source;

pub use ids::FileIds;
pub use report::{RefusedLine, Report};
pub use send::{Options, run};
pub use source::{Chunk, Source};

use pistats_proto::ingest::v1::Event;
use std::borrow::Cow;

/// How the lines of a file are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Ndjson,
    Combined,
}

/// Why a line is no event, for people.
pub type Fault = Cow<'static, str>;

impl Format {
    /// Tells the format from the first line of a file.
    pub fn of_first_line(line: &[u8]) -> Format {
        if line.trim_ascii_start().starts_with(b"{") { Format::Ndjson } else { Format::Combined }
    }

    /// Reads one line into an event without an id.
    pub fn parse(self, line: &[u8]) -> Result<Event, Fault> {
        match self {
            Format::Ndjson => ndjson::parse(line),
            Format::Combined => combined::parse(line),
        }
    }
}
