//! What is sent, within the limits of RFC 8030 and 8291.

use crate::base64url;
use crate::seal::MOST_PAYLOAD_BYTES;
use bytes::Bytes;
use std::time::Duration;

/// The longest that a push service keeps a message for a browser that is away: four weeks, as the strictest of the great ones
/// has it. RFC 8030 lets each shorten it in silence.
pub const MOST_TIME_TO_LIVE: Duration = Duration::from_secs(28 * 24 * 60 * 60);

/// Characters of a topic (RFC 8030, section 5.4).
pub const MOST_TOPIC_BYTES: usize = 32;

/// A message as its browser will read it, and how push services shall treat it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    payload: Bytes,
    time_to_live_s: u32,
    urgency: Urgency,
    topic: Option<String>,
}

/// How much battery a message is worth (RFC 8030, section 5.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Urgency {
    VeryLow,
    Low,
    #[default]
    Normal,
    High,
}

impl Urgency {
    /// The value of the header `Urgency`.
    pub fn name(self) -> &'static str {
        match self {
            Urgency::VeryLow => "very-low",
            Urgency::Low => "low",
            Urgency::Normal => "normal",
            Urgency::High => "high",
        }
    }
}

/// Why a message cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    #[error("payload: it has {0} bytes, a push service takes {MOST_PAYLOAD_BYTES}; shorten title, text or addresses")]
    Payload(usize),
    #[error("time_to_live: {} seconds are more than {}, four weeks", .0.as_secs(), MOST_TIME_TO_LIVE.as_secs())]
    TimeToLive(Duration),
    #[error("topic: {0:?} must have 1 to {MOST_TOPIC_BYTES} characters of A-Z, a-z, 0-9, - and _")]
    Topic(String),
}

impl BadMessage {
    /// The field to mend.
    pub fn field(&self) -> &'static str {
        match self {
            BadMessage::Payload(_) => "payload",
            BadMessage::TimeToLive(_) => "time_to_live",
            BadMessage::Topic(_) => "topic",
        }
    }
}

impl Message {
    /// A message that push services keep for a browser that is away, for so long (whole seconds; 0: now or never).
    pub fn new(payload: impl Into<Bytes>, time_to_live: Duration) -> Result<Message, BadMessage> {
        let payload = payload.into();
        if payload.len() > MOST_PAYLOAD_BYTES {
            return Err(BadMessage::Payload(payload.len()));
        }
        if time_to_live > MOST_TIME_TO_LIVE {
            return Err(BadMessage::TimeToLive(time_to_live));
        }
        let time_to_live_s = u32::try_from(time_to_live.as_secs()).map_err(|_| BadMessage::TimeToLive(time_to_live))?;
        Ok(Message { payload, time_to_live_s, urgency: Urgency::Normal, topic: None })
    }

    pub fn with_urgency(self, urgency: Urgency) -> Message {
        Message { urgency, ..self }
    }

    /// A message replaces an undelivered one of the same topic (RFC 8030, section 5.4).
    pub fn with_topic(self, topic: &str) -> Result<Message, BadMessage> {
        let fits = (1..=MOST_TOPIC_BYTES).contains(&topic.len())
            && topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !fits {
            return Err(BadMessage::Topic(topic.chars().take(MOST_TOPIC_BYTES + 1).collect()));
        }
        Ok(Message { topic: Some(topic.to_owned()), ..self })
    }

    /// A topic made of any bytes, such as a campaign's id: up to 24 of them, as text.
    pub fn with_topic_of(self, bytes: &[u8]) -> Result<Message, BadMessage> {
        self.with_topic(&base64url::write(bytes))
    }

    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub fn time_to_live_s(&self) -> u32 {
        self.time_to_live_s
    }

    pub fn urgency(&self) -> Urgency {
        self.urgency
    }

    pub fn topic(&self) -> Option<&str> {
        self.topic.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_of_3993_bytes_passes_and_one_more_does_not() {
        assert!(Message::new(vec![0u8; 3993], Duration::ZERO).is_ok());
        assert_eq!(Message::new(vec![0u8; 3994], Duration::ZERO), Err(BadMessage::Payload(3994)));
        assert!(Message::new("", Duration::ZERO).is_ok());
    }

    #[test]
    fn four_weeks_pass_and_a_second_more_does_not() {
        let of = |seconds| Message::new("x", Duration::from_secs(seconds)).map(|message| message.time_to_live_s());
        assert_eq!(of(2_419_200), Ok(2_419_200));
        assert_eq!(of(0), Ok(0));
        assert_eq!(of(2_419_201).map_err(|bad| bad.field()), Err("time_to_live"));
        assert!(of(u64::MAX).is_err());
    }

    #[test]
    fn a_topic_has_1_to_32_characters_that_need_no_escape() {
        let message = Message::new("x", Duration::ZERO).expect("a message");
        let of = |topic: &str| message.clone().with_topic(topic).map(|message| message.topic().map(str::to_owned));
        assert_eq!(of("a-Z_9"), Ok(Some("a-Z_9".to_owned())));
        assert!(of(&"a".repeat(32)).is_ok());
        for bad in ["a".repeat(33).as_str(), "", "a b", "a=", "ä", "a\r\nTTL: 1"] {
            assert_eq!(of(bad).map_err(|bad| bad.field()), Err("topic"), "{bad:?}");
        }
        assert!(message.clone().with_topic_of(&[255; 24]).is_ok());
        assert!(message.clone().with_topic_of(&[255; 25]).is_err());
    }
}
