//! The collector's own view of its calls: the same bytes on the wire, each event left as it came.
//!
//! Clients see `repeated Event`. The server declares `repeated bytes`, which Protobuf encodes the same, so that an event is
//! checked and stored without being decoded into strings and encoded again.

use bytes::Bytes;

/// Wire-identical to [`super::v1::CollectRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct CollectRequest {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub events: Vec<Bytes>,
}

/// Wire-identical to [`super::v1::CollectStreamRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct CollectStreamRequest {
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub events: Vec<Bytes>,
}

/// Wire-identical to [`crate::record::v1::PackedRecord`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct PackedRecord {
    #[prost(uint32, tag = "1")]
    pub site: u32,
    #[prost(fixed64, tag = "2")]
    pub writer: u64,
    #[prost(uint64, tag = "3")]
    pub sequence: u64,
    #[prost(int64, tag = "4")]
    pub received_us: i64,
    #[prost(int64, tag = "5")]
    pub min_time_us: i64,
    #[prost(int64, tag = "6")]
    pub max_time_us: i64,
    #[prost(string, repeated, tag = "7")]
    pub traceparents: Vec<String>,
    #[prost(bytes = "bytes", repeated, tag = "8")]
    pub events: Vec<Bytes>,
    #[prost(message, repeated, tag = "9")]
    pub rejected: Vec<crate::record::v1::RejectedEvent>,
}

/// The server's side of `pistats.ingest.v1.IngestService` over these messages.
#[allow(clippy::all, unreachable_pub, missing_docs)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/raw/pistats.ingest.v1.rs"));
}

pub use generated::ingest_service_server;
