//! Sites, keys and salts of days that outlive the store's absence: a registry with a copy of them on disk, so that a collector
//! starts and goes on while the store is away (P-6).
//!
//! ```text
//!   directory()    the store answers? ─ yes ─▶ changed? ─▶ file (temp, fsync, rename, fsync of the folder) ─▶ the store's
//!   share_salts()         │ no, within the wait
//!                         └─▶ the copy; none: an error, for nobody could be told apart
//! ```
//!
//! The file holds hashes of keys, never keys. A key that is revoked while the store is away from this process is believed until
//! it is back: the age of what is believed is shown by `log.v1.State`. A salt whose time is over leaves the file whether the
//! store is there or not. Everything else needs the store.

mod snapshot;

use async_trait::async_trait;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use pistats_core::directory::{Directory, Key, Site};
use pistats_core::{DaySalt, Micros, Reason, SiteId};
use pistats_store::{Error, Registry, RejectedQuery, RejectedRow};
use snapshot::Snapshot;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How long the store may take before the copy is taken for it.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Opens the store's registry, or says why not; called until it works.
pub type Opening = Box<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Registry>, String>> + Send + Sync>;

/// A registry that is opened when it can be, with a copy of its sites, keys and salts.
pub struct KeptRegistry {
    open: Opening,
    within: Duration,
    registry: tokio::sync::Mutex<Option<Arc<dyn Registry>>>,
    file: PathBuf,
    /// As the file has it, or why it has none. Held while it is written, so that an older state never comes after a newer one.
    kept: tokio::sync::Mutex<Result<Snapshot, String>>,
    seen: Mutex<Seen>,
}

#[derive(Clone, Copy)]
struct Seen {
    /// When the store last answered.
    store: Option<Instant>,
    /// When the file was written, by a process before this one.
    file: Option<SystemTime>,
    /// The copy is served, and that was told.
    told: bool,
}

impl KeptRegistry {
    /// Nothing is opened yet: that comes with the first question.
    pub fn new(open: Opening, file: &Path) -> KeptRegistry {
        KeptRegistry::waiting(open, file, ANSWER_WITHIN)
    }

    fn waiting(open: Opening, file: &Path, within: Duration) -> KeptRegistry {
        let written = std::fs::metadata(file).and_then(|of| of.modified()).ok();
        let path = file.display();
        let kept = match std::fs::read(file) {
            Ok(bytes) => snapshot::decode(&bytes)
                .map_err(|fault| format!("the copy of its sites and keys cannot be read: {path}: {fault}")),
            Err(_) => Err(format!("there is no copy of its sites and keys yet ({path})")),
        };
        KeptRegistry {
            open,
            within,
            registry: tokio::sync::Mutex::default(),
            file: file.to_owned(),
            kept: tokio::sync::Mutex::new(kept),
            seen: Mutex::new(Seen { store: None, file: written, told: false }),
        }
    }

    /// Time since the store was last seen to have the sites and keys that `directory` gave last.
    pub fn age(&self) -> Duration {
        let Seen { store, file, .. } = *self.seen.lock();
        let by_file = || file.and_then(|written| written.elapsed().ok());
        store.map(|seen| seen.elapsed()).or_else(by_file).unwrap_or_default()
    }

    /// The store's registry, opened if it is not yet.
    async fn registry(&self) -> Result<Arc<dyn Registry>, Error> {
        let mut opened = self.registry.lock().await;
        match &*opened {
            Some(registry) => Ok(registry.clone()),
            None => {
                let registry = (self.open)().await.map_err(Error::Unavailable)?;
                Ok(opened.insert(registry).clone())
            }
        }
    }

    /// What the store answers, within the wait, or why it does not.
    async fn answer<T>(&self, asked: impl Future<Output = Result<T, Error>> + Send) -> Result<T, String> {
        match tokio::time::timeout(self.within, asked).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {:?}", self.within)),
        }
    }

    /// Writes the copy if the change makes it another one. That it cannot be written is told, and keeps nobody from collecting.
    async fn keep(&self, is_so: impl Fn(&Snapshot) -> bool, change: impl FnOnce(&mut Snapshot)) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_ok_and(is_so) {
            return;
        }
        let mut snapshot = kept.clone().unwrap_or_default();
        change(&mut snapshot);
        let (file, bytes) = (self.file.clone(), snapshot::encode(&snapshot));
        let write = tokio::task::spawn_blocking(move || crate::credentials::write_secret(&file, &bytes)).await;
        match write.map_err(|error| error.to_string()).and_then(|done| done.map_err(|error| error.to_string())) {
            Ok(()) => *kept = Ok(snapshot),
            Err(error) => {
                let file = self.file.display().to_string();
                tracing::error!(
                    file,
                    error,
                    "sites and keys cannot be kept: a start without the store would lack them"
                );
            }
        }
    }

    /// The copy, for want of the store.
    async fn copy(&self, reason: String) -> Result<Snapshot, Error> {
        let kept = self.kept.lock().await.clone();
        let snapshot = kept.map_err(|fault| Error::Unavailable(format!("{reason}; and {fault}")))?;
        if !std::mem::replace(&mut self.seen.lock().told, true) {
            let (file, age_s) = (self.file.display().to_string(), self.age().as_secs());
            tracing::warn!(file, age_s, reason, "the store does not answer: serving a copy of its sites and keys");
        }
        Ok(snapshot)
    }
}

#[async_trait]
impl Registry for KeptRegistry {
    async fn directory(&self) -> Result<Directory, Error> {
        match self.answer(async { self.registry().await?.directory().await }).await {
            Ok(directory) => {
                // The file first: what is served must outlive this process.
                self.keep(|kept| kept.directory == directory, |kept| kept.directory = directory.clone()).await;
                *self.seen.lock() = Seen { store: Some(Instant::now()), file: None, told: false };
                Ok(directory)
            }
            Err(reason) => Ok(self.copy(reason).await?.directory),
        }
    }

    async fn share_salts(&self, offered: &[DaySalt], now: Micros) -> Result<Vec<DaySalt>, Error> {
        let shared = self.answer(async { self.registry().await?.share_salts(offered, now).await }).await;
        let (salts, away) = match shared {
            Ok(salts) => (salts, None),
            // What is offered is not taken: another collector might take another one for the same day.
            Err(reason) => {
                let living = self.copy(reason.clone()).await?.salts.into_iter().filter(|salt| salt.until > now);
                (living.collect(), Some(reason))
            }
        };
        self.keep(|kept| kept.salts == salts, |kept| kept.salts = salts.clone()).await;
        match away {
            Some(reason) if salts.is_empty() => Err(Error::Unavailable(reason)),
            _ => Ok(salts),
        }
    }

    async fn agree(&self, name: &str, value: &str) -> Result<String, Error> {
        self.registry().await?.agree(name, value).await
    }

    async fn put_site(&self, site: &Site) -> Result<(), Error> {
        self.registry().await?.put_site(site).await
    }

    async fn change_zone(&self, site: &Site) -> Result<(), Error> {
        self.registry().await?.change_zone(site).await
    }

    async fn put_key(&self, key: &Key) -> Result<(), Error> {
        self.registry().await?.put_key(key).await
    }

    async fn rejected(&self, query: RejectedQuery) -> Result<Vec<RejectedRow>, Error> {
        self.registry().await?.rejected(query).await
    }

    async fn rejected_counts(&self, site: SiteId) -> Result<Vec<(Reason, u64)>, Error> {
        self.registry().await?.rejected_counts(site).await
    }

    async fn forget_rejected(&self, site: SiteId, ids: &[[u8; 16]]) -> Result<(), Error> {
        self.registry().await?.forget_rejected(site, ids).await
    }
}

#[cfg(test)]
mod tests;
