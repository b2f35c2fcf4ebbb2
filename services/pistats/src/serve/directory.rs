//! Sites and keys of this process: read from the registry, again and again, for other processes change them too. So are the
//! salts of days, in a process that collects.

use pistats_aggregate::Reload;
use pistats_core::directory::{Key, KeyHash};
use pistats_core::{DaySalt, Micros, Salts, Scope, Zone};
use pistats_ingest::SharedSalts;
use pistats_rpc::auth::SharedDirectory;
use pistats_store::{Error, Registry};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
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
    /// None: nobody here derives visitors, and who needs no secret has none.
    salts: Option<Arc<watch::Sender<Arc<Salts>>>>,
}

impl Source {
    /// Reads it for the first time.
    pub(super) async fn open(registry: Arc<dyn Registry>, instance_key: &str, collects: bool) -> Result<Source, Error> {
        let salts = collects.then(|| Arc::new(watch::Sender::default()));
        let source = Source { registry, instance_key: KeyHash::of(instance_key), shared: Arc::default(), salts };
        source.look().await?;
        if let Err(error) = source.share_salts(now()).await {
            tracing::warn!(%error, "there are no salts of days yet: visitors without cookies are not collected");
        }
        Ok(source)
    }

    /// The salts that collecting derives visitors with.
    pub(super) fn salts(&self) -> SharedSalts {
        match &self.salts {
            Some(salts) => salts.subscribe(),
            None => watch::Sender::default().subscribe(),
        }
    }

    /// Has salts for all days that may need one, and none whose time is over.
    async fn share_salts(&self, now: Micros) -> Result<(), String> {
        let Some(shared) = &self.salts else { return Ok(()) };
        let (before, directory) = (shared.borrow().clone(), self.shared.load_full());
        let mut zones: Vec<&Zone> = directory.sites().into_iter().map(|site| &site.zone).collect();
        zones.sort_by(|a, b| a.name().cmp(b.name()));
        zones.dedup();
        let missing = before.missing(zones, now);
        let living = before.living(now);
        if missing.is_empty() && living == *before {
            return Ok(());
        }
        let mut offered = Vec::with_capacity(missing.len());
        for (zone, day) in missing {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(|error| format!("no randomness: {error}"))?;
            offered.push(DaySalt::of(zone, day, secret));
        }
        let all = self.registry.share_salts(&offered, now).await;
        // Whatever the registry says: what is over is gone from here.
        let fresh = all.as_ref().map_or(living, |all| Salts::new(all.iter().cloned()));
        if fresh != *before {
            shared.send_replace(Arc::new(fresh));
        }
        all.map(drop).map_err(|error| error.to_string())
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
            let (mut is_failing, mut lacks_salts) = (false, false);
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
                let shared = source.share_salts(now()).await;
                if let (Err(error), false) = (&shared, lacks_salts) {
                    tracing::warn!(
                        error,
                        "salts of days cannot be shared: those of before hold until their time is over"
                    );
                }
                lacks_salts = shared.is_err();
            }
        };
        tokio::spawn(keep).abort_handle()
    }
}

fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(since.as_micros() as i64)
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
        let source = Source::open(store.clone(), "the key", false).await.unwrap();
        let shared = source.shared();
        assert!(shared.load().authenticate("the key").is_some());
        let before = shared.load_full();
        source.look().await.unwrap();
        assert!(Arc::ptr_eq(&before, &shared.load_full()));

        let site = Site::new(SiteId(1), "a", Zone::utc(), Micros(0));
        store.put_site(&site).await.unwrap();
        source.look().await.unwrap();
        assert_eq!(shared.load().site(SiteId(1)), Some(&site));
        assert!(shared.load().authenticate("the key").is_some(), "the instance key stays");
        assert!(source.salts().borrow().all().is_empty(), "who does not collect has no secrets");
    }

    #[tokio::test]
    async fn two_collectors_have_the_same_salts_ahead_and_none_whose_time_is_over() {
        let store = Arc::new(DuckStore::open(DuckConfig::memory()).unwrap());
        let zone = Zone::named("Asia/Kolkata").unwrap();
        store.put_site(&Site::new(SiteId(1), "a", zone.clone(), Micros(0))).await.unwrap();
        let one = Source::open(store.clone(), "the key", true).await.unwrap();
        let two = Source::open(store.clone(), "the key", true).await.unwrap();
        let salts = one.salts().borrow().clone();
        assert_eq!(salts.all().len(), 9, "from yesterday to a week ahead");
        assert_eq!(*two.salts().borrow(), salts);

        // A week of the store being away does not matter; then a day passes.
        let today = zone.day_of(now());
        let week = zone.start_of(today.plus(7));
        assert!((0..=7).all(|day| salts.at(&zone, today.plus(day), zone.start_of(today.plus(day))).is_ok()));
        one.share_salts(week).await.unwrap();
        two.share_salts(week).await.unwrap();
        let later = one.salts().borrow().clone();
        assert_eq!(*two.salts().borrow(), later);
        let days: Vec<i32> = later.all().iter().map(|salt| salt.day.0 - today.0).collect();
        assert_eq!(days, (6..=14).collect::<Vec<i32>>());
        assert_eq!(store.share_salts(&[], week).await.unwrap().len(), 9, "nor is any in the store");
    }
}
