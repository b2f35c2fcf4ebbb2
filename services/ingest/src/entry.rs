//! The way in, whichever protocol it is: a key and what came with a request become a sender, or are refused.
//!
//! ```text
//!   key ─▶ principal ─▶ site ─▶ may this page collect? ─▶ whose address? ─▶ Caller
//!   each batch:  Caller ─▶ how are visitors known? (salts of the day) ─▶ Sender ─▶ collector
//! ```

use crate::{Collector, Sender, SharedSalts, Trust, Visitors};
use http::HeaderMap;
use pistats_core::cookieless::NoSalt;
use pistats_core::{Directory, Salts, Scope, Site, SiteId, Zone};
use pistats_rpc::auth::{Principal, SharedDirectory};
use pistats_rpc::proxies::Proxies;
use pistats_rpc::{origins, status};
use pistats_telemetry::{TraceParent, trace};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tonic::Status;

/// How long a call waits for the salt of today. A new site's is there within a second; where the store is away it was made
/// days ago.
const SALTS_WITHIN: Duration = Duration::from_secs(2);
/// When to come back where it is not.
const SALTS_RETRY: Duration = Duration::from_secs(5);

/// What every way in is given.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) collector: Arc<Collector>,
    pub(crate) directory: SharedDirectory,
    pub(crate) salts: SharedSalts,
    pub(crate) proxies: Arc<Proxies>,
}

impl Entry {
    pub(crate) fn new(collector: Arc<Collector>, directory: SharedDirectory) -> Entry {
        Entry { collector, directory, salts: watch::Sender::default().subscribe(), proxies: Arc::default() }
    }

    /// The site of a key that collects, with what is asked of it.
    ///
    /// Status: PERMISSION_DENIED another scope; UNAVAILABLE the site is not known here.
    pub(crate) fn site<'a>(
        &self,
        directory: &'a Directory,
        principal: &Principal,
        scopes: &[Scope],
    ) -> Result<&'a Site, Status> {
        let id = principal.site_with(scopes)?;
        directory.site(id).ok_or_else(|| status::unavailable("the site of this key is not known here yet", SALTS_RETRY))
    }

    /// Who sends a batch with these headers over a connection of this peer. `page` is what the request says of the page that it
    /// comes from.
    ///
    /// Status: PERMISSION_DENIED a page of another origin, with a public key.
    pub(crate) fn caller(
        &self,
        site: &Site,
        scope: Scope,
        headers: &HeaderMap,
        page: Option<&str>,
        peer: Option<SocketAddr>,
    ) -> Result<Caller, Status> {
        let trust = if scope == Scope::Server { Trust::Server } else { Trust::Public };
        if trust == Trust::Public {
            origins::admit(site, page)?;
        }
        // This call's own span; where this process exports none, the caller's.
        let trace = trace::current().or_else(|| recorded(header(headers, "traceparent")));
        Ok(Caller {
            site: site.id,
            trust,
            user_agent: header(headers, "user-agent").to_owned(),
            traceparent: trace.map(|at| at.to_string()).unwrap_or_default(),
            address: self.proxies.client(peer.map(|peer| peer.ip()), headers),
        })
    }

    /// How visitors of a site are known now: asked for each batch, for a stream may outlive a day and a change of the site.
    /// Waits for the salt of today where it is not there yet.
    ///
    /// Status: UNAVAILABLE there is none.
    pub(crate) async fn known(&self, site: SiteId) -> Result<Known, Status> {
        let zone = self.directory.load().site(site).filter(|site| site.cookieless).map(|site| site.zone.clone());
        match zone {
            Some(zone) => self.derived(zone).await,
            None => Ok(Known::Sent),
        }
    }

    /// As [`Entry::known`], for what has no visitor id in any site.
    pub(crate) async fn derived(&self, zone: Zone) -> Result<Known, Status> {
        let now = self.collector.now();
        let today = zone.day_of(now);
        let is_there = |salts: &Arc<Salts>| salts.at(&zone, today, now) != Err(NoSalt::NotYet);
        let mut salts = self.salts.clone();
        let found = tokio::time::timeout(SALTS_WITHIN, salts.wait_for(is_there)).await;
        let found = found.ok().and_then(Result::ok).map(|salts| salts.clone());
        let message = "visitors without cookies need a secret of the day, and the store that shares it is away";
        let salts = found.ok_or_else(|| status::unavailable(message, SALTS_RETRY))?;
        Ok(Known::Derived { zone, salts })
    }
}

/// How the visitors of a batch are known.
pub(crate) enum Known {
    /// As events say.
    Sent,
    Derived {
        zone: Zone,
        salts: Arc<Salts>,
    },
}

/// What all batches of a call share.
pub(crate) struct Caller {
    pub(crate) site: SiteId,
    trust: Trust,
    user_agent: String,
    traceparent: String,
    /// Used in memory; never logged, never stored.
    address: Option<IpAddr>,
}

impl Caller {
    pub(crate) fn sender<'a>(&'a self, known: &'a Known) -> Sender<'a> {
        let visitors = match known {
            Known::Derived { zone, salts } => Visitors::Derived { zone, salts, address: self.address },
            Known::Sent => Visitors::Sent,
        };
        Sender {
            site: self.site,
            trust: self.trust,
            user_agent: &self.user_agent,
            traceparent: &self.traceparent,
            visitors,
        }
    }
}

/// The first header of that name, if it is text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A trace context that somebody records: any other would only make records longer.
fn recorded(header: &str) -> Option<TraceParent> {
    header.parse().ok().filter(TraceParent::is_sampled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trace_that_is_recorded_goes_into_the_log() {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(recorded(trace).map(|at| at.to_string()).as_deref(), Some(trace));
        for other in ["", "x", &trace.replace("-01", "-00"), &format!("{trace}-extra")] {
            assert_eq!(recorded(other), None, "{other}");
        }
    }
}
