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
use pistats_rpc::status;
use pistats_telemetry::{TraceParent, trace};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// How long a call waits for the salt of today. A new site's is there within a second; where the store is away it was made
/// days ago.
const SALTS_WITHIN: Duration = Duration::from_secs(2);
/// When to come back where it is not.
const SALTS_RETRY: Duration = Duration::from_secs(5);
/// Of an origin that is refused, the message repeats this much.
const TOLD_CHARS: usize = 200;

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
        if let (Trust::Public, Some(page)) = (trust, page)
            && !site.allows(page)
        {
            return Err(foreign(site, page));
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

/// The page's origin, as a browser names it. What is no text is no origin that any rule allows.
pub(crate) fn origin(headers: &HeaderMap) -> Option<&str> {
    headers.get(http::header::ORIGIN).map(|value| value.to_str().unwrap_or("?"))
}

/// A trace context that somebody records: any other would only make records longer.
fn recorded(header: &str) -> Option<TraceParent> {
    header.parse().ok().filter(TraceParent::is_sampled)
}

/// The refusal of a page: which, and the command that lets it in beside those of now.
fn foreign(site: &Site, page: &str) -> Status {
    use pistats_core::origin::{OriginRule, WebOrigin};
    let told: String = page.chars().filter(|c| c.is_ascii_graphic()).take(TOLD_CHARS).collect();
    let wanted = WebOrigin::read(page).map_or_else(|| "'*'".to_owned(), |origin| origin.host.to_string());
    let own = match site.origins.as_slice() {
        [] => OriginRule::of_name(&site.name).into_iter().collect(),
        rules => rules.to_vec(),
    };
    let rules = own.iter().map(ToString::to_string).chain([wanted]);
    let options: String = rules.map(|rule| format!(" --origin {rule}")).collect();
    let name = if site.name.contains(char::is_whitespace) { format!("{:?}", site.name) } else { site.name.clone() };
    let message = format!(
        "pages of {told} may not collect for this site; if they are its own: pistats site update {name}{options}"
    );
    let details = ErrorDetails::with_error_info("ORIGIN_NOT_ALLOWED", "pistats", [("origin".to_owned(), told)]);
    Status::with_error_details(Code::PermissionDenied, message, details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_core::{Micros, SiteId, Zone};

    #[test]
    fn only_a_trace_that_is_recorded_goes_into_the_log() {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(recorded(trace).map(|at| at.to_string()).as_deref(), Some(trace));
        for other in ["", "x", &trace.replace("-01", "-00"), &format!("{trace}-extra")] {
            assert_eq!(recorded(other), None, "{other}");
        }
    }

    #[test]
    fn a_refused_page_is_told_the_command_that_keeps_the_rules_of_now() {
        let mut site = Site::new(SiteId(1), "example.org", Zone::utc(), Micros(0));
        let fix = |site: &Site, page: &str| foreign(site, page).message().to_owned();
        assert!(
            fix(&site, "https://shop.example.net:8443")
                .ends_with("pistats site update example.org --origin example.org --origin shop.example.net")
        );
        site.name = "My shop".into();
        site.origins = vec!["a.example".parse().unwrap()];
        assert!(fix(&site, "null").ends_with("site update \"My shop\" --origin a.example --origin '*'"));
        let status = foreign(&site, &format!("https://{}\n", "e".repeat(5_000)));
        assert!(status.message().len() < 500 && !status.message().contains('\n'));
        assert_eq!(status.get_details_error_info().unwrap().reason, "ORIGIN_NOT_ALLOWED");
    }
}
