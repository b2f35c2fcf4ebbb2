//! The bytes of a logged event → a borrowed domain event.

use super::{Field, Fields, WireError, number};
use pistats_core::{Event, EventId, Micros};

/// Decodes the bytes of a `LoggedEvent` or of an `ingest.v1.Event`, borrowing every text.
///
/// Allocates for topics and properties only. A text that is empty is the same as an absent one; so is an empty id.
///
/// # Errors
/// What prost refuses, and an id that is no UUIDv7: the collector lets none of them into the log, so that on logged bytes an
/// error means damage.
pub fn decode_event(bytes: &[u8]) -> Result<Event<'_>, WireError> {
    let mut event = Event::default();
    for field in Fields::new(bytes) {
        let field = field?;
        match field.number {
            number::ID => event.id = id(&field)?,
            number::TIME_US => event.time = Some(micros(&field)?),
            number::SENT_AT_US => event.sent_at = Some(micros(&field)?),
            number::VISITOR_ID => event.visitor_id = text(&field)?,
            number::USER_ID => event.user_id = text(&field)?,
            number::NAME => event.raw_name = text(&field)?,
            number::URL => event.url = text(&field)?,
            number::REFERRER => event.referrer = text(&field)?,
            number::TITLE => event.title = text(&field)?,
            number::TOPICS => event.topics.push(text(&field)?),
            number::LANGUAGE => event.language = text(&field)?,
            number::TIME_ZONE => event.time_zone = text(&field)?,
            // A uint32 keeps the low 32 bits, as Protobuf says.
            number::SCREEN_WIDTH => event.screen_width = field.varint()? as u32,
            number::SCREEN_HEIGHT => event.screen_height = field.varint()? as u32,
            number::USER_AGENT => event.user_agent = text(&field)?,
            number::CLIENT_ADDRESS => event.client_address = text(&field)?,
            number::COUNTRY => event.country = text(&field)?,
            number::VALUE_MICROS => event.value = Some(field.varint()? as i64),
            number::PROPERTIES => {
                let (key, value) = property(field.bytes()?)?;
                event.properties.push((utf8(key, number::PROPERTIES)?, utf8(value, number::PROPERTIES)?));
            }
            number::CLIENT_TIME_US => event.client_time = Some(micros(&field)?),
            _ => {}
        }
    }
    Ok(event)
}

/// Key and value of one entry of `properties`; what is absent is empty. The texts are not checked.
#[inline]
pub fn property(entry: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let (mut key, mut value) = (&[][..], &[][..]);
    for field in Fields::new(entry) {
        let field = field?;
        let bytes = || field.bytes().map_err(|_| WireError::WireType { field: number::PROPERTIES });
        match field.number {
            1 => key = bytes()?,
            2 => value = bytes()?,
            _ => {}
        }
    }
    Ok((key, value))
}

fn id(field: &Field<'_>) -> Result<Option<EventId>, WireError> {
    match field.bytes()? {
        [] => Ok(None),
        bytes => EventId::from_slice(bytes).map(Some).ok_or(WireError::Id),
    }
}

#[inline]
fn micros(field: &Field<'_>) -> Result<Micros, WireError> {
    Ok(Micros(field.varint()? as i64))
}

#[inline]
fn text<'a>(field: &Field<'a>) -> Result<&'a str, WireError> {
    utf8(field.bytes()?, field.number)
}

#[inline]
fn utf8(bytes: &[u8], field: u32) -> Result<&str, WireError> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| WireError::Text { field })
}
