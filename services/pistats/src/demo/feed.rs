//! Sends the world's events: the past in one go, then what happens as it happens.

use super::world::World;
use crate::client::{Authorized, explain};
use futures::{StreamExt as _, TryStreamExt as _};
use pistats_core::Micros;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::ingest::v1::{CollectRequest, Event};
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::{Bots, Range, TimeRange, TrafficRequest, range};
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};
use tokio::task::JoinHandle;
use tonic::Code;

/// How far the past goes back: three months and some days, so that months can be compared and people come back for weeks.
pub(super) const HISTORY_US: i64 = 95 * Micros::DAY;
/// The past is made and sent in pieces of this length.
const PIECE_US: i64 = Micros::DAY;
/// Live events are made this far ahead.
const AHEAD_US: i64 = 15 * Micros::MINUTE;
/// A computer that slept does not make up for more than this.
const CATCH_UP_US: i64 = Micros::HOUR;
/// Events a call: below the collector's limits.
const BATCH: usize = 4_000;
/// Calls of the past that wait for their answers at once.
const CALLS: usize = 3;
const TICK: Duration = Duration::from_millis(250);

pub(super) struct Feed {
    pub(super) name: &'static str,
    pub(super) world: World,
    pub(super) client: IngestServiceClient<Authorized>,
    /// Tells what a start before this one has sent already.
    pub(super) queries: QueryServiceClient<Authorized>,
}

/// Why the feed ended by itself: what no repetition mends.
pub(super) type Ended = String;

impl Feed {
    /// Ends only with an error. Dropping it at any point is fine: what is sent again counts once.
    pub(super) async fn run(mut self, begin: Micros) -> Ended {
        match self.all(begin).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn all(&mut self, begin: Micros) -> Result<std::convert::Infallible, Ended> {
        let (mut sent, since) = (0, tokio::time::Instant::now());
        let mut from = begin.plus(-HISTORY_US);
        let mut made = Some(self.making(from, from.plus(PIECE_US).min(begin)));
        while let Some(making) = made.take() {
            let events = making.await.map_err(|error| error.to_string())?;
            let to = from.plus(PIECE_US).min(begin);
            // The next piece is made while this one is sent.
            made = (to < begin).then(|| self.making(to, to.plus(PIECE_US).min(begin)));
            if self.stored(from, to).await < events.len() as u64 {
                sent += self.send(events).await?;
            }
            from = to;
        }
        let took = since.elapsed();
        tracing::info!(site = self.name, events = sent, ?took, "demo: the past three months are sent, now it is live");
        self.live(begin).await
    }

    /// How many events of a time the site has. Where that cannot be told: none, and they are sent again.
    async fn stored(&mut self, from: Micros, to: Micros) -> u64 {
        let range = Range { range: Some(range::Range::Times(TimeRange { from_us: from.0, to_us: to.0 })) };
        let request = TrafficRequest { range: Some(range), bots: Bots::Include.into(), ..Default::default() };
        let answer = self.queries.traffic(request).await.ok();
        answer.and_then(|answer| answer.into_inner().total).map_or(0, |total| total.events)
    }

    /// Sends events on a few calls at once.
    async fn send(&mut self, events: Vec<Event>) -> Result<u64, Ended> {
        let call = |batch: &[Event]| collect(self.client.clone(), CollectRequest { events: batch.to_vec() });
        let calls: Vec<_> = events.chunks(BATCH).map(call).collect();
        let answers: Vec<u64> = futures::stream::iter(calls).buffer_unordered(CALLS).try_collect().await?;
        Ok(answers.into_iter().sum())
    }

    async fn live(&mut self, begin: Micros) -> Result<std::convert::Infallible, Ended> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut waiting: VecDeque<Event> = VecDeque::new();
        let mut made_to = begin;
        loop {
            tick.tick().await;
            let now = now();
            made_to = made_to.max(now.plus(-CATCH_UP_US));
            while made_to <= now {
                let made = self.making(made_to, made_to.plus(AHEAD_US)).await;
                waiting.extend(made.map_err(|error| error.to_string())?);
                made_to = made_to.plus(AHEAD_US);
            }
            let due = waiting.partition_point(|event| event.time_us <= Some(now.0));
            if due > 0 {
                self.send(waiting.drain(..due).collect()).await?;
            }
        }
    }

    /// Makes events where it holds up nobody.
    fn making(&self, from: Micros, to: Micros) -> JoinHandle<Vec<Event>> {
        let world = self.world.clone();
        tokio::task::spawn_blocking(move || world.events(from, to))
    }
}

/// Repeats a call until it is answered: every event has an id.
async fn collect(mut client: IngestServiceClient<Authorized>, request: CollectRequest) -> Result<u64, Ended> {
    let mut pause = Duration::from_millis(100);
    loop {
        match client.collect(request.clone()).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                if let Some(refused) = answer.rejections.first() {
                    let count = answer.rejections.len();
                    tracing::warn!(count, field = refused.field, reason = refused.message, "demo: events were refused");
                }
                return Ok(u64::from(answer.accepted));
            }
            Err(status) if passes(status.code()) => {
                tracing::debug!(%status, "demo: not accepted, trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            Err(status) => return Err(explain(&status)),
        }
    }
}

/// Whether waiting can help.
fn passes(code: Code) -> bool {
    !matches!(
        code,
        Code::InvalidArgument | Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented | Code::NotFound
    )
}

pub(super) fn now() -> Micros {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Micros(since.as_micros() as i64)
}
