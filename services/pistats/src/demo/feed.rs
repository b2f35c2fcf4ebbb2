//! Sends the world's events: the past in one go, then what happens as it happens.

use super::world::World;
use crate::client::{Authorized, explain};
use pistats_core::Micros;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::ingest::v1::{CollectRequest, Event};
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};
use tonic::Code;

/// How far the past goes back.
const HISTORY_US: i64 = 30 * Micros::DAY;
/// How much of the world the past shows: some 100,000 events.
const HISTORY_SHARE: f64 = 0.0062;
/// The past few minutes are whole already, so that a live view begins full.
const RECENT_US: i64 = 10 * Micros::MINUTE;
/// The past is made and sent in pieces of this length.
const PIECE_US: i64 = Micros::DAY;
/// Live events are made this far ahead.
const AHEAD_US: i64 = 15 * Micros::MINUTE;
/// A computer that slept does not make up for more than this.
const CATCH_UP_US: i64 = Micros::HOUR;
/// Events a call: well below the collector's limits.
const BATCH: usize = 1_000;
const TICK: Duration = Duration::from_millis(250);

pub(super) struct Feed {
    pub(super) world: World,
    pub(super) client: IngestServiceClient<Authorized>,
}

/// Why the feed ended by itself: what no repetition mends.
pub(super) type Ended = String;

impl Feed {
    /// Ends only with an error. Dropping it at any point is fine: what is sent again counts once.
    pub(super) async fn run(mut self) -> Ended {
        match self.all().await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn all(&mut self) -> Result<std::convert::Infallible, Ended> {
        let begin = now();
        let recent = begin.plus(-RECENT_US);
        let mut sent = 0;
        let mut from = begin.plus(-HISTORY_US);
        while from < recent {
            let to = from.plus(PIECE_US).min(recent);
            sent += self.send(self.made(from, to, HISTORY_SHARE).await?).await?;
            from = to;
        }
        sent += self.send(self.made(recent, begin, 1.0).await?).await?;
        tracing::info!(events = sent, "demo: the past 30 days are sent, now it is live");
        self.live(begin).await
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
                waiting.extend(self.made(made_to, made_to.plus(AHEAD_US), 1.0).await?);
                made_to = made_to.plus(AHEAD_US);
            }
            let due = waiting.partition_point(|event| event.time_us <= Some(now.0));
            self.send(waiting.drain(..due).collect()).await?;
        }
    }

    /// Makes events where it holds up nobody.
    async fn made(&self, from: Micros, to: Micros, share: f64) -> Result<Vec<Event>, Ended> {
        let world = self.world.clone();
        tokio::task::spawn_blocking(move || world.events(from, to, share)).await.map_err(|error| error.to_string())
    }

    async fn send(&mut self, events: Vec<Event>) -> Result<u64, Ended> {
        let mut accepted = 0;
        for batch in events.chunks(BATCH) {
            let answer = self.collect(CollectRequest { events: batch.to_vec() }).await?;
            accepted += answer;
        }
        Ok(accepted)
    }

    /// Repeats a call until it is answered: every event has an id.
    async fn collect(&mut self, request: CollectRequest) -> Result<u64, Ended> {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.client.collect(request.clone()).await {
                Ok(answer) => {
                    let answer = answer.into_inner();
                    if let Some(refused) = answer.rejections.first() {
                        let count = answer.rejections.len();
                        tracing::warn!(
                            count,
                            field = refused.field,
                            reason = refused.message,
                            "demo: events were refused"
                        );
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
}

/// Whether waiting can help.
fn passes(code: Code) -> bool {
    !matches!(
        code,
        Code::InvalidArgument | Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented | Code::NotFound
    )
}

fn now() -> Micros {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Micros(since.as_micros() as i64)
}
