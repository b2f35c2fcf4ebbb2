//! The live state equals a naive count under a fixed clock, and the service answers whom it should.

mod common;

use arc_swap::ArcSwap;
use common::{SITE, World, caught_up, config};
use futures::StreamExt;
use pistats_aggregate::{LiveView, Service};
use pistats_core::directory::{Key, KeyHash};
use pistats_core::{Directory, EventId, Micros, PartitionId, Scope, Site, SiteId, Zone};
use pistats_eventlog::EventLog;
use pistats_proto::aggregate::v1 as proto;
use pistats_proto::aggregate::v1::aggregate_service_server::AggregateService;
use pistats_proto::record::v1::{LoggedEvent, RejectedEvent};
use pistats_store::{Registry, RejectedQuery};
use pistats_testkit::histories::{History, Sent};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tonic::{Code, Request};

/// 2024-06-01T12:00:30Z.
const NOW: Micros = Micros(1_717_243_230_000_000);

/// Events around now: old ones, of the last half hour, and some still to come.
fn around_now(seed: u64, count: usize) -> Vec<Sent> {
    let mut rng = StdRng::seed_from_u64(seed);
    let shape = History::random(seed, &Zone::utc(), count, 40).sent;
    let mut sent: Vec<Sent> = shape.into_iter().take(count).collect();
    for (number, event) in sent.iter_mut().enumerate() {
        let spread = if rng.random_bool(0.5) { 6 * Micros::MINUTE } else { 40 * Micros::MINUTE };
        event.time = NOW.plus(rng.random_range(-spread..3 * Micros::MINUTE));
        event.id = EventId::from_parts(NOW.0 as u64 / 1_000, number as u128);
        event.url = format!("https://shop.example/{}", rng.random_range(0..15));
    }
    // The edges: exactly five minutes ago is over, a microsecond later is not; now is, the next microsecond is not yet.
    let edges = [NOW.plus(-5 * Micros::MINUTE), NOW.plus(-5 * Micros::MINUTE + 1), NOW, NOW.plus(1)];
    for (number, (event, time)) in sent.iter_mut().zip(edges).enumerate() {
        event.time = time;
        event.visitor_id = format!("edge-{number}");
    }
    sent
}

fn naive(sent: &[Sent], now: Micros) -> LiveView {
    let current = |event: &&Sent| now.plus(-5 * Micros::MINUTE) < event.time && event.time <= now;
    let mut pages: BTreeMap<String, HashSet<&str>> = BTreeMap::new();
    for event in sent.iter().filter(current) {
        let page = event.url.strip_prefix("https://").expect("a url").to_owned();
        pages.entry(page).or_default().insert(&event.visitor_id);
    }
    let mut top: Vec<(Arc<str>, u64)> =
        pages.into_iter().map(|(page, visitors)| (page.into(), visitors.len() as u64)).collect();
    top.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    top.truncate(10);
    let minute = now.0.div_euclid(Micros::MINUTE);
    LiveView {
        now,
        current_visitors: sent.iter().filter(current).map(|event| &event.visitor_id).collect::<HashSet<_>>().len()
            as u64,
        // The test's records carry a receipt long ago.
        events_per_second: 0.0,
        minutes: (minute - 29..=minute)
            .map(|minute| sent.iter().filter(|event| event.time.0.div_euclid(Micros::MINUTE) == minute).count() as u64)
            .collect(),
        top_pages: top,
        events: sent.len() as u64,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_state_equals_a_naive_count_while_the_clock_goes_on() {
    let sent = around_now(31, 500);
    let world = World::new(&Zone::utc());
    let clock = Arc::new(AtomicI64::new(NOW.0));
    let own = clock.clone();
    let handle = world.start_at(config(100), Arc::new(move || Micros(own.load(Ordering::SeqCst))));
    world.append(&sent, 5).await;
    // Resent events are shown once.
    world.append(&sent[..100], 5).await;
    caught_up(&handle).await;
    for later in [0, 1, 59, 61, 120, 240, 301, 2_000] {
        let now = NOW.plus(later * Micros::SECOND);
        clock.store(now.0, Ordering::SeqCst);
        assert_eq!(handle.live(SITE), naive(&sent, now), "{later} s later");
    }
    assert_eq!(handle.live(SiteId(9)).events, 0);
    handle.shutdown().await;

    // Another process knows it all again, but for what only this one counted.
    clock.store(NOW.0, Ordering::SeqCst);
    let own = clock.clone();
    let handle = world.start_at(config(100), Arc::new(move || Micros(own.load(Ordering::SeqCst))));
    caught_up(&handle).await;
    for later in [0, 61, 240, 2_000] {
        let now = NOW.plus(later * Micros::SECOND);
        clock.store(now.0, Ordering::SeqCst);
        assert_eq!(handle.live(SITE), LiveView { events: 0, ..naive(&sent, now) }, "started again, {later} s later");
    }
    handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_folded_is_counted_and_kept_and_stops_nothing() {
    let good = around_now(32, 20);
    let world = World::new(&Zone::utc());
    let handle = world.start(config(100));
    let event = common::logged(&good[0]);
    let broken = LoggedEvent { visitor_id: String::new(), id: vec![1; 16].into(), ..event.clone() };
    let refused =
        RejectedEvent { id: vec![7; 16].into(), reason: 7, field: "visitor_id".into(), ..RejectedEvent::default() };
    let mut rubbish = common::record(SITE, PartitionId(0), vec![event.clone()], Vec::new());
    rubbish.payload = bytes::Bytes::from_static(&[0xff; 40]);
    world
        .log
        .append(vec![
            rubbish,
            common::record(SITE, PartitionId(0), vec![broken], vec![refused]),
            common::record(SiteId(77), PartitionId(0), vec![event.clone(), event], Vec::new()),
        ])
        .await
        .expect("appended");
    world.append(&good, 3).await;
    world.append(&good[..5], 1).await;
    caught_up(&handle).await;
    let handle = Arc::new(handle);
    let service = Service::new(handle.clone(), Some(Arc::new(|| vec![("too_many".into(), 4)])));
    grant(&world);
    let answer = service.list_partitions(request((), "instance").map(|()| proto::ListPartitionsRequest {})).await;
    let answer = answer.expect("answered").into_inner();
    let drops: BTreeMap<&str, u64> = answer.drops.iter().map(|drop| (drop.reason.as_str(), drop.count)).collect();
    assert_eq!(drops, BTreeMap::from([("duplicate", 5), ("undecodable", 2), ("unknown_site", 2), ("too_many", 4)]));
    assert_eq!(answer.partitions.iter().map(|partition| partition.events).sum::<u64>(), 20);
    assert!(
        answer.partitions.iter().all(|partition| partition.lag == 0 && partition.checkpoint == partition.next_offset)
    );
    assert_eq!(world.number("SELECT count(*) FROM event").await, 20);

    // Both refusals are kept, once, also after the log was folded again.
    let query = || RejectedQuery { site: SITE, reason: None, ids: Vec::new(), limit: 10 };
    assert_eq!(world.duck.rejected(query()).await.expect("listed").len(), 2);
    let all = proto::ReplayRequest {
        position: Some(pistats_proto::log::v1::Position {
            position: Some(pistats_proto::log::v1::position::Position::First(true)),
        }),
        partitions: Vec::new(),
    };
    let mut replay = service.replay(request(all, "instance")).await.expect("started").into_inner();
    let mut last = None;
    while let Some(at) = replay.next().await {
        last = Some(at.expect("no failure"));
    }
    let last = last.expect("progress");
    assert_eq!((last.done, last.repaired, last.records), (true, 0, last.records_total));
    assert_eq!(world.duck.rejected(query()).await.expect("listed").len(), 2);
    let counts = world.duck.rejected_counts(SITE).await.expect("counted");
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_asks_for_its_key() {
    let world = World::new(&Zone::utc());
    grant(&world);
    let service = Service::new(Arc::new(world.start(config(100))), None);
    let list = |key: &str| service.list_partitions(request(proto::ListPartitionsRequest {}, key));
    assert_eq!(list("nobody").await.expect_err("refused").code(), Code::Unauthenticated);
    assert_eq!(list("read").await.expect_err("refused").code(), Code::PermissionDenied);
    assert_eq!(list("instance").await.expect("answered").into_inner().partitions.len(), 8);

    let replay = |position, key: &str| {
        let position = Some(pistats_proto::log::v1::Position { position });
        service.replay(request(proto::ReplayRequest { position, partitions: Vec::new() }, key))
    };
    use pistats_proto::log::v1::position::Position::Offset;
    let code = |result: Result<_, tonic::Status>| result.err().map(|status: tonic::Status| status.code());
    assert_eq!(code(replay(None, "instance").await.map(drop)), Some(Code::InvalidArgument));
    assert_eq!(code(replay(Some(Offset(5)), "instance").await.map(drop)), Some(Code::OutOfRange));
    assert_eq!(code(replay(Some(Offset(0)), "read").await.map(drop)), Some(Code::PermissionDenied));

    let watch = |per_second, key: &str| service.watch_live(request(proto::WatchLiveRequest { per_second }, key));
    assert_eq!(code(watch(11, "read").await.map(drop)), Some(Code::InvalidArgument));
    assert_eq!(code(watch(1, "instance").await.map(drop)), Some(Code::PermissionDenied));
    let mut live = watch(10, "read").await.expect("watching").into_inner();
    let first = live.next().await.expect("an answer").expect("no failure");
    assert_eq!((first.events, first.minutes.len()), (0, 30));
    world.append(&around_now(33, 10), 1).await;
    while live.next().await.expect("an answer").expect("no failure").events < 10 {}
}

fn request<T>(message: T, key: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().expect("ascii"));
    request
}

/// Keys named like their scopes.
fn grant(world: &World) {
    let key = |scope: Scope, site| Key {
        id: scope.name().into(),
        hash: KeyHash::of(scope.name()),
        scope,
        site,
        name: String::new(),
        created: Micros(0),
        revoked: false,
    };
    let site = Site { id: SITE, name: "shop.example".into(), zone: world.zone.clone(), created: Micros(0) };
    let keys = [key(Scope::Instance, None), key(Scope::Read, Some(SITE))];
    let directory: &ArcSwap<Directory> = &world.directory;
    directory.store(Arc::new(Directory::new([site], keys)));
}
