//! The field numbers of `pistats.ingest.v1.Event` and `pistats.record.v1.LoggedEvent` (a test compares them with the
//! contract).

pub const ID: u32 = 1;
pub const TIME_US: u32 = 2;
pub const SENT_AT_US: u32 = 3;
pub const VISITOR_ID: u32 = 4;
pub const USER_ID: u32 = 5;
pub const NAME: u32 = 6;
pub const URL: u32 = 7;
pub const REFERRER: u32 = 8;
pub const TITLE: u32 = 9;
pub const TOPICS: u32 = 10;
pub const LANGUAGE: u32 = 11;
pub const TIME_ZONE: u32 = 12;
pub const SCREEN_WIDTH: u32 = 13;
pub const SCREEN_HEIGHT: u32 = 14;
pub const USER_AGENT: u32 = 15;
pub const CLIENT_ADDRESS: u32 = 16;
pub const COUNTRY: u32 = 17;
pub const VALUE_MICROS: u32 = 18;
pub const PROPERTIES: u32 = 19;

/// The first and last number that only the collector may set.
pub const STAMPS: std::ops::RangeInclusive<u32> = 64..=79;
pub const CLIENT_TIME_US: u32 = 64;

/// The name of a field in the contract, for messages.
pub fn name(number: u32) -> Option<&'static str> {
    Some(match number {
        ID => "id",
        TIME_US => "time_us",
        SENT_AT_US => "sent_at_us",
        VISITOR_ID => "visitor_id",
        USER_ID => "user_id",
        NAME => "name",
        URL => "url",
        REFERRER => "referrer",
        TITLE => "title",
        TOPICS => "topics",
        LANGUAGE => "language",
        TIME_ZONE => "time_zone",
        SCREEN_WIDTH => "screen_width",
        SCREEN_HEIGHT => "screen_height",
        USER_AGENT => "user_agent",
        CLIENT_ADDRESS => "client_address",
        COUNTRY => "country",
        VALUE_MICROS => "value_micros",
        PROPERTIES => "properties",
        CLIENT_TIME_US => "client_time_us",
        _ => return None,
    })
}
