//! The collector's own view of its calls: the same bytes on the wire, each event left as it came.
//!
//! Clients see `repeated Event`. The server declares `repeated bytes`, which Protobuf encodes the same, so that an event is
//! checked and stored without being decoded into strings and encoded again.

use bytes::Bytes;
use prost::Message;
use std::marker::PhantomData;
use tonic::codec::{BufferSettings, DecodeBuf, Decoder};
use tonic::{Code, Status};
use tonic_prost::ProstEncoder;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// Wire-identical to [`super::v1::CollectRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct CollectRequest {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub events: Vec<Bytes>,
}

/// Wire-identical to [`super::v1::CollectStreamRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct CollectStreamRequest {
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub events: Vec<Bytes>,
}

/// Wire-identical to [`crate::record::v1::PackedRecord`].
#[derive(Clone, PartialEq, Message)]
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
    #[prost(message, optional, tag = "10")]
    pub forwarded: Option<crate::record::v1::Forwarded>,
    #[prost(message, repeated, tag = "11")]
    pub records: Vec<PackedRecord>,
}

/// Protobuf as tonic's own codec has it, but bytes that are no message are the caller's fault: INVALID_ARGUMENT, not INTERNAL.
#[derive(Clone, Copy, Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Codec<T, U> {
        Codec(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = BlamingDecoder<U>;

    fn encoder(&mut self) -> ProstEncoder<T> {
        ProstEncoder::new(BufferSettings::default())
    }

    fn decoder(&mut self) -> BlamingDecoder<U> {
        BlamingDecoder(PhantomData)
    }
}

/// See [`Codec`].
#[derive(Clone, Copy, Debug)]
pub struct BlamingDecoder<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for BlamingDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        U::decode(bytes).map(Some).map_err(|error| {
            let message = format!("the bytes are no message of this call: {error}");
            let details = ErrorDetails::with_bad_request(vec![FieldViolation::new("", &message)]);
            Status::with_error_details(Code::InvalidArgument, message, details)
        })
    }
}

/// The server's side of `pistats.ingest.v1.IngestService` over these messages.
#[allow(clippy::all, unreachable_pub, missing_docs)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/raw/pistats.ingest.v1.rs"));
}

pub use generated::ingest_service_server;
