//! `ingest://HOST:PORT`: the log of an Ingest elsewhere, read over gRPC.
//!
//! ```text
//!   Aggregate ─▶ IngestLog ═ log.v1.LogService ═▶ Ingest ─▶ its own log (file://)
//!                  read     a stream that opens again by itself, at the offset after the last record it gave
//!                  trim     tells the Ingest what is folded, so that it may forget it
//!                  append   refused: an Ingest appends to its own log, and nobody else does
//! ```
//!
//! It errs as the log itself would (`Trimmed`, `BeyondEnd`, `Corrupt`); that the Ingest cannot be reached is
//! `Unreachable` from a single call, and from an open stream it is nothing but a pause: the promise L-4, every durable
//! record once and in order, holds over any number of broken connections, because offsets are dense (L-2).
//!
//! It lives here, beside the roles, because it needs both the log's trait and the contract, which otherwise only services see.

mod reader;

use async_trait::async_trait;
use futures::StreamExt as _;
use pistats_core::ids::PARTITIONS;
use pistats_core::{Offset, PartitionId};
use pistats_eventlog::{Append, Bounds, Error, EventLog, Position, Records};
use pistats_proto::convert::log::Refused;
use pistats_proto::log::v1::log_service_client::LogServiceClient;
use pistats_proto::log::v1::{BoundsRequest, PartitionTrim, TrimRequest};
use pistats_rpc::mesh::Channel;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Status};

/// A question is answered within this, or the Ingest counts as unreachable.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The log of another process, for reading.
#[derive(Clone)]
pub struct IngestLog {
    /// As people know it: `ingest://host:port`.
    name: Arc<str>,
    client: LogServiceClient<Channel>,
}

impl IngestLog {
    /// The log behind a channel, which carries the instance key and encrypts where that is asked for. `address` is for people.
    pub fn new(address: &str, channel: Channel) -> IngestLog {
        let client = LogServiceClient::new(channel).max_decoding_message_size(crate::client::MESSAGE_BYTES);
        IngestLog { name: format!("ingest://{address}").into(), client }
    }

    /// Asks, with a bound on the wait.
    async fn ask<T>(&self, answer: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, Error> {
        match tokio::time::timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(self.error(&status)),
            Err(_) => Err(self.unreachable(format!("no answer within {} s", ANSWER_WITHIN.as_secs()))),
        }
    }

    /// What the log itself would have said.
    fn error(&self, status: &Status) -> Error {
        match Refused::of(status) {
            Some(Refused::Trimmed { asked, first }) => Error::Trimmed { asked, first },
            Some(Refused::BeyondEnd { asked, next }) => Error::BeyondEnd { asked, next },
            Some(Refused::Corrupt { segment, position, reason }) => Error::Corrupt { segment, position, reason },
            None => self.unreachable(crate::client::explain(status)),
        }
    }

    fn unreachable(&self, reason: String) -> Error {
        Error::Unreachable { address: self.name.to_string(), reason }
    }
}

fn check(partition: PartitionId) -> Result<(), Error> {
    if partition.0 < PARTITIONS { Ok(()) } else { Err(Error::NoSuchPartition(partition)) }
}

#[async_trait]
impl EventLog for IngestLog {
    async fn append(&self, _: Vec<Append>) -> Result<Vec<Offset>, Error> {
        Err(Error::ReadOnly { log: self.name.to_string() })
    }

    async fn read(&self, partition: PartitionId, from: Position) -> Result<Records, Error> {
        check(partition)?;
        let from = match from {
            // Now, not when a connection breaks and is made again.
            Position::Latest => Position::At(self.bounds(partition).await?.next),
            other => other,
        };
        let reader = reader::Reader::open(self.clone(), partition, from).await?;
        Ok(futures::stream::unfold(reader, reader::Reader::step).boxed())
    }

    async fn bounds(&self, partition: PartitionId) -> Result<Bounds, Error> {
        check(partition)?;
        let mut client = self.client.clone();
        let answer = self.ask(client.bounds(Request::new(BoundsRequest {}))).await?;
        let found = answer.partitions.iter().find(|bounds| bounds.partition == u32::from(partition.0));
        let found = found.ok_or_else(|| self.unreachable(format!("it does not tell of partition {}", partition.0)))?;
        Ok(Bounds { first: Offset(found.first), next: Offset(found.next) })
    }

    async fn trim(&self, partition: PartitionId, below: Offset) -> Result<(), Error> {
        check(partition)?;
        let mut client = self.client.clone();
        let partitions = vec![PartitionTrim { partition: partition.0.into(), below: below.0 }];
        self.ask(client.trim(Request::new(TrimRequest { partitions }))).await?;
        Ok(())
    }
}
