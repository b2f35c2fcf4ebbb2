//! push.v1 ↔ `core::push`: campaigns and subscriptions, read once and checked; every wrong field is named by its path.
//!
//! It is not responsible for what needs a clock or a store (times that have passed, segments that are gone): the service is.

use super::{Invalid, Violations};
use crate::push::v1;
use pistats_core::push::{
    CampaignId, CampaignState, Content, FrequencyCap, Message, QuietHours, Reason, Schedule, Urgency,
};
use pistats_core::segment::SegmentId;
use pistats_core::{Day, Micros};

/// Bytes of what the browser gets, as JSON: with the encryption's own bytes it fits into the 4,096 that every push service takes
/// (RFC 8291, section 4; RFC 8030, section 7.2).
pub const MOST_PAYLOAD: usize = 3_000;
const TITLE_BYTES: usize = 200;
const BODY_BYTES: usize = 2_000;
const LINK_BYTES: usize = 1_024;
const NAME_BYTES: usize = 200;
const ENDPOINT_BYTES: usize = 2_048;
const ZONE_BYTES: usize = 64;
const VISITOR_BYTES: usize = 1_024;
const TOPIC_BYTES: usize = 32;
/// 28 days: the most that push services keep a message.
const MOST_TTL: u32 = 2_419_200;
const TTL: u32 = 86_400;
const DAY_MINUTES: u32 = 1_440;
const MOST_CAP: u32 = 100;
const MOST_CAP_DAYS: u32 = 90;

/// Reads the id of a campaign.
pub fn id(field: &str, text: &str) -> Result<CampaignId, Invalid> {
    let told = "is no id of a campaign: 32 lower-case hexadecimal digits";
    CampaignId::parse(text).ok_or_else(|| Invalid::field(field, told))
}

/// Reads what people say of a campaign; `path` is the field that holds it.
pub fn content(path: &str, wire: Option<&v1::CampaignContent>) -> Result<Content, Invalid> {
    let mut wrong = Violations::default();
    let Some(wire) = wire else { return Err(Invalid::field(path, "say what the campaign is to be")) };
    if wire.name.is_empty() || wire.name.len() > NAME_BYTES {
        let told = format!("{} bytes; give a name of 1 to {NAME_BYTES}", wire.name.len());
        wrong.add::<()>(format!("{path}.name"), told);
    }
    let segment = match wire.segment_id.as_str() {
        "" => None,
        text => SegmentId::parse(text).or_else(|| {
            wrong.add(format!("{path}.segment_id"), "is no id of a segment: 32 lower-case hexadecimal digits")
        }),
    };
    let message = read_message(&mut wrong, &format!("{path}.message"), wire.message.as_ref());
    let schedule = schedule(&mut wrong, &format!("{path}.schedule"), wire.schedule.as_ref());
    if schedule == Some(Schedule::OnEnter) && wire.segment_id.is_empty() {
        wrong.add::<()>(format!("{path}.segment_id"), "entering needs a segment: name one");
    }
    let quiet =
        wire.quiet_hours.as_ref().and_then(|quiet| quiet_hours(&mut wrong, &format!("{path}.quiet_hours"), quiet));
    let cap =
        wire.frequency_cap.as_ref().and_then(|cap| frequency_cap(&mut wrong, &format!("{path}.frequency_cap"), cap));
    if wire.expires_us < 0 {
        wrong.add::<()>(format!("{path}.expires_us"), "is before 1970; give unix microseconds, or 0");
    }
    let read = match (message, schedule) {
        (Some(message), Some(schedule)) => Some(Content {
            name: wire.name.clone(),
            segment,
            message,
            schedule,
            quiet,
            cap,
            expires: (wire.expires_us > 0).then_some(Micros(wire.expires_us)),
        }),
        _ => None,
    };
    wrong.unless_any(read)
}

/// Reads a message; `path` is the field that holds it.
pub fn message(path: &str, wire: Option<&v1::Message>) -> Result<Message, Invalid> {
    let mut wrong = Violations::default();
    let read = read_message(&mut wrong, path, wire);
    wrong.unless_any(read)
}

fn read_message(wrong: &mut Violations, path: &str, wire: Option<&v1::Message>) -> Option<Message> {
    let Some(wire) = wire else { return wrong.add(path, "give a message with a title") };
    if wire.title.trim().is_empty() || wire.title.len() > TITLE_BYTES {
        wrong.add::<()>(
            format!("{path}.title"),
            format!("{} bytes; give a title of 1 to {TITLE_BYTES}", wire.title.len()),
        );
    }
    if wire.body.len() > BODY_BYTES {
        wrong.add::<()>(format!("{path}.body"), format!("{} bytes; at most {BODY_BYTES}", wire.body.len()));
    }
    for (field, text) in [("icon", &wire.icon), ("url", &wire.url)] {
        if text.len() > LINK_BYTES {
            wrong.add::<()>(format!("{path}.{field}"), format!("{} bytes; at most {LINK_BYTES}", text.len()));
        } else if !text.is_empty() && !is_link(text) {
            wrong.add::<()>(format!("{path}.{field}"), "is no address that begins with https:// (or http://localhost)");
        }
    }
    let is_topic = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if wire.topic.len() > TOPIC_BYTES || !wire.topic.bytes().all(is_topic) {
        wrong.add::<()>(format!("{path}.topic"), format!("use at most {TOPIC_BYTES} of A-Z a-z 0-9 - _"));
    }
    let urgency = match v1::Urgency::try_from(wire.urgency) {
        Ok(v1::Urgency::Unspecified | v1::Urgency::Normal) => Urgency::Normal,
        Ok(v1::Urgency::VeryLow) => Urgency::VeryLow,
        Ok(v1::Urgency::Low) => Urgency::Low,
        Ok(v1::Urgency::High) => Urgency::High,
        Err(_) => wrong.add(format!("{path}.urgency"), "is none that this server knows").unwrap_or_default(),
    };
    if wire.ttl_seconds > MOST_TTL {
        wrong.add::<()>(
            format!("{path}.ttl_seconds"),
            format!("{} s are too long, at most {MOST_TTL}", wire.ttl_seconds),
        );
    }
    let message = Message {
        title: wire.title.clone(),
        body: wire.body.clone(),
        icon: wire.icon.clone(),
        url: wire.url.clone(),
        topic: wire.topic.clone(),
        urgency,
        ttl_seconds: if wire.ttl_seconds == 0 { TTL } else { wire.ttl_seconds },
    };
    Some(message)
}

/// Without blanks and control characters, and on a scheme that a page opens safely.
fn is_link(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| {
        let rest = text.strip_prefix("http://")?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let name = host.split(':').next().unwrap_or_default();
        (name == "localhost" || name == "127.0.0.1").then_some(rest)
    });
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && !text.chars().any(|c| c.is_control() || c == ' ')
    })
}

fn schedule(wrong: &mut Violations, path: &str, wire: Option<&v1::Schedule>) -> Option<Schedule> {
    use v1::schedule::When;
    let when = wire.and_then(|schedule| schedule.when.as_ref());
    match when {
        None => wrong.add(path, "say when: now, at_us, local_time, usual_hour or on_enter"),
        Some(When::Now(_)) => Some(Schedule::Now),
        Some(When::AtUs(at)) if *at <= 0 => wrong.add(format!("{path}.at_us"), "give unix microseconds"),
        Some(When::AtUs(at)) => Some(Schedule::At(Micros(*at))),
        Some(When::LocalTime(local)) => {
            let minute = minute(wrong, &format!("{path}.local_time.minute"), local.minute);
            let day = match local.day.as_str() {
                "" => None,
                text => match Day::parse(text) {
                    Some(day) => Some(day),
                    None => return wrong.add(format!("{path}.local_time.day"), "is no day; write it as 2013-05-17"),
                },
            };
            Some(Schedule::Local { minute: minute?, day })
        }
        Some(When::UsualHour(_)) => Some(Schedule::UsualHour),
        Some(When::OnEnter(_)) => Some(Schedule::OnEnter),
    }
}

fn minute(wrong: &mut Violations, field: &str, value: u32) -> Option<u16> {
    match u16::try_from(value) {
        Ok(minute) if value < DAY_MINUTES => Some(minute),
        _ => wrong.add(field, format!("{value} is no minute of a day: 0 to {}", DAY_MINUTES - 1)),
    }
}

fn quiet_hours(wrong: &mut Violations, path: &str, wire: &v1::QuietHours) -> Option<QuietHours> {
    let from = minute(wrong, &format!("{path}.from_minute"), wire.from_minute);
    let to = minute(wrong, &format!("{path}.to_minute"), wire.to_minute);
    let (from_minute, to_minute) = (from?, to?);
    if from_minute == to_minute {
        return wrong
            .add(path, "hours from and to the same minute would be a whole day; leave them out, or change one");
    }
    Some(QuietHours { from_minute, to_minute })
}

fn frequency_cap(wrong: &mut Violations, path: &str, wire: &v1::FrequencyCap) -> Option<FrequencyCap> {
    if !(1..=MOST_CAP).contains(&wire.messages) {
        wrong.add::<()>(format!("{path}.messages"), format!("use 1 to {MOST_CAP}"));
    }
    if !(1..=MOST_CAP_DAYS).contains(&wire.days) {
        wrong.add::<()>(format!("{path}.days"), format!("use 1 to {MOST_CAP_DAYS}"));
    }
    Some(FrequencyCap { messages: wire.messages, days: wire.days })
}

/// Reads an endpoint that is looked for: any text that could be one.
pub fn endpoint<'a>(field: &str, text: &'a str) -> Result<&'a str, Invalid> {
    if text.is_empty() || text.len() > ENDPOINT_BYTES {
        let told = format!("{} bytes; give the endpoint of the subscription, 1 to {ENDPOINT_BYTES}", text.len());
        return Err(Invalid::field(field, told));
    }
    Ok(text)
}

/// Reads who subscribes.
pub fn visitor_id<'a>(field: &str, text: &'a str) -> Result<&'a str, Invalid> {
    if text.is_empty() || text.len() > VISITOR_BYTES {
        let told = format!("{} bytes; give the id of the visitor's events, 1 to {VISITOR_BYTES}", text.len());
        return Err(Invalid::field(field, told));
    }
    Ok(text)
}

/// Reads a time zone's name: any text that could be one.
pub fn time_zone<'a>(field: &str, text: &'a str) -> Result<&'a str, Invalid> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+');
    if text.len() > ZONE_BYTES || !text.bytes().all(is_part) {
        return Err(Invalid::field(field, "is no name of a time zone such as Europe/Berlin; leave it out"));
    }
    Ok(text)
}

/// A campaign's content as a message.
pub fn to_wire(content: &Content) -> v1::CampaignContent {
    v1::CampaignContent {
        name: content.name.clone(),
        segment_id: content.segment.map(|id| id.to_string()).unwrap_or_default(),
        message: Some(message_to_wire(&content.message)),
        schedule: Some(schedule_to_wire(content.schedule)),
        quiet_hours: content
            .quiet
            .map(|quiet| v1::QuietHours { from_minute: quiet.from_minute.into(), to_minute: quiet.to_minute.into() }),
        frequency_cap: content.cap.map(|cap| v1::FrequencyCap { messages: cap.messages, days: cap.days }),
        expires_us: content.expires.map_or(0, |at| at.0),
    }
}

fn message_to_wire(message: &Message) -> v1::Message {
    let urgency = match message.urgency {
        Urgency::VeryLow => v1::Urgency::VeryLow,
        Urgency::Low => v1::Urgency::Low,
        Urgency::Normal => v1::Urgency::Normal,
        Urgency::High => v1::Urgency::High,
    };
    v1::Message {
        title: message.title.clone(),
        body: message.body.clone(),
        icon: message.icon.clone(),
        url: message.url.clone(),
        topic: message.topic.clone(),
        urgency: urgency.into(),
        ttl_seconds: message.ttl_seconds,
    }
}

fn schedule_to_wire(schedule: Schedule) -> v1::Schedule {
    use v1::schedule::When;
    let when = match schedule {
        Schedule::Now => When::Now(v1::Now {}),
        Schedule::At(at) => When::AtUs(at.0),
        Schedule::Local { minute, day } => When::LocalTime(v1::LocalTime {
            minute: minute.into(),
            day: day.map(|day| day.to_string()).unwrap_or_default(),
        }),
        Schedule::UsualHour => When::UsualHour(v1::UsualHour {}),
        Schedule::OnEnter => When::OnEnter(v1::OnEnter {}),
    };
    v1::Schedule { when: Some(when) }
}

/// A campaign's state as a message has it.
pub fn state(state: CampaignState) -> v1::CampaignState {
    match state {
        CampaignState::Draft => v1::CampaignState::Draft,
        CampaignState::Scheduled => v1::CampaignState::Scheduled,
        CampaignState::Running => v1::CampaignState::Running,
        CampaignState::Paused => v1::CampaignState::Paused,
        CampaignState::Done => v1::CampaignState::Done,
        CampaignState::Cancelled => v1::CampaignState::Cancelled,
    }
}

/// A number of messages and why.
pub fn reason(reason: Reason, count: u64) -> v1::Reason {
    v1::Reason { name: reason.name().to_owned(), count }
}

#[cfg(test)]
mod tests;
