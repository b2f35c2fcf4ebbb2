//! Refused events are kept in the log, within bounds: a broken client must not fill the disk.

use crate::check::{Check, Whose};
use crate::identity::Identity;
use crate::stamp::{bytes, without};
use parking_lot::Mutex;
use pistats_core::{Micros, Refusal, SiteId};
use pistats_proto::record::v1::RejectedEvent;
use pistats_proto::wire::number;
use std::collections::HashMap;

/// Of an event's bytes, this much is kept.
pub(crate) const PAYLOAD_BYTES: usize = 4 << 10;
/// Refused events kept a second and site, in the long run …
const PER_SECOND: i64 = 100;
/// … and at once.
const BURST: i64 = 1_000;

/// How many refused events of each site may still be kept: a token bucket each.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    buckets: Mutex<HashMap<SiteId, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    tokens: i64,
    filled_at: Micros,
}

impl Allowance {
    /// Takes up to `wanted`; how many there were.
    pub(crate) fn take(&self, site: SiteId, wanted: usize, now: Micros) -> usize {
        let mut buckets = self.buckets.lock();
        let bucket = buckets.entry(site).or_insert(Bucket { tokens: BURST, filled_at: now });
        let earned = now.since(bucket.filled_at).max(0).saturating_mul(PER_SECOND) / Micros::SECOND;
        if earned > 0 {
            bucket.tokens = bucket.tokens.saturating_add(earned).min(BURST);
            bucket.filled_at = now;
        }
        let taken = bucket.tokens.min(i64::try_from(wanted).unwrap_or(i64::MAX));
        bucket.tokens -= taken;
        taken as usize
    }
}

/// A refused event as the log keeps it: without the client address and, from a public key, without what is not believed, so
/// that a retry believes nothing more than the first try did. A derived visitor goes with it, for a retry knows no address.
pub(crate) fn kept(
    event: &[u8],
    refusal: &Refusal,
    check: &Check<'_>,
    identity: &Identity,
    now: Micros,
) -> RejectedEvent {
    let believes = check.sender.trust.believes();
    let whose = check.whose(event);
    let taken = |field| match field {
        number::CLIENT_ADDRESS => true,
        number::VISITOR_ID => whose != Whose::Sent,
        number::USER_AGENT | number::COUNTRY => !believes,
        _ => false,
    };
    let mut payload = Vec::new();
    let mut taken_bytes = 0;
    let mut kept_bytes = 0;
    let mut keep = |piece: &[u8]| {
        let room = PAYLOAD_BYTES - payload.len();
        payload.extend_from_slice(&piece[..piece.len().min(room)]);
        kept_bytes += piece.len();
    };
    // A tail that cannot be walked may hide an id that must not be kept.
    without(if whose == Whose::Sent { event } else { walked(event) }, taken, &mut keep);
    match whose {
        Whose::Derived(Some(visitor)) => {
            let mut field = Vec::new();
            bytes(number::VISITOR_ID, visitor.as_bytes(), &mut field);
            keep(&field);
        }
        // Nobody's event: a byte that is not there keeps it from looking whole.
        Whose::Derived(None) => taken_bytes = 1,
        Whose::Sent => {}
    }
    // A tail that may hide an address is dropped, too; then the event must not look whole.
    if !is_whole(event) {
        taken_bytes = event.len().saturating_sub(kept_bytes).max(1);
    }
    RejectedEvent {
        id: identity.new_id(now).0.to_vec().into(),
        reason: refusal.reason as u32,
        field: refusal.field.clone(),
        message: refusal.message.clone(),
        payload: payload.into(),
        payload_bytes: u32::try_from(kept_bytes + taken_bytes).unwrap_or(u32::MAX),
        user_agent: if believes { String::new() } else { check.sender.user_agent.to_owned() },
    }
}

/// The event up to where it can be walked.
fn walked(event: &[u8]) -> &[u8] {
    let mut fields = pistats_proto::wire::Fields::new(event);
    let mut end = 0;
    while let Some(Ok(_)) = fields.next() {
        end = event.len() - fields.remaining();
    }
    &event[..end]
}

fn is_whole(event: &[u8]) -> bool {
    pistats_proto::wire::Fields::new(event).all(|field| field.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sender, Trust, Visitors};
    use pistats_core::{Day, DaySalt, Limits, Reason, Salts, Zone};

    fn keep_of(event: &[u8], trust: Trust, visitors: Visitors<'_>) -> RejectedEvent {
        let refusal = Refusal { reason: Reason::MissingVisitor, field: "visitor_id".into(), message: "m".into() };
        let sender = Sender { site: SiteId(1), trust, user_agent: "Browser/1", traceparent: "", visitors };
        let now = Micros(1_000);
        let check = Check { limits: &Limits::default(), sender, received: now, latest: now.plus(Micros::DAY) };
        kept(event, &refusal, &check, &Identity::new().unwrap(), now)
    }

    fn keep(event: &[u8], trust: Trust) -> RejectedEvent {
        keep_of(event, trust, Visitors::Sent)
    }

    fn event(fields: &[(u32, &[u8])]) -> Vec<u8> {
        let mut event = Vec::new();
        fields.iter().for_each(|(number, value)| bytes(*number, value, &mut event));
        event
    }

    #[test]
    fn a_burst_is_kept_then_the_rate_and_sites_do_not_share() {
        let allowance = Allowance::default();
        let now = Micros(1_000_000_000);
        assert_eq!(allowance.take(SiteId(1), 999, now), 999);
        assert_eq!(allowance.take(SiteId(1), 5, now), 1);
        assert_eq!(allowance.take(SiteId(1), 5, now), 0);
        assert_eq!(allowance.take(SiteId(2), 5, now), 5);
        assert_eq!(allowance.take(SiteId(1), 500, now.plus(Micros::SECOND)), 100);
        assert_eq!(allowance.take(SiteId(1), 5_000, now.plus(Micros::DAY)), 1_000);
        // A clock that goes back earns nothing and breaks nothing.
        assert_eq!(allowance.take(SiteId(1), 5, now), 0);
    }

    #[test]
    fn the_address_is_taken_out_and_what_a_public_key_said_too() {
        let sent = event(&[(7, b"/"), (15, b"Mine/1"), (16, b"192.0.2.7"), (17, b"DE")]);
        let server = keep(&sent, Trust::Server);
        assert_eq!(server.payload, event(&[(7, b"/"), (15, b"Mine/1"), (17, b"DE")]));
        assert_eq!((server.payload_bytes as usize, &*server.user_agent), (server.payload.len(), ""));
        let public = keep(&sent, Trust::Public);
        assert_eq!(public.payload, event(&[(7, b"/")]));
        assert_eq!((public.payload_bytes as usize, &*public.user_agent), (public.payload.len(), "Browser/1"));
    }

    #[test]
    fn a_derived_visitor_goes_with_the_event_in_the_place_of_the_sent_one() {
        let zone = Zone::utc();
        let salt = DaySalt::of(&zone, Day(0), [7; 32]);
        let salts = Salts::new([salt.clone()]);
        let address = "192.0.2.7".parse().unwrap();
        let derived = Visitors::Derived { zone: &zone, salts: &salts, address: Some(address) };
        let sent = event(&[(4, b"ada"), (7, b"/")]);
        let visitor = salt.visitor(SiteId(1), address, "Browser/1");
        let kept = keep_of(&sent, Trust::Public, derived);
        assert_eq!(kept.payload, event(&[(7, b"/"), (4, visitor.as_bytes())]));
        assert_eq!(kept.payload_bytes as usize, kept.payload.len(), "whole: it can be sent again");

        // Of a day that has no salt it is nobody's.
        let mut of_old = vec![2 << 3];
        crate::stamp::varint((-9 * Micros::DAY) as u64, &mut of_old);
        let kept = keep_of(&[sent, of_old].concat(), Trust::Public, derived);
        assert!(!kept.payload.windows(3).any(|window| window == b"ada"));
        assert_eq!(kept.payload_bytes as usize, kept.payload.len() + 1);
        // What cannot be walked may hide the sent id.
        let mut broken = event(&[(7, b"/")]);
        broken.extend([0x3a, 0x7f]);
        bytes(4, b"ada", &mut broken);
        let kept = keep_of(&broken, Trust::Public, derived);
        assert_eq!(kept.payload, event(&[(7, b"/"), (4, visitor.as_bytes())]));
        assert!(kept.payload_bytes as usize > kept.payload.len(), "and it is not whole");
        // A server's own visitor stays.
        assert_eq!(keep_of(&event(&[(4, b"ada")]), Trust::Server, derived).payload, event(&[(4, b"ada")]));
    }

    #[test]
    fn four_kib_are_kept_whole_and_one_byte_more_is_cut() {
        let payload = |length: usize| event(&[(7, &vec![b'u'; length])]);
        let whole = keep(&payload(PAYLOAD_BYTES - 3), Trust::Server);
        assert_eq!((whole.payload.len(), whole.payload_bytes), (4_096, 4_096));
        let cut = keep(&payload(PAYLOAD_BYTES - 2), Trust::Server);
        assert_eq!((cut.payload.len(), cut.payload_bytes), (4_096, 4_097));
    }

    #[test]
    fn a_tail_that_may_hide_an_address_is_dropped_and_the_event_is_not_whole() {
        let mut broken = event(&[(7, b"/")]);
        broken.extend([0x3a, 0x7f]);
        bytes(16, b"192.0.2.7", &mut broken);
        let kept = keep(&broken, Trust::Server);
        assert!(!kept.payload.windows(9).any(|window| window == b"192.0.2.7"));
        assert_eq!(kept.payload_bytes as usize, broken.len());
        assert!((kept.payload.len()) < broken.len());
    }
}
