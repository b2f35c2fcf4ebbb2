//! `serve --demo`: two sites with believable visitors, so that there is something to look at.
//!
//! ```text
//!   site     the sites and their keys              feed    the past three months, then live, through Collect
//!   world    who comes when   ─ people, place, source, dice
//!   visit    what they do
//! ```
//!
//! | site | is | level |
//! |---|---|---|
//! | `demo` | a tea shop with a blog, in Berlin: carts, purchases with values, accounts, two checkouts to compare | 0.6 |
//! | `demo-magazine` | a magazine in New York: reading, searching, a letter to subscribe to | 0.12 |
//!
//! The demo is a client like any other: everything goes through the contract with a server key. Its world follows from a
//! fixed seed, ids included, so a restart sends only what is missing of the past and nothing counts twice.

mod dice;
mod feed;
mod people;
mod place;
mod site;
mod source;
mod visit;
mod world;

use crate::client::channel;
use feed::Feed;
use pistats_core::Micros;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use place::Place;
use tokio::task::JoinHandle;
use world::World;

/// What the shop's site is called.
pub const NAME: &str = "demo";

/// One site of the demo.
struct Site {
    name: &'static str,
    time_zone: &'static str,
    place: &'static Place,
    /// Another seed would be another crowd on the same site: one for ever.
    seed: u64,
    level: f64,
}

const SITES: [Site; 2] = [
    Site { name: NAME, time_zone: "Europe/Berlin", place: &place::shop::PLACE, seed: 0x7ea, level: 0.6 },
    Site {
        name: "demo-magazine",
        time_zone: "America/New_York",
        place: &place::magazine::PLACE,
        seed: 0x510_0c0ffee,
        level: 0.12,
    },
];

/// The demo at work. Stop it before the server it sends to.
pub struct Demo {
    feeds: Vec<JoinHandle<()>>,
    /// Secret of a write key of [`NAME`], for pages with a snippet.
    pub write_key: String,
}

/// Finds or makes the sites on a server that answers, and lets visitors in. Returns as soon as the sites are there; the
/// past is sent in the background.
///
/// # Errors
/// What the server answered when a site or its keys could not be had.
pub async fn start(url: &str, instance_key: &str) -> Result<Demo, String> {
    let begin = feed::now();
    let mut demo = Demo { feeds: Vec::new(), write_key: String::new() };
    for site in &SITES {
        let secrets = site::provide(url, instance_key.trim(), site.name, site.time_zone).await?;
        if site.name == NAME {
            demo.write_key = secrets.write;
        }
        let world = World::new(site.seed, site.place, site.level, begin.plus(-feed::HISTORY_US))?;
        let client = IngestServiceClient::new(channel(url, &secrets.server)?);
        let queries = QueryServiceClient::new(channel(url, &secrets.read)?);
        demo.feeds.push(visit(Feed { name: site.name, world, client, queries }, begin));
    }
    Ok(demo)
}

fn visit(feed: Feed, begin: Micros) -> JoinHandle<()> {
    tokio::spawn(async move {
        let site = feed.name;
        let ended = feed.run(begin).await;
        tracing::warn!(site, reason = ended, "demo: its visitors stay away");
    })
}

impl Demo {
    /// Sends nothing more from now on.
    pub async fn stop(self) {
        for feed in self.feeds {
            feed.abort();
            // Aborted is what it was meant to be.
            _ = feed.await;
        }
    }
}
