//! A warehouse that is filled as Aggregate would fill it, only naively: one event at a time, nothing cached.

use arc_swap::ArcSwap;
use pistats_core::directory::{Key, KeyHash, Site};
use pistats_core::{
    Directory, EventId, Micros, Offset, PartitionId, Scope, Session, SiteId, VisitorKey, VisitorNo, Zone,
};
use pistats_query::segments::Clock;
use pistats_query::{Config, Living, Nothing, Query, Tenant};
use pistats_rpc::auth::SharedDirectory;
use pistats_store::{Commit, EventRow, Progress, Registry, Segments, SessionVersion, Sign, Store, VisitorVersion};
use pistats_testkit::OracleEvent;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use tonic::Request;

/// The secret of a site's read key; the site's number follows.
const READ: &str = "read-";
/// Visitor ids are hashed under it.
pub(crate) const SECRET: [u8; 32] = [7; 32];
/// A key that collects and reads nothing.
pub(crate) const WRITE_KEY: &str = "write";

/// One store, and what was put into it.
pub(crate) struct Warehouse {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) segments: Arc<dyn Segments>,
    registry: Arc<dyn Registry>,
    sites: HashMap<SiteId, Folded>,
    next: [u64; 8],
}

/// An empty warehouse.
pub(crate) struct Emptied {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) segments: Arc<dyn Segments>,
}

/// What a site holds.
struct Folded {
    site: Site,
    ids: HashSet<EventId>,
    visitors: HashMap<String, (VisitorNo, Micros)>,
    sessions: HashMap<VisitorNo, Vec<Session<Arc<str>>>>,
}

impl Warehouse {
    pub(crate) fn new(sites: &[(u32, &Zone)]) -> Warehouse {
        let site = |(id, zone): &(u32, &Zone)| Site::new(SiteId(*id), format!("site {id}"), (*zone).clone(), Micros(0));
        let folded = |site: Site| {
            let folded = Folded { site, ids: HashSet::new(), visitors: HashMap::new(), sessions: HashMap::new() };
            (folded.site.id, folded)
        };
        let Emptied { store, registry, segments } = crate::empty_store();
        Warehouse { store, registry, segments, sites: sites.iter().map(site).map(folded).collect(), next: [0; 8] }
    }

    pub(crate) fn tenant(&self, site: u32) -> Tenant {
        Tenant::of(&self.sites[&SiteId(site)].site, self.store.engine())
    }

    /// The visitors of a site by their numbers.
    pub(crate) fn names(&self, site: u32) -> BTreeMap<u32, String> {
        let visitors = self.sites[&SiteId(site)].visitors.iter();
        visitors.map(|(name, (no, _))| (u32::try_from(no.0).unwrap(), name.clone())).collect()
    }

    /// The service over this store, with a read key for each site.
    pub(crate) fn service(&self) -> Query {
        self.service_over(self.store.clone())
    }

    /// The same over another store.
    pub(crate) fn service_over(&self, store: Arc<dyn Store>) -> Query {
        self.service_with(store, Arc::new(Nothing::default()))
    }

    /// The same beside a living side.
    pub(crate) fn service_with(&self, store: Arc<dyn Store>, living: Arc<dyn Living>) -> Query {
        Query::new(store, living, self.directory(), SECRET, &Config::default())
    }

    /// The same with another clock.
    pub(crate) fn service_at(&self, clock: Clock) -> Query {
        let living = Arc::new(Nothing::default());
        Query::with_clock(self.store.clone(), living, self.directory(), SECRET, &Config::default(), clock)
    }

    fn directory(&self) -> SharedDirectory {
        let key = |id: &str, secret: &str, scope, site| Key {
            id: id.to_owned(),
            hash: KeyHash::of(secret),
            scope,
            site: Some(site),
            name: String::new(),
            created: Micros(0),
            revoked: false,
        };
        let mut keys: Vec<Key> =
            self.sites.keys().map(|site| key("read", &format!("{READ}{}", site.0), Scope::Read, *site)).collect();
        keys.extend(self.sites.keys().map(|site| key("write", WRITE_KEY, Scope::Write, *site)));
        let sites = self.sites.values().map(|folded| folded.site.clone());
        Arc::new(ArcSwap::from_pointee(Directory::new(sites, keys)))
    }

    /// Moves a site to another zone, as Admin does; the service's directory hears of it with `told`.
    pub(crate) async fn change_zone(&mut self, site: u32, zone: &Zone, told: bool) {
        let known = &mut self.sites.get_mut(&SiteId(site)).unwrap().site;
        let moved = Site { zone: zone.clone(), ..known.clone() };
        self.registry.change_zone(&moved).await.unwrap();
        if told {
            *known = moved;
        }
    }

    /// Commits events in the order given; those that were stored before change nothing.
    pub(crate) async fn commit(&mut self, site: u32, events: &[OracleEvent]) {
        let mut commit = Commit::default();
        let mut touched = [false; 8];
        let folded = self.sites.get_mut(&SiteId(site)).unwrap();
        for event in events {
            if folded.ids.insert(event.id) {
                let partition = folded.fold(event, &mut commit, &self.next);
                touched[partition.index()] = true;
            }
        }
        for partition in PartitionId::all().filter(|partition| touched[partition.index()]) {
            let next = &mut self.next[partition.index()];
            commit.progress.push(Progress { partition, from: Offset(*next), to: Offset(*next + 1) });
            *next += 1;
        }
        self.store.commit(commit).await.unwrap();
    }
}

impl Folded {
    fn fold(&mut self, event: &OracleEvent, commit: &mut Commit, next: &[u64; 8]) -> PartitionId {
        let (site, zone) = (self.site.id, &self.site.zone);
        let partition = PartitionId::of(site, event.visitor.as_bytes());
        let known = self.visitors.len() as u64;
        let (visitor, first_seen) = match self.visitors.get(&event.visitor) {
            Some((visitor, first_seen)) => (*visitor, Some(*first_seen)),
            None => (VisitorNo::new(partition, known), None),
        };
        let version = |first_seen: Micros, sign| VisitorVersion {
            site,
            visitor,
            key: VisitorKey::derive(&SECRET, site, event.visitor.as_bytes()),
            first_seen,
            first_day: zone.day_of(first_seen),
            sign,
        };
        if first_seen.is_none_or(|first| event.time < first) {
            commit.visitors.extend(first_seen.map(|first| version(first, Sign::Retract)));
            commit.visitors.push(version(event.time, Sign::Add));
            self.visitors.insert(event.visitor.clone(), (visitor, event.time));
        }

        let page: Arc<str> = format!("{}{}", event.host, event.path).into();
        let run = Session::of_event((event.time, event.id), page, event.is_page_view(), event.bot);
        let sessions = self.sessions.entry(visitor).or_default();
        let (at, replaced) = pistats_core::session::insert(sessions, run);
        let version =
            |session: Session<Arc<str>>, sign| SessionVersion { site, visitor, day: session.day(zone), session, sign };
        commit.sessions.extend(replaced.into_iter().map(|session| version(session, Sign::Retract)));
        commit.sessions.push(version(sessions[at].clone(), Sign::Add));

        let topics: Vec<&str> = event.topics.iter().map(String::as_str).collect();
        let properties: BTreeMap<&str, &str> =
            event.properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let properties: Vec<(&str, &str)> = properties.into_iter().collect();
        commit.events.push(&EventRow {
            site,
            visitor,
            id: event.id,
            time: event.time,
            day: zone.day_of(event.time),
            partition,
            offset: Offset(next[partition.index()]),
            received: event.time.plus(1),
            client_time: None,
            name: &event.name,
            url: &event.url,
            host: &event.host,
            path: &event.path,
            referrer: &event.referrer,
            source: &event.source,
            channel: &event.channel,
            utm_source: &event.utm_source,
            utm_medium: &event.utm_medium,
            utm_campaign: &event.utm_campaign,
            utm_term: &event.utm_term,
            utm_content: &event.utm_content,
            title: &event.title,
            country: &event.country,
            language: &event.language,
            device: &event.device,
            screen: &event.screen,
            browser: &event.browser,
            os: &event.os,
            user_id: &event.user_id,
            bot: event.bot,
            value: event.value,
            topics: &topics,
            properties: &properties,
        });
        partition
    }
}

/// A request with the read key of a site.
pub(crate) fn asked<T>(site: u32, message: T) -> Request<T> {
    with_key(&format!("{READ}{site}"), message)
}

pub(crate) fn with_key<T>(key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    request
}

/// An instant.
pub(crate) fn at(text: &str) -> Micros {
    Micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

/// A page view on `shop.example`, with an id of its own.
pub(crate) fn view(number: u128, visitor: &str, time: &str, path: &str) -> OracleEvent {
    let time = at(time);
    let id = EventId::from_parts(u64::try_from(time.0 / 1_000).unwrap(), number);
    let mut event = OracleEvent::new(id, time, visitor);
    event.host = "shop.example".into();
    event.path = path.into();
    event.page = format!("shop.example{path}");
    event.url = format!("https://shop.example{path}");
    event
}
