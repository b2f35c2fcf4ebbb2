//! `site`, `key`, `rejected`, `sign-in`.

use super::{Failure, failed, site_id};
use crate::cli::{KeyCommand, RejectedCommand, ScopeArg, Server, SiteCommand};
use crate::client::Authorized;
use crate::credentials::Credentials;
use crate::table;
use crate::table::say;
use pistats_core::Reason;
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::*;

type Client = AdminServiceClient<Authorized>;

fn client(server: &Server) -> Result<Client, Failure> {
    Ok(AdminServiceClient::new(server.instance()?))
}

/// A link for a browser, on the address that this command was given.
pub async fn sign_in(server: Server) -> Result<(), Failure> {
    let made = client(&server)?.create_sign_in(CreateSignInRequest {}).await.map_err(failed)?.into_inner();
    say!("{}", crate::serve::sign_in_link(&server.server, &made.token));
    Ok(())
}

pub async fn site(command: SiteCommand) -> Result<(), Failure> {
    match command {
        SiteCommand::Create { server, name, time_zone, origin, cookieless, json } => {
            let request = CreateSiteRequest { name, time_zone, origins: origin, cookieless };
            let made = client(&server)?.create_site(request).await.map_err(failed)?.into_inner();
            let site = made.site.unwrap_or_default();
            let mut kept = Credentials::load()?;
            for new in &made.keys {
                let scope = new.key.as_ref().map(|key| key.scope()).unwrap_or_default();
                kept.keep(&server.server, &site.name, scope_name(scope), &new.secret);
            }
            let path = kept.save()?;
            if json {
                let keys: serde_json::Map<String, serde_json::Value> = made
                    .keys
                    .iter()
                    .map(|new| {
                        let scope = new.key.as_ref().map(|key| key.scope()).unwrap_or_default();
                        (scope_name(scope).to_owned(), new.secret.clone().into())
                    })
                    .collect();
                let mut told = site_json(&site);
                told["keys"] = keys.into();
                say!("{told}");
                return Ok(());
            }
            say!("{}", site_line(&site));
            for new in made.keys {
                let key = new.key.unwrap_or_default();
                say!("  {:<7} {}", scope_name(key.scope()), new.secret);
            }
            say!("These secrets are told once; for your own commands they are kept in {}.", path.display());
        }
        SiteCommand::Update { server, site, name, time_zone, origin, no_origins, cookieless, json } => {
            let site_id = site_id(&server, &site).await?;
            let (name, time_zone) = (name.unwrap_or_default(), time_zone.unwrap_or_default());
            let origins = (no_origins || !origin.is_empty()).then_some(Origins { rules: origin });
            let request = UpdateSiteRequest { site_id, name, time_zone, origins, cookieless };
            let changed = client(&server)?.update_site(request).await.map_err(failed)?.into_inner().site;
            let changed = changed.unwrap_or_default();
            let mut kept = Credentials::load()?;
            if kept.rename(&server.server, &site, &changed.name) {
                kept.save()?;
            }
            if json {
                say!("{}", site_json(&changed));
            } else {
                say!("{}", site_line(&changed));
            }
        }
        SiteCommand::List { server, json } => {
            let sites = client(&server)?.list_sites(ListSitesRequest {}).await.map_err(failed)?.into_inner().sites;
            if json {
                sites.iter().for_each(|site| say!("{}", site_json(site)));
                return Ok(());
            }
            let row = |site: Site| {
                let cookieless = if site.cookieless { "cookieless" } else { "" }.to_owned();
                vec![site.name, site.time_zone, site.origins.join(" "), cookieless, site.id.to_string()]
            };
            let rows = sites.into_iter().map(row).collect();
            say!("{}", table::render(&["site", "time zone", "collects from", "", "id"], rows, 4));
        }
    }
    Ok(())
}

fn site_json(site: &Site) -> serde_json::Value {
    let Site { id, name, time_zone, origins, cookieless, .. } = site;
    serde_json::json!({"id": id, "name": name, "time_zone": time_zone, "origins": origins, "cookieless": cookieless})
}

fn site_line(site: &Site) -> String {
    let mut line = format!("site {} ({}), time zone {}", site.name, site.id, site.time_zone);
    if !site.origins.is_empty() {
        line += &format!(", collects from {}", site.origins.join(" "));
    }
    if site.cookieless {
        line += ", cookieless";
    }
    line
}

pub async fn key(command: KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::Create { server, site, scope, name } => {
            let scope = match scope {
                ScopeArg::Write => Scope::Write,
                ScopeArg::Server => Scope::Server,
                ScopeArg::Read => Scope::Read,
                ScopeArg::Manage => Scope::Manage,
            };
            let request = CreateKeyRequest { site_id: site_id(&server, &site).await?, scope: scope.into(), name };
            let made = client(&server)?.create_key(request).await.map_err(failed)?.into_inner().key.unwrap_or_default();
            let mut kept = Credentials::load()?;
            kept.keep(&server.server, &site, scope_name(scope), &made.secret);
            kept.save()?;
            say!("{}", made.secret);
        }
        KeyCommand::List { server, site } => {
            let request = ListKeysRequest { site_id: site_id(&server, &site).await? };
            let keys = client(&server)?.list_keys(request).await.map_err(failed)?.into_inner().keys;
            let row = |key: Key| {
                let state = if key.revoked { "revoked" } else { "" };
                vec![key.id.clone(), scope_name(key.scope()).to_owned(), key.name, state.to_owned()]
            };
            say!("{}", table::render(&["key", "scope", "name", ""], keys.into_iter().map(row).collect(), 4));
        }
        KeyCommand::Revoke { server, id } => {
            client(&server)?.revoke_key(RevokeKeyRequest { key_id: id.clone() }).await.map_err(failed)?;
            say!("{id} is revoked");
        }
    }
    Ok(())
}

pub async fn rejected(command: RejectedCommand) -> Result<(), Failure> {
    match command {
        RejectedCommand::List { server, site, limit } => {
            let request = ListRejectedEventsRequest { site_id: site_id(&server, &site).await?, reason: 0, limit };
            let found = client(&server)?.list_rejected_events(request).await.map_err(failed)?.into_inner();
            let counts =
                found.counts.iter().map(|count| vec![reason_name(count.reason).to_owned(), table::number(count.count)]);
            say!("{}", table::render(&["reason", "refused"], counts.collect(), 1));
            let rows = found.events.into_iter().map(|event| {
                let again = if event.retryable { "whole" } else { "cut" };
                vec![reason_name(event.reason).to_owned(), event.field, event.message, again.to_owned()]
            });
            say!("{}", table::render(&["reason", "field", "why", "payload"], rows.collect(), 4));
        }
        RejectedCommand::Retry { server, site } => {
            let request = RetryRejectedEventsRequest { site_id: site_id(&server, &site).await?, ids: Vec::new() };
            let done = client(&server)?.retry_rejected_events(request).await.map_err(failed)?.into_inner();
            say!(
                "{} accepted, {} refused again, {} cut and not sent",
                table::number(done.accepted),
                table::number(done.refused_again),
                table::number(done.not_retryable)
            );
        }
    }
    Ok(())
}

fn reason_name(reason: i32) -> &'static str {
    Reason::from_number(reason as u32).map_or("unknown", Reason::name)
}

fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Unspecified => "unknown",
        Scope::Instance => "instance",
        Scope::Write => "write",
        Scope::Server => "server",
        Scope::Read => "read",
        Scope::Manage => "manage",
    }
}
