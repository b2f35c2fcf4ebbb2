//! `aggregate.v1` where nobody aggregates: asks all Aggregates and adds their answers up.
//!
//! So `pistats status`, `live` and `replay` work at any process that answers reports, as they do at the only one.

use super::afar::Afar;
use super::peers::Peer;
use futures::future::join_all;
use futures::stream::{BoxStream, StreamExt as _};
use pistats_core::Scope;
use pistats_proto::aggregate::v1::aggregate_service_server::AggregateService;
use pistats_proto::aggregate::v1::*;
use pistats_proto::convert::live as convert;
use pistats_rpc::auth::{Principal, SharedDirectory};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// A process that does not answer by then is named as unreachable.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A sign of life, where nothing else is told.
const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// The calls, passed on.
pub(super) struct Relay {
    peers: Vec<Peer>,
    afar: Arc<Afar>,
    directory: SharedDirectory,
}

impl Relay {
    pub(super) fn new(peers: Vec<Peer>, afar: Arc<Afar>, directory: SharedDirectory) -> Relay {
        Relay { peers, afar, directory }
    }

    async fn list(&self) -> Vec<Result<ListPartitionsResponse, Status>> {
        join_all(self.peers.iter().map(|peer| async {
            let mut client = peer.aggregate();
            match timeout(ANSWER_WITHIN, client.list_partitions(ListPartitionsRequest {})).await {
                Ok(answer) => answer.map(Response::into_inner),
                Err(_) => Err(Status::unavailable(format!("no answer within {} s", ANSWER_WITHIN.as_secs()))),
            }
        }))
        .await
    }
}

/// Several answers as one: of each partition what its owner tells.
fn merged(answers: Vec<(&str, Result<ListPartitionsResponse, Status>)>) -> Result<ListPartitionsResponse, Status> {
    let mut sum = ListPartitionsResponse::default();
    let mut partitions: BTreeMap<u32, Partition> = BTreeMap::new();
    let mut drops: BTreeMap<String, u64> = BTreeMap::new();
    let mut is_answered = false;
    for (address, answer) in answers {
        let answer = match answer {
            Ok(answer) => answer,
            Err(status) => {
                sum.unreachable.push(format!("{address}: {}", status.message()));
                continue;
            }
        };
        is_answered = true;
        sum.generation = sum.generation.max(answer.generation);
        sum.commits += answer.commits;
        // The slowest is what people wait for.
        sum.freshness_us = sum.freshness_us.max(answer.freshness_us);
        sum.last_commit_us = sum.last_commit_us.max(answer.last_commit_us);
        sum.upkeep = sum.upkeep.or(answer.upkeep);
        for drop in answer.drops {
            *drops.entry(drop.reason).or_default() += drop.count;
        }
        for partition in answer.partitions {
            match partitions.get_mut(&partition.partition) {
                Some(known) if !known.is_own && partition.is_own => *known = partition,
                Some(_) => {}
                None => drop(partitions.insert(partition.partition, partition)),
            }
        }
    }
    if !is_answered {
        return Err(Status::unavailable(format!("no Aggregate answers: {}", sum.unreachable.join("; "))));
    }
    sum.partitions = partitions.into_values().collect();
    sum.drops = drops.into_iter().map(|(reason, count)| Drop { reason, count }).collect();
    Ok(sum)
}

#[tonic::async_trait]
impl AggregateService for Relay {
    async fn list_partitions(
        &self,
        request: Request<ListPartitionsRequest>,
    ) -> Result<Response<ListPartitionsResponse>, Status> {
        Principal::of(&self.directory, &request)?.instance()?;
        let addresses = self.peers.iter().map(|peer| peer.address.as_str());
        Ok(Response::new(merged(addresses.zip(self.list().await).collect())?))
    }

    type ReplayStream = ReceiverStream<Result<ReplayResponse, Status>>;

    async fn replay(&self, request: Request<ReplayRequest>) -> Result<Response<Self::ReplayStream>, Status> {
        Principal::of(&self.directory, &request)?.instance()?;
        let ReplayRequest { position, partitions } = request.into_inner();
        let mut streams = Vec::new();
        let mut asked: Vec<u32> = Vec::new();
        for (peer, answer) in self.peers.iter().zip(self.list().await) {
            let Ok(answer) = answer else { continue };
            let is_meant = |partition: &u32| partitions.is_empty() || partitions.contains(partition);
            let own = answer.partitions.iter().filter(|partition| partition.is_own).map(|own| own.partition);
            let own: Vec<u32> = own.filter(is_meant).collect();
            if own.is_empty() {
                continue;
            }
            asked.extend(&own);
            let request = ReplayRequest { position, partitions: own };
            streams.push(peer.aggregate().replay(request).await?.into_inner());
        }
        let all =
            if partitions.is_empty() { (0..u32::from(pistats_core::ids::PARTITIONS)).collect() } else { partitions };
        if let Some(nobody) = all.iter().find(|partition| !asked.contains(partition)) {
            return Err(Status::unavailable(format!("nobody that answers folds partition {nobody} now; try again")));
        }
        let (progress, receiver) = mpsc::channel(16);
        tokio::spawn(follow(streams, progress));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    type WatchLiveStream = ReceiverStream<Result<WatchLiveResponse, Status>>;

    async fn watch_live(&self, request: Request<WatchLiveRequest>) -> Result<Response<Self::WatchLiveStream>, Status> {
        let site = Principal::of(&self.directory, &request)?.site_with(&[Scope::Read])?;
        let asked = convert::watch_live(request.get_ref());
        let asked = asked.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let afar = self.afar.clone();
        let (answers, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                // A slow reader gets the newest state, late.
                let Ok(room) = answers.reserve().await else { return };
                match afar.part(site, asked.bots).await {
                    Ok((mut part, events)) => {
                        part.cut(asked.rows);
                        room.send(Ok(convert::live_answer(part, events)));
                    }
                    Err(error) => {
                        room.send(Err(Status::unavailable(error.to_string())));
                        return;
                    }
                }
                sleep(Duration::from_secs(1) / asked.per_second).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    type WatchChangesStream = BoxStream<'static, Result<WatchChangesResponse, Status>>;

    async fn watch_changes(
        &self,
        request: Request<WatchChangesRequest>,
    ) -> Result<Response<Self::WatchChangesStream>, Status> {
        Principal::of(&self.directory, &request)?.instance()?;
        use pistats_query::Living as _;
        let changes = self.afar.changes();
        let told = futures::stream::unfold((changes, true), |(mut changes, is_first)| async move {
            let idle = WatchChangesResponse { is_idle: true, ..Default::default() };
            if is_first {
                return Some((Ok(idle), (changes, false)));
            }
            let message = match timeout(ALIVE_EVERY, changes.recv()).await {
                Ok(Ok(notice)) => convert::changes_answer(&notice),
                Ok(Err(RecvError::Lagged(_))) => WatchChangesResponse { is_reset: true, ..Default::default() },
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => idle,
            };
            Some((Ok(message), (changes, false)))
        });
        Ok(Response::new(told.boxed()))
    }

    type FollowSegmentStream = BoxStream<'static, Result<FollowSegmentResponse, Status>>;

    async fn follow_segment(
        &self,
        request: Request<FollowSegmentRequest>,
    ) -> Result<Response<Self::FollowSegmentStream>, Status> {
        Principal::of(&self.directory, &request)?.instance()?;
        // Parts are told apart by who tells them: passed on as one they would replace each other.
        Err(Status::failed_precondition("this process folds nothing; follow the segment at each Aggregate"))
    }
}

/// Adds the progress of several replays up; the last message is of all, done.
async fn follow(streams: Vec<Streaming<ReplayResponse>>, progress: mpsc::Sender<Result<ReplayResponse, Status>>) {
    let mut latest = vec![ReplayResponse::default(); streams.len()];
    let numbered = streams.into_iter().enumerate().map(|(at, stream)| stream.map(move |answer| (at, answer)));
    let mut all = futures::stream::select_all(numbered);
    while let Some((at, answer)) = all.next().await {
        let answer = match answer {
            Ok(answer) => {
                latest[at] = answer;
                Ok(summed(&latest))
            }
            Err(status) => Err(status),
        };
        let is_over = answer.is_err();
        if progress.send(answer).await.is_err() || is_over {
            return;
        }
    }
}

fn summed(latest: &[ReplayResponse]) -> ReplayResponse {
    let sum = |of: fn(&ReplayResponse) -> u64| latest.iter().map(of).sum();
    ReplayResponse {
        records: sum(|at| at.records),
        records_total: sum(|at| at.records_total),
        events: sum(|at| at.events),
        repaired: sum(|at| at.repaired),
        unchanged: sum(|at| at.unchanged),
        done: latest.iter().all(|at| at.done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(own: &[u32], events: u64) -> ListPartitionsResponse {
        let partition = |partition| {
            let is_own = own.contains(&partition);
            Partition { partition, is_own, events: if is_own { events } else { 1 }, ..Default::default() }
        };
        let drops = vec![Drop { reason: "duplicate".to_owned(), count: 2 }];
        ListPartitionsResponse { partitions: (0..8).map(partition).collect(), commits: 3, drops, ..Default::default() }
    }

    #[test]
    fn of_each_partition_its_owner_is_believed_and_counts_add_up() {
        let (low, high) = (answer(&[0, 1, 2, 3], 10), answer(&[4, 5, 6, 7], 20));
        let sum = merged(vec![("a", Ok(low)), ("b", Ok(high))]).unwrap();
        let events: Vec<u64> = sum.partitions.iter().map(|partition| partition.events).collect();
        assert_eq!(events, [10, 10, 10, 10, 20, 20, 20, 20]);
        assert_eq!((sum.commits, sum.drops[0].count, sum.unreachable.len()), (6, 4, 0));
    }

    #[test]
    fn who_does_not_answer_is_named_and_nobody_at_all_is_an_error() {
        let down = || Err(Status::unavailable("gone"));
        let sum = merged(vec![("a", Ok(answer(&[0], 10))), ("b", down())]).unwrap();
        assert_eq!((sum.partitions.len(), sum.unreachable), (8, vec!["b: gone".to_owned()]));
        assert_eq!(merged(vec![("a", down())]).unwrap_err().code(), tonic::Code::Unavailable);
    }

    #[test]
    fn a_replay_of_several_is_done_when_all_are() {
        let at = |records, done| ReplayResponse { records, records_total: 5, done, ..Default::default() };
        let sum = summed(&[at(5, true), at(2, false)]);
        assert_eq!((sum.records, sum.records_total, sum.done), (7, 10, false));
        assert!(summed(&[at(5, true), at(5, true)]).done);
    }
}
