//! Copies of records, put into a real topic on purpose. Needs a cluster: `PISTATS_TEST_FLUVIO=HOST:PORT`.

#![allow(clippy::unwrap_used, reason = "tests")]

use futures::StreamExt;
use pistats_core::{Micros, Offset, PartitionId};

use super::{Config, FluvioLog, envelope, random};
use crate::{Append, Bounds, EventLog, Position};

#[path = "../../../testkit/src/require.rs"]
#[allow(dead_code, unreachable_pub, reason = "the testkit's own file, see tests/fluvio")]
mod require;

const ZERO: PartitionId = PartitionId(0);

fn record(text: &'static str) -> Append {
    Append { partition: ZERO, count: 1, payload: text.into() }
}

/// Sends the first record of a log's writer once more, as a connection that was given up would.
async fn send_copy(log: &FluvioLog, text: &str) -> i64 {
    let client = log.shared.to_write.client().await.unwrap();
    let producer = client.producer(&log.shared.config).await.unwrap();
    let copy = envelope::encode(log.shared.writer, 0, Micros(1), 1, text.as_bytes());
    let sent = producer.send(0u32.to_le_bytes().to_vec(), copy).await.unwrap();
    sent.wait().await.unwrap().offset()
}

async fn texts(log: &FluvioLog, from: Position, many: usize) -> Vec<(u64, String)> {
    let records = log.read(ZERO, from).await.unwrap();
    let read = records.take(many).map(|record| record.unwrap());
    let read = read.map(|record| (record.offset.0, String::from_utf8(record.payload.to_vec()).unwrap()));
    tokio::time::timeout(std::time::Duration::from_secs(30), read.collect()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_comes_late_is_dropped_and_leaves_a_hole() {
    let address = std::env::var("PISTATS_TEST_FLUVIO").ok();
    if !require::found("fluvio", || address.is_some(), "PISTATS_TEST_FLUVIO names no cluster (HOST:PORT)") {
        return;
    }
    let config = Config { address: address.unwrap(), topic: format!("copies-{:x}", random()), ..Config::default() };
    let log = FluvioLog::open(config.clone()).await.unwrap();
    log.append(vec![record("a"), record("b"), record("c")]).await.unwrap();
    assert_eq!(send_copy(&log, "a").await, 3);
    let bounds = Bounds { first: Offset(0), next: Offset(3) };
    assert_eq!(log.bounds(ZERO).await.unwrap(), bounds, "the end is what a reader reaches");
    assert_eq!(log.append(vec![record("d")]).await.unwrap(), [Offset(4)]);
    let expected: Vec<(u64, String)> =
        [(0, "a"), (1, "b"), (2, "c"), (4, "d")].map(|(at, text)| (at, text.into())).into();
    assert_eq!(texts(&log, Position::First, 4).await, expected);
    // One that starts at the hole has seen none of the writer's records, but looks back.
    let fresh = FluvioLog::open(config).await.unwrap();
    assert_eq!(texts(&fresh, Position::At(Offset(3)), 1).await, expected[3..]);
    assert_eq!(fresh.counters().await.resends_dropped, 1);
    assert_eq!(fresh.bounds(ZERO).await.unwrap().next, Offset(5));
}
