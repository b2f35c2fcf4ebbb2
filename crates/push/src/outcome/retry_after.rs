//! The header `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).

use std::time::{Duration, UNIX_EPOCH};

/// The longest wait that is believed. A push service that asks for more has made a mistake, and a campaign would never end.
pub const MOST: Duration = Duration::from_secs(24 * 60 * 60);

/// What a push service asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RetryAfter {
    Seconds(u64),
    /// Seconds since 1970.
    At(u64),
}

impl RetryAfter {
    /// None: it is neither of both.
    pub(crate) fn read(value: &[u8]) -> Option<RetryAfter> {
        let text = std::str::from_utf8(value).ok()?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // So many digits that no number holds them are longer than anything that is believed.
            return Some(RetryAfter::Seconds(text.parse().unwrap_or(u64::MAX)));
        }
        let at = httpdate::parse_http_date(text).ok()?;
        Some(RetryAfter::At(at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())))
    }

    /// How long to wait from now (seconds since 1970): nothing for a date that is past, at most [`MOST`].
    pub(crate) fn from(self, now_unix_s: u64) -> Duration {
        let seconds = match self {
            RetryAfter::Seconds(seconds) => seconds,
            RetryAfter::At(at) => at.saturating_sub(now_unix_s),
        };
        Duration::from_secs(seconds).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wait(text: &str, now: u64) -> Option<u64> {
        RetryAfter::read(text.as_bytes()).map(|retry| retry.from(now).as_secs())
    }

    #[test]
    fn seconds_and_all_three_forms_of_a_date_are_read() {
        assert_eq!(wait("120", 0), Some(120));
        assert_eq!(wait(" 0 ", 0), Some(0));
        // 1994-11-06 08:49:37, the date of RFC 9110.
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(wait(date, 784_111_777 - 90), Some(90), "{date}");
            assert_eq!(wait(date, 784_111_777), Some(0), "{date}");
            assert_eq!(wait(date, 784_111_778), Some(0), "{date}");
        }
    }

    #[test]
    fn a_day_is_believed_and_a_second_more_is_not() {
        assert_eq!(wait("86400", 0), Some(86_400));
        assert_eq!(wait("86401", 0), Some(86_400));
        assert_eq!(wait("99999999999999999999999", 0), Some(86_400));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT", 0), Some(86_400));
    }

    #[test]
    fn anything_else_says_nothing() {
        for nothing in ["", "-1", "1.5", "soon", "1 minute", "Sun, 06 Nov 1994", "١٢"] {
            assert_eq!(wait(nothing, 0), None, "{nothing:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_bounded_wait_or_nothing(value in prop::collection::vec(any::<u8>(), 0..40), now in any::<u64>()) {
            if let Some(retry) = RetryAfter::read(&value) {
                prop_assert!(retry.from(now) <= MOST);
            }
        }

        #[test]
        fn what_looks_like_a_date_is_read_or_left(text in "[A-Z][a-z]{2},? [0-9]{1,2}[ -][A-Z][a-z]{2}[ -][0-9]{2,4} [0-9:]{5,8} GMT") {
            if let Some(retry) = RetryAfter::read(text.as_bytes()) {
                prop_assert!(retry.from(0) <= MOST);
            }
        }
    }
}
