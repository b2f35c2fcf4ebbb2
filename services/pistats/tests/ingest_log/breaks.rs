//! Connections that break, logs that forget, keys that are wrong.

use crate::server::Server;
use futures::{FutureExt as _, StreamExt as _};
use pistats_core::{Offset, PartitionId};
use pistats_eventlog::contract::{record, take};
use pistats_eventlog::{Error, EventLog, MemoryLog, Position};
use std::sync::Arc;
use std::time::Duration;

const PARTITION: PartitionId = PartitionId(2);

async fn append(log: &dyn EventLog, from: usize, to: usize) {
    for number in from..to {
        log.append(vec![record(PARTITION.0, &number.to_string())]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_go_on_at_the_next_offset_when_the_ingest_comes_back() {
    let own = Arc::new(MemoryLog::default());
    append(&*own, 0, 10).await;
    let mut server = Server::start(own.clone()).await;
    let client = server.log();
    let mut first = client.read(PARTITION, Position::First).await.unwrap();
    let mut latest = client.read(PARTITION, Position::Latest).await.unwrap();
    let mut at = client.read(PARTITION, Position::At(Offset(10))).await.unwrap();
    let mut seen: Vec<u64> = take(&mut first, 10).await.iter().map(|record| record.offset.0).collect();
    let mut expected = 10;
    for round in 0..4 {
        let address = server.stop().await;
        // What comes while nobody can read is not passed over, neither by one that waits for what is latest.
        append(&*own, expected, expected + 5).await;
        if round == 0 {
            assert!(latest.next().now_or_never().is_none());
        }
        server = Server::start_at(own.clone(), address).await;
        append(&*own, expected + 5, expected + 7).await;
        expected += 7;
        seen.extend(take(&mut first, 7).await.iter().map(|record| record.offset.0));
        for other in [&mut latest, &mut at] {
            let offsets: Vec<u64> = take(other, 7).await.iter().map(|record| record.offset.0).collect();
            assert_eq!(offsets, (expected as u64 - 7..expected as u64).collect::<Vec<_>>());
        }
    }
    assert_eq!(seen, (0..expected as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_whose_records_were_forgotten_meanwhile_is_told_and_ends() {
    let own = Arc::new(MemoryLog::default());
    append(&*own, 0, 3).await;
    let server = Server::start(own.clone()).await;
    let mut records = server.log().read(PARTITION, Position::First).await.unwrap();
    take(&mut records, 3).await;
    let address = server.stop().await;
    append(&*own, 3, 9).await;
    own.trim(PARTITION, Offset(6)).await.unwrap();
    let _server = Server::start_at(own.clone(), address).await;
    let told = tokio::time::timeout(Duration::from_secs(10), records.next()).await.unwrap().unwrap();
    assert!(matches!(told, Err(Error::Trimmed { asked: Offset(3), first: Offset(6) })), "{told:?}");
    assert!(records.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_told_through_the_client_lets_the_ingest_forget() {
    let own = Arc::new(MemoryLog::default());
    append(&*own, 0, 8).await;
    let server = Server::start(own.clone()).await;
    server.log().trim(PARTITION, Offset(5)).await.unwrap();
    assert_eq!(own.bounds(PARTITION).await.unwrap().first, Offset(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn appending_is_refused_as_what_it_is() {
    let server = Server::start(Arc::new(MemoryLog::default())).await;
    let refused = server.log().append(vec![record(0, "x")]).await.unwrap_err();
    assert!(matches!(&refused, Error::ReadOnly { .. }) && !refused.is_retryable(), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_that_is_not_there_or_does_not_know_the_key_is_named() {
    let server = Server::start(Arc::new(MemoryLog::default())).await;
    let stranger = server.log_with("somebody");
    for error in [
        stranger.bounds(PARTITION).await.unwrap_err(),
        stranger.read(PARTITION, Position::First).await.err().unwrap(),
        stranger.trim(PARTITION, Offset(0)).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("unknown or revoked"), "{error}");
    }
    let client = server.log();
    let address = server.stop().await;
    let error = client.bounds(PARTITION).await.unwrap_err();
    assert!(error.to_string().contains(&format!("ingest://{address}")) && error.is_retryable(), "{error}");
}
