//! `aggregate.v1.AggregateService`: how far folding is, replay, and the live state.

use crate::aggregator::Handle;
use crate::epoch::Setup;
use crate::follow::{self, Following};
use crate::replay::{Progress, ReplayError};
use crate::upkeep;
use futures::StreamExt;
use futures::stream::BoxStream;
use pistats_core::ids::PARTITIONS;
use pistats_core::{Changes, Micros, Offset, PartitionId, Scope, SiteId};
use pistats_eventlog::Position;
use pistats_proto::aggregate::v1 as proto;
use pistats_proto::aggregate::v1::aggregate_service_server::{AggregateService, AggregateServiceServer};
use pistats_proto::convert::follow as convert_follow;
use pistats_proto::convert::live as convert;
use pistats_proto::log::v1 as log_proto;
use pistats_rpc::auth::Principal;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Counts of refusals by reason, from the collector of this process.
pub type Refusals = Arc<dyn Fn() -> Vec<(String, u64)> + Send + Sync>;

/// A live answer is sent at least this often, for the clock moves on without events.
const LIVE_AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// The calls of a running aggregator.
pub struct Service {
    handle: Arc<Handle>,
    refusals: Option<Refusals>,
}

impl Service {
    /// Serves a running aggregator; `refusals` adds what the collector of this process refused to the drops.
    pub fn new(handle: Arc<Handle>, refusals: Option<Refusals>) -> Service {
        Service { handle, refusals }
    }

    /// The service, ready to be added to a server.
    pub fn into_server(self) -> AggregateServiceServer<Service> {
        AggregateServiceServer::new(self)
    }

    fn principal<T>(&self, request: &Request<T>) -> Result<Principal, Status> {
        Principal::of(&self.handle.setup.directory, request)
    }
}

#[tonic::async_trait]
impl AggregateService for Service {
    async fn list_partitions(
        &self,
        request: Request<proto::ListPartitionsRequest>,
    ) -> Result<Response<proto::ListPartitionsResponse>, Status> {
        self.principal(&request)?.instance()?;
        let setup = &self.handle.setup;
        let view = setup.stats.view();
        let owners = setup.holding.leases().list().await.map_err(unavailable)?.leases;
        let folded = setup.stats.folded();
        // How far the others are stands in the warehouse.
        let others = match folded.len() < usize::from(PARTITIONS) {
            true => setup.store.checkpoints().await.map_err(unavailable)?,
            false => Vec::new(),
        };
        let mut partitions = Vec::with_capacity(usize::from(PARTITIONS));
        let mut drops: BTreeMap<String, u64> = BTreeMap::new();
        for (partition, stats) in PartitionId::all().zip(&view.partitions) {
            let bounds = setup.log.bounds(partition).await.map_err(unavailable)?;
            for (reason, count) in [
                ("duplicate", stats.counts.duplicates),
                ("undecodable", stats.counts.undecodable),
                ("unknown_site", stats.counts.unknown_site),
                ("lost_record", stats.counts.lost_records),
                ("resent_record", stats.counts.resent_records),
            ] {
                *drops.entry(reason.into()).or_default() += count;
            }
            let is_own = folded.contains(&partition);
            let stored = others.iter().find(|other| !is_own && other.partition == partition);
            let checkpoint = stored.map_or(stats.checkpoint, |stored| stored.next);
            let owner = owners.get(partition.index()).and_then(|lease| lease.owner.as_ref());
            partitions.push(proto::Partition {
                partition: u32::from(partition.0),
                first_offset: bounds.first.0,
                next_offset: bounds.next.0,
                checkpoint: checkpoint.0,
                lag: bounds.next.0.saturating_sub(checkpoint.0),
                owner: owner.map_or(String::new(), |owner| owner.name.clone()),
                is_own,
                events: stats.counts.events,
                events_per_second: stats.events_per_second,
                duplicates: stats.counts.duplicates,
            });
        }
        for (reason, count) in self.refusals.iter().flat_map(|refusals| refusals()) {
            *drops.entry(reason).or_default() += count;
        }
        let drops = drops.into_iter().filter(|(_, count)| *count > 0);
        Ok(Response::new(proto::ListPartitionsResponse {
            generation: view.generation,
            partitions,
            drops: drops.map(|(reason, count)| proto::Drop { reason, count }).collect(),
            freshness_us: view.freshness_us,
            commits: view.commits,
            last_commit_us: u64::try_from(view.last_commit.as_micros()).unwrap_or(u64::MAX),
            upkeep: Some(upkeep::behind(setup).await.map_err(unavailable)?),
            unreachable: Vec::new(),
        }))
    }

    type ReplayStream = BoxStream<'static, Result<proto::ReplayResponse, Status>>;

    async fn replay(&self, request: Request<proto::ReplayRequest>) -> Result<Response<Self::ReplayStream>, Status> {
        self.principal(&request)?.instance()?;
        let proto::ReplayRequest { position, partitions } = request.into_inner();
        let position = read_position(position)?;
        let partitions = partitions.into_iter().map(read_partition).collect::<Result<Vec<_>, _>>()?;
        let progress = self.handle.replay(position, &partitions).await.map_err(replay_status)?;
        let answers = ReceiverStream::new(progress).map(|at| at.map(replay_response).map_err(replay_status));
        Ok(Response::new(answers.boxed()))
    }

    type WatchLiveStream = ReceiverStream<Result<proto::WatchLiveResponse, Status>>;

    async fn watch_live(
        &self,
        request: Request<proto::WatchLiveRequest>,
    ) -> Result<Response<Self::WatchLiveStream>, Status> {
        let caller = self.principal(&request)?;
        let site = match (caller.scope, request.get_ref().site_id) {
            (Scope::Instance, 0) => {
                return Err(Status::invalid_argument("site_id: the instance key has no site; name one"));
            }
            (Scope::Instance, site) => SiteId(site),
            (_, 0) => caller.site_with(&[Scope::Read])?,
            (_, _) => return Err(Status::invalid_argument("site_id: the key tells the site; leave it out")),
        };
        let asked =
            convert::watch_live(request.get_ref()).map_err(|error| Status::invalid_argument(error.to_string()))?;
        // Room for one answer: a slow reader gets the newest state, late, and never a queue of old ones.
        let (answers, receiver) = tokio::sync::mpsc::channel(1);
        tokio::spawn(watch(self.handle.setup.clone(), site, asked, answers));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    type WatchChangesStream = ReceiverStream<Result<proto::WatchChangesResponse, Status>>;

    async fn watch_changes(
        &self,
        request: Request<proto::WatchChangesRequest>,
    ) -> Result<Response<Self::WatchChangesStream>, Status> {
        self.principal(&request)?.instance()?;
        // Before the first message: from it on no commit goes unheard.
        let changes = self.handle.setup.notices.subscribe();
        let (answers, receiver) = tokio::sync::mpsc::channel(16);
        tokio::spawn(tell(changes, answers));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    type FollowSegmentStream = BoxStream<'static, Result<proto::FollowSegmentResponse, Status>>;

    async fn follow_segment(
        &self,
        request: Request<proto::FollowSegmentRequest>,
    ) -> Result<Response<Self::FollowSegmentStream>, Status> {
        self.principal(&request)?.instance()?;
        let (site, segment) = convert_follow::follow_segment(request.get_ref())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let following = follow::follow(&self.handle.setup, site, segment);
        Ok(Response::new(futures::stream::unfold(following, followed).boxed()))
    }
}

/// The next message of a stream that is followed, or a sign of life.
async fn followed(mut following: Following) -> Option<(Result<proto::FollowSegmentResponse, Status>, Following)> {
    let answer = match tokio::time::timeout(LIVE_AT_LEAST_EVERY, following.next()).await {
        Ok(Some(told)) => convert_follow::follow_answer(told),
        Ok(None) => return None,
        Err(_) => proto::FollowSegmentResponse { is_idle: true, ..Default::default() },
    };
    Some((Ok(answer), following))
}

async fn tell(
    mut changes: broadcast::Receiver<Arc<Changes>>,
    answers: tokio::sync::mpsc::Sender<Result<proto::WatchChangesResponse, Status>>,
) {
    let mut answer = proto::WatchChangesResponse { is_idle: true, ..Default::default() };
    while answers.send(Ok(answer)).await.is_ok() {
        answer = match tokio::time::timeout(LIVE_AT_LEAST_EVERY, changes.recv()).await {
            Ok(Ok(notice)) => convert::changes_answer(&notice),
            Ok(Err(RecvError::Lagged(_))) => proto::WatchChangesResponse { is_reset: true, ..Default::default() },
            Ok(Err(RecvError::Closed)) => return,
            Err(_) => proto::WatchChangesResponse { is_idle: true, ..Default::default() },
        };
    }
}

async fn watch(
    setup: Arc<Setup>,
    site: SiteId,
    asked: convert::WatchLive,
    answers: tokio::sync::mpsc::Sender<Result<proto::WatchLiveResponse, Status>>,
) {
    let every = Duration::from_secs(1) / asked.per_second;
    let mut sent_at = None::<tokio::time::Instant>;
    let mut sent_move = 0;
    loop {
        let moved = setup.live.moved(site);
        let is_due = sent_at.is_none_or(|at| at.elapsed() >= LIVE_AT_LEAST_EVERY);
        if is_due || moved != sent_move {
            let Ok(room) = answers.reserve().await else { return };
            sent_at = Some(tokio::time::Instant::now());
            sent_move = moved;
            let mut part = setup.live.part(site, asked.bots);
            part.cut(asked.rows);
            room.send(Ok(convert::live_answer(part, setup.live.events(site))));
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = answers.closed() => return,
        }
    }
}

fn unavailable(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}

fn replay_response(at: Progress) -> proto::ReplayResponse {
    let Progress { records, records_total, events, repaired, unchanged, done } = at;
    proto::ReplayResponse { records, records_total, events, repaired, unchanged, done }
}

fn replay_status(error: ReplayError) -> Status {
    match &error {
        ReplayError::Running => Status::failed_precondition(error.to_string()),
        ReplayError::Position {
            source: pistats_eventlog::Error::Trimmed { .. } | pistats_eventlog::Error::BeyondEnd { .. },
            ..
        } => Status::out_of_range(error.to_string()),
        ReplayError::Failed(crate::Error::NotHere(_)) => Status::failed_precondition(error.to_string()),
        ReplayError::Position { .. } | ReplayError::Failed(_) => Status::unavailable(error.to_string()),
    }
}

fn read_position(position: Option<log_proto::Position>) -> Result<Position, Status> {
    use log_proto::position::Position as Asked;
    match position.and_then(|position| position.position) {
        Some(Asked::First(true)) => Ok(Position::First),
        Some(Asked::Latest(true)) => Ok(Position::Latest),
        Some(Asked::Offset(offset)) => Ok(Position::At(Offset(offset))),
        Some(Asked::AppendedAtUs(at)) => Ok(Position::AppendedAt(Micros(at))),
        Some(Asked::First(false) | Asked::Latest(false)) | None => Err(Status::invalid_argument(
            "position: none is given; set first or latest to true, or offset, or appended_at_us",
        )),
    }
}

fn read_partition(partition: u32) -> Result<PartitionId, Status> {
    match u16::try_from(partition) {
        Ok(partition) if partition < PARTITIONS => Ok(PartitionId(partition)),
        _ => Err(Status::invalid_argument(format!(
            "partitions: there is no partition {partition}; they are 0 to {}",
            PARTITIONS - 1
        ))),
    }
}
