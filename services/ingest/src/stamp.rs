//! What the collector adds to an event's bytes, and what it takes out.
//!
//! A stamp is a field appended behind the sent ones. Where it repeats one, the last counts: Protobuf's own rule, so the sent
//! bytes stay untouched.

use crate::Trust;
use crate::check::Checked;
use pistats_core::{EventId, Micros};
use pistats_proto::wire::{Fields, number};

const VARINT: u32 = 0;
const BYTES: u32 = 2;

/// Appends the stamps of an event. `new_id` is asked only if the event has none.
pub(crate) fn stamp(
    checked: &Checked,
    trust: Trust,
    user_agent: &[u8],
    new_id: impl FnOnce() -> EventId,
    out: &mut Vec<u8>,
) {
    if checked.id.is_none() {
        bytes(number::ID, &new_id().0, out);
    }
    if let Some(visitor) = &checked.visitor {
        bytes(number::VISITOR_ID, visitor.as_bytes(), out);
    }
    if checked.client_time != Some(checked.time) {
        time(number::TIME_US, checked.time, out);
        if let Some(client_time) = checked.client_time {
            time(number::CLIENT_TIME_US, client_time, out);
        }
    }
    let says = match trust {
        Trust::Public => !user_agent.is_empty() || checked.has_user_agent,
        Trust::Server => false,
        Trust::Retry => !user_agent.is_empty() && !checked.has_user_agent,
    };
    if says {
        bytes(number::USER_AGENT, user_agent, out);
    }
    match checked.country {
        Some(_) if !trust.believes() => bytes(number::COUNTRY, b"", out),
        Some(country) if country != country.map(|letter| letter.to_ascii_uppercase()) => {
            bytes(number::COUNTRY, &country.map(|letter| letter.to_ascii_uppercase()), out);
        }
        _ => {}
    }
}

/// Calls `keep` with the pieces of an event around the fields that are `taken`. Bytes that cannot be walked any further are
/// kept up to what may be the key of a client address: no address may slip into the log in bytes that are no event.
pub(crate) fn without(event: &[u8], taken: impl Fn(u32) -> bool, mut keep: impl FnMut(&[u8])) {
    let mut fields = Fields::new(event);
    let mut kept_from = 0;
    let mut at = 0;
    while let Some(field) = fields.next() {
        match field {
            Ok(field) => {
                let end = event.len() - fields.remaining();
                if taken(field.number) {
                    keep(&event[kept_from..at]);
                    kept_from = end;
                }
                at = end;
            }
            Err(_) => {
                const ADDRESS_KEY: [u8; 2] = [0x82, 0x01];
                let tail = &event[at..];
                let cut = tail.windows(2).position(|pair| pair == ADDRESS_KEY).unwrap_or(tail.len());
                keep(&event[kept_from..at + cut]);
                return;
            }
        }
    }
    keep(&event[kept_from..]);
}

pub(crate) fn bytes(number: u32, value: &[u8], out: &mut Vec<u8>) {
    varint(u64::from(number << 3 | BYTES), out);
    varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

pub(crate) fn time(number: u32, time: Micros, out: &mut Vec<u8>) {
    varint(u64::from(number << 3 | VARINT), out);
    varint(time.0 as u64, out);
}

#[inline]
pub(crate) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(event: &[u8], taken: impl Fn(u32) -> bool) -> Vec<u8> {
        let mut kept = Vec::new();
        without(event, taken, |piece| kept.extend_from_slice(piece));
        kept
    }

    #[test]
    fn fields_are_taken_out_wherever_they_stand() {
        let mut event = Vec::new();
        for (field, value) in [(16, "a"), (4, "ada"), (16, "b"), (16, "c"), (7, "/"), (16, "d")] {
            bytes(field, value.as_bytes(), &mut event);
        }
        let mut expected = Vec::new();
        bytes(4, b"ada", &mut expected);
        bytes(7, b"/", &mut expected);
        assert_eq!(kept(&event, |number| number == 16), expected);
        assert_eq!(kept(&event, |_| false), event);
        assert_eq!(kept(&event, |_| true), b"");
    }

    #[test]
    fn what_cannot_be_walked_is_kept_up_to_a_possible_address() {
        assert_eq!(kept(b"<heartbeat/>", |number| number == 16), b"<heartbeat/>");
        let mut event = Vec::new();
        bytes(4, b"ada", &mut event);
        let good = event.len();
        // A field that claims more bytes than there are; inside it, an address.
        event.extend([0x3a, 0x7f, b'x']);
        bytes(16, b"192.0.2.7", &mut event);
        assert_eq!(kept(&event, |number| number == 16), &event[..good + 3]);
    }
}
