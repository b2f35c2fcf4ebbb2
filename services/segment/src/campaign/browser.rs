//! What pages ask, with a write key that everybody can read: the site's public key, a subscription, its end.

use super::service::Campaigns;
use crate::status;
use pistats_core::Scope;
use pistats_core::directory::Site;
use pistats_proto::convert::Invalid;
use pistats_proto::convert::push as convert;
use pistats_proto::push::v1::*;
use pistats_push::subscription::Field;
use pistats_push::{BadSubscription, Subscription};
use pistats_rpc::auth::Principal;
use pistats_rpc::origins::{admit, origin};
use pistats_store::SubscriptionRow;
use tonic::{Request, Status};

/// Subscriptions that a visitor may have: browsers and devices of one person.
const MOST_SUBSCRIPTIONS: u32 = 20;

pub(super) async fn key(
    campaigns: &Campaigns,
    request: Request<GetPushKeyRequest>,
) -> Result<GetPushKeyResponse, Status> {
    let site = page(campaigns, &request, &[Scope::Write, Scope::Read, Scope::Manage])?;
    let key = campaigns.key(site.id).await?;
    Ok(GetPushKeyResponse { public_key: key.public_bytes().to_vec().into() })
}

pub(super) async fn subscribe(
    campaigns: &Campaigns,
    request: Request<SubscribeRequest>,
) -> Result<SubscribeResponse, Status> {
    let site = page(campaigns, &request, &[Scope::Write])?;
    let SubscribeRequest { subscription, visitor_id, time_zone } = request.into_inner();
    let subscription = read(campaigns, "subscription", subscription.as_ref())?;
    let visitor_id = convert::visitor_id("visitor_id", &visitor_id).map_err(status::invalid)?;
    let time_zone = convert::time_zone("time_zone", &time_zone).map_err(status::invalid)?;
    if site.cookieless {
        return Err(Status::failed_precondition(
            "the site knows its visitors for a day only (cookieless): a message could not be for one of them later",
        ));
    }
    let now = campaigns.now();
    let row = SubscriptionRow {
        site: site.id,
        endpoint: subscription.endpoint().to_owned(),
        p256dh: subscription.p256dh_bytes().to_vec(),
        auth: subscription.auth_bytes().to_vec(),
        visitor: campaigns.visitor(site.id, visitor_id),
        time_zone: time_zone.to_owned(),
        created: now,
        updated: now,
    };
    match campaigns.store.put_subscription(&row, MOST_SUBSCRIPTIONS).await.map_err(status::of_store)? {
        true => Ok(SubscribeResponse {}),
        false => Err(Status::resource_exhausted(format!(
            "the visitor has {MOST_SUBSCRIPTIONS} subscriptions, which is as many as one may; give one up"
        ))),
    }
}

pub(super) async fn unsubscribe(
    campaigns: &Campaigns,
    request: Request<UnsubscribeRequest>,
) -> Result<UnsubscribeResponse, Status> {
    let site = page(campaigns, &request, &[Scope::Write])?;
    let endpoint = convert::endpoint("endpoint", &request.get_ref().endpoint).map_err(status::invalid)?;
    campaigns.store.unsubscribe(site.id, endpoint, campaigns.now()).await.map_err(status::of_store)?;
    Ok(UnsubscribeResponse {})
}

/// The site of a key, for a page of its own; who is no page passes.
fn page<T>(campaigns: &Campaigns, request: &Request<T>, scopes: &[Scope]) -> Result<Site, Status> {
    let site = campaigns.caller(request, scopes)?;
    let scope = Principal::of(&campaigns.shared.directory, request)?.scope;
    if scope == Scope::Write {
        admit(&site, origin(request.metadata().as_ref()))?;
    }
    Ok(site)
}

/// A subscription as a browser gave it; `path` is the field that holds it.
pub(super) fn read(
    campaigns: &Campaigns,
    path: &str,
    wire: Option<&pistats_proto::push::v1::Subscription>,
) -> Result<Subscription, Status> {
    let told = |field: &str, why: String| status::invalid(Invalid::field(field, why));
    let Some(wire) = wire else { return Err(told(path, "give what PushManager.subscribe gave".to_owned())) };
    let read = Subscription::from_bytes(&wire.endpoint, &wire.p256dh, &wire.auth, campaigns.settings.reach);
    read.map_err(|BadSubscription { field, fault }| {
        let name = match field {
            Field::Endpoint => "endpoint",
            Field::P256dh => "p256dh",
            Field::Auth => "auth",
        };
        told(&format!("{path}.{name}"), fault.to_string())
    })
}
