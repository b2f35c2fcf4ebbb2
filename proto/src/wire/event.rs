//! The bytes of a logged event → a borrowed domain event.

use super::{Fields, Key, WireError, number};
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
    let mut fields = Fields::new(bytes);
    while let Some(key) = fields.key()? {
        match key.number {
            number::ID => event.id = id(&mut fields, key)?,
            number::TIME_US => event.time = Some(micros(&mut fields, key)?),
            number::SENT_AT_US => event.sent_at = Some(micros(&mut fields, key)?),
            number::VISITOR_ID => event.visitor_id = text(&mut fields, key)?,
            number::USER_ID => event.user_id = text(&mut fields, key)?,
            number::NAME => event.raw_name = text(&mut fields, key)?,
            number::URL => event.url = text(&mut fields, key)?,
            number::REFERRER => event.referrer = text(&mut fields, key)?,
            number::TITLE => event.title = text(&mut fields, key)?,
            number::TOPICS => event.topics.push(text(&mut fields, key)?),
            number::LANGUAGE => event.language = text(&mut fields, key)?,
            number::TIME_ZONE => event.time_zone = text(&mut fields, key)?,
            // A uint32 keeps the low 32 bits, as Protobuf says.
            number::SCREEN_WIDTH => event.screen_width = fields.varint(key)? as u32,
            number::SCREEN_HEIGHT => event.screen_height = fields.varint(key)? as u32,
            number::USER_AGENT => event.user_agent = text(&mut fields, key)?,
            number::CLIENT_ADDRESS => event.client_address = text(&mut fields, key)?,
            number::COUNTRY => event.country = text(&mut fields, key)?,
            number::VALUE_MICROS => event.value = Some(fields.varint(key)? as i64),
            number::PROPERTIES => {
                let (name, value) = property(fields.bytes(key)?)?;
                event.properties.push((utf8(name, number::PROPERTIES)?, utf8(value, number::PROPERTIES)?));
            }
            number::CLIENT_TIME_US => event.client_time = Some(micros(&mut fields, key)?),
            _ => fields.pass(key)?,
        }
    }
    Ok(event)
}

/// Key and value of one entry of `properties`; what is absent is empty. The texts are not checked.
#[inline]
pub fn property(entry: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let (mut key, mut value) = (&[][..], &[][..]);
    let mut fields = Fields::new(entry);
    while let Some(part) = fields.key()? {
        match part.number {
            1 => key = fields.bytes(part).map_err(of_properties)?,
            2 => value = fields.bytes(part).map_err(of_properties)?,
            _ => fields.pass(part)?,
        }
    }
    Ok((key, value))
}

/// A wrong type within an entry is one of the map.
#[cold]
fn of_properties(error: WireError) -> WireError {
    match error {
        WireError::WireType { .. } => WireError::WireType { field: number::PROPERTIES },
        other => other,
    }
}

#[inline]
fn id(fields: &mut Fields<'_>, key: Key) -> Result<Option<EventId>, WireError> {
    match fields.bytes(key)? {
        [] => Ok(None),
        bytes => EventId::from_slice(bytes).map(Some).ok_or(WireError::Id),
    }
}

#[inline]
fn micros(fields: &mut Fields<'_>, key: Key) -> Result<Micros, WireError> {
    Ok(Micros(fields.varint(key)? as i64))
}

#[inline]
fn text<'a>(fields: &mut Fields<'a>, key: Key) -> Result<&'a str, WireError> {
    utf8(fields.bytes(key)?, key.number)
}

#[inline]
fn utf8(bytes: &[u8], field: u32) -> Result<&str, WireError> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| WireError::Text { field })
}
