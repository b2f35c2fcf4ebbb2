//! What a campaign would do if it started now; and a message to one's own browser.

use super::moments::{self, Window};
use super::service::Campaigns;
use super::{answers, audience, browser, kept, owner, payload, usual};
use crate::service::READERS;
use crate::status;
use pistats_core::Scope;
use pistats_core::push::{CampaignId, Schedule};
use pistats_proto::convert::Invalid;
use pistats_proto::convert::push as convert;
use pistats_proto::push::v1::*;
use pistats_push::Outcome;
use std::collections::HashMap;
use std::time::Duration;
use tonic::{Request, Status};

pub(super) async fn preview(
    campaigns: &Campaigns,
    request: Request<PreviewCampaignRequest>,
) -> Result<PreviewCampaignResponse, Status> {
    let site = campaigns.caller(&request, READERS)?;
    let (content, id) = match &request.get_ref().what {
        Some(preview_campaign_request::What::Id(id)) => {
            let id = convert::id("id", id).map_err(status::invalid)?;
            let row = kept::row(campaigns.store.as_ref(), site.id, id).await?;
            (kept::content(&row)?, id)
        }
        Some(preview_campaign_request::What::Content(content)) => {
            (owner::content(campaigns, &site, Some(content)).await?, CampaignId(0))
        }
        None => (owner::content(campaigns, &site, None).await?, CampaignId(0)),
    };
    let text = payload::text("content.message", &content.message, Some(id)).map_err(status::invalid)?;
    let audience = audience::read(campaigns, &site, content.segment).await?;
    let mut told = PreviewCampaignResponse {
        members: audience.members,
        reachable: audience.targets.len() as u64,
        payload_bytes: u32::try_from(text.len()).unwrap_or(u32::MAX),
        payload: text,
        ..PreviewCampaignResponse::default()
    };
    if content.schedule == Schedule::OnEnter {
        return Ok(told);
    }
    let habits = match content.schedule {
        Schedule::UsualHour => usual::hours(campaigns, &site, &audience).await?,
        _ => HashMap::new(),
    };
    let (now, expires) = (audience.at, Window::of(content.schedule, audience.at).expires(&content));
    told.by_hour = vec![0; 24];
    for (visitor, target) in &audience.targets {
        let habit = habits.get(visitor).copied().unwrap_or_default();
        let due = moments::due(content.schedule, &target.zone, now, habit);
        if due < now && matches!(content.schedule, Schedule::Local { .. }) {
            told.missed += 1;
            continue;
        }
        let due = moments::not_quiet(content.quiet, &target.zone, due.max(now));
        if expires.is_some_and(|expires| due >= expires) {
            continue;
        }
        told.first_us = if told.first_us == 0 { due.0 } else { told.first_us.min(due.0) };
        told.last_us = told.last_us.max(due.0);
        if let Some(count) = told.by_hour.get_mut(moments::hour(&target.zone, due)) {
            *count += 1;
        }
    }
    Ok(told)
}

pub(super) async fn test_send(
    campaigns: &Campaigns,
    request: Request<TestSendRequest>,
) -> Result<TestSendResponse, Status> {
    let site = campaigns.caller(&request, &[Scope::Manage])?;
    let TestSendRequest { message, to } = request.into_inner();
    let message = convert::message("message", message.as_ref()).map_err(status::invalid)?;
    let text = payload::text("message", &message, None).map_err(status::invalid)?;
    let ttl = Duration::from_secs(message.ttl_seconds.into());
    let sealed = payload::message(&message, text, ttl)
        .map_err(|error| status::invalid(Invalid::field(format!("message.{}", error.field()), error.to_string())))?;
    let subscription = match to {
        Some(test_send_request::To::Subscription(wire)) => browser::read(campaigns, "subscription", Some(&wire))?,
        Some(test_send_request::To::VisitorId(id)) => {
            let id = convert::visitor_id("visitor_id", &id).map_err(status::invalid)?;
            let visitor = campaigns.visitor(site.id, id);
            let rows = campaigns.store.subscriptions_of(site.id, visitor).await.map_err(status::of_store)?;
            let none =
                || Status::not_found("visitor_id: this visitor has no subscription; allow messages on the site first");
            let row = rows.into_iter().next().ok_or_else(none)?;
            let wire = Subscription { endpoint: row.endpoint, p256dh: row.p256dh.into(), auth: row.auth.into() };
            browser::read(campaigns, "visitor_id", Some(&wire))?
        }
        None => {
            let told = "say to whom: visitor_id, or a subscription";
            return Err(status::invalid(Invalid::field("to", told)));
        }
    };
    let identity = campaigns.identity(&site).await?;
    let outcome: Outcome = campaigns.channel.send(&identity, &subscription, &sealed).await;
    let (outcome, http_status, explanation) = answers::explained(&outcome);
    Ok(TestSendResponse { outcome, http_status, explanation })
}
