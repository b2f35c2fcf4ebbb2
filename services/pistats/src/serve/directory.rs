//! Sites and keys of this process: read from the registry, again and again, for other processes change them too.

use pistats_aggregate::Reload;
use pistats_core::directory::{Key, KeyHash};
use pistats_core::{Micros, Scope};
use pistats_rpc::auth::SharedDirectory;
use pistats_store::{Error, Registry};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;

/// How often the registry is looked at: a key that another process made or ended counts here that much later.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where the directory comes from.
#[derive(Clone)]
pub(super) struct Source {
    registry: Arc<dyn Registry>,
    /// Not in the registry: whoever has the data folder has it.
    instance_key: KeyHash,
    shared: SharedDirectory,
}

impl Source {
    /// Reads it for the first time.
    pub(super) async fn open(registry: Arc<dyn Registry>, instance_key: &str) -> Result<Source, String> {
        let source = Source { registry, instance_key: KeyHash::of(instance_key), shared: Arc::default() };
        source.look().await.map_err(|error| format!("store: {error}"))?;
        Ok(source)
    }

    pub(super) fn shared(&self) -> SharedDirectory {
        self.shared.clone()
    }

    /// Brings the directory up to date, if nobody did meanwhile: what Admin of this process publishes is in the registry already.
    async fn look(&self) -> Result<(), Error> {
        let before = self.shared.load_full();
        let mut fresh = self.registry.directory().await?;
        fresh.put_key(instance(self.instance_key));
        // Who compares pointers must not be told of a change where there is none.
        if fresh != *before {
            self.shared.compare_and_swap(&before, Arc::new(fresh));
        }
        Ok(())
    }

    /// For Aggregate, which must not begin with the time zones of an older generation.
    pub(super) fn reload(&self) -> Reload {
        let source = self.clone();
        Arc::new(move || {
            let source = source.clone();
            Box::pin(async move { source.look().await })
        })
    }

    /// Keeps it up to date, until aborted. While the registry does not answer, what is known holds.
    pub(super) fn keep(&self) -> AbortHandle {
        let source = self.clone();
        let keep = async move {
            let mut is_failing = false;
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let looked = source.look().await;
                match &looked {
                    Err(error) if !is_failing => {
                        tracing::warn!(%error, "sites and keys cannot be read: those of before hold");
                    }
                    Ok(()) if is_failing => tracing::info!("sites and keys are read again"),
                    _ => {}
                }
                is_failing = looked.is_err();
            }
        };
        tokio::spawn(keep).abort_handle()
    }
}

fn instance(hash: KeyHash) -> Key {
    Key {
        id: "instance".to_owned(),
        hash,
        scope: Scope::Instance,
        site: None,
        name: "instance".to_owned(),
        created: Micros(0),
        revoked: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_core::{Site, SiteId, Zone};
    use pistats_store::{DuckConfig, DuckStore};

    #[tokio::test]
    async fn what_another_process_changes_is_seen_and_nothing_new_is_no_change() {
        let store = Arc::new(DuckStore::open(DuckConfig::memory()).unwrap());
        let source = Source::open(store.clone(), "the key").await.unwrap();
        let shared = source.shared();
        assert!(shared.load().authenticate("the key").is_some());
        let before = shared.load_full();
        source.look().await.unwrap();
        assert!(Arc::ptr_eq(&before, &shared.load_full()));

        let site = Site { id: SiteId(1), name: "a".to_owned(), zone: Zone::utc(), created: Micros(0) };
        store.put_site(&site).await.unwrap();
        source.look().await.unwrap();
        assert_eq!(shared.load().site(SiteId(1)), Some(&site));
        assert!(shared.load().authenticate("the key").is_some(), "the instance key stays");
    }
}
