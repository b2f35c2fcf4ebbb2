//! `serve --demo`: a site with believable visitors, so that there is something to look at.
//!
//! ```text
//!   site     the site `demo` and its keys          feed    the past 30 days, then live, through Collect
//!   world    who comes when   ─ people, place, source, dice
//!   visit    what they do
//! ```
//!
//! The demo is a client like any other: everything goes through the contract with a server key. Its world follows from a
//! fixed seed, ids included, so a restart sends the same past again and nothing counts twice.

mod dice;
mod feed;
mod people;
mod place;
mod site;
mod source;
mod visit;
mod world;

pub use site::NAME;

use crate::client::channel;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use tokio::task::JoinHandle;

/// Another seed would be another crowd on the same site: one for ever.
const SEED: u64 = 0x7ea;

/// The demo at work. Stop it before the server it sends to.
pub struct Demo {
    feed: JoinHandle<()>,
}

/// Finds or makes the site `demo` on a server that answers, and lets visitors in. Returns as soon as the site is there; the
/// past is sent in the background.
///
/// # Errors
/// What the server answered when the site or its key could not be had.
pub async fn start(url: &str, instance_key: &str) -> Result<Demo, String> {
    let world = world::World::new(SEED)?;
    let secret = site::provide(url, instance_key.trim()).await?;
    let client = IngestServiceClient::new(channel(url, &secret)?);
    let feed = feed::Feed { world, client };
    let feed = tokio::spawn(async move {
        let ended = feed.run().await;
        tracing::warn!(reason = ended, "demo: its visitors stay away");
    });
    Ok(Demo { feed })
}

impl Demo {
    /// Sends nothing more from now on.
    pub async fn stop(self) {
        self.feed.abort();
        // Aborted is what it was meant to be.
        _ = self.feed.await;
    }
}
