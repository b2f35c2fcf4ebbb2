//! Records that come to the log more than once take effect once, counts and refusals included, over any restart.

mod common;

use common::{SITE, World, assert_rows, caught_up, config, logged, naive, record};
use pistats_aggregate::Service;
use pistats_core::directory::{Key, KeyHash};
use pistats_core::{Directory, Micros, PartitionId, Scope, Zone};
use pistats_eventlog::{Append, EventLog};
use pistats_proto::aggregate::v1 as proto;
use pistats_proto::aggregate::v1::aggregate_service_server::AggregateService;
use pistats_proto::record::v1::{Forwarded, PackedRecord, RejectedEvent};
use pistats_store::Registry;
use pistats_testkit::histories::{History, Sent};
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Arc;
use tonic::Request;

const PARTITION: PartitionId = PartitionId(0);

/// A record as a collector's forwarder sends it.
fn forwarded(append: &Append, writer: u64, sequence: u64) -> Append {
    let mut payload = append.payload.to_vec();
    PackedRecord { forwarded: Some(Forwarded { writer, sequence, first: None }), ..PackedRecord::default() }
        .encode(&mut payload)
        .expect("a vector has room");
    Append { payload: payload.into(), ..append.clone() }
}

fn refused(number: u8) -> RejectedEvent {
    RejectedEvent { id: vec![number; 16].into(), reason: 7, field: "visitor_id".into(), ..RejectedEvent::default() }
}

/// What a partition's process counted, by reason.
async fn drops(world: &World, handle: pistats_aggregate::Handle) -> BTreeMap<String, u64> {
    let key = Key {
        id: "instance".into(),
        hash: KeyHash::of("instance"),
        scope: Scope::Instance,
        site: None,
        name: String::new(),
        created: Micros(0),
        revoked: false,
    };
    let mut directory: Directory = (**world.directory.load()).clone();
    directory.put_key(key);
    world.directory.store(Arc::new(directory));
    let handle = Arc::new(handle);
    let mut request = Request::new(proto::ListPartitionsRequest {});
    request.metadata_mut().insert("authorization", "Bearer instance".parse().expect("a key"));
    let service = Service::new(handle.clone(), None);
    let answer = service.list_partitions(request).await.expect("answered").into_inner();
    drop(service);
    Arc::into_inner(handle).expect("nobody else").shutdown().await;
    answer.drops.into_iter().map(|drop| (drop.reason, drop.count)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_comes_again_counts_once_also_after_a_restart() {
    let zone = Zone::utc();
    let mut sent: Vec<Sent> = History::random(77, &zone, 200, 20).sent;
    sent.iter_mut().for_each(|event| event.visitor_id = "one".into());
    let expected = naive(&sent, &zone);
    // One event of the client's is a duplicate: that one counts as such.
    sent.push(sent[0].clone());
    let plain: Vec<Append> = sent
        .chunks(20)
        .enumerate()
        .map(|(number, events)| {
            record(SITE, PARTITION, events.iter().map(logged).collect(), vec![refused(number as u8)])
        })
        .collect();
    let duplicates = {
        let distinct: std::collections::HashSet<_> = sent.iter().map(|event| event.id).collect();
        (sent.len() - distinct.len()) as u64
    };
    let world = World::new(&zone);
    let part = plain.len() / 2;

    let handle = world.start(config(100));
    for (number, append) in plain[..part].iter().enumerate() {
        // Each comes twice, as when an answer was lost.
        let append = forwarded(append, 5, number as u64);
        world.log.append(vec![append.clone(), append]).await.expect("appended");
    }
    caught_up(&handle).await;
    let mut counted = drops(&world, handle).await;

    // Another process; the forwarder starts again at an older checkpoint.
    let handle = world.start(config(100));
    for (number, append) in plain.iter().enumerate().skip(part - 3) {
        world.log.append(vec![forwarded(append, 5, number as u64)]).await.expect("appended");
    }
    caught_up(&handle).await;
    for (reason, count) in drops(&world, handle).await {
        *counted.entry(reason).or_default() += count;
    }

    assert_rows(&world.rows().await, &expected, "every event once");
    assert_eq!(counted.get("duplicate"), Some(&duplicates));
    assert_eq!(counted.get("resent_record"), Some(&(part as u64 + 3)));
    assert_eq!(counted.get("lost_record"), None);
    let kept: u64 = world.duck.rejected_counts(SITE).await.expect("counted").iter().map(|(_, count)| count).sum();
    assert_eq!(kept, plain.len() as u64, "a refusal counts once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_writers_numbers_a_resend_would_be_counted_as_duplicates_and_refusals() {
    // Why events' ids are not enough, and why a collector's own log, whose numbers do not ascend, is not judged by them.
    let zone = Zone::utc();
    let sent = History::random(78, &zone, 10, 3).sent;
    let world = World::new(&zone);
    let handle = world.start(config(100));
    let append = record(SITE, PARTITION, sent.iter().map(logged).collect(), vec![refused(1)]);
    world.log.append(vec![append.clone(), append]).await.expect("appended");
    caught_up(&handle).await;
    let counted = drops(&world, handle).await;
    assert!(counted["duplicate"] >= sent.len() as u64, "{counted:?}");
    let kept: u64 = world.duck.rejected_counts(SITE).await.expect("counted").iter().map(|(_, count)| count).sum();
    assert_eq!(kept, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_a_writer_sent_and_the_log_does_not_have_is_told() {
    let zone = Zone::utc();
    let sent = History::random(79, &zone, 10, 3).sent;
    let world = World::new(&zone);
    let handle = world.start(config(100));
    let append = record(SITE, PARTITION, sent.iter().map(logged).collect(), Vec::new());
    let lacking = [0, 1, 4].map(|number| forwarded(&append, 8, number));
    world.log.append(lacking.to_vec()).await.expect("appended");
    caught_up(&handle).await;
    assert_eq!(drops(&world, handle).await.get("lost_record"), Some(&2));
}
