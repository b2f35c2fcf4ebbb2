//! A writer under whose eyes things break: it makes ids itself, sends each batch until it is answered, and keeps the list of what
//! was acknowledged.

use super::Site;
use crate::Failure;
use crate::client::{Authorized, connect};
use pistats_core::EventId;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::ingest::v1::{CollectRequest, Event};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;
use tonic::Request;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

/// An answer that takes longer is taken for none, and the batch is sent again.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const VISITORS: u32 = 5_000;
const LANES: u32 = 4;

/// How much is sent.
#[derive(Clone, Copy)]
pub(crate) struct Rate {
    /// Calls a second, over all connections.
    pub(crate) calls: u32,
    /// Events a call.
    pub(crate) events: u32,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Told {
    /// Ids of acknowledged events.
    pub(crate) acknowledged: HashSet<[u8; 16]>,
    pub(crate) calls: u64,
    /// Calls that failed and were made again.
    pub(crate) failed: u64,
    pub(crate) first_failure: Option<String>,
    /// The longest wait for an answer.
    pub(crate) longest: Duration,
}

/// A writer at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    lanes: JoinSet<Result<Told, Failure>>,
}

impl Load {
    pub(crate) async fn start(address: &str, site: &Site, rate: Rate) -> Result<Load, Failure> {
        let (stop, sent, mut lanes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), JoinSet::new());
        for number in 0..LANES {
            let client = IngestServiceClient::new(connect(address, &site.server_key).await?);
            let (stop, sent) = (stop.clone(), sent.clone());
            lanes.spawn(async move {
                let mut lane =
                    Lane { client, random: StdRng::seed_from_u64(rand::random()), number, told: Told::default() };
                let mut ticks = tokio::time::interval(Duration::from_secs(1) * LANES / rate.calls.max(1));
                ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                while !stop.load(Relaxed) {
                    ticks.tick().await;
                    lane.send(rate.events).await?;
                    sent.fetch_add(u64::from(rate.events), Relaxed);
                }
                Ok(lane.told)
            });
        }
        Ok(Load { stop, sent, lanes })
    }

    /// Events acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Ends after the batches under way, which are sent until they are answered.
    pub(crate) async fn stop(mut self) -> Result<Told, Failure> {
        self.stop.store(true, Relaxed);
        let mut told = Told::default();
        while let Some(lane) = self.lanes.join_next().await {
            let lane = lane.map_err(|error| format!("a writer: {error}"))??;
            told.acknowledged.extend(lane.acknowledged);
            told.calls += lane.calls;
            told.failed += lane.failed;
            told.first_failure = told.first_failure.or(lane.first_failure);
            told.longest = told.longest.max(lane.longest);
        }
        Ok(told)
    }
}

struct Lane {
    client: Client,
    random: StdRng,
    number: u32,
    told: Told,
}

type Client = IngestServiceClient<InterceptedService<Channel, Authorized>>;

impl Lane {
    async fn send(&mut self, many: u32) -> Result<(), Failure> {
        let events: Vec<Event> = (0..many).map(|_| self.event()).collect();
        let begun = Instant::now();
        loop {
            self.told.calls += 1;
            let mut request = Request::new(CollectRequest { events: events.clone() });
            request.set_timeout(ANSWER_WITHIN);
            let asked = Instant::now();
            match self.client.collect(request).await {
                Ok(answer) => {
                    if let Some(refused) = answer.into_inner().rejections.first() {
                        return Err(format!("an event was refused: {refused:?}"));
                    }
                    self.told.longest = self.told.longest.max(asked.elapsed());
                    break;
                }
                Err(status) => {
                    self.told.failed += 1;
                    self.told.first_failure.get_or_insert_with(|| status.to_string());
                    if begun.elapsed() > Duration::from_secs(300) {
                        return Err(format!("a batch was not taken for five minutes: {status}"));
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        self.told.acknowledged.extend(events.iter().filter_map(|event| <[u8; 16]>::try_from(&event.id[..]).ok()));
        Ok(())
    }

    fn event(&mut self) -> Event {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let visitor = self.random.random_range(0..VISITORS);
        Event {
            id: EventId::from_parts(now.as_millis() as u64, self.random.random()).0.to_vec().into(),
            time_us: Some(now.as_micros() as i64),
            visitor_id: format!("visitor-{visitor}"),
            url: format!("https://www.example.org/lane-{}/{}", self.number, self.random.random_range(0..200)),
            user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0".to_owned(),
            ..Event::default()
        }
    }
}
