//! One event's bytes, read in place: no allocation, no copy.
//!
//! ```text
//!   fields   the walk: field number, wire type, value      text    is it UTF-8, does it hold a NUL?
//!   event    bytes → pistats_core::Event                   number  the field numbers of an event
//! ```
//!
//! The collector checks an event by the walk and stores the bytes as they came; the aggregator decodes what lies in the log
//! into borrowed text. Both follow Protobuf's rules: fields in any order, the last of a repeated single field wins, unknown
//! fields are skipped. What prost would not decode is not decoded here either (a test compares them on random bytes).
//!
//! Why not prost itself: decoding into `String`s costs about 490 ns an event and encoding again 140; the walk with all
//! checks costs 83 (docs/adr/0005).
//!
//! It is not responsible for limits, nor for what a field's value means (the collector).

mod event;
mod fields;
pub mod number;
pub mod text;

pub use event::{decode_event, property};
pub use fields::{Field, Fields, Key, Value};

/// Why bytes are no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end inside a field.
    #[error("the bytes end inside a field")]
    Truncated,
    /// A number of more than 64 bits.
    #[error("a varint has more than 64 bits")]
    Varint,
    /// A field number of 0 or above 2^29 - 1, or a wire type that does not exist.
    #[error("a key is no field number and wire type")]
    Key,
    /// Groups that do not close, or nest deeper than 100.
    #[error("a group does not close, or nests too deep")]
    Group,
    /// A field of the event in another wire type than its own.
    #[error("field {field} has the wrong wire type")]
    WireType { field: u32 },
    /// A text that is not UTF-8.
    #[error("field {field} is not UTF-8")]
    Text { field: u32 },
    /// An id that is not 16 bytes of UUID version 7.
    #[error("the id is not 16 bytes of UUID version 7")]
    Id,
}
