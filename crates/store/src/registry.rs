//! Sites, keys, salts of days, and refused events.

use crate::Error;
use async_trait::async_trait;
use pistats_core::directory::{Key, Site};
use pistats_core::origin::{NoRule, OriginRule};
use pistats_core::{DaySalt, Directory, Micros, Reason, SiteId};

/// A refused event, kept to be looked at and sent again.
#[derive(Clone, Debug, PartialEq)]
pub struct RejectedRow {
    /// Of the refusal.
    pub id: [u8; 16],
    pub site: SiteId,
    pub received: Micros,
    pub reason: Reason,
    pub field: String,
    pub message: String,
    /// The event's bytes, cut at 4 KiB, without the client address.
    pub payload: Vec<u8>,
    /// Bytes before the cut.
    pub payload_bytes: u32,
    /// What the request itself said.
    pub user_agent: String,
}

/// Which refused events to list, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct RejectedQuery {
    pub site: SiteId,
    pub reason: Option<Reason>,
    /// Only these, when not empty.
    pub ids: Vec<[u8; 16]>,
    pub limit: usize,
}

/// How many refused events of a site are kept; the oldest go first, their counts stay.
pub const REJECTED_KEPT: usize = 10_000;

/// The small tables that people change.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// All sites and keys.
    async fn directory(&self) -> Result<Directory, Error>;

    /// Keeps a fact of the instance, once and durably: stores the value if the name has none yet. Returns what is stored, so that
    /// whoever comes with another value knows.
    async fn agree(&self, name: &str, value: &str) -> Result<String, Error>;

    /// Keeps each salt whose zone and day have none yet, destroys those whose time was over at `now`, both durably, and returns
    /// all that are there. So whoever offers salts of its own gets those that everybody uses.
    ///
    /// Destroyed means: no later call returns it, and the relation does not hold it. What the engine leaves of it in freed blocks
    /// and write-ahead logs is the engine's (docs/adr/0024).
    async fn share_salts(&self, offered: &[DaySalt], now: Micros) -> Result<Vec<DaySalt>, Error>;

    /// Adds a site, durably. The caller chose an id that was never used.
    async fn put_site(&self, site: &Site) -> Result<(), Error>;

    /// Puts a site in the place of the one with its id, and the local days of all its rows (events, versions of sessions and
    /// visitors) into its zone: as a whole, durably, in a new generation. What was made of the old days goes, and everything
    /// is marked as dirty.
    ///
    /// Commits of the old generation that come after it are refused (S-8). Whoever folds in the same process should stand
    /// still meanwhile, so that it need not fold anything twice.
    async fn change_zone(&self, site: &Site) -> Result<(), Error>;

    /// Adds or replaces a key by its id, durably.
    async fn put_key(&self, key: &Key) -> Result<(), Error>;

    /// Lists refused events, newest first.
    async fn rejected(&self, query: RejectedQuery) -> Result<Vec<RejectedRow>, Error>;

    /// Counts all refusals of a site by reason, also those no longer kept.
    async fn rejected_counts(&self, site: SiteId) -> Result<Vec<(Reason, u64)>, Error>;

    /// Takes refused events off the list (they were accepted on retry).
    async fn forget_rejected(&self, site: SiteId, ids: &[[u8; 16]]) -> Result<(), Error>;
}

/// A site's rules as one text, separated by blanks: there is none in a rule.
pub(crate) fn origins_text(site: &Site) -> String {
    site.origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

pub(crate) fn origins(text: &str) -> Result<Vec<OriginRule>, Error> {
    text.split_whitespace().map(|rule| rule.parse().map_err(|fault: NoRule| Error::Engine(fault.to_string()))).collect()
}
