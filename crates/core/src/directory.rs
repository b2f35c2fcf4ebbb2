//! Sites and keys: who may do what. A snapshot, replaced as a whole when the admin service changes something.
//!
//! The site of a call comes from its key alone (P-7): there is no way to name another one.

use crate::origin::{OriginRule, WebOrigin};
use crate::{Micros, SiteId, Zone};
use std::collections::HashMap;

/// A tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    pub id: SiteId,
    /// Unique; usually the host name.
    pub name: String,
    pub zone: Zone,
    pub created: Micros,
    /// Pages that may collect with a public key; none: see [`Site::allows`].
    pub origins: Vec<OriginRule>,
    /// Whether what a public key says about the visitor is ignored, and the visitor derived from the request.
    pub cookieless: bool,
    /// When it was cookieless last, if it is no longer.
    pub cookieless_until: Option<Micros>,
}

impl Site {
    /// A site that takes visitors' own ids, from the pages that its name says.
    pub fn new(id: SiteId, name: impl Into<String>, zone: Zone, created: Micros) -> Site {
        let (name, origins) = (name.into(), Vec::new());
        Site { id, name, zone, created, origins, cookieless: false, cookieless_until: None }
    }

    /// Whether a page of this origin (as in the header `Origin`, or a page's address) may collect with a public key. Without rules
    /// it must be of the host that the site is named after; a site whose name is no host takes every page.
    pub fn allows(&self, origin: &str) -> bool {
        let origin = WebOrigin::read(origin);
        match self.origins.as_slice() {
            [] => OriginRule::of_name(&self.name).is_none_or(|rule| rule.allows(origin.as_ref())),
            rules => rules.iter().any(|rule| rule.allows(origin.as_ref())),
        }
    }

    /// Before this instant visitors may be those of a day only ([`crate::cookieless`]); none: nowhere.
    pub fn visitor_days_before(&self) -> Option<Micros> {
        if self.cookieless { Some(Micros(i64::MAX)) } else { self.cookieless_until }
    }
}

/// What a key may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// Sites, keys, partitions, replays of the whole instance; no reports.
    Instance,
    /// Public, in the snippet: collects.
    Write,
    /// Secret: collects, and is believed about address, user agent and country.
    Server,
    /// Reports of the site.
    Read,
    /// Keys and refused events of the site.
    Manage,
}

impl Scope {
    pub const ALL: [Scope; 5] = [Scope::Instance, Scope::Write, Scope::Server, Scope::Read, Scope::Manage];

    /// The scope's name in configuration, files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Instance => "instance",
            Scope::Write => "write",
            Scope::Server => "server",
            Scope::Read => "read",
            Scope::Manage => "manage",
        }
    }

    pub fn named(name: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// May send events.
    pub fn collects(self) -> bool {
        matches!(self, Scope::Write | Scope::Server)
    }
}

/// BLAKE3 of a key's secret: all that is ever stored of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    pub fn of(secret: &str) -> KeyHash {
        KeyHash(*blake3::hash(secret.as_bytes()).as_bytes())
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyHash(…)")
    }
}

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Names the key in lists; no secret.
    pub id: String,
    pub hash: KeyHash,
    pub scope: Scope,
    /// `None` for the instance key only.
    pub site: Option<SiteId>,
    pub name: String,
    pub created: Micros,
    pub revoked: bool,
}

/// All sites and keys at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directory {
    sites: HashMap<SiteId, Site>,
    keys: HashMap<KeyHash, Key>,
}

impl Directory {
    pub fn new(sites: impl IntoIterator<Item = Site>, keys: impl IntoIterator<Item = Key>) -> Directory {
        Directory {
            sites: sites.into_iter().map(|site| (site.id, site)).collect(),
            keys: keys.into_iter().map(|key| (key.hash, key)).collect(),
        }
    }

    pub fn site(&self, id: SiteId) -> Option<&Site> {
        self.sites.get(&id)
    }

    /// The living key of a secret.
    pub fn authenticate(&self, secret: &str) -> Option<&Key> {
        self.keys.get(&KeyHash::of(secret)).filter(|key| !key.revoked)
    }

    /// Sites by name.
    pub fn sites(&self) -> Vec<&Site> {
        let mut sites: Vec<&Site> = self.sites.values().collect();
        sites.sort_by(|a, b| a.name.cmp(&b.name));
        sites
    }

    /// All keys, revoked ones too, by creation.
    pub fn keys(&self) -> Vec<&Key> {
        let mut keys: Vec<&Key> = self.keys.values().collect();
        keys.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        keys
    }

    pub fn put_site(&mut self, site: Site) {
        self.sites.insert(site.id, site);
    }

    pub fn put_key(&mut self, key: Key) {
        self.keys.insert(key.hash, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_rules_the_name_is_the_rule_and_a_rule_takes_its_place() {
        let mut site = Site::new(SiteId(1), "example.org", Zone::utc(), Micros(0));
        assert!(site.allows("https://www.example.org") && !site.allows("https://example.net") && !site.allows("null"));
        site.origins = ["example.net", "localhost:3000"].map(|rule| rule.parse().unwrap()).into();
        assert!(site.allows("https://example.net") && site.allows("http://localhost:3000"));
        assert!(!site.allows("https://example.org"), "named nowhere");
        let unnamed = Site::new(SiteId(1), "My shop", Zone::utc(), Micros(0));
        assert!(unnamed.allows("https://example.org") && unnamed.allows("null"), "a name that is no host says nothing");
    }

    #[test]
    fn a_revoked_key_opens_nothing() {
        let key = |revoked| Key {
            id: "k".into(),
            hash: KeyHash::of("secret"),
            scope: Scope::Read,
            site: Some(SiteId(1)),
            name: String::new(),
            created: Micros(0),
            revoked,
        };
        let mut directory = Directory::new([], [key(false)]);
        assert!(directory.authenticate("secret").is_some());
        assert!(directory.authenticate("Secret").is_none());
        directory.put_key(key(true));
        assert!(directory.authenticate("secret").is_none());
    }
}
