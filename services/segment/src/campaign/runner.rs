//! Finds the sites that have something to send and takes their leases: one task a site, in one process at a time.

use super::service::Campaigns;
use super::site;
use pistats_core::SiteId;
use pistats_store::Owner;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often a site that somebody else serves is asked for.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Tasks that end with the runner.
#[derive(Default)]
struct Serving(HashMap<SiteId, JoinHandle<()>>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.values().for_each(JoinHandle::abort);
    }
}

/// Goes on until it is aborted. What is on its way then is told as uncertain by whoever comes next.
pub(super) async fn run(campaigns: Arc<Campaigns>, owner: Owner) {
    let mut serving = Serving::default();
    loop {
        serving.0.retain(|_, task| !task.is_finished());
        match campaigns.store.sites_to_serve().await {
            Ok(sites) => {
                for id in sites.into_iter().filter(|id| !serving.0.contains_key(id)).collect::<Vec<_>>() {
                    if let Some(task) = take(&campaigns, &owner, id).await {
                        serving.0.insert(id, task);
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "campaigns cannot be looked for"),
        }
        // What was changed here is looked at at once.
        _ = tokio::time::timeout(ASK_EVERY.min(campaigns.settings.pace * 2), campaigns.wake.notified()).await;
    }
}

async fn take(campaigns: &Arc<Campaigns>, owner: &Owner, id: SiteId) -> Option<JoinHandle<()>> {
    match campaigns.store.lease_site(id, owner, campaigns.settings.lease).await {
        Ok(Some(lease)) => Some(tokio::spawn(site::serve(campaigns.clone(), lease))),
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(%error, site = id.0, "the lease of a site's campaigns cannot be taken");
            None
        }
    }
}
