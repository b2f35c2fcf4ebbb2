//! What an event may be. Every limit is inclusive: a value equal to it is accepted.

use crate::Micros;
use serde::{Deserialize, Serialize};

/// The collector's limits. The defaults admit every event of the reference data (a referrer of 2,049 bytes and a visitor
/// id of 308 bytes are in there) with room to spare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Events a batch.
    pub batch_events: usize,
    /// Bytes a batch, on the wire.
    pub batch_bytes: usize,
    /// Bytes an event, on the wire.
    pub event_bytes: usize,
    /// Bytes of visitor id and user id, each.
    pub id_bytes: usize,
    /// Bytes of a url or a referrer, each.
    pub url_bytes: usize,
    /// Bytes of the event's name.
    pub name_bytes: usize,
    /// Bytes of title, language, time zone and user agent, each.
    pub text_bytes: usize,
    /// Topics an event.
    pub topics: usize,
    /// Bytes a topic.
    pub topic_bytes: usize,
    /// Properties an event.
    pub properties: usize,
    /// Bytes of a property's key.
    pub property_key_bytes: usize,
    /// Bytes of a property's value.
    pub property_value_bytes: usize,
    /// Pixels of screen width and height, each.
    pub screen_pixels: u32,
    /// Magnitude of a value, in millionths.
    pub value_micros: u64,
    /// Earliest event time, unix microseconds: the start of 1970, before which clocks are wrong and not visitors early.
    pub earliest_us: i64,
    /// How far in the future an event may lie after its clock was corrected, seconds.
    pub future_skew_seconds: u32,
    /// A client clock is corrected when it is wrong by more than this, seconds.
    pub clock_tolerance_seconds: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            batch_events: 5_000,
            batch_bytes: 4 << 20,
            event_bytes: 64 << 10,
            id_bytes: 1_024,
            url_bytes: 8 << 10,
            name_bytes: 256,
            text_bytes: 4 << 10,
            topics: 32,
            topic_bytes: 256,
            properties: 64,
            property_key_bytes: 128,
            property_value_bytes: 4 << 10,
            screen_pixels: 65_535,
            // A billion units: nine thousand such events still sum up in 64 bits.
            value_micros: 1_000_000_000_000_000,
            earliest_us: 0,
            future_skew_seconds: 24 * 60 * 60,
            clock_tolerance_seconds: 30,
        }
    }
}

impl Limits {
    /// The latest event time that is accepted at an instant.
    pub fn latest(&self, now: Micros) -> Micros {
        now.plus(i64::from(self.future_skew_seconds) * Micros::SECOND)
    }
}
