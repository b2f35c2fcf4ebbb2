//! The calls of admin.v1.

use crate::message::{self, invalid, store_failed};
use crate::sites::{NAME_BYTES, plan_change, plan_site};
use crate::{Folding, SignIns, new_key};
use pistats_core::directory::{Directory, Key, Site};
use pistats_core::{EventId, Micros, Reason, Scope, SiteId};
use pistats_proto::admin::v1::admin_service_server::AdminService;
use pistats_proto::admin::v1::*;
use pistats_rpc::auth::{Principal, SharedDirectory};
use pistats_rpc::resubmit::{Resubmission, Resubmit};
use pistats_store::{REJECTED_KEPT, Registry, RejectedQuery, RejectedRow};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tonic::{Request, Response, Status};

/// Refused events a page.
const PAGE: u32 = 1_000;
/// Refused events sent again at a time: well below any batch limit.
const RETRY_BATCH: usize = 500;

/// The admin service. Changes go one at a time, so that the directory never loses one.
pub struct Admin {
    registry: Arc<dyn Registry>,
    directory: SharedDirectory,
    resubmit: Arc<dyn Resubmit>,
    folding: Arc<dyn Folding>,
    sign_ins: Arc<SignIns>,
    changes: Arc<Mutex<()>>,
}

impl Admin {
    pub fn new(
        registry: Arc<dyn Registry>,
        directory: SharedDirectory,
        resubmit: Arc<dyn Resubmit>,
        folding: Arc<dyn Folding>,
        sign_ins: Arc<SignIns>,
    ) -> Admin {
        Admin { registry, directory, resubmit, folding, sign_ins, changes: Arc::default() }
    }

    fn caller<T>(&self, request: &Request<T>) -> Result<Principal, Status> {
        Principal::of(&self.directory, request)
    }

    /// The site of a request: the instance key may name any, a manage key only its own.
    fn site_of<T>(&self, request: &Request<T>, named: u32) -> Result<SiteId, Status> {
        let caller = self.caller(request)?;
        let site = match caller.scope {
            Scope::Instance => SiteId(named),
            _ => caller.site_with(&[Scope::Manage])?,
        };
        if caller.scope != Scope::Instance && named != 0 && named != site.0 {
            return Err(Status::permission_denied("a manage key opens its own site only"));
        }
        match self.directory.load().site(site) {
            Some(found) => Ok(found.id),
            None => Err(Status::not_found(format!("there is no site {named}; `pistats site list` names them"))),
        }
    }

    /// Changes the directory that everybody sees.
    fn publish(&self, change: impl FnOnce(&mut Directory)) {
        publish(&self.directory, change);
    }

    /// Another zone: between two commits of Aggregate all rows move to its days, and everybody goes on with the new one.
    async fn change_zone(&self, site: Site, only: OwnedMutexGuard<()>) -> Result<(), Status> {
        let (registry, directory) = (self.registry.clone(), self.directory.clone());
        let (reply, answer) = oneshot::channel();
        let work = async move {
            // Held to the end, also when the caller has gone: two changes must not overtake each other.
            let _only = only;
            let changed = registry.change_zone(&site).await;
            if changed.is_ok() {
                publish(&directory, |directory| directory.put_site(site));
            }
            // Nobody waits any more: the effect stands all the same.
            let _ = reply.send(changed);
        };
        self.folding.pause(Box::pin(work)).await?;
        let changed = answer.await.map_err(|_| Status::internal("the change ended abnormally; look at the site"))?;
        changed.map_err(store_failed)
    }

    async fn add_key(&self, scope: Scope, site: SiteId, name: &str) -> Result<NewKey, Status> {
        let (key, secret) = new_key(scope, Some(site), name, now())?;
        self.registry.put_key(&key).await.map_err(store_failed)?;
        let told = NewKey { key: Some(message::key(&key)), secret };
        self.publish(|directory| directory.put_key(key));
        Ok(told)
    }
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn create_site(&self, request: Request<CreateSiteRequest>) -> Result<Response<CreateSiteResponse>, Status> {
        self.caller(&request)?.instance()?;
        let wish = request.into_inner();
        let _one_at_a_time = self.changes.lock().await;
        let site = plan_site(&self.directory.load(), &wish, now())?;
        self.registry.put_site(&site).await.map_err(store_failed)?;
        let told = message::site(&site);
        let id = site.id;
        self.publish(|directory| directory.put_site(site));
        let mut keys = Vec::new();
        for (scope, name) in [(Scope::Write, "snippet"), (Scope::Server, "server"), (Scope::Read, "dashboard")] {
            keys.push(self.add_key(scope, id, name).await?);
        }
        Ok(Response::new(CreateSiteResponse { site: Some(told), keys }))
    }

    async fn list_sites(&self, request: Request<ListSitesRequest>) -> Result<Response<ListSitesResponse>, Status> {
        let caller = self.caller(&request)?;
        let directory = self.directory.load();
        let sites = match caller.scope {
            Scope::Instance => directory.sites(),
            _ => {
                let own = caller.site_with(&[Scope::Manage])?;
                directory.site(own).into_iter().collect()
            }
        };
        Ok(Response::new(ListSitesResponse { sites: sites.into_iter().map(message::site).collect() }))
    }

    async fn update_site(&self, request: Request<UpdateSiteRequest>) -> Result<Response<UpdateSiteResponse>, Status> {
        let id = self.site_of(&request, request.get_ref().site_id)?;
        let wish = request.into_inner();
        let one_at_a_time = self.changes.clone().lock_owned().await;
        let directory = self.directory.load_full();
        let Some(site) = directory.site(id) else {
            return Err(Status::not_found(format!("there is no site {}; `pistats site list` names them", id.0)));
        };
        let changed = plan_change(&directory, site, &wish, now())?;
        let told = message::site(&changed);
        if changed.zone != site.zone {
            self.change_zone(changed, one_at_a_time).await?;
        } else if changed != *site {
            self.registry.put_site(&changed).await.map_err(store_failed)?;
            self.publish(|directory| directory.put_site(changed));
        }
        Ok(Response::new(UpdateSiteResponse { site: Some(told) }))
    }

    async fn create_key(&self, request: Request<CreateKeyRequest>) -> Result<Response<CreateKeyResponse>, Status> {
        let site = self.site_of(&request, request.get_ref().site_id)?;
        let wish = request.into_inner();
        let scope = message::site_scope(wish.scope())
            .ok_or_else(|| invalid("scope", "choose SCOPE_WRITE, SCOPE_SERVER, SCOPE_READ or SCOPE_MANAGE"))?;
        if wish.name.len() > NAME_BYTES {
            return Err(invalid("name", "use at most 200 bytes"));
        }
        let _one_at_a_time = self.changes.lock().await;
        let key = self.add_key(scope, site, &wish.name).await?;
        Ok(Response::new(CreateKeyResponse { key: Some(key) }))
    }

    async fn list_keys(&self, request: Request<ListKeysRequest>) -> Result<Response<ListKeysResponse>, Status> {
        let site = self.site_of(&request, request.get_ref().site_id)?;
        let directory = self.directory.load();
        let keys = directory.keys().into_iter().filter(|key| key.site == Some(site)).map(message::key).collect();
        Ok(Response::new(ListKeysResponse { keys }))
    }

    async fn revoke_key(&self, request: Request<RevokeKeyRequest>) -> Result<Response<RevokeKeyResponse>, Status> {
        let caller = self.caller(&request)?;
        let own = if caller.scope == Scope::Instance { None } else { Some(caller.site_with(&[Scope::Manage])?) };
        let id = request.into_inner().key_id;
        let _one_at_a_time = self.changes.lock().await;
        let directory = self.directory.load_full();
        let may = |key: &&&Key| key.id == id && key.site.is_some() && own.is_none_or(|site| key.site == Some(site));
        let keys = directory.keys();
        let Some(key) = keys.iter().find(may) else {
            return Err(Status::not_found(format!("there is no key {id:?}; `pistats key list` names them")));
        };
        let revoked = Key { revoked: true, ..(*key).clone() };
        self.registry.put_key(&revoked).await.map_err(store_failed)?;
        self.publish(|directory| directory.put_key(revoked));
        Ok(Response::new(RevokeKeyResponse {}))
    }

    async fn list_rejected_events(
        &self,
        request: Request<ListRejectedEventsRequest>,
    ) -> Result<Response<ListRejectedEventsResponse>, Status> {
        let site = self.site_of(&request, request.get_ref().site_id)?;
        let asked = request.into_inner();
        if asked.limit > PAGE {
            return Err(invalid("limit", "ask for at most 1,000 at a time"));
        }
        let limit = if asked.limit == 0 { 100 } else { asked.limit as usize };
        let reason = Reason::from_number(asked.reason as u32);
        if reason.is_none() && asked.reason != 0 {
            return Err(invalid("reason", "choose a reason of pistats.ingest.v1.Reason, or none"));
        }
        let query = RejectedQuery { site, reason, ids: Vec::new(), limit };
        let events = self.registry.rejected(query).await.map_err(store_failed)?;
        let counts = self.registry.rejected_counts(site).await.map_err(store_failed)?;
        Ok(Response::new(ListRejectedEventsResponse {
            events: events.into_iter().map(message::rejected).collect(),
            counts: counts.into_iter().map(message::reason_count).collect(),
        }))
    }

    async fn retry_rejected_events(
        &self,
        request: Request<RetryRejectedEventsRequest>,
    ) -> Result<Response<RetryRejectedEventsResponse>, Status> {
        let site = self.site_of(&request, request.get_ref().site_id)?;
        let ids: Result<Vec<[u8; 16]>, _> = request.get_ref().ids.iter().map(|id| id.as_ref().try_into()).collect();
        let ids = ids.map_err(|_| invalid("ids", "an id of a refusal has 16 bytes, as listed"))?;
        let query = RejectedQuery { site, reason: None, ids, limit: REJECTED_KEPT };
        let rows = self.registry.rejected(query).await.map_err(store_failed)?;
        let (whole, cut): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| row.payload.len() == row.payload_bytes as usize);
        let mut answer = RetryRejectedEventsResponse { not_retryable: cut.len() as u32, ..Default::default() };
        for batch in whole.chunks(RETRY_BATCH) {
            let outcomes = self.resubmit.resubmit(site, batch.iter().map(resubmission).collect()).await?;
            let judged = batch.iter().zip(&outcomes);
            let accepted: Vec<[u8; 16]> =
                judged.filter(|(_, outcome)| outcome.is_ok()).map(|(row, _)| row.id).collect();
            answer.accepted += accepted.len() as u32;
            answer.refused_again += (batch.len() - accepted.len()) as u32;
            // Forgotten only after the events are on disk: a crash in between sends them twice, and they count once.
            self.registry.forget_rejected(site, &accepted).await.map_err(store_failed)?;
        }
        Ok(Response::new(answer))
    }

    async fn create_sign_in(
        &self,
        request: Request<CreateSignInRequest>,
    ) -> Result<Response<CreateSignInResponse>, Status> {
        self.caller(&request)?.instance()?;
        let (token, expires) = self.sign_ins.create()?;
        Ok(Response::new(CreateSignInResponse { token, expires_us: expires.0 }))
    }

    async fn sign_in(&self, request: Request<SignInRequest>) -> Result<Response<SignInResponse>, Status> {
        let key = self.sign_ins.redeem(&request.get_ref().token)?;
        Ok(Response::new(SignInResponse { key }))
    }
}

fn publish(shared: &SharedDirectory, change: impl FnOnce(&mut Directory)) {
    let mut directory = Directory::clone(&shared.load());
    change(&mut directory);
    shared.store(Arc::new(directory));
}

fn resubmission(row: &RejectedRow) -> Resubmission {
    Resubmission {
        refusal: EventId(row.id),
        received: row.received,
        payload: row.payload.clone().into(),
        user_agent: row.user_agent.clone(),
    }
}

fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(since.as_micros() as i64)
}
