//! Journeys: the request as a question.

use crate::convert::{Invalid, Violations};
use crate::query::v1;
use pistats_core::{Micros, VisitorKey};

/// Sessions of a page: when the request names none, and at most.
pub const DEFAULT_SESSIONS: u32 = 20;
pub const MOST_SESSIONS: u32 = 100;

/// Whose journey, and which page of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JourneyQuestion {
    pub who: Who,
    /// 1 to 100.
    pub sessions: u32,
    /// Only sessions that start before it.
    pub before: Option<Micros>,
}

/// A visitor as a client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// As Export tells it.
    Key(VisitorKey),
    /// As it was collected.
    Id(String),
}

/// Reads a request for a journey.
pub fn journey(request: &v1::JourneyRequest) -> Result<JourneyQuestion, Invalid> {
    let mut wrong = Violations::default();
    let who = match &request.who {
        Some(v1::journey_request::Who::Visitor(text)) => match key(text) {
            Some(key) => Some(Who::Key(key)),
            None => wrong.add("visitor", format!("{text:?} is no visitor's key: 32 hexadecimal digits, as exported")),
        },
        Some(v1::journey_request::Who::VisitorId(id)) if id.is_empty() => {
            wrong.add("visitor_id", "name the visitor as it was collected")
        }
        Some(v1::journey_request::Who::VisitorId(id)) => Some(Who::Id(id.clone())),
        None => wrong.add("visitor", "name a visitor, by key or by visitor_id"),
    };
    let sessions = match request.sessions {
        0 => Some(DEFAULT_SESSIONS),
        count if count <= MOST_SESSIONS => Some(count),
        count => wrong.add("sessions", format!("{count} sessions are too many, ask for at most {MOST_SESSIONS}")),
    };
    let before = match request.before_us {
        0 => Some(None),
        at if at > 0 => Some(Some(Micros(at))),
        at => wrong.add("before_us", format!("{at} lies before 1970; give unix microseconds, or 0 for the newest")),
    };
    let question = (|| Some(JourneyQuestion { who: who?, sessions: sessions?, before: before? }))();
    wrong.unless_any(question)
}

/// 32 hexadecimal digits.
fn key(text: &str) -> Option<VisitorKey> {
    let is_key = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_key {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(VisitorKey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use v1::journey_request::Who as Asked;

    fn asked(who: Option<Asked>, sessions: u32, before_us: i64) -> Result<JourneyQuestion, Vec<String>> {
        journey(&v1::JourneyRequest { who, sessions, before_us })
            .map_err(|refused| refused.0.into_iter().map(|violation| violation.field).collect())
    }

    #[test]
    fn a_visitor_is_named_by_key_or_id() {
        let key = "0123456789abcdefABCDEF0000000000".to_owned();
        let read = asked(Some(Asked::Visitor(key)), 0, 0).expect("sound");
        let expected = VisitorKey(0x0123_4567_89ab_cdef_abcd_ef00_0000_0000);
        assert_eq!(read, JourneyQuestion { who: Who::Key(expected), sessions: 20, before: None });
        let read = asked(Some(Asked::VisitorId("ada".into())), 100, 1).expect("sound");
        assert_eq!(read, JourneyQuestion { who: Who::Id("ada".into()), sessions: 100, before: Some(Micros(1)) });
    }

    #[test]
    fn every_wrong_field_is_named() {
        let id = || Some(Asked::VisitorId("ada".into()));
        assert_eq!(asked(None, 0, 0), Err(vec!["visitor".to_owned()]));
        assert_eq!(asked(Some(Asked::VisitorId(String::new())), 0, 0), Err(vec!["visitor_id".to_owned()]));
        for wrong in ["", "0", &"g".repeat(32), &"0".repeat(31), &"0".repeat(33), &format!("+{}", "0".repeat(31))] {
            assert_eq!(asked(Some(Asked::Visitor(wrong.into())), 0, 0), Err(vec!["visitor".to_owned()]), "{wrong}");
        }
        assert_eq!(asked(id(), 101, -1), Err(vec!["sessions".to_owned(), "before_us".to_owned()]));
    }
}
