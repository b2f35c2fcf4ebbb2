//! The service answers whom it should; what cannot be folded is counted and kept.

mod common;

use arc_swap::ArcSwap;
use common::{SITE, World, caught_up, config};
use futures::StreamExt;
use pistats_aggregate::Service;
use pistats_core::directory::{Key, KeyHash};
use pistats_core::{Directory, Micros, PartitionId, Scope, Site, SiteId, Zone};
use pistats_eventlog::EventLog;
use pistats_proto::aggregate::v1 as proto;
use pistats_proto::aggregate::v1::aggregate_service_server::AggregateService;
use pistats_proto::record::v1::{LoggedEvent, RejectedEvent};
use pistats_store::{Registry, RejectedQuery};
use pistats_testkit::histories::{History, Sent};
use std::collections::BTreeMap;
use std::sync::Arc;
use tonic::{Code, Request};

/// Distinct events.
fn distinct(seed: u64, count: usize) -> Vec<Sent> {
    let mut sent = History::random(seed, &Zone::utc(), count, 40).sent;
    let mut seen = std::collections::HashSet::new();
    sent.retain(|event| seen.insert(event.id));
    sent.truncate(count);
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_folded_is_counted_and_kept_and_stops_nothing() {
    let good = distinct(32, 20);
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

    let watch = |per_second, key: &str| {
        service.watch_live(request(proto::WatchLiveRequest { per_second, ..Default::default() }, key))
    };
    assert_eq!(code(watch(11, "read").await.map(drop)), Some(Code::InvalidArgument));
    // The instance key belongs to no site: it has to name one.
    assert_eq!(code(watch(1, "instance").await.map(drop)), Some(Code::InvalidArgument));
    assert_eq!(code(watch(1, "server").await.map(drop)), Some(Code::PermissionDenied));
    let mut live = watch(10, "read").await.expect("watching").into_inner();
    let first = live.next().await.expect("an answer").expect("no failure");
    assert_eq!((first.events, first.minutes.len()), (0, 30));
    world.append(&distinct(33, 10), 1).await;
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
    let site = Site::new(SITE, "shop.example", world.zone.clone(), Micros(0));
    let keys = [key(Scope::Instance, None), key(Scope::Read, Some(SITE)), key(Scope::Server, Some(SITE))];
    let directory: &ArcSwap<Directory> = &world.directory;
    directory.store(Arc::new(Directory::new([site], keys)));
}
