//! `log.v1.LogService`: a collector's own event log, read over gRPC. For operators and for an Aggregate elsewhere.

use futures::StreamExt;
use futures::stream::BoxStream;
use pistats_core::{Micros, Offset, PartitionId};
use pistats_eventlog::{Bounds, Error, EventLog, Position, Record};
use pistats_proto::convert::log::Refused;
use pistats_proto::log::v1::log_service_server::{LogService, LogServiceServer};
use pistats_proto::log::v1::{
    BoundsRequest, BoundsResponse, PartitionBounds, PartitionTrim, Position as WirePosition, ReadRequest, ReadResponse,
    StateRequest, StateResponse, TrimRequest, TrimResponse, position,
};
use pistats_rpc::auth::{Principal, SharedDirectory};
use pistats_rpc::{configured, status};
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status};

/// Questions are a few numbers.
const QUESTION_BYTES: usize = 4 << 10;
const RETRY: Duration = Duration::from_secs(5);

/// How the collector of this process stands.
pub type State = Arc<dyn Fn() -> StateResponse + Send + Sync>;

/// The service over a log.
#[derive(Clone)]
pub struct Log {
    log: Arc<dyn EventLog>,
    directory: SharedDirectory,
    state: State,
}

impl Log {
    /// Serves the log that is read: the collector's own, or the stream it forwards to.
    pub fn new(log: Arc<dyn EventLog>, directory: SharedDirectory) -> Log {
        Log { log, directory, state: Arc::new(StateResponse::default) }
    }

    /// Also tells how the collector stands.
    pub fn with_state(self, state: State) -> Log {
        Log { state, ..self }
    }

    /// The service as a server mounts it.
    pub fn server(self) -> LogServiceServer<Log> {
        configured!(LogServiceServer::new(self), QUESTION_BYTES)
    }

    /// The end that a bounded read goes to, if there is anything to read before it.
    async fn end(&self, partition: PartitionId, from: Position) -> Result<Option<Offset>, Error> {
        let Bounds { first, next } = self.log.bounds(partition).await?;
        let anything = first < next
            && match from {
                Position::First => true,
                Position::Latest => false,
                Position::At(offset) => offset < next,
                // Append times never go back: if the last record is too old, so are all others.
                Position::AppendedAt(time) => match self.last(partition, next).await? {
                    Some(last) => last.appended_at >= time,
                    None => false,
                },
            };
        Ok(anything.then_some(next))
    }

    async fn last(&self, partition: PartitionId, next: Offset) -> Result<Option<Record>, Error> {
        let Some(last) = next.0.checked_sub(1) else { return Ok(None) };
        self.log.read(partition, Position::At(Offset(last))).await?.next().await.transpose()
    }
}

#[tonic::async_trait]
impl LogService for Log {
    type ReadStream = BoxStream<'static, Result<ReadResponse, Status>>;

    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        Principal::of(&self.directory, &request)?.instance()?;
        let ReadRequest { partition, position, until_end, headers_only } = request.into_inner();
        let partition = known_partition(partition)?;
        let from = known_position(position)?;
        let end = if until_end { self.end(partition, from).await.map_err(refused)? } else { None };
        // The position is checked even if there is nothing to read: a wrong one is an error, not an empty answer.
        let records = self.log.read(partition, from).await.map_err(refused)?;
        let answers = records.map(move |record| record.map(|record| answer(record, headers_only)).map_err(refused));
        if !until_end {
            return Ok(Response::new(answers.boxed()));
        }
        let Some(end) = end else { return Ok(Response::new(futures::stream::empty().boxed())) };
        // Ends right behind the last record before the end: the one after it may never come.
        let bounded = futures::stream::unfold(Some(answers.boxed()), move |answers| async move {
            let mut answers = answers?;
            match answers.next().await? {
                Ok(record) if record.offset >= end.0 => None,
                Ok(record) if record.offset + 1 == end.0 => Some((Ok(record), None)),
                other => Some((other, Some(answers))),
            }
        });
        Ok(Response::new(bounded.boxed()))
    }

    async fn bounds(&self, request: Request<BoundsRequest>) -> Result<Response<BoundsResponse>, Status> {
        Principal::of(&self.directory, &request)?.instance()?;
        let mut partitions = Vec::new();
        for partition in PartitionId::all() {
            let Bounds { first, next } = self.log.bounds(partition).await.map_err(refused)?;
            partitions.push(PartitionBounds { partition: partition.0.into(), first: first.0, next: next.0 });
        }
        Ok(Response::new(BoundsResponse { partitions }))
    }

    async fn trim(&self, request: Request<TrimRequest>) -> Result<Response<TrimResponse>, Status> {
        Principal::of(&self.directory, &request)?.instance()?;
        for PartitionTrim { partition, below } in request.into_inner().partitions {
            self.log.trim(known_partition(partition)?, Offset(below)).await.map_err(refused)?;
        }
        Ok(Response::new(TrimResponse {}))
    }

    async fn state(&self, request: Request<StateRequest>) -> Result<Response<StateResponse>, Status> {
        Principal::of(&self.directory, &request)?.instance()?;
        Ok(Response::new((self.state)()))
    }
}

fn known_partition(partition: u32) -> Result<PartitionId, Status> {
    let last = PartitionId::all().len() - 1;
    PartitionId::all()
        .find(|known| u32::from(known.0) == partition)
        .ok_or_else(|| status::invalid_argument("partition", format!("partitions are 0 to {last}")))
}

fn known_position(position: Option<WirePosition>) -> Result<Position, Status> {
    match position.and_then(|position| position.position) {
        Some(position::Position::First(true)) => Ok(Position::First),
        Some(position::Position::Latest(true)) => Ok(Position::Latest),
        Some(position::Position::Offset(offset)) => Ok(Position::At(Offset(offset))),
        Some(position::Position::AppendedAtUs(time)) => Ok(Position::AppendedAt(Micros(time))),
        _ => Err(status::invalid_argument("position", "say where to begin: first, latest, offset or appended_at_us")),
    }
}

fn answer(record: Record, headers_only: bool) -> ReadResponse {
    ReadResponse {
        offset: record.offset.0,
        appended_at_us: record.appended_at.0,
        count: record.count,
        payload_bytes: u32::try_from(record.payload.len()).unwrap_or(u32::MAX),
        crc32c: crc32c::crc32c(&record.payload),
        payload: if headers_only { Default::default() } else { record.payload },
    }
}

fn refused(error: Error) -> Status {
    let message = error.to_string();
    match error {
        Error::Trimmed { asked, first } => Refused::Trimmed { asked, first }.status(message),
        Error::BeyondEnd { asked, next } => Refused::BeyondEnd { asked, next }.status(message),
        Error::Corrupt { segment, position, reason } => Refused::Corrupt { segment, position, reason }.status(message),
        Error::NoSuchPartition(_) => status::invalid_argument("partition", message),
        Error::Closed
        | Error::Failed { .. }
        | Error::Io { .. }
        | Error::Unreachable { .. }
        | Error::MetadataLost { .. } => status::unavailable(message, RETRY),
        Error::WentBack { .. } | Error::Unreadable { .. } => Status::data_loss(message),
        Error::Full { .. }
        | Error::TooLarge { .. }
        | Error::ReadOnly { .. }
        | Error::Locked { .. }
        | Error::Config { .. } => Status::internal(message),
    }
}
