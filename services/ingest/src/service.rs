//! `ingest.v1.IngestService`: the collector behind gRPC.

use crate::entry::{Caller, Entry};
use crate::{CollectError, Collected, Collector, SharedSalts};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use pistats_core::Scope;
use pistats_proto::ingest::raw::ingest_service_server::{IngestService, IngestServiceServer};
use pistats_proto::ingest::raw::{CollectRequest, CollectStreamRequest};
use pistats_proto::ingest::v1::{CollectResponse, CollectStreamResponse, Rejection};
use pistats_rpc::auth::{Principal, SharedDirectory};
use pistats_rpc::origins::origin;
use pistats_rpc::proxies::Proxies;
use pistats_rpc::{configured, status};
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status, Streaming};

/// Batches of one stream that are worked on at once: enough to fill several commits of the log.
const IN_FLIGHT: usize = 32;
/// A batch above `limits.batch_bytes` is read up to this many times the limit, so that its refusal can say what is wrong.
const OVERSIZE: usize = 4;
/// The disk's bound does not go away in milliseconds.
const FULL_RETRY: Duration = Duration::from_secs(5);
const BUSY_RETRY: Duration = Duration::from_millis(200);

/// The service over a collector.
#[derive(Clone)]
pub struct Ingest {
    pub(crate) entry: Entry,
}

impl Ingest {
    /// Derives no visitors and believes no proxy.
    pub fn new(collector: Arc<Collector>, directory: SharedDirectory) -> Ingest {
        Ingest { entry: Entry::new(collector, directory) }
    }

    /// Derives visitors with these salts.
    pub fn deriving(mut self, salts: SharedSalts) -> Ingest {
        self.entry.salts = salts;
        self
    }

    /// Believes these proxies about whom they speak for.
    pub fn behind(mut self, proxies: Proxies) -> Ingest {
        self.entry.proxies = Arc::new(proxies);
        self
    }

    /// The service as a server mounts it.
    pub fn server(self) -> IngestServiceServer<Ingest> {
        let message_bytes = self.entry.collector.limits().batch_bytes.saturating_mul(OVERSIZE);
        configured!(IngestServiceServer::new(self), message_bytes)
    }

    fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let principal = Principal::of(&self.entry.directory, request)?;
        let directory = self.entry.directory.load();
        let site = self.entry.site(&directory, &principal, &[Scope::Write, Scope::Server])?;
        let headers = request.metadata().as_ref();
        self.entry.caller(site, principal.scope, headers, origin(headers), request.remote_addr())
    }
}

#[tonic::async_trait]
impl IngestService for Ingest {
    async fn collect(&self, request: Request<CollectRequest>) -> Result<Response<CollectResponse>, Status> {
        let caller = self.caller(&request)?;
        let CollectRequest { events } = request.into_inner();
        let bytes = wire_bytes(&events);
        let known = self.entry.known(caller.site).await?;
        let collected = self.entry.collector.collect(caller.sender(&known), &events, bytes).await.map_err(refused)?;
        let (accepted, duplicates) = (collected.accepted, collected.duplicates);
        Ok(Response::new(CollectResponse { accepted, duplicates, rejections: rejections(collected) }))
    }

    type CollectStreamStream = BoxStream<'static, Result<CollectStreamResponse, Status>>;

    async fn collect_stream(
        &self,
        request: Request<Streaming<CollectStreamRequest>>,
    ) -> Result<Response<Self::CollectStreamStream>, Status> {
        let caller = Arc::new(self.caller(&request)?);
        let entry = self.entry.clone();
        let answers = request.into_inner().map(move |batch| {
            let (caller, entry) = (caller.clone(), entry.clone());
            async move {
                let CollectStreamRequest { sequence, events } = batch?;
                let bytes = wire_bytes(&events);
                let known = entry.known(caller.site).await?;
                let collected = entry.collector.collect_patiently(caller.sender(&known), &events, bytes);
                let collected = collected.await.map_err(refused)?;
                let (accepted, duplicates) = (collected.accepted, collected.duplicates);
                Ok(CollectStreamResponse { sequence, accepted, duplicates, rejections: rejections(collected) })
            }
        });
        Ok(Response::new(answers.buffered(IN_FLIGHT).boxed()))
    }
}

/// Key, length and bytes of each event: what the batch took on the wire.
pub(crate) fn wire_bytes(events: &[Bytes]) -> usize {
    let framed = |event: &Bytes| 1 + prost::length_delimiter_len(event.len()) + event.len();
    events.iter().map(framed).sum()
}

pub(crate) fn rejections(collected: Collected) -> Vec<Rejection> {
    let message = |rejected: crate::Rejected| Rejection {
        index: rejected.index,
        reason: rejected.refusal.reason as i32,
        field: rejected.path(),
        message: rejected.refusal.message,
    };
    collected.rejections.into_iter().map(message).collect()
}

/// The status of a batch that was not collected.
pub(crate) fn refused(error: CollectError) -> Status {
    use pistats_eventlog::Error as Log;
    let message = error.to_string();
    match error {
        CollectError::TooManyEvents { .. } | CollectError::TooLarge { .. } => {
            status::invalid_argument("events", message)
        }
        CollectError::Overloaded => status::exhausted(message, BUSY_RETRY),
        CollectError::Log(Log::Full { .. }) => status::exhausted(format!("{message} (log.max_mib)"), FULL_RETRY),
        CollectError::Log(Log::TooLarge { .. }) => status::invalid_argument("events", message),
        CollectError::Log(Log::NoSuchPartition(_)) => Status::internal(message),
        CollectError::Log(_) => status::unavailable(message, FULL_RETRY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    #[test]
    fn the_counted_bytes_are_those_of_the_message() {
        for lengths in [vec![], vec![0], vec![1, 127, 128, 16_383, 16_384]] {
            let events: Vec<Bytes> = lengths.into_iter().map(|length| vec![0; length].into()).collect();
            assert_eq!(wire_bytes(&events), CollectRequest { events }.encoded_len());
        }
    }

    #[test]
    fn a_full_log_is_refused_with_the_key_that_bounds_it_and_when_to_come_back() {
        use tonic_types::StatusExt;
        let full = pistats_eventlog::Error::Full { used_bytes: 1, bound_bytes: 2, free_bytes: 3 };
        let status = refused(CollectError::Log(full));
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert!(status.message().contains("log.max_mib"), "{}", status.message());
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(FULL_RETRY));
    }
}
