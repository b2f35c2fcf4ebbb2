//! The connection to the cluster: made when it is asked for, thrown away as a whole when it fails.
//!
//! Fluvio's client does not heal: after a server's restart its producer is poisoned and its watch of the cluster is dead.
//! So whoever meets an error (other than one partition being loaded still) discards the client he used, by its number, and
//! asks for the next one. There are two links: one to write, one to read, so that neither pays for the other's trouble.
//!
//! A client that was thrown away may still write what it had queued, up to half a minute later (its reconnecting goes on).
//! `resends` is the answer to that. Every call has a time limit of ours: the client's own (`FLV_SOCKET_WAIT`) is 60 s and
//! an environment variable, and nothing here relies on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::fluvio::{
    DeliverySemantic, Fluvio, Isolation, Partitioner, PartitionerConfig, RetryPolicy, RetryStrategy,
    TopicProducerConfigBuilder, TopicProducerPool,
};
use tokio::sync::{Mutex, OnceCell};

use super::config::Config;
use super::topic;
use crate::Error;

/// Pause after a connection failed; doubled each time, up to the longest.
pub(super) const PAUSE_FIRST: Duration = Duration::from_millis(100);
pub(super) const PAUSE_LONGEST: Duration = Duration::from_secs(2);

/// A connected client.
pub(super) struct Client {
    number: u64,
    pub fluvio: Fluvio,
    producer: OnceCell<TopicProducerPool>,
}

/// Where a client is got and given up.
pub(super) struct Link {
    config: Arc<Config>,
    state: Mutex<State>,
    /// The topic was seen: from then on it is never made. Both links share it.
    was_there: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    client: Option<Arc<Client>>,
    connects: u64,
}

impl Link {
    pub(super) fn new(config: Arc<Config>, was_there: Arc<AtomicBool>) -> Link {
        Link { config, state: Mutex::new(State::default()), was_there }
    }

    /// The client, connecting once if there is none. The topic is there and fits when this returns.
    ///
    /// Errors: `Unreachable`, `MetadataLost` (both may heal), `Config` (does not).
    pub(super) async fn client(&self) -> Result<Arc<Client>, Error> {
        let mut state = self.state.lock().await;
        if let Some(client) = &state.client {
            return Ok(client.clone());
        }
        let fluvio = topic::connect(&self.config.address).await?;
        topic::provide(&fluvio, &self.config, self.was_there.load(Ordering::Relaxed)).await?;
        self.was_there.store(true, Ordering::Relaxed);
        state.connects += 1;
        let client = Arc::new(Client { number: state.connects, fluvio, producer: OnceCell::new() });
        state.client = Some(client.clone());
        Ok(client)
    }

    /// Gives a client up, unless somebody did already. Those who still use it keep it until they drop it.
    pub(super) async fn discard(&self, client: &Client) {
        let mut state = self.state.lock().await;
        if state.client.as_ref().is_some_and(|current| current.number == client.number) {
            state.client = None;
        }
    }

    /// How often a connection was made.
    pub(super) async fn connects(&self) -> u64 {
        self.state.lock().await.connects
    }
}

impl Client {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The client's producer for the topic, made on first use.
    pub(super) async fn producer(&self, config: &Config) -> Result<&TopicProducerPool, String> {
        let make = || async {
            // No retries of the client's own: it would retry on the same dead socket, and behind our back.
            let retry = RetryPolicy {
                max_retries: 0,
                initial_delay: PAUSE_FIRST,
                max_delay: PAUSE_FIRST,
                timeout: Duration::from_secs(5),
                strategy: RetryStrategy::FixedDelay,
            };
            let largest = config.record_bytes as usize + (64 << 10);
            let settings = TopicProducerConfigBuilder::default()
                .batch_size(1 << 20)
                .max_request_size(largest)
                // One record is in flight in each partition; were the queue ever full, the client would spin.
                .batch_queue_size(1000)
                .linger(Duration::ZERO)
                .isolation(Isolation::ReadUncommitted)
                .partitioner(Arc::new(ByNumber))
                .delivery_semantic(DeliverySemantic::AtLeastOnce(retry))
                .build()
                .map_err(|error| error.to_string())?;
            let producer = self.fluvio.topic_producer_with_config(&config.topic, settings).await;
            producer.map_err(|error| format!("{error:#}"))
        };
        self.producer.get_or_try_init(make).await
    }
}

/// The partition is ours to choose: the key of a Fluvio record is its number, 4 bytes little-endian.
struct ByNumber;

impl Partitioner for ByNumber {
    fn partition(&self, _: &PartitionerConfig, key: Option<&[u8]>, _: &[u8]) -> u32 {
        key.and_then(|key| key.try_into().ok()).map_or(0, u32::from_le_bytes)
    }
}
