//! Each limit on both sides, by its field; and a campaign that comes back as it went in.

use super::*;
use v1::schedule::When;

fn whole() -> v1::CampaignContent {
    v1::CampaignContent {
        name: "Spring".into(),
        segment_id: "0123456789abcdef0123456789abcdef".into(),
        message: Some(v1::Message {
            title: "Hello".into(),
            body: "b".repeat(BODY_BYTES),
            icon: "https://example.org/i.png".into(),
            url: "http://localhost:3000/x".into(),
            topic: "t".repeat(TOPIC_BYTES),
            urgency: v1::Urgency::High.into(),
            ttl_seconds: MOST_TTL,
        }),
        schedule: Some(v1::Schedule {
            when: Some(When::LocalTime(v1::LocalTime { minute: 1_439, day: "2026-03-29".into() })),
        }),
        quiet_hours: Some(v1::QuietHours { from_minute: 1_320, to_minute: 420 }),
        frequency_cap: Some(v1::FrequencyCap { messages: 100, days: 90 }),
        expires_us: 7,
    }
}

fn with(change: impl FnOnce(&mut v1::CampaignContent)) -> v1::CampaignContent {
    let mut content = whole();
    change(&mut content);
    content
}

fn of_message(change: impl FnOnce(&mut v1::Message)) -> v1::CampaignContent {
    with(|content| change(content.message.as_mut().expect("a message")))
}

fn when(when: When) -> v1::CampaignContent {
    with(|content| content.schedule = Some(v1::Schedule { when: Some(when) }))
}

#[test]
fn a_campaign_comes_back_as_it_went_in() {
    let read = content("content", Some(&whole())).expect("a campaign");
    assert_eq!(to_wire(&read), whole());
    for schedule in [Schedule::Now, Schedule::At(Micros(5)), Schedule::UsualHour, Schedule::OnEnter] {
        let wire = with(|content| content.schedule = Some(schedule_to_wire(schedule)));
        assert_eq!(content("content", Some(&wire)).expect("a campaign").schedule, schedule);
    }
}

#[test]
fn every_wrong_field_is_named_by_its_path() {
    let local = |minute, day: &str| When::LocalTime(v1::LocalTime { minute, day: day.into() });
    for (field, wrong) in [
        ("content.name", with(|content| content.name.clear())),
        ("content.name", with(|content| content.name = "n".repeat(201))),
        ("content.segment_id", with(|content| content.segment_id = "buyers".into())),
        (
            "content.segment_id",
            with(|content| {
                content.segment_id.clear();
                content.schedule = Some(schedule_to_wire(Schedule::OnEnter));
            }),
        ),
        ("content.message", with(|content| content.message = None)),
        ("content.message.title", of_message(|message| message.title = " ".into())),
        ("content.message.title", of_message(|message| message.title = "t".repeat(201))),
        ("content.message.body", of_message(|message| message.body.push('b'))),
        ("content.message.icon", of_message(|message| message.icon = "http://example.org/i".into())),
        ("content.message.url", of_message(|message| message.url = "javascript:alert(1)".into())),
        ("content.message.url", of_message(|message| message.url = format!("https://{}", "u".repeat(1_017)))),
        ("content.message.topic", of_message(|message| message.topic.push('t'))),
        ("content.message.topic", of_message(|message| message.topic = "a b".into())),
        ("content.message.urgency", of_message(|message| message.urgency = 9)),
        ("content.message.ttl_seconds", of_message(|message| message.ttl_seconds += 1)),
        ("content.schedule", with(|content| content.schedule = None)),
        ("content.schedule.at_us", when(When::AtUs(0))),
        ("content.schedule.local_time.minute", when(local(1_440, ""))),
        ("content.schedule.local_time.day", when(local(0, "tomorrow"))),
        (
            "content.quiet_hours.to_minute",
            with(|content| {
                content.quiet_hours = Some(v1::QuietHours { from_minute: 0, to_minute: 1_440 });
            }),
        ),
        (
            "content.quiet_hours",
            with(|content| {
                content.quiet_hours = Some(v1::QuietHours { from_minute: 5, to_minute: 5 });
            }),
        ),
        (
            "content.frequency_cap.messages",
            with(|content| {
                content.frequency_cap = Some(v1::FrequencyCap { messages: 0, days: 1 });
            }),
        ),
        (
            "content.frequency_cap.days",
            with(|content| {
                content.frequency_cap = Some(v1::FrequencyCap { messages: 1, days: 91 });
            }),
        ),
        ("content.expires_us", with(|content| content.expires_us = -1)),
    ] {
        let refused = content("content", Some(&wrong)).expect_err(field);
        assert_eq!(refused.0.iter().map(|violation| violation.field.as_str()).collect::<Vec<_>>(), [field]);
    }
}

#[test]
fn visitors_and_zones_have_their_bounds() {
    assert!(visitor_id("visitor_id", &"v".repeat(VISITOR_BYTES)).is_ok());
    assert!(visitor_id("visitor_id", &"v".repeat(VISITOR_BYTES + 1)).is_err());
    assert!(visitor_id("visitor_id", "").is_err());
    assert!(endpoint("endpoint", &"e".repeat(ENDPOINT_BYTES)).is_ok() && endpoint("endpoint", "").is_err());
    assert!(endpoint("endpoint", &"e".repeat(ENDPOINT_BYTES + 1)).is_err());
    assert_eq!(time_zone("time_zone", "America/Argentina/Buenos_Aires"), Ok("America/Argentina/Buenos_Aires"));
    assert!(time_zone("time_zone", "").is_ok() && time_zone("time_zone", &"z".repeat(64)).is_ok());
    assert!(time_zone("time_zone", &"z".repeat(65)).is_err() && time_zone("time_zone", "a b").is_err());
}
