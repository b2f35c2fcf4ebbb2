//! Events at a steady rate: page views of now, by a few thousand visitors on a few hundred pages.

use crate::Failure;
use crate::client::{Authorized, connect};
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::ingest::v1::{CollectRequest, Event};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

const VISITORS: u32 = 20_000;
const PAGES: u32 = 300;
const TOPICS: u32 = 50;
const COUNTRIES: [&str; 6] = ["NO", "DE", "FR", "US", "BR", "JP"];
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// Batches a second: small enough to be steady, large enough not to be the load themselves.
const BATCHES: u32 = 20;

/// Sends events and counts those that were acknowledged.
pub(super) struct Feed {
    client: IngestServiceClient<InterceptedService<Channel, Authorized>>,
    random: StdRng,
    accepted: u64,
}

impl Feed {
    pub(super) async fn connect(url: &str, key: &str) -> Result<Feed, Failure> {
        let client = IngestServiceClient::new(connect(url, key).await?);
        Ok(Feed { client, random: StdRng::seed_from_u64(1), accepted: 0 })
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted
    }

    pub(super) async fn send_at_once(&mut self, events: u32) -> Result<(), Failure> {
        for _ in 0..events / 1_000 {
            self.send(1_000).await?;
        }
        self.send(events % 1_000).await
    }

    /// Sends so many events a second for so long. A late batch follows at once: the rate is kept as long as answers come.
    pub(super) async fn send_at(&mut self, rate: u32, length: Duration) -> Result<(), Failure> {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / BATCHES);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for tick in 0..u64::from(BATCHES) * length.as_secs() {
            ticks.tick().await;
            // What does not divide evenly goes into the first batch of each second.
            let rest = if tick % u64::from(BATCHES) == 0 { rate % BATCHES } else { 0 };
            self.send(rate / BATCHES + rest).await?;
        }
        Ok(())
    }

    async fn send(&mut self, events: u32) -> Result<(), Failure> {
        if events == 0 {
            return Ok(());
        }
        let events = (0..events).map(|_| event(&mut self.random)).collect();
        let answer = self.client.collect(CollectRequest { events }).await.map_err(|status| status.to_string())?;
        let answer = answer.into_inner();
        if let Some(refused) = answer.rejections.first() {
            return Err(format!("an event was refused: {refused:?}"));
        }
        self.accepted += u64::from(answer.accepted);
        Ok(())
    }
}

/// Without an id and a time: the server gives it both, so that every event is a new one and happens now.
fn event(random: &mut StdRng) -> Event {
    let visitor = random.random_range(0..VISITORS);
    // Low numbers are popular.
    let page = random.random_range(0..PAGES).min(random.random_range(0..PAGES));
    Event {
        visitor_id: format!("visitor-{visitor}"),
        url: format!("https://www.example.org/articles/{page}"),
        referrer: if visitor % 3 == 0 { "https://www.google.com/".to_owned() } else { String::new() },
        topics: vec![format!("topic-{}", random.random_range(0..TOPICS))],
        country: COUNTRIES[visitor as usize % COUNTRIES.len()].to_owned(),
        user_agent: BROWSER.to_owned(),
        ..Event::default()
    }
}
