//! Journeys: whose, in pages, with the events that Export writes.

use crate::ask::{days, export};
use crate::refusals::fields;
use crate::sample;
use crate::warehouse::{Warehouse, asked, at, view};
use pistats_core::{Micros, Zone};
use pistats_proto::query::v1::journey_request::Who;
use pistats_proto::query::v1::query_service_server::QueryService;
use pistats_proto::query::v1::{Bots, ExportRequest, ExportedEvent, JourneyRequest, JourneyResponse};
use pistats_testkit::OracleEvent;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;
use tonic::{Code, Status};

fn of(id: &str) -> JourneyRequest {
    JourneyRequest { who: Some(Who::VisitorId(id.to_owned())), ..JourneyRequest::default() }
}

async fn journey(warehouse: &Warehouse, request: JourneyRequest) -> Result<JourneyResponse, Status> {
    warehouse.service().journey(asked(1, request)).await.map(|answer| answer.into_inner())
}

fn paths(answer: &JourneyResponse) -> Vec<String> {
    let path = |event: &ExportedEvent| event.page.trim_start_matches("shop.example").to_owned();
    answer.sessions.iter().map(|session| session.events.iter().map(path).collect::<Vec<_>>().join(" ")).collect()
}

#[tokio::test]
async fn a_journey_is_the_visitors_sessions_the_newest_first() {
    let warehouse = sample::warehouse().await;
    let ada = journey(&warehouse, of("ada")).await.unwrap();
    assert_eq!(paths(&ada), ["/", "/done", "/ /pricing"]);
    let newest = &ada.sessions[0];
    assert_eq!((newest.start_us, newest.end_us), (at("2024-05-14T09:00:00Z").0, at("2024-05-14T09:00:00Z").0));
    let oldest = &ada.sessions[2];
    assert_eq!((oldest.start_us, oldest.end_us), (at("2024-05-13T10:00:00Z").0, at("2024-05-13T10:30:00Z").0));
    assert_eq!((oldest.page_views, oldest.total_events), (2, 2));
    assert_eq!((oldest.entry_page.as_str(), oldest.exit_page.as_str()), ("shop.example/", "shop.example/pricing"));
    assert_eq!((ada.total_sessions, ada.total_events, ada.next_before_us), (3, 4, 0));
    assert_eq!((ada.first_seen_us, ada.last_seen_us), (oldest.start_us, newest.end_us));
    assert!(ada.as_of.is_some());
    // Bots' events are the visitor's too.
    assert_eq!(paths(&journey(&warehouse, of("dora")).await.unwrap()), ["/ /x"]);
}

#[tokio::test]
async fn a_visitor_is_found_by_the_key_that_export_tells_and_on_its_own_site_only() {
    let mut warehouse = Warehouse::new(&[(1, &Zone::utc()), (2, &Zone::utc())]);
    warehouse.commit(1, &sample::events()[..3]).await;
    warehouse.commit(2, &sample::events()).await;
    let range = || days("2024-05-12", "2024-05-14");
    let request = ExportRequest { range: range(), bots: Bots::Include.into(), ..ExportRequest::default() };
    let exported = export(&warehouse, request.clone()).await.remove(0).events;
    let by_key = |key: &str| JourneyRequest { who: Some(Who::Visitor(key.to_owned())), ..JourneyRequest::default() };
    let found = journey(&warehouse, by_key(&exported[0].visitor)).await.unwrap();
    assert_eq!(found, journey(&warehouse, of("ada")).await.unwrap());
    assert_eq!(found, journey(&warehouse, by_key(&exported[0].visitor.to_uppercase())).await.unwrap());
    let told: Vec<&ExportedEvent> = found.sessions.iter().rev().flat_map(|session| &session.events).collect();
    assert_eq!(told, exported.iter().collect::<Vec<_>>(), "the very messages of Export");

    let elsewhere = warehouse.service().export(asked(2, request)).await.unwrap().into_inner();
    let elsewhere: Vec<_> = futures::TryStreamExt::try_collect(elsewhere).await.unwrap();
    for event in elsewhere.into_iter().flat_map(|message: pistats_proto::query::v1::ExportResponse| message.events) {
        let refused = journey(&warehouse, by_key(&event.visitor)).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "a key of site 2 opens nothing on site 1");
    }
    for unknown in [of("bob"), of("nobody"), by_key(&"0".repeat(32))] {
        assert_eq!(journey(&warehouse, unknown).await.unwrap_err().code(), Code::NotFound);
    }
}

#[tokio::test]
async fn what_is_no_visitor_and_too_many_sessions_are_refused_by_field() {
    let warehouse = sample::warehouse().await;
    let refused = async |request| fields(journey(&warehouse, request).await.unwrap_err());
    assert_eq!(refused(JourneyRequest::default()).await, ["visitor"]);
    let key = JourneyRequest { who: Some(Who::Visitor("ada".into())), ..JourneyRequest::default() };
    assert_eq!(refused(key).await, ["visitor"]);
    assert_eq!(refused(of("")).await, ["visitor_id"]);
    assert_eq!(refused(JourneyRequest { sessions: 101, before_us: -1, ..of("ada") }).await, ["sessions", "before_us"]);
    let most = journey(&warehouse, JourneyRequest { sessions: 100, ..of("ada") }).await.unwrap();
    assert_eq!(most.sessions.len(), 3);
    // Before everything there is a visitor, and no session.
    let before = at("2024-05-13T10:00:00Z").0;
    let none = journey(&warehouse, JourneyRequest { before_us: before, ..of("ada") }).await.unwrap();
    assert_eq!((none.sessions.len(), none.total_sessions, none.next_before_us), (0, 3, 0));
    let one = journey(&warehouse, JourneyRequest { before_us: before + 1, ..of("ada") }).await.unwrap();
    assert_eq!(paths(&one), ["/ /pricing"]);
}

#[tokio::test]
async fn a_session_shows_its_first_500_events_and_counts_all() {
    let start = at("2024-05-13T10:00:00Z");
    let mut events: Vec<OracleEvent> = (0..501).map(|n| view(n, "ada", "2024-05-13T10:00:00Z", "/")).collect();
    for (number, event) in events.iter_mut().enumerate() {
        event.time = start.plus(number as i64 / 2 * Micros::SECOND);
        event.title = number.to_string();
    }
    let mut warehouse = Warehouse::new(&[(1, &Zone::utc())]);
    warehouse.commit(1, &events).await;
    let answer = journey(&warehouse, of("ada")).await.unwrap();
    let session = &answer.sessions[0];
    let titles: Vec<usize> = session.events.iter().map(|event| event.title.parse().unwrap()).collect();
    assert_eq!(titles, (0..500).collect::<Vec<_>>());
    assert_eq!((session.total_events, answer.total_events), (501, 501));
}

#[tokio::test]
async fn paging_shows_every_session_and_event_once_and_only_once() {
    let mut dice = StdRng::seed_from_u64(20_240_513);
    let start = at("2024-05-01T00:00:00Z");
    let mut events = Vec::new();
    for number in 0..400 {
        let visitor = ["ada", "bob"][dice.random_range(0..2)];
        let mut event = view(number, visitor, "2024-05-01T00:00:00Z", "/");
        // Quarters of an hour over two weeks: many exact gaps of 30:00.
        event.time = start.plus(dice.random_range(0..14 * 96) * 15 * Micros::MINUTE);
        event.title = number.to_string();
        events.push(event);
    }
    let mut warehouse = Warehouse::new(&[(1, &Zone::utc()), (2, &Zone::utc())]);
    // Late events and several versions of most sessions.
    for part in events.chunks(60) {
        warehouse.commit(1, part).await;
    }
    warehouse.commit(2, &events).await;
    for visitor in ["ada", "bob"] {
        let expected: BTreeMap<(i64, u32), &OracleEvent> = events
            .iter()
            .filter(|event| event.visitor == visitor)
            .map(|event| ((event.time.0, event.title.parse().unwrap()), event))
            .collect();
        for sessions in [1, 7, 100] {
            let (mut before_us, mut seen, mut starts) = (0, Vec::new(), Vec::new());
            let total = loop {
                let answer = journey(&warehouse, JourneyRequest { sessions, before_us, ..of(visitor) }).await.unwrap();
                assert!(answer.sessions.len() <= sessions as usize);
                for session in &answer.sessions {
                    assert_eq!(session.events.len() as u64, session.total_events);
                    starts.push(session.start_us);
                    seen.extend(session.events.iter().map(|e| (e.time_us, e.title.parse::<u32>().unwrap())));
                }
                before_us = answer.next_before_us;
                if before_us == 0 {
                    break answer.total_sessions;
                }
            };
            assert!(starts.is_sorted_by(|one, next| one > next), "the newest first, none twice");
            assert_eq!(starts.len() as u64, total);
            seen.sort_unstable();
            assert_eq!(seen, expected.keys().copied().collect::<Vec<_>>(), "{visitor} by {sessions}");
        }
    }
}
