//! Where in which trace one stands: the header `traceparent` of W3C Trace Context (Recommendation, section 3.2), read and
//! written without an allocation.

use std::fmt;
use std::str::FromStr;

/// Bytes of a `traceparent` of version 00.
const LEN: usize = 55;
/// Flag of a request that somebody records.
const SAMPLED: u8 = 1;

/// One span of one trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace: u128,
    span: u64,
    flags: u8,
}

/// A trace's or a span's id as people read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hex<const DIGITS: usize>(u128);

impl<const DIGITS: usize> fmt::Display for Hex<DIGITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$x}", self.0, width = DIGITS)
    }
}

/// The text is no `traceparent`; a request with such a header is one without (section 3.2.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no traceparent; write it as 00-<32 hex>-<16 hex>-<2 hex>")]
pub struct NoTraceParent;

impl TraceParent {
    /// None where an id is zero, which the standard forbids.
    pub fn new(trace: u128, span: u64, is_sampled: bool) -> Option<TraceParent> {
        (trace != 0 && span != 0).then_some(TraceParent { trace, span, flags: u8::from(is_sampled) })
    }

    /// Of the trace.
    pub fn trace_id(&self) -> Hex<32> {
        Hex(self.trace)
    }

    /// Of the span within it.
    pub fn span_id(&self) -> Hex<16> {
        Hex(u128::from(self.span))
    }

    /// Whether somebody records the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    pub(crate) fn ids(&self) -> (u128, u64) {
        (self.trace, self.span)
    }

    /// The header's text, on the stack.
    pub fn header(&self) -> Header {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let digit = |value: u128, place: usize| DIGITS[(value >> (4 * place)) as usize & 15];
        (0..32).for_each(|at| text[3 + at] = digit(self.trace, 31 - at));
        (0..16).for_each(|at| text[36 + at] = digit(u128::from(self.span), 15 - at));
        (0..2).for_each(|at| text[53 + at] = digit(u128::from(self.flags), 1 - at));
        Header(text)
    }
}

impl FromStr for TraceParent {
    type Err = NoTraceParent;

    fn from_str(text: &str) -> Result<TraceParent, NoTraceParent> {
        let bytes = text.as_bytes();
        // Later versions may append fields; version 00 may not.
        let is_whole = bytes.len() == LEN || bytes.len() > LEN && bytes[LEN] == b'-' && !text.starts_with("00-");
        if !is_whole || [2, 35, 52].iter().any(|dash| bytes[*dash] != b'-') {
            return Err(NoTraceParent);
        }
        let version = hex(&bytes[..2])?;
        if version == 0xff {
            return Err(NoTraceParent);
        }
        let (trace, span, flags) = (hex(&bytes[3..35])?, hex(&bytes[36..52])? as u64, hex(&bytes[53..55])? as u8);
        let at = TraceParent::new(trace, span, false).ok_or(NoTraceParent)?;
        // What other flags mean is not known here, and must not be passed on.
        Ok(TraceParent { flags: flags & SAMPLED, ..at })
    }
}

/// Lower case only (section 3.2.2.3).
fn hex(digits: &[u8]) -> Result<u128, NoTraceParent> {
    digits.iter().try_fold(0, |value: u128, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return Err(NoTraceParent),
        };
        Ok(value << 4 | u128::from(digit))
    })
}

/// A `traceparent` as it goes over the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header([u8; LEN]);

impl Header {
    pub fn as_str(&self) -> &str {
        // Every byte is a digit or a dash.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.header().as_str())
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_written_unchanged() {
        let at: TraceParent = TEXT.parse().unwrap();
        assert_eq!(at.to_string(), TEXT);
        assert_eq!(at.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(at.span_id().to_string(), "00f067aa0ba902b7");
        assert!(at.is_sampled());
        assert!(!TEXT.replace("-01", "-00").parse::<TraceParent>().unwrap().is_sampled());
    }

    #[test]
    fn a_later_version_may_say_more_and_is_passed_on_as_ours() {
        let later = TEXT.replacen("00-", "01-", 1);
        assert_eq!(later.parse::<TraceParent>().unwrap().to_string(), TEXT);
        assert_eq!(format!("{later}-more").parse::<TraceParent>().unwrap().to_string(), TEXT);
        assert_eq!(TEXT.replace("-01", "-ff").parse::<TraceParent>().unwrap().to_string(), TEXT);
    }

    #[test]
    fn anything_else_is_no_traceparent() {
        let zero_trace = TEXT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32));
        let zero_span = TEXT.replace("00f067aa0ba902b7", &"0".repeat(16));
        let upper = TEXT.to_uppercase();
        let forbidden = TEXT.replacen("00-", "ff-", 1);
        let (short, long, extra) = (&TEXT[..54], format!("{TEXT}0"), format!("{TEXT}-extra"));
        let shifted = TEXT.replace("6-00f0", "-600f0");
        for text in ["", "00", "é", short, &long, &extra, &zero_trace, &zero_span, &upper, &forbidden, &shifted] {
            assert_eq!(text.parse::<TraceParent>(), Err(NoTraceParent), "{text}");
        }
    }
}
