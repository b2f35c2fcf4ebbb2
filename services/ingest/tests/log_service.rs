//! The log over gRPC: four positions, an end, headers, and only the instance key.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod port;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use pistats_core::{Limits, Micros, Offset, PartitionId};
use pistats_eventlog::{Append, EventLog, MemoryLog};
use pistats_proto::log::v1::{BoundsRequest, Position, ReadRequest, ReadResponse, position};
use port::Port;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::StatusExt;

const PARTITION: PartitionId = PartitionId(3);

/// Ten records in a partition, record n appended at second n; the first two are forgotten.
async fn log() -> Arc<MemoryLog> {
    let now = Arc::new(Mutex::new(0));
    let clock = now.clone();
    let log = Arc::new(MemoryLog::new(u64::MAX, Arc::new(move || Micros(*clock.lock() * Micros::SECOND))));
    for n in 0..10 {
        *now.lock() = n;
        log.append(vec![append(n as u32)]).await.unwrap();
    }
    log.trim(PARTITION, Offset(2)).await.unwrap();
    log
}

fn append(n: u32) -> Append {
    Append { partition: PARTITION, count: n, payload: Bytes::from(vec![n as u8; 100 + n as usize]) }
}

fn ask(position: position::Position) -> ReadRequest {
    let position = Some(Position { position: Some(position) });
    ReadRequest { partition: PARTITION.0.into(), position, until_end: true, headers_only: false }
}

async fn read(port: &Port, request: ReadRequest) -> Result<Vec<ReadResponse>, Status> {
    let stream = port.log("instance").await.read(request).await?.into_inner();
    let answers: Vec<_> = tokio::time::timeout(Duration::from_secs(10), stream.collect()).await.expect("it ends");
    answers.into_iter().collect()
}

async fn offsets(port: &Port, position: position::Position) -> Result<Vec<u64>, Code> {
    let answers = read(port, ask(position)).await.map_err(|status| status.code())?;
    Ok(answers.iter().map(|answer| answer.offset).collect())
}

#[tokio::test]
async fn a_read_until_the_end_begins_at_each_position_and_ends() {
    use position::Position::{AppendedAtUs, First, Latest, Offset};
    let port = Port::open(log().await, Limits::default()).await;
    for (position, first) in [
        (First(true), 2),
        (Latest(true), 10),
        (Offset(2), 2),
        (Offset(9), 9),
        (Offset(10), 10),
        (AppendedAtUs(0), 2),
        (AppendedAtUs(5 * Micros::SECOND), 5),
        (AppendedAtUs(5 * Micros::SECOND + 1), 6),
        (AppendedAtUs(9 * Micros::SECOND), 9),
        (AppendedAtUs(9 * Micros::SECOND + 1), 10),
    ] {
        assert_eq!(offsets(&port, position).await, Ok((first..10).collect()), "{position:?}");
    }
    assert_eq!(offsets(&port, Offset(1)).await, Err(Code::OutOfRange));
    assert_eq!(offsets(&port, Offset(11)).await, Err(Code::OutOfRange));
    // A partition that never held anything ends at once, too.
    let empty = ReadRequest { partition: 0, ..ask(First(true)) };
    assert!(read(&port, empty).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_record_comes_whole_or_as_its_header() {
    let port = Port::open(log().await, Limits::default()).await;
    let whole = read(&port, ask(position::Position::Offset(7))).await.unwrap().remove(0);
    let payload = append(7).payload;
    let expected = ReadResponse {
        offset: 7,
        appended_at_us: 7 * Micros::SECOND,
        count: 7,
        payload_bytes: 107,
        crc32c: crc32c::crc32c(&payload),
        payload,
    };
    assert_eq!(whole, expected);
    let headers = ReadRequest { headers_only: true, ..ask(position::Position::Offset(7)) };
    assert_eq!(read(&port, headers).await.unwrap()[0], ReadResponse { payload: Bytes::new(), ..expected });
}

#[tokio::test]
async fn an_endless_read_follows_what_is_appended() {
    let log = log().await;
    let port = Port::open(log.clone(), Limits::default()).await;
    let request = ReadRequest { until_end: false, ..ask(position::Position::Offset(9)) };
    let mut records = port.log("instance").await.read(request).await.unwrap().into_inner();
    assert_eq!(records.next().await.unwrap().unwrap().offset, 9);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(records.next().now_or_never().is_none());
    log.append(vec![append(10)]).await.unwrap();
    assert_eq!(records.next().await.unwrap().unwrap().offset, 10);
}

#[tokio::test]
async fn bounds_tell_of_every_partition() {
    let port = Port::open(log().await, Limits::default()).await;
    let partitions = port.log("instance").await.bounds(BoundsRequest {}).await.unwrap().into_inner().partitions;
    let told: Vec<_> = partitions.iter().map(|one| (one.partition, one.first, one.next)).collect();
    let expected: Vec<_> =
        (0..8).map(|partition| if partition == 3 { (3, 2, 10) } else { (partition, 0, 0) }).collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_question_without_partition_or_position_names_the_field() {
    let port = Port::open(log().await, Limits::default()).await;
    let first = ask(position::Position::First(true));
    for (request, field) in [
        (ReadRequest { partition: 8, ..first }, "partition"),
        (ReadRequest { position: None, ..first }, "position"),
        (ReadRequest { position: Some(Position { position: None }), ..first }, "position"),
        (ask(position::Position::First(false)), "position"),
    ] {
        let status = read(&port, request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
}

#[tokio::test]
async fn only_the_instance_key_reads_the_log() {
    let port = Port::open(log().await, Limits::default()).await;
    for (key, code) in [
        ("write", Code::PermissionDenied),
        ("server", Code::PermissionDenied),
        ("read", Code::PermissionDenied),
        ("manage", Code::PermissionDenied),
        ("nobody", Code::Unauthenticated),
    ] {
        let mut client = port.log(key).await;
        let status = client.read(ask(position::Position::First(true))).await.unwrap_err();
        assert_eq!(status.code(), code, "{key}");
        assert_eq!(client.bounds(BoundsRequest {}).await.unwrap_err().code(), code, "{key}");
    }
}
