//! The demo's sites and their keys, through the contract as an administrator makes them.

use crate::client::{Authorized, channel, explain};
use crate::credentials::Credentials;
use pistats_core::Scope;
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::{
    CreateKeyRequest, CreateSiteRequest, ListKeysRequest, ListSitesRequest, NewKey, RevokeKeyRequest,
    Scope as WireScope, Site,
};
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::{DayRange, Range, TrafficRequest, range};
use tonic::{Code, Status};

/// Names the keys that a restart makes, so that the next one ends them.
const KEY_NAME: &str = "demo visitors";

type Admin = AdminServiceClient<Authorized>;

/// Secrets of a site's keys.
pub(super) struct Secrets {
    /// For the visitors that are made up.
    pub(super) server: String,
    /// For the shop's snippet.
    pub(super) write: String,
    pub(super) read: String,
}

/// Finds or makes a site. Keys for this user's own commands are kept beside.
pub(super) async fn provide(url: &str, instance_key: &str, name: &str, time_zone: &str) -> Result<Secrets, String> {
    let mut admin = AdminServiceClient::new(channel(url, instance_key)?);
    match find(&mut admin, name).await? {
        Some(site) => again(url, &mut admin, &site).await,
        None => first(url, &mut admin, name, time_zone).await,
    }
}

async fn find(admin: &mut Admin, name: &str) -> Result<Option<Site>, String> {
    let sites = admin.list_sites(ListSitesRequest {}).await.map_err(failed)?.into_inner().sites;
    Ok(sites.into_iter().find(|site| site.name == name))
}

async fn first(url: &str, admin: &mut Admin, name: &str, time_zone: &str) -> Result<Secrets, String> {
    let request = CreateSiteRequest {
        name: name.to_owned(),
        time_zone: time_zone.to_owned(),
        // The shop's pages have the address that the server is reached by, whatever that is.
        origins: vec!["*".to_owned()],
        ..Default::default()
    };
    let keys = admin.create_site(request).await.map_err(failed)?.into_inner().keys;
    let named = |new: &NewKey| Some((of_wire(new.key.as_ref()?.scope())?, new.secret.clone()));
    let keys: Vec<(Scope, String)> = keys.iter().filter_map(named).collect();
    keep(url, name, &keys);
    let of = |wanted: Scope| {
        let found = keys.iter().find(|(scope, _)| *scope == wanted).map(|(_, secret)| secret.clone());
        found.ok_or_else(|| format!("demo: the new site came without a {} key", wanted.name()))
    };
    Ok(Secrets { server: of(Scope::Server)?, write: of(Scope::Write)?, read: of(Scope::Read)? })
}

/// Secrets are told once and not kept by the server: a restart makes new keys and ends those of the start before.
async fn again(url: &str, admin: &mut Admin, site: &Site) -> Result<Secrets, String> {
    let site_id = site.id;
    let keys = admin.list_keys(ListKeysRequest { site_id }).await.map_err(failed)?.into_inner().keys;
    let server = create(admin, site_id, Scope::Server).await?;
    let write = create(admin, site_id, Scope::Write).await?;
    let mut ended = vec![Scope::Server, Scope::Write];
    let read = match kept(url, &site.name).await {
        Some(read) => read,
        None => {
            let read = create(admin, site_id, Scope::Read).await?;
            keep(url, &site.name, &[(Scope::Read, read.clone())]);
            ended.push(Scope::Read);
            read
        }
    };
    for key in keys.into_iter().filter(|key| !key.revoked && key.name == KEY_NAME) {
        if of_wire(key.scope()).is_some_and(|scope| ended.contains(&scope)) {
            admin.revoke_key(RevokeKeyRequest { key_id: key.id }).await.map_err(failed)?;
        }
    }
    Ok(Secrets { server, write, read })
}

async fn create(admin: &mut Admin, site_id: u32, scope: Scope) -> Result<String, String> {
    let request = CreateKeyRequest { site_id, scope: on_wire(scope).into(), name: KEY_NAME.to_owned() };
    let key = admin.create_key(request).await.map_err(failed)?.into_inner().key;
    key.map(|key| key.secret).ok_or_else(|| "demo: the server made no key".to_owned())
}

fn on_wire(scope: Scope) -> WireScope {
    match scope {
        Scope::Instance => WireScope::Instance,
        Scope::Write => WireScope::Write,
        Scope::Server => WireScope::Server,
        Scope::Read => WireScope::Read,
        Scope::Manage => WireScope::Manage,
    }
}

fn of_wire(scope: WireScope) -> Option<Scope> {
    Scope::ALL.into_iter().find(|known| on_wire(*known) == scope)
}

/// The read key that this user has, if it is one of this server's: another data folder may have stood here before.
async fn kept(url: &str, name: &str) -> Option<String> {
    let kept = Credentials::load().unwrap_or_default();
    let secret = kept.find(&for_commands(url), Some(name), Scope::Read)?;
    let channel = channel(url, secret).ok()?;
    let day = DayRange { first: "2000-01-01".to_owned(), last: "2000-01-01".to_owned() };
    let request = TrafficRequest { range: Some(Range { range: Some(range::Range::Days(day)) }), ..Default::default() };
    let answer = QueryServiceClient::new(channel).traffic(request).await;
    let is_refused =
        matches!(answer.map_err(|status| status.code()), Err(Code::Unauthenticated | Code::PermissionDenied));
    (!is_refused).then(|| secret.to_owned())
}

/// Keeps keys as `site create` does. A demo without a home folder still runs, and says what is missing.
fn keep(url: &str, name: &str, keys: &[(Scope, String)]) {
    let kept = Credentials::load().and_then(|mut kept| {
        for (scope, secret) in keys {
            kept.keep(&for_commands(url), name, scope.name(), secret);
        }
        kept.save()
    });
    if let Err(error) = kept {
        tracing::warn!(%error, "demo: its keys could not be kept, so commands need --key");
    }
}

/// The address as commands write it: a server on every address is called by the loopback one.
fn for_commands(url: &str) -> String {
    url.replacen("//0.0.0.0:", "//127.0.0.1:", 1).replacen("//[::]:", "//127.0.0.1:", 1)
}

fn failed(status: Status) -> String {
    format!("demo: {}", explain(&status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_called_by_the_loopback_one() {
        assert_eq!(for_commands("http://0.0.0.0:8080"), "http://127.0.0.1:8080");
        assert_eq!(for_commands("http://[::]:8080"), "http://127.0.0.1:8080");
        assert_eq!(for_commands("http://10.0.0.0:8080"), "http://10.0.0.0:8080");
    }
}
