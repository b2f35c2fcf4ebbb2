//! Every state and every refusal of a campaign, as people meet them; previews, tests and watchers.

use crate::house::{
    House, MANAGE, NAMELESS, NOON, OTHER_MANAGE, READ, WRITE, asked, campaign, counts, now, subscription,
};
use futures::StreamExt;
use pistats_core::Micros;
use pistats_proto::push::v1::push_service_server::PushService;
use pistats_proto::push::v1::schedule::When;
use pistats_proto::push::v1::*;
use pistats_push::{NotSent, Outcome};
use tonic::{Code, Status};
use tonic_types::StatusExt;

fn update(id: &str, content: CampaignContent, expected_version: u32) -> UpdateCampaignRequest {
    UpdateCampaignRequest { id: id.into(), content: Some(content), expected_version }
}

fn start(id: &str) -> StartCampaignRequest {
    StartCampaignRequest { id: id.into(), expected_version: 0 }
}

fn field(refused: &Status) -> String {
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    refused.get_details_bad_request().unwrap().field_violations[0].field.clone()
}

#[tokio::test]
async fn a_draft_is_made_changed_started_held_let_go_on_and_ended_and_each_only_when_it_fits() {
    let house = House::idle();
    let made = house.create(now()).await;
    assert_eq!(
        (made.state(), made.version, made.content.clone().unwrap().name),
        (CampaignState::Draft, 1, "Spring".into())
    );
    let id = made.id;
    let changed = CampaignContent { name: "Summer".into(), ..now() };
    let told = house.push.update_campaign(asked(MANAGE, update(&id, changed.clone(), 1))).await.unwrap().into_inner();
    let told = told.campaign.unwrap();
    assert_eq!((told.version, told.content.unwrap().name), (2, "Summer".into()));
    let stale = house.push.update_campaign(asked(MANAGE, update(&id, changed.clone(), 1))).await.unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
    let wrong = StartCampaignRequest { id: id.clone(), expected_version: 1 };
    assert_eq!(house.push.start_campaign(asked(MANAGE, wrong)).await.unwrap_err().code(), Code::Aborted);

    let pause = || asked(MANAGE, PauseCampaignRequest { id: id.clone() });
    let resume = || asked(MANAGE, ResumeCampaignRequest { id: id.clone() });
    let cancel = || asked(MANAGE, CancelCampaignRequest { id: id.clone() });
    let delete = || asked(MANAGE, DeleteCampaignRequest { id: id.clone() });
    for refused in [
        house.push.pause_campaign(pause()).await.map(drop),
        house.push.resume_campaign(resume()).await.map(drop),
        house.push.cancel_campaign(cancel()).await.map(drop),
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains("a draft"), "{refused}");
    }
    let started = house.push.start_campaign(asked(MANAGE, start(&id))).await.unwrap().into_inner().campaign.unwrap();
    assert_eq!((started.state(), started.started_us), (CampaignState::Scheduled, NOON.0));
    for refused in [
        house.push.start_campaign(asked(MANAGE, start(&id))).await.map(drop),
        house.push.update_campaign(asked(MANAGE, update(&id, changed, 0))).await.map(drop),
        house.push.resume_campaign(resume()).await.map(drop),
        house.push.delete_campaign(delete()).await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().code(), Code::FailedPrecondition);
    }
    let paused = house.push.pause_campaign(pause()).await.unwrap().into_inner().campaign.unwrap();
    assert_eq!(paused.state(), CampaignState::Paused);
    assert_eq!(house.push.pause_campaign(pause()).await.unwrap_err().code(), Code::FailedPrecondition);
    let resumed = house.push.resume_campaign(resume()).await.unwrap().into_inner().campaign.unwrap();
    assert_eq!(resumed.state(), CampaignState::Scheduled, "nothing was planned yet");
    let cancelled = house.push.cancel_campaign(cancel()).await.unwrap().into_inner().campaign.unwrap();
    assert_eq!((cancelled.state(), cancelled.ended_us), (CampaignState::Cancelled, NOON.0));
    assert_eq!(house.push.cancel_campaign(cancel()).await.unwrap_err().code(), Code::FailedPrecondition);
    house.push.delete_campaign(delete()).await.unwrap();
    let gone = house.push.get_campaign(asked(READ, GetCampaignRequest { id: id.clone() })).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}

#[tokio::test]
async fn what_needs_more_than_the_words_is_refused_by_its_field() {
    let house = House::idle();
    let create = async |content: CampaignContent| {
        let request = CreateCampaignRequest { content: Some(content) };
        house.push.create_campaign(asked(MANAGE, request)).await.map(|told| told.into_inner().campaign.unwrap().id)
    };
    let missing = CampaignContent { segment_id: "0".repeat(32), ..now() };
    assert_eq!(field(&create(missing).await.unwrap_err()), "content.segment_id");
    let mut long = now();
    long.message.as_mut().unwrap().body = "\"".repeat(2_000);
    assert_eq!(field(&create(long).await.unwrap_err()), "content.message", "each quote is two bytes");
    let none = house.push.create_campaign(asked(MANAGE, CreateCampaignRequest::default())).await.unwrap_err();
    assert_eq!(field(&none), "content");

    // What is in time when it is made may be late when it is started.
    let local = |day: &str| campaign(When::LocalTime(LocalTime { minute: 0, day: day.into() }));
    for (wrong, content) in [
        ("content.schedule.at_us", campaign(When::AtUs(NOON.0 - 1))),
        ("content.schedule.local_time.day", local("2026-03-27")),
        ("content.expires_us", CampaignContent { expires_us: NOON.0, ..now() }),
        ("content.expires_us", CampaignContent { expires_us: NOON.0 + 5, ..campaign(When::AtUs(NOON.0 + 5)) }),
    ] {
        let id = create(content).await.unwrap();
        assert_eq!(field(&house.push.start_campaign(asked(MANAGE, start(&id))).await.unwrap_err()), wrong);
    }
    for content in
        [campaign(When::AtUs(NOON.0)), local("2026-03-28"), CampaignContent { expires_us: NOON.0 + 1, ..now() }]
    {
        let id = create(content).await.unwrap();
        house.push.start_campaign(asked(MANAGE, start(&id))).await.unwrap();
    }
}

#[tokio::test]
async fn who_may_do_what_is_the_keys_business_and_sites_never_meet() {
    let house = House::idle();
    let id = house.create(now()).await.id;
    let request = || CreateCampaignRequest { content: Some(now()) };
    for (key, code) in [(READ, Code::PermissionDenied), (WRITE, Code::PermissionDenied), ("x", Code::Unauthenticated)] {
        assert_eq!(house.push.create_campaign(asked(key, request())).await.unwrap_err().code(), code);
        assert_eq!(house.push.start_campaign(asked(key, start(&id))).await.unwrap_err().code(), code);
    }
    assert_eq!(
        house.push.list_campaigns(asked(WRITE, ListCampaignsRequest {})).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    let theirs = house.push.list_campaigns(asked(OTHER_MANAGE, ListCampaignsRequest {})).await.unwrap().into_inner();
    assert!(theirs.campaigns.is_empty());
    let ours = house.push.list_campaigns(asked(READ, ListCampaignsRequest {})).await.unwrap().into_inner();
    assert_eq!(ours.campaigns.len(), 1);
    for refused in [
        house.push.get_campaign(asked(OTHER_MANAGE, GetCampaignRequest { id: id.clone() })).await.map(drop),
        house.push.start_campaign(asked(OTHER_MANAGE, start(&id))).await.map(drop),
        house.push.delete_campaign(asked(OTHER_MANAGE, DeleteCampaignRequest { id: id.clone() })).await.map(drop),
        house.push.watch_campaign(asked(OTHER_MANAGE, WatchCampaignRequest { id: id.clone() })).await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    }
    let no_id = house.push.get_campaign(asked(READ, GetCampaignRequest { id: "spring".into() })).await.unwrap_err();
    assert_eq!(field(&no_id), "id");
    // Nobody to write to: the site's name is no host, and the server names nobody.
    let made = house.push.create_campaign(asked(NAMELESS, request())).await.unwrap().into_inner().campaign.unwrap();
    let refused = house.push.start_campaign(asked(NAMELESS, start(&made.id))).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("push.contact"), "{refused}");
}

#[tokio::test]
async fn twenty_campaigns_are_under_way_and_one_more_is_refused_until_one_ends() {
    let house = House::idle();
    let later = || campaign(When::AtUs(NOON.0 + Micros::DAY));
    let mut first = None;
    for _ in 0..20 {
        first = Some(house.start(later()).await);
    }
    let id = house.create(later()).await.id;
    let refused = house.push.start_campaign(asked(MANAGE, start(&id))).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    house.push.cancel_campaign(asked(MANAGE, CancelCampaignRequest { id: first.unwrap() })).await.unwrap();
    house.push.start_campaign(asked(MANAGE, start(&id))).await.unwrap();
}

#[tokio::test]
async fn a_preview_tells_whom_it_would_reach_when_and_what_they_would_see() {
    let house = House::idle();
    let segment = house.segment().await;
    for (number, zone) in [(1, "Europe/Berlin"), (2, "America/New_York"), (3, "Asia/Tokyo"), (4, "Nowhere/Land")] {
        house.visits(number, &[]).await;
        house.subscribe(&format!("b{number}"), number, zone).await;
    }
    house.visits(5, &[]).await;
    house.world.set(NOON);
    house.world.be(&[1, 2, 4, 5]);
    let nine = When::LocalTime(LocalTime { minute: 540, day: "2026-03-28".into() });
    let preview = async |content| {
        let request = PreviewCampaignRequest { what: Some(preview_campaign_request::What::Content(content)) };
        house.push.preview_campaign(asked(READ, request)).await.unwrap().into_inner()
    };
    let told = preview(CampaignContent { segment_id: segment.clone(), ..campaign(nine) }).await;
    assert_eq!((told.members, told.reachable), (4, 3), "one has no subscription");
    // It is one o'clock in Berlin, also for whose zone is unknown, and eight in New York.
    assert_eq!((told.missed, told.first_us, told.last_us), (2, NOON.0 + Micros::HOUR, NOON.0 + Micros::HOUR));
    assert_eq!((told.by_hour.len(), told.by_hour[9], told.by_hour.iter().sum::<u64>()), (24, 1, 1));
    let payload: serde_json::Value = serde_json::from_str(&told.payload).unwrap();
    assert_eq!((payload["title"].as_str(), payload["body"].as_str()), (Some("Hello"), Some("World")));
    assert_eq!(told.payload_bytes as usize, told.payload.len());

    let everybody = preview(now()).await;
    assert_eq!((everybody.members, everybody.reachable, everybody.first_us), (4, 4, NOON.0));
    let entering = preview(CampaignContent { segment_id: segment, ..campaign(When::OnEnter(OnEnter {})) }).await;
    assert_eq!((entering.reachable, entering.first_us, entering.by_hour.len()), (3, 0, 0));
    let night = QuietHours { from_minute: 480, to_minute: 840 };
    let quiet = preview(CampaignContent { quiet_hours: Some(night), ..now() }).await;
    // 13:00 in Berlin waits until 14:00, 08:00 in New York until 14:00 there; 21:00 in Tokyo does not wait.
    assert_eq!((quiet.first_us, quiet.last_us), (NOON.0, NOON.0 + 6 * Micros::HOUR));
}

#[tokio::test]
async fn a_test_goes_to_one_browser_now_and_says_what_became_of_it() {
    let house = House::idle();
    house.subscribe("mine", 1, "").await;
    let message = || Some(Message { title: "Hello".into(), ttl_seconds: 60, ..Message::default() });
    let send = async |to| house.push.test_send(asked(MANAGE, TestSendRequest { message: message(), to })).await;
    let to = |id: &str| Some(test_send_request::To::VisitorId(id.into()));
    let told = send(to("visitor 1")).await.unwrap().into_inner();
    assert_eq!(told.outcome, "accepted");
    let payload: serde_json::Value = serde_json::from_slice(house.post.last().payload()).unwrap();
    assert_eq!((payload["title"].as_str(), payload["campaign"].as_str()), (Some("Hello"), Some("")));
    assert_eq!(house.post.last().time_to_live_s(), 60);
    assert_eq!(send(to("visitor 2")).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(field(&send(None).await.unwrap_err()), "to");

    for (outcome, name, status) in [
        (Outcome::Gone, "gone", 410),
        (Outcome::TooLarge, "too_large", 413),
        (Outcome::Rejected { status: 403, reason: "no".into() }, "unauthorized", 403),
        (Outcome::Uncertain(pistats_push::Doubt::Deadline), "uncertain", 0),
        (Outcome::NotSent(NotSent::Connect("refused".into())), "unreachable", 0),
    ] {
        house.post.answer("other", [outcome]);
        let to = Some(test_send_request::To::Subscription(subscription("other")));
        let told = send(to).await.unwrap().into_inner();
        assert_eq!((told.outcome.as_str(), told.http_status), (name, status));
        assert!(!told.explanation.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_a_campaign_go_to_its_end_and_the_stream_ends_with_it() {
    let house = House::new();
    house.subscribers(3).await;
    let id = house.create(now()).await.id;
    let watch = || asked(READ, WatchCampaignRequest { id: id.clone() });
    let mut stream = house.push.watch_campaign(watch()).await.unwrap().into_inner();
    let full = house.push.watch_campaign(watch()).await.err().unwrap();
    assert_eq!(full.code(), Code::ResourceExhausted);
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!((first.campaign.unwrap().state(), first.results.unwrap().planned), (CampaignState::Draft, 0));
    house.push.start_campaign(asked(MANAGE, start(&id))).await.unwrap();
    let mut last = None;
    while let Some(told) = stream.next().await {
        last = Some(told.unwrap());
    }
    let last = last.unwrap();
    assert_eq!(last.campaign.unwrap().state(), CampaignState::Done);
    assert_eq!(counts(&last.results.unwrap()), [3, 3, 0, 0, 0]);
    assert!(house.push.watch_campaign(watch()).await.is_ok(), "its place is free");
}
