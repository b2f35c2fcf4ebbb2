//! A spool, its forwarder, and a consumer that keeps to the rule of the contract.

use bytes::Bytes;
use futures::StreamExt;
use pistats_core::PartitionId;
use pistats_eventlog::{Append, EventLog, Position};
use pistats_ingest::forward::{Forwarding, Settings, Spool};
use pistats_proto::record::v1::{Forwarded, LoggedEvent, PackedRecord};
use prost::Message;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const PARTITION: PartitionId = PartitionId(5);

/// A record with one event that a number names.
pub(crate) fn append(partition: PartitionId, number: u64) -> Append {
    let event = LoggedEvent { id: Bytes::copy_from_slice(&number.to_be_bytes()), ..Default::default() };
    let record = PackedRecord { site: 1, writer: 9, sequence: number, events: vec![event], ..Default::default() };
    Append { partition, count: 1, payload: record.encode_to_vec().into() }
}

/// The number of a record's event.
pub(crate) fn number(record: &PackedRecord) -> u64 {
    u64::from_be_bytes(record.events[0].id[..].try_into().unwrap())
}

pub(crate) fn settings(folder: &Path) -> Settings {
    Settings {
        settle: Duration::from_millis(60),
        answer_within: Duration::from_millis(30),
        save_every: Duration::from_millis(5),
        ..Settings::new(folder.join("forwarded"), "test://stream".into())
    }
}

pub(crate) async fn spool(log: Arc<dyn EventLog>) -> Arc<Spool> {
    Arc::new(Spool::new(log, Arc::new(|| (1, 2))).await.unwrap())
}

pub(crate) async fn start(spool: &Arc<Spool>, stream: &(impl EventLog + Clone), settings: Settings) -> Forwarding {
    Forwarding::start(spool.clone(), Arc::new(stream.clone()), settings).await.unwrap()
}

/// Waits until nothing waits.
pub(crate) async fn drained(forwarding: &Forwarding) {
    until(|| forwarding.backlog().records() == 0).await;
}

pub(crate) async fn until(is: impl Fn() -> bool) {
    for _ in 0..6_000 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not come to be within half a minute");
}

/// All records in a partition of the stream, those that were forwarded as one apart, each with its own number.
pub(crate) async fn all(stream: &dyn EventLog, partition: PartitionId) -> Vec<PackedRecord> {
    let end = stream.bounds(partition).await.unwrap().next;
    let mut records = stream.read(partition, Position::First).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..end.0 {
        all.extend(parts(PackedRecord::decode(records.next().await.unwrap().unwrap().payload).unwrap()));
    }
    all
}

fn parts(mut record: PackedRecord) -> Vec<PackedRecord> {
    if record.records.is_empty() {
        return vec![record];
    }
    let Forwarded { writer, sequence, first } = record.forwarded.unwrap();
    let first = first.unwrap();
    assert_eq!(sequence - first + 1, record.records.len() as u64, "they follow each other");
    for (part, sequence) in record.records.iter_mut().zip(first..) {
        part.forwarded = Some(Forwarded { writer, sequence, first: None });
    }
    record.records
}

/// What a consumer sees: a record whose sequence is not above its writer's last is a resend.
pub(crate) fn seen(records: &[PackedRecord]) -> Vec<u64> {
    let mut last: HashMap<u64, u64> = HashMap::new();
    let mut seen = Vec::new();
    for record in records {
        let forwarded = record.forwarded.unwrap();
        let before = last.get(&forwarded.writer).copied();
        if before.is_some_and(|before| forwarded.sequence <= before) {
            continue;
        }
        assert!(before.is_none_or(|before| forwarded.sequence == before + 1), "a record is missing");
        last.insert(forwarded.writer, forwarded.sequence);
        seen.push(number(record));
    }
    seen
}
