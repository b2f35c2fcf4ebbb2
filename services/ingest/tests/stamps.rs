//! What lies in the log: the event as sent, the stamps, one record a partition, and never a client address.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bytes::Bytes;
use common::{BROWSER, Bench, NOW, SITE, TRACE, bytes, full, log_holds, of};
use pistats_core::{EventId, Micros, PartitionId, Reason};
use pistats_eventlog::{EventLog, Position};
use pistats_ingest::Trust;
use pistats_proto::ingest::v1::Event;
use pistats_proto::record::v1::{LoggedEvent, RejectedEvent};
use pistats_rpc::resubmit::{Resubmission, Resubmit};
use prost::Message;
use std::collections::BTreeSet;

async fn logged(trust: Trust, event: &Event) -> LoggedEvent {
    let bench = Bench::default();
    assert_eq!(bench.collect(trust, &[bytes(event)]).await.accepted, 1);
    assert!(!log_holds(&*bench.log, "192.0.2.7").await, "a client address reached the log");
    bench.events().await.remove(0)
}

#[tokio::test]
async fn a_servers_event_is_believed_and_loses_only_its_address() {
    let sent = full("ada");
    let logged = logged(Trust::Server, &sent).await;
    assert_eq!(logged.country, "DE");
    let expected = LoggedEvent {
        id: sent.id,
        time_us: sent.time_us.unwrap(),
        sent_at_us: sent.sent_at_us,
        visitor_id: sent.visitor_id,
        user_id: sent.user_id,
        name: sent.name,
        url: sent.url,
        referrer: sent.referrer,
        title: sent.title,
        topics: sent.topics,
        language: sent.language,
        time_zone: sent.time_zone,
        screen_width: sent.screen_width,
        screen_height: sent.screen_height,
        user_agent: "Event/1".into(),
        country: "DE".into(),
        value_micros: sent.value_micros,
        properties: sent.properties,
        client_time_us: None,
    };
    assert_eq!(logged, expected);
}

#[tokio::test]
async fn a_public_key_is_not_believed_about_user_agent_country_and_address() {
    let event = logged(Trust::Public, &full("ada")).await;
    assert_eq!((&*event.user_agent, &*event.country), (BROWSER, ""));
    // Not even when it is wrong: what is not believed is no reason to refuse.
    let odd = Event { country: "Atlantis".into(), user_agent: "x".repeat(5_000), ..of("ada") };
    let event = logged(Trust::Public, &odd).await;
    assert_eq!((&*event.user_agent, &*event.country), (BROWSER, ""));
}

#[tokio::test]
async fn a_servers_event_without_user_agent_gets_none() {
    assert_eq!(logged(Trust::Server, &of("ada")).await.user_agent, "");
}

#[tokio::test]
async fn an_event_without_id_and_time_gets_both() {
    let bench = Bench::default();
    bench.collect(Trust::Public, &vec![bytes(&of("ada")); 100]).await;
    let events = bench.events().await;
    let ids: BTreeSet<EventId> = events.iter().map(|event| EventId::from_slice(&event.id).unwrap()).collect();
    assert_eq!(ids.len(), 100);
    assert!(ids.iter().all(|id| id.created_ms() as i64 == NOW.0 / 1_000));
    assert!(events.iter().all(|event| (event.time_us, event.client_time_us) == (NOW.0, None)));
}

#[tokio::test]
async fn the_sent_bytes_lie_in_the_log_untouched() {
    let event = Event { client_address: String::new(), ..full("ada") };
    // Fields in another order than a generated client sends them, and one of a later contract.
    let mut sent = Vec::new();
    prost::encoding::string::encode(4_000, &"later".to_owned(), &mut sent);
    sent.extend(event.encode_to_vec());
    let bench = Bench::default();
    assert_eq!(bench.judge_bytes(sent.clone().into()).await, Ok(()));
    let mut found = false;
    for partition in PartitionId::all() {
        if bench.log.bounds(partition).await.unwrap().next.0 > 0 {
            let mut records = bench.log.read(partition, Position::First).await.unwrap();
            let payload = futures::StreamExt::next(&mut records).await.unwrap().unwrap().payload;
            found |= payload.windows(sent.len()).any(|window| window == sent);
        }
    }
    assert!(found);
}

#[tokio::test]
async fn a_request_becomes_one_record_a_partition() {
    let bench = Bench::default();
    let visitors: Vec<String> = (0..200).map(|n| format!("visitor-{n}")).collect();
    let batch: Vec<Bytes> = visitors
        .iter()
        .zip(1..)
        .map(|(visitor, second)| bytes(&Event { time_us: Some(NOW.0 - second * Micros::SECOND), ..of(visitor) }))
        .collect();
    bench.collect(Trust::Public, &batch).await;
    bench.collect(Trust::Public, &batch[..1]).await;

    let records = bench.records().await;
    let first: Vec<_> = records.iter().filter(|(_, _, record)| record.events.len() > 1).collect();
    assert_eq!(first.len(), PartitionId::all().len());
    let mut sequences = BTreeSet::new();
    for (partition, count, record) in &records {
        assert_eq!(*count as usize, record.events.len());
        assert_eq!((record.site, record.received_us), (SITE.0, NOW.0));
        assert_eq!(record.traceparents, [TRACE]);
        assert_eq!(record.writer, records[0].2.writer);
        assert!(sequences.insert(record.sequence));
        for event in &record.events {
            assert_eq!(PartitionId::of(SITE, event.visitor_id.as_bytes()), *partition);
        }
        let times = || record.events.iter().map(|event| event.time_us);
        assert_eq!((record.min_time_us, record.max_time_us), (times().min().unwrap(), times().max().unwrap()));
        // Within a record the order sent is kept.
        assert!(times().is_sorted_by(|a, b| a > b));
    }
    assert_eq!(sequences, (0..9).collect());
    assert_eq!(records.iter().map(|(_, _, record)| record.events.len()).sum::<usize>(), 201);
}

#[tokio::test]
async fn a_record_is_split_before_it_is_too_large_to_read() {
    let bench = Bench::new(pistats_core::Limits { batch_bytes: 64 << 20, ..Default::default() });
    let event = Event { title: "t".repeat(4_000), referrer: "r".repeat(8_000), url: "u".repeat(8_000), ..of("ada") };
    let collected = bench.collect(Trust::Public, &vec![bytes(&event); 1_000]).await;
    assert_eq!(collected.accepted, 1_000);
    let records = bench.records().await;
    assert_eq!(records.iter().map(|(_, count, _)| count).sum::<u32>(), 1_000);
    assert!(records.iter().all(|(_, _, record)| record.encoded_len() <= 1 << 20));
    assert!(records.len() > 19, "{} records", records.len());
}

#[tokio::test]
async fn an_id_seen_lately_is_told_and_yet_accepted() {
    let bench = Bench::default();
    let batch = [bytes(&full("ada")), bytes(&of("ada")), bytes(&full("ada"))];
    let first = bench.collect(Trust::Public, &batch).await;
    assert_eq!((first.accepted, first.duplicates), (3, 1));
    let again = bench.collect(Trust::Public, &batch).await;
    assert_eq!((again.accepted, again.duplicates), (3, 2));
    assert_eq!(bench.events().await.len(), 6);
    assert_eq!(bench.collector.counters().read().duplicates, 3);
}

fn resubmission(kept: &RejectedEvent, received: Micros) -> Resubmission {
    Resubmission {
        refusal: EventId::from_slice(&kept.id).unwrap(),
        received,
        payload: kept.payload.clone(),
        user_agent: kept.user_agent.clone(),
    }
}

#[tokio::test]
async fn a_kept_event_is_judged_again_as_if_it_had_just_come_in() {
    let strict = Bench::new(pistats_core::Limits { name_bytes: 3, ..Default::default() });
    let sent = Event { id: Bytes::new(), time_us: None, sent_at_us: None, ..full("ada") };
    strict.collect(Trust::Public, &[bytes(&sent), Bytes::from_static(b"<heartbeat/>")]).await;
    let kept = strict.rejected().await;
    let received = NOW.plus(-3 * Micros::DAY);
    let events: Vec<Resubmission> = kept.iter().map(|kept| resubmission(kept, received)).collect();

    let bench = Bench::default();
    for _ in 0..2 {
        let outcomes = bench.collector.resubmit(SITE, events.clone()).await.unwrap();
        assert_eq!(outcomes[0], Ok(()));
        assert_eq!(outcomes[1].as_ref().unwrap_err().reason, Reason::Malformed);
    }
    // The same id both times, so that it counts once; the time is that of the first try; the request's user agent.
    let logged = bench.events().await;
    assert_eq!(logged.len(), 2);
    assert_eq!(logged[0], logged[1]);
    assert_eq!((&logged[0].id, logged[0].time_us), (&kept[0].id, received.0));
    assert_eq!((&*logged[0].user_agent, &*logged[0].country), (BROWSER, ""));
    assert!(bench.rejected().await.is_empty(), "refused again, but not kept again");
}
