//! What a browser gets: JSON with every key, so that a service worker needs no second look.

use pistats_core::push::{CampaignId, Message, Urgency};
use pistats_proto::convert::Invalid;
use pistats_proto::convert::push::MOST_PAYLOAD;
use std::time::Duration;

/// The text of a message; of a test there is no campaign. `path` is the field that holds the message.
pub(super) fn text(path: &str, message: &Message, campaign: Option<CampaignId>) -> Result<String, Invalid> {
    let text = serde_json::json!({
        "title": message.title,
        "body": message.body,
        "icon": message.icon,
        "url": message.url,
        "tag": message.topic,
        "campaign": campaign.map(|id| id.to_string()).unwrap_or_default(),
    })
    .to_string();
    if text.len() > MOST_PAYLOAD {
        let told = format!("is {} bytes of JSON, at most {MOST_PAYLOAD}; shorten body, icon or url", text.len());
        return Err(Invalid::field(path, told));
    }
    Ok(text)
}

/// The message as it is sent, kept by push services for `keep` at most.
pub(super) fn message(
    message: &Message,
    text: String,
    keep: Duration,
) -> Result<pistats_push::Message, pistats_push::message::BadMessage> {
    let urgency = match message.urgency {
        Urgency::VeryLow => pistats_push::Urgency::VeryLow,
        Urgency::Low => pistats_push::Urgency::Low,
        Urgency::Normal => pistats_push::Urgency::Normal,
        Urgency::High => pistats_push::Urgency::High,
    };
    let keep = keep.min(Duration::from_secs(message.ttl_seconds.into()));
    let made = pistats_push::Message::new(text, keep)?.with_urgency(urgency);
    if message.topic.is_empty() { Ok(made) } else { made.with_topic(&message.topic) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: usize) -> Message {
        // A quote is two bytes of JSON.
        Message { title: "\"".into(), body: "b".repeat(bytes), ttl_seconds: 60, ..Message::default() }
    }

    #[test]
    fn the_text_has_every_key_and_its_bound_on_both_sides() {
        let campaign = CampaignId(1);
        let empty = text("message", &of(0), Some(campaign)).unwrap();
        let read: serde_json::Value = serde_json::from_str(&empty).unwrap();
        let expected = serde_json::json!({
            "title": "\"", "body": "", "icon": "", "url": "", "tag": "", "campaign": campaign.to_string()
        });
        assert_eq!(read, expected);
        let room = MOST_PAYLOAD - empty.len();
        assert_eq!(text("message", &of(room), Some(campaign)).map(|text| text.len()), Ok(MOST_PAYLOAD));
        assert!(text("message", &of(room + 1), Some(campaign)).is_err_and(|wrong| wrong.0[0].field == "message"));
    }

    #[test]
    fn push_services_keep_it_no_longer_than_the_campaign_lasts() {
        let kept = |seconds| {
            let made = message(&of(0), "{}".to_owned(), Duration::from_secs(seconds)).unwrap();
            made.time_to_live_s()
        };
        assert_eq!((kept(10), kept(61)), (10, 60));
    }
}
