//! One event, checked on its wire bytes: every field once, without decoding it into anything.

use crate::collector::{USER_AGENT_BYTES, head_of};
use crate::{Sender, Trust, Visitors};
use pistats_core::cookieless::{NoSalt, VisitorOfDay};
use pistats_core::{Day, EventId, Limits, Micros, PartitionId, Reason, Refusal, Salts, Zone};
use pistats_proto::wire::{Fields, Key, WireError, number, property, text};
use std::net::IpAddr;

/// How much of a property's key a refusal repeats, in characters.
const QUOTED_CHARS: usize = 64;

/// What one request is judged by.
#[derive(Clone, Copy)]
pub(crate) struct Check<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) sender: Sender<'a>,
    /// When the request came: an event without a time gets it, and a client's clock is compared with it.
    pub(crate) received: Micros,
    /// The latest event time that is accepted.
    pub(crate) latest: Micros,
}

/// What a good event needs to be packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) partition: PartitionId,
    pub(crate) id: Option<EventId>,
    /// After correction.
    pub(crate) time: Micros,
    /// As the client said.
    pub(crate) client_time: Option<Micros>,
    /// Derived, in the place of any that was sent.
    pub(crate) visitor: Option<VisitorOfDay>,
    pub(crate) has_visitor: bool,
    pub(crate) has_address: bool,
    pub(crate) has_user_agent: bool,
    pub(crate) country: Option<[u8; 2]>,
}

impl Checked {
    /// Whether anything of the event's bytes must not reach the log.
    pub(crate) fn is_cut(&self) -> bool {
        self.has_address || (self.has_visitor && self.visitor.is_some())
    }

    /// Whether this field must not: nobody's address, and no id where the visitor is derived.
    pub(crate) fn takes(&self, field: u32) -> bool {
        field == number::CLIENT_ADDRESS || (field == number::VISITOR_ID && self.visitor.is_some())
    }
}

/// Whose a refused event is, as far as it can be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Whose {
    /// As it says.
    Sent,
    /// Of this derived visitor; none: its day cannot be told.
    Derived(Option<VisitorOfDay>),
}

/// Whom a visitor is derived from.
struct Person<'a> {
    zone: &'a Zone,
    salts: &'a Salts,
    address: Option<IpAddr>,
    user_agent: &'a str,
}

#[derive(Default)]
struct Seen<'a> {
    id: Option<EventId>,
    time: Option<i64>,
    sent_at: Option<i64>,
    visitor_id: &'a [u8],
    has_visitor: bool,
    topics: usize,
    properties: usize,
    address: &'a [u8],
    has_address: bool,
    user_agent: &'a [u8],
    country: Option<[u8; 2]>,
}

impl<'a> Check<'a> {
    /// Judges one event. Of several faults the first in the order of the bytes is told.
    pub(crate) fn event(&self, bytes: &[u8]) -> Result<Checked, Refusal> {
        let limit = self.limits.event_bytes;
        if bytes.len() > limit {
            let message = format!("the event has {} bytes; at most {limit} are accepted", bytes.len());
            return Err(refusal(Reason::EventTooLarge, String::new(), message));
        }
        let mut seen = Seen::default();
        let mut fields = Fields::new(bytes);
        while let Some(key) = fields.key().map_err(malformed)? {
            self.field(&mut fields, key, &mut seen)?;
        }
        let person = self.person(&seen);
        if person.is_none() && seen.visitor_id.is_empty() {
            return Err(missing_visitor());
        }
        let (time, client_time) = self.time(&seen)?;
        let visitor = person.map(|person| self.visitor(&person, time)).transpose()?;
        let visitor_id = visitor.as_ref().map_or(seen.visitor_id, VisitorOfDay::as_bytes);
        Ok(Checked {
            partition: PartitionId::of(self.sender.site, visitor_id),
            id: seen.id,
            time,
            client_time,
            visitor,
            has_visitor: seen.has_visitor,
            has_address: seen.has_address,
            has_user_agent: !seen.user_agent.is_empty(),
            country: seen.country,
        })
    }

    /// Whose a refused event is: so that it can be judged again when its address is long gone.
    pub(crate) fn whose(&self, bytes: &[u8]) -> Whose {
        if matches!(self.sender.visitors, Visitors::Sent) {
            return Whose::Sent;
        }
        let mut seen = Seen::default();
        for field in Fields::new(bytes).map_while(Result::ok) {
            match field.number {
                number::TIME_US => seen.time = field.varint().ok().map(|time| time as i64),
                number::SENT_AT_US => seen.sent_at = field.varint().ok().map(|time| time as i64),
                number::VISITOR_ID => seen.visitor_id = field.bytes().unwrap_or_default(),
                number::CLIENT_ADDRESS => seen.address = field.bytes().unwrap_or_default(),
                number::USER_AGENT => seen.user_agent = field.bytes().unwrap_or_default(),
                _ => {}
            }
        }
        match self.person(&seen) {
            Some(person) => {
                let visitor = self.time(&seen).and_then(|(time, _)| self.visitor(&person, time));
                Whose::Derived(visitor.ok())
            }
            None => Whose::Sent,
        }
    }

    /// Whom an event's visitor is derived from, if it is.
    #[inline]
    fn person<'b>(&'b self, seen: &Seen<'b>) -> Option<Person<'b>> {
        let Visitors::Derived { zone, salts, address } = self.sender.visitors else { return None };
        match self.sender.trust {
            Trust::Public => Some(Person { zone, salts, address, user_agent: self.sender.user_agent }),
            Trust::Server if seen.visitor_id.is_empty() => {
                let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
                let address = text(seen.address).trim().parse().ok()?;
                let user_agent = head_of(text(seen.user_agent), USER_AGENT_BYTES);
                Some(Person { zone, salts, address: Some(address), user_agent })
            }
            Trust::Server | Trust::Retry => None,
        }
    }

    fn visitor(&self, person: &Person<'_>, time: Micros) -> Result<VisitorOfDay, Refusal> {
        let Person { zone, salts, address, user_agent } = *person;
        let address = address.ok_or_else(without_address)?;
        let day = zone.day_of(time);
        match salts.at(zone, day, self.received) {
            Ok(salt) => Ok(salt.visitor(self.sender.site, address, user_agent)),
            Err(why) => Err(day_closed(day, zone, why)),
        }
    }

    #[inline(always)]
    fn field<'b>(&self, fields: &mut Fields<'b>, key: Key, seen: &mut Seen<'b>) -> Result<(), Refusal> {
        let limits = self.limits;
        match key.number {
            number::ID => seen.id = id(fields, key)?,
            number::TIME_US => seen.time = Some(varint(fields, key)? as i64),
            number::SENT_AT_US => seen.sent_at = Some(varint(fields, key)? as i64),
            number::VISITOR_ID => {
                seen.visitor_id = limited(fields, key, self.visitor_bytes())?;
                seen.has_visitor = true;
            }
            number::USER_ID => _ = limited(fields, key, limits.id_bytes)?,
            number::NAME => _ = limited(fields, key, limits.name_bytes)?,
            number::URL | number::REFERRER => _ = limited(fields, key, limits.url_bytes)?,
            number::TITLE | number::LANGUAGE | number::TIME_ZONE => _ = limited(fields, key, limits.text_bytes)?,
            number::TOPICS => {
                if seen.topics == limits.topics {
                    return Err(too_many("topics", limits.topics));
                }
                topic(fields, key, seen.topics, limits.topic_bytes)?;
                seen.topics += 1;
            }
            number::SCREEN_WIDTH | number::SCREEN_HEIGHT => {
                let pixels = varint(fields, key)?;
                if pixels > u64::from(limits.screen_pixels) {
                    return Err(too_large(key, pixels, u64::from(limits.screen_pixels)));
                }
            }
            // What is not believed is not judged either, as long as it is text.
            number::USER_AGENT => {
                let limit = if self.sender.trust.believes() { limits.text_bytes } else { usize::MAX };
                seen.user_agent = limited(fields, key, limit)?;
            }
            number::COUNTRY => seen.country = self.country(fields, key)?,
            number::CLIENT_ADDRESS => {
                seen.address = limited(fields, key, limits.text_bytes)?;
                seen.has_address = true;
            }
            number::VALUE_MICROS => {
                let magnitude = (varint(fields, key)? as i64).unsigned_abs();
                if magnitude > limits.value_micros {
                    return Err(too_large(key, magnitude, limits.value_micros));
                }
            }
            number::PROPERTIES => {
                if seen.properties == limits.properties {
                    return Err(too_many("properties", limits.properties));
                }
                seen.properties += 1;
                self.property(bytes(fields, key)?)?;
            }
            stamp if number::STAMPS.contains(&stamp) => return Err(stamped(stamp)),
            // Of a later contract; it is kept as it is.
            _ => fields.pass(key).map_err(malformed)?,
        }
        Ok(())
    }

    /// Bytes of a visitor id: what is not believed is not judged either.
    #[inline]
    fn visitor_bytes(&self) -> usize {
        match self.sender {
            Sender { visitors: Visitors::Derived { .. }, trust: Trust::Public, .. } => usize::MAX,
            _ => self.limits.id_bytes,
        }
    }

    fn property(&self, entry: &[u8]) -> Result<(), Refusal> {
        let (key, value) = property(entry).map_err(|error| {
            let message = format!("an entry is no pair of texts ({error}); send a map of text to text");
            refusal(Reason::Malformed, "properties".into(), message)
        })?;
        let path = || format!("properties[{:?}]", quoted(key));
        checked_text(key, self.limits.property_key_bytes, path, "the key")?;
        checked_text(value, self.limits.property_value_bytes, path, "the value")
    }

    fn country(&self, fields: &mut Fields<'_>, key: Key) -> Result<Option<[u8; 2]>, Refusal> {
        let bytes = limited(fields, key, usize::MAX)?;
        match bytes {
            [] => Ok(None),
            [first, second] if first.is_ascii_alphabetic() && second.is_ascii_alphabetic() => {
                Ok(Some([*first, *second]))
            }
            _ if !self.sender.trust.believes() => Ok(Some(*b"??")),
            _ => {
                let message = "a country is two letters of ISO 3166-1, such as DE; or leave it out".to_owned();
                Err(refusal(Reason::InvalidCountry, "country".into(), message))
            }
        }
    }

    /// The event's time, and the client's own where it differs.
    fn time(&self, seen: &Seen<'_>) -> Result<(Micros, Option<Micros>), Refusal> {
        let Some(client_time) = seen.time.map(Micros) else { return Ok((self.received, None)) };
        // A client's clock that is wrong is wrong for both of its times alike.
        let error = seen.sent_at.map_or(0, |sent_at| self.received.since(Micros(sent_at)));
        let tolerance = i64::from(self.limits.clock_tolerance_seconds) * Micros::SECOND;
        let time = if error.unsigned_abs() > tolerance.unsigned_abs() { client_time.plus(error) } else { client_time };
        if time.0 < self.limits.earliest_us {
            let message = format!(
                "{} is before the earliest accepted time, {} (both unix microseconds)",
                time.0, self.limits.earliest_us
            );
            return Err(refusal(Reason::TimeTooEarly, "time_us".into(), message));
        }
        if time > self.latest {
            let message = format!(
                "{} is later than the latest accepted time, {} (both unix microseconds); \
                 is it in microseconds, and is the clock right? `sent_at_us` lets the server correct it",
                time.0, self.latest.0
            );
            return Err(refusal(Reason::TimeInFuture, "time_us".into(), message));
        }
        Ok((time, Some(client_time)))
    }
}

#[inline]
fn id(fields: &mut Fields<'_>, key: Key) -> Result<Option<EventId>, Refusal> {
    let bytes = bytes(fields, key)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    EventId::from_slice(bytes).map(Some).ok_or_else(|| no_id(bytes.len()))
}

#[inline(always)]
fn varint(fields: &mut Fields<'_>, key: Key) -> Result<u64, Refusal> {
    fields.varint(key).map_err(malformed)
}

#[inline(always)]
fn bytes<'b>(fields: &mut Fields<'b>, key: Key) -> Result<&'b [u8], Refusal> {
    fields.bytes(key).map_err(malformed)
}

#[inline]
fn limited<'b>(fields: &mut Fields<'b>, key: Key, limit: usize) -> Result<&'b [u8], Refusal> {
    let bytes = bytes(fields, key)?;
    checked_text(bytes, limit, || name(key.number).to_owned(), "the text")?;
    Ok(bytes)
}

fn topic(fields: &mut Fields<'_>, key: Key, index: usize, limit: usize) -> Result<(), Refusal> {
    checked_text(bytes(fields, key)?, limit, || format!("topics[{index}]"), "the topic")
}

#[inline]
fn checked_text(bytes: &[u8], limit: usize, path: impl Fn() -> String, what: &str) -> Result<(), Refusal> {
    if bytes.len() > limit {
        let message = format!("{what} has {} bytes; at most {limit} are accepted", bytes.len());
        return Err(refusal(Reason::TextTooLong, path(), message));
    }
    text::check(bytes).map_err(|fault| {
        let fault = match fault {
            text::NoText::NotUtf8 => "is not UTF-8; encode it",
            text::NoText::Nul => "holds a NUL; take it out",
        };
        refusal(Reason::InvalidText, path(), format!("{what} {fault}"))
    })
}

fn quoted(key: &[u8]) -> String {
    String::from_utf8_lossy(key).chars().take(QUOTED_CHARS).collect()
}

fn name(number: u32) -> &'static str {
    number::name(number).unwrap_or_default()
}

#[cold]
fn refusal(reason: Reason, field: String, message: String) -> Refusal {
    Refusal { reason, field, message }
}

#[cold]
fn malformed(error: WireError) -> Refusal {
    if let WireError::WireType { field } = error {
        let message = "the value has another type than this field; send the type that the contract names".to_owned();
        return refusal(Reason::Malformed, name(field).to_owned(), message);
    }
    let message = format!("the bytes are no pistats.ingest.v1.Event: {error}");
    refusal(Reason::Malformed, String::new(), message)
}

#[cold]
fn no_id(length: usize) -> Refusal {
    let message = format!(
        "an id is the 16 bytes of a UUID version 7, this one has {length} bytes; or leave it out and the server makes one"
    );
    refusal(Reason::InvalidId, "id".into(), message)
}

#[cold]
fn stamped(number: u32) -> Refusal {
    let field = number::name(number).map_or_else(|| format!("{number}"), str::to_owned);
    let message = format!(
        "fields {} to {} are the collector's own; leave them out",
        number::STAMPS.start(),
        number::STAMPS.end()
    );
    refusal(Reason::Malformed, field, message)
}

#[cold]
fn missing_visitor() -> Refusal {
    let message = "every event needs a visitor; send an id of your own that stays the same for the same visitor";
    refusal(Reason::MissingVisitor, "visitor_id".into(), message.into())
}

#[cold]
fn without_address() -> Refusal {
    let message = "the visitor is derived from the client's address, and this request has none; send it over TCP";
    refusal(Reason::MissingVisitor, "visitor_id".into(), message.into())
}

#[cold]
fn day_closed(day: Day, zone: &Zone, why: NoSalt) -> Refusal {
    let message = match why {
        NoSalt::Over => format!(
            "{day} ({}) began more than 48 hours ago, and the secret that its visitors without cookies were derived with is \
             destroyed; send events within a day, or with a server key and a visitor id of your own",
            zone.name()
        ),
        NoSalt::NotYet => format!(
            "there is no secret for {day} ({}) yet that its visitors without cookies could be derived with; send it again later",
            zone.name()
        ),
    };
    refusal(Reason::DayClosed, "time_us".into(), message)
}

#[cold]
fn too_many(field: &str, limit: usize) -> Refusal {
    refusal(Reason::TooMany, field.to_owned(), format!("at most {limit} {field} an event are accepted"))
}

#[cold]
fn too_large(key: Key, value: u64, limit: u64) -> Refusal {
    let message = format!("the magnitude is {value}; at most {limit} is accepted");
    refusal(Reason::ValueOutOfRange, name(key.number).to_owned(), message)
}
