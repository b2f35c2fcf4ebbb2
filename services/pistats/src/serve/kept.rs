//! Sites and keys that outlive the store's absence: a registry with a copy of its directory on disk, so that a collector
//! starts and goes on while the store is away (P-6).
//!
//! ```text
//!   directory()   the store answers? ─ yes ─▶ changed? ─▶ file (temp, fsync, rename, fsync of the folder) ─▶ the store's
//!                        │ no, within the wait
//!                        └─▶ the copy; none: an error, for nobody could be told apart
//! ```
//!
//! The file holds hashes of keys, never keys. A key that is revoked while the store is away from this process is believed until
//! it is back: the age of what is believed is shown by `log.v1.State`. Everything but the directory needs the store.

mod snapshot;

use async_trait::async_trait;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use pistats_core::directory::{Directory, Key, Site};
use pistats_core::{Reason, SiteId};
use pistats_store::{Error, Registry, RejectedQuery, RejectedRow};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How long the store may take before the copy is taken for it.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Opens the store's registry, or says why not; called until it works.
pub type Opening = Box<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Registry>, String>> + Send + Sync>;

/// A registry that is opened when it can be, with a copy of its sites and keys.
pub struct KeptRegistry {
    open: Opening,
    within: Duration,
    registry: tokio::sync::Mutex<Option<Arc<dyn Registry>>>,
    file: PathBuf,
    /// As the file has it. Held while it is written, so that an older state never comes after a newer one.
    kept: tokio::sync::Mutex<Option<Vec<u8>>>,
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
        KeptRegistry {
            open,
            within,
            registry: tokio::sync::Mutex::default(),
            file: file.to_owned(),
            kept: tokio::sync::Mutex::new(std::fs::read(file).ok()),
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

    async fn read(&self) -> Result<Directory, Error> {
        self.registry().await?.directory().await
    }

    /// Writes the copy if it is another one. That it cannot be written is told, and keeps nobody from collecting.
    async fn keep(&self, directory: &Directory) {
        let mut kept = self.kept.lock().await;
        let bytes = snapshot::encode(directory);
        if kept.as_ref() == Some(&bytes) {
            return;
        }
        let (file, written) = (self.file.clone(), bytes.clone());
        let write = tokio::task::spawn_blocking(move || crate::credentials::write_secret(&file, &written)).await;
        match write.map_err(|error| error.to_string()).and_then(|done| done.map_err(|error| error.to_string())) {
            Ok(()) => *kept = Some(bytes),
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
    async fn copy(&self, reason: String) -> Result<Directory, Error> {
        let file = self.file.display().to_string();
        let kept = self.kept.lock().await;
        let Some(bytes) = kept.as_ref() else {
            return Err(Error::Unavailable(format!(
                "{reason}; and there is no copy of its sites and keys yet ({file})"
            )));
        };
        let directory = snapshot::decode(bytes);
        let directory = directory.map_err(|fault| {
            Error::Unavailable(format!("{reason}; and the copy of its sites and keys cannot be read: {file}: {fault}"))
        })?;
        if !std::mem::replace(&mut self.seen.lock().told, true) {
            let age_s = self.age().as_secs();
            tracing::warn!(file, age_s, reason, "the store does not answer: serving a copy of its sites and keys");
        }
        Ok(directory)
    }
}

#[async_trait]
impl Registry for KeptRegistry {
    async fn directory(&self) -> Result<Directory, Error> {
        let read = tokio::time::timeout(self.within, self.read()).await;
        match read {
            Ok(Ok(directory)) => {
                // The file first: what is served must outlive this process.
                self.keep(&directory).await;
                *self.seen.lock() = Seen { store: Some(Instant::now()), file: None, told: false };
                Ok(directory)
            }
            Ok(Err(error)) => self.copy(error.to_string()).await,
            Err(_) => self.copy(format!("no answer within {:?}", self.within)).await,
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
