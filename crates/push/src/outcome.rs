//! What became of a message.
//!
//! ```text
//!   resolve ─ check ─ connect ─ TLS │ request handed to the connection ─────── answer
//!   ◀──────── NotSent ─────────────▶│◀──────────── Uncertain ────────────────▶│ by its status
//! ```
//!
//! The line is drawn at the first byte of the request that a connection took. Left of it nobody can have got the message; right of
//! it anybody may, until a status says otherwise. Statuses that say so are those whose definition does: 500 and the gateways' 502
//! and 504 come from a service, or from somebody in front of one, that may have passed the message on before it failed.

use crate::address::Refused;
use crate::outcome::retry_after::RetryAfter;
use http::StatusCode;
use std::time::Duration;

pub mod retry_after;

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The push service has it (2xx). Whether a browser gets it, it does not say.
    Accepted,
    /// The subscription is no more (404, 410): forget it; the visitor's next one may be tried.
    Gone,
    /// The push service takes less than the 4,096 bytes that it must (413).
    TooLarge,
    /// Too many for this push service (429): not taken. None: it did not say until when.
    RateLimited { retry_after: Option<Duration> },
    /// The push service does not work now (503) or did not get the whole request (408): not taken.
    TryLater { status: u16, retry_after: Option<Duration> },
    /// Refused for a reason that sending again does not mend: a wrong key (401, 403), a bad request (400), a redirect (3xx).
    /// `reason` begins with what the push service wrote, at most 200 characters of it.
    Rejected { status: u16, reason: String },
    /// It may have been sent: never send it again.
    Uncertain(Doubt),
    /// Nothing of it left: sending again cannot make it two.
    NotSent(NotSent),
}

/// Why nobody knows whether a message was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Doubt {
    #[error("no answer within the deadline")]
    Deadline,
    #[error("the connection broke before an answer")]
    Broken,
    #[error("the answer could not be read as HTTP")]
    Unreadable,
    #[error("the push service failed ({0}), before or after it took the message")]
    Failed(u16),
}

/// Why a message did not leave.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    #[error("the push service's name has no address: {0}")]
    Resolve(String),
    /// Every address of the name is refused; this is the first.
    #[error("the push service's address is refused: {0}")]
    Address(#[from] Refused),
    #[error("no connection to the push service: {0}")]
    Connect(String),
    #[error("no TLS with the push service: {0}")]
    Tls(String),
    #[error("the deadline came before a connection took the request")]
    Deadline,
    /// A kept connection was closed by the other side just before; a new one is made with the next call.
    #[error("the connection closed before it took the request")]
    Closed,
    #[error("an endpoint without TLS needs the setting for tests")]
    Plain,
    #[error("the machine gives no random numbers to encrypt with")]
    NoRandom,
}

impl Outcome {
    /// Reads an answer: its status, the value of `Retry-After`, the beginning of its text, and the seconds since 1970 of now.
    pub(crate) fn of_answer(status: StatusCode, retry_after: Option<&[u8]>, text: &[u8], now_unix_s: u64) -> Outcome {
        let wait = || retry_after.and_then(RetryAfter::read).map(|retry| retry.from(now_unix_s));
        match status.as_u16() {
            200..=299 => Outcome::Accepted,
            404 | 410 => Outcome::Gone,
            413 => Outcome::TooLarge,
            429 => Outcome::RateLimited { retry_after: wait() },
            // "Not prepared to wait" for the rest of a request (RFC 9110, section 15.5.9); "currently unable to handle" (15.6.4).
            status @ (408 | 503) => Outcome::TryLater { status, retry_after: wait() },
            // "Does not support the functionality", "refuses to support the version": nothing was done (15.6.2, 15.6.6).
            status @ (501 | 505) => Outcome::Rejected { status, reason: shown(text) },
            status @ 500..=599 => Outcome::Uncertain(Doubt::Failed(status)),
            status @ 300..=499 => Outcome::Rejected { status, reason: shown(text) },
            // Below 200 hyper goes on reading; from 600 on nothing is defined.
            _ => Outcome::Uncertain(Doubt::Unreadable),
        }
    }

    /// Whether the same message may be sent again without the risk that somebody gets it twice, and it can help.
    ///
    /// A refused address is not sent to again: it is refused tomorrow, too, or somebody plays with names.
    pub fn may_send_again(&self) -> bool {
        match self {
            Outcome::RateLimited { .. } | Outcome::TryLater { .. } => true,
            Outcome::NotSent(why) => !matches!(why, NotSent::Address(_) | NotSent::Plain),
            _ => false,
        }
    }

    /// For how long the push service wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Outcome::RateLimited { retry_after } | Outcome::TryLater { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the subscription is to be forgotten.
    pub fn ends_subscription(&self) -> bool {
        *self == Outcome::Gone
    }

    /// The outcome's name in lists, metrics and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Gone => "gone",
            Outcome::TooLarge => "too_large",
            Outcome::RateLimited { .. } => "rate_limited",
            Outcome::TryLater { .. } => "try_later",
            Outcome::Rejected { .. } => "rejected",
            Outcome::Uncertain(_) => "uncertain",
            Outcome::NotSent(_) => "not_sent",
        }
    }
}

/// What a push service wrote, fit for a list: no control characters, at most 200 characters.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Reach;

    fn of(status: u16) -> Outcome {
        Outcome::of_answer(StatusCode::from_u16(status).expect("a status"), Some(b"7"), b"why\r\nnot", 0)
    }

    #[test]
    fn every_status_has_its_outcome() {
        let wait = Some(Duration::from_secs(7));
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(of(status), Outcome::Accepted, "{status}");
        }
        for status in [404, 410] {
            assert_eq!(of(status), Outcome::Gone, "{status}");
        }
        assert_eq!(of(413), Outcome::TooLarge);
        assert_eq!(of(429), Outcome::RateLimited { retry_after: wait });
        for status in [408, 503] {
            assert_eq!(of(status), Outcome::TryLater { status, retry_after: wait });
        }
        for status in [300, 301, 302, 307, 308, 400, 401, 403, 405, 406, 409, 411, 415, 422, 451, 499, 501, 505] {
            assert_eq!(of(status), Outcome::Rejected { status, reason: "why not".to_owned() });
        }
        for status in [500, 502, 504, 507, 511, 599] {
            assert_eq!(of(status), Outcome::Uncertain(Doubt::Failed(status)));
        }
        for status in [600, 999] {
            assert_eq!(of(status), Outcome::Uncertain(Doubt::Unreadable));
        }
    }

    #[test]
    fn only_what_was_surely_not_taken_may_be_sent_again() {
        let again: Vec<u16> = (200..=999).filter(|status| of(*status).may_send_again()).collect();
        assert_eq!(again, [408, 429, 503]);
        for doubt in [Doubt::Deadline, Doubt::Broken, Doubt::Unreadable, Doubt::Failed(500)] {
            assert!(!Outcome::Uncertain(doubt).may_send_again());
        }
        assert!(Outcome::NotSent(NotSent::Deadline).may_send_again());
        let refused = Reach::Public.check("10.0.0.1".parse().expect("an address")).expect_err("private");
        assert!(!Outcome::NotSent(NotSent::Address(refused)).may_send_again());
    }

    #[test]
    fn only_404_and_410_end_a_subscription() {
        let ended: Vec<u16> = (200..=999).filter(|status| of(*status).ends_subscription()).collect();
        assert_eq!(ended, [404, 410]);
    }

    #[test]
    fn a_reason_is_one_line_of_at_most_200_characters() {
        assert_eq!(shown(b" a\x1b[31m\n\tb\0c "), "a [31m b c");
        assert_eq!(shown("ä".repeat(200).as_bytes()).chars().count(), 200);
        assert_eq!(shown("ä".repeat(201).as_bytes()).chars().count(), 200);
        assert_eq!(shown(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }
}
