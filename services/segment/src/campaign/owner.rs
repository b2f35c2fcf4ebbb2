//! What people ask of campaigns: made, changed as a draft, started, held, let go on, ended.

use super::moments::Window;
use super::service::Campaigns;
use super::{kept, payload, results};
use crate::service::READERS;
use crate::{kept as segments, status};
use pistats_core::directory::Site;
use pistats_core::push::{CampaignId, CampaignState, Content};
use pistats_core::{Micros, Scope};
use pistats_proto::convert::Invalid;
use pistats_proto::convert::push as convert;
use pistats_proto::push::v1 as wire;
use pistats_store::CampaignRow;
use tonic::{Request, Status};

/// Campaigns that a site may have.
const MOST_CAMPAIGNS: usize = 1_000;
/// Campaigns of a site that may be under way at the same time.
const MOST_UNDER_WAY: usize = 20;

/// Reads what people say, and checks what needs more than the words.
pub(super) async fn content(
    campaigns: &Campaigns,
    site: &Site,
    said: Option<&wire::CampaignContent>,
) -> Result<Content, Status> {
    let content = convert::content("content", said).map_err(status::invalid)?;
    // As long as any campaign's: the id has 32 digits.
    payload::text("content.message", &content.message, Some(CampaignId(0))).map_err(status::invalid)?;
    has_segment(campaigns, site, &content).await?;
    Ok(content)
}

async fn has_segment(campaigns: &Campaigns, site: &Site, content: &Content) -> Result<(), Status> {
    let Some(id) = content.segment else { return Ok(()) };
    let kept = segments::Kept::read(campaigns.shared.segments.as_ref(), site).await?;
    match kept.row(id) {
        Ok(_) => Ok(()),
        Err(_) => Err(wrong("content.segment_id", format!("the site has no segment {id}"))),
    }
}

fn wrong(field: &str, why: impl Into<String>) -> Status {
    status::invalid(Invalid::field(field, why))
}

async fn put(campaigns: &Campaigns, row: &CampaignRow, before: u32) -> Result<wire::Campaign, Status> {
    match campaigns.store.put_campaign(row, before).await.map_err(status::of_store)? {
        true => {
            campaigns.wake.notify_waiters();
            Ok(kept::message(row))
        }
        false => Err(Status::aborted("the campaign changed meanwhile; look at it and try again")),
    }
}

async fn find<T>(campaigns: &Campaigns, request: &Request<T>, id: &str) -> Result<(Site, CampaignRow), Status> {
    let site = campaigns.caller(request, &[Scope::Manage])?;
    let id = convert::id("id", id).map_err(status::invalid)?;
    let row = kept::row(campaigns.store.as_ref(), site.id, id).await?;
    Ok((site, row))
}

fn expect_version(row: &CampaignRow, expected: u32) -> Result<(), Status> {
    if expected == 0 || expected == row.version {
        return Ok(());
    }
    let is = row.version;
    Err(Status::aborted(format!("the campaign has version {is}, not {expected}; look at it first")))
}

fn expect_state(row: &CampaignRow, is_fit: bool, told: &str) -> Result<(), Status> {
    if is_fit {
        Ok(())
    } else {
        Err(Status::failed_precondition(format!("the campaign is {}: {told}", name(row.state))))
    }
}

fn name(state: CampaignState) -> &'static str {
    match state {
        CampaignState::Draft => "a draft",
        CampaignState::Scheduled => "scheduled",
        CampaignState::Running => "running",
        CampaignState::Paused => "paused",
        CampaignState::Done => "done",
        CampaignState::Cancelled => "cancelled",
    }
}

pub(super) async fn create(
    campaigns: &Campaigns,
    request: Request<wire::CreateCampaignRequest>,
) -> Result<wire::Campaign, Status> {
    let site = campaigns.caller(&request, &[Scope::Manage])?;
    let content = content(campaigns, &site, request.get_ref().content.as_ref()).await?;
    let all = campaigns.store.campaigns(site.id).await.map_err(status::of_store)?;
    if all.len() >= MOST_CAMPAIGNS {
        let why = format!("the site has {MOST_CAMPAIGNS} campaigns, which is as many as it may; delete one");
        return Err(Status::resource_exhausted(why));
    }
    let now = campaigns.now();
    let row = CampaignRow {
        site: site.id,
        id: CampaignId(crate::service::new_id()?.0),
        state: CampaignState::Draft,
        version: 1,
        content: kept::encode(&content),
        segment: content.segment,
        created: now,
        updated: now,
        started: None,
        ended: None,
        planned: None,
        closes: None,
    };
    put(campaigns, &row, 0).await
}

pub(super) async fn get(
    campaigns: &Campaigns,
    request: Request<wire::GetCampaignRequest>,
) -> Result<(wire::Campaign, wire::Results), Status> {
    let site = campaigns.caller(&request, READERS)?;
    let id = convert::id("id", &request.get_ref().id).map_err(status::invalid)?;
    let row = kept::row(campaigns.store.as_ref(), site.id, id).await?;
    let results = results::of(campaigns, &row).await?;
    Ok((kept::message(&row), results))
}

pub(super) async fn list(
    campaigns: &Campaigns,
    request: Request<wire::ListCampaignsRequest>,
) -> Result<wire::ListCampaignsResponse, Status> {
    let site = campaigns.caller(&request, READERS)?;
    let rows = campaigns.store.campaigns(site.id).await.map_err(status::of_store)?;
    Ok(wire::ListCampaignsResponse { campaigns: rows.iter().map(kept::message).collect() })
}

pub(super) async fn update(
    campaigns: &Campaigns,
    request: Request<wire::UpdateCampaignRequest>,
) -> Result<wire::Campaign, Status> {
    let (site, row) = find(campaigns, &request, &request.get_ref().id).await?;
    let content = content(campaigns, &site, request.get_ref().content.as_ref()).await?;
    expect_version(&row, request.get_ref().expected_version)?;
    expect_state(&row, row.state == CampaignState::Draft, "only a draft is changed; cancel it and make another one")?;
    let next = kept::next(&row, CampaignState::Draft, campaigns.now());
    let next = CampaignRow { content: kept::encode(&content), segment: content.segment, ..next };
    put(campaigns, &next, row.version).await
}

pub(super) async fn start(
    campaigns: &Campaigns,
    request: Request<wire::StartCampaignRequest>,
) -> Result<wire::Campaign, Status> {
    let (site, row) = find(campaigns, &request, &request.get_ref().id).await?;
    expect_version(&row, request.get_ref().expected_version)?;
    expect_state(&row, row.state == CampaignState::Draft, "only a draft is started")?;
    let (content, now) = (kept::content(&row)?, campaigns.now());
    timely(&content, now)?;
    has_segment(campaigns, &site, &content).await?;
    campaigns.identity(&site).await?;
    let all = campaigns.store.campaigns(site.id).await.map_err(status::of_store)?;
    if all.iter().filter(|other| other.state.is_under_way()).count() >= MOST_UNDER_WAY {
        let why = format!("the site has {MOST_UNDER_WAY} campaigns under way, which is as many as it may; end one");
        return Err(Status::resource_exhausted(why));
    }
    let next = CampaignRow { started: Some(now), ..kept::next(&row, CampaignState::Scheduled, now) };
    put(campaigns, &next, row.version).await
}

/// A campaign that would send nothing if it started now is refused.
fn timely(content: &Content, now: Micros) -> Result<(), Status> {
    use pistats_core::push::Schedule;
    let window = Window::of(content.schedule, now);
    if window.closes.is_some_and(|closes| closes < now) {
        return Err(match content.schedule {
            Schedule::Local { .. } => wrong("content.schedule.local_time.day", "that moment has passed everywhere"),
            _ => wrong("content.schedule.at_us", "that moment has passed"),
        });
    }
    if content.expires.is_some_and(|expires| expires <= now || expires <= window.opens) {
        return Err(wrong("content.expires_us", "it would expire before its first message"));
    }
    Ok(())
}

pub(super) async fn pause(
    campaigns: &Campaigns,
    request: Request<wire::PauseCampaignRequest>,
) -> Result<wire::Campaign, Status> {
    let (_, row) = find(campaigns, &request, &request.get_ref().id).await?;
    let is_going = matches!(row.state, CampaignState::Scheduled | CampaignState::Running);
    expect_state(&row, is_going, "only one that is scheduled or running is held")?;
    put(campaigns, &kept::next(&row, CampaignState::Paused, campaigns.now()), row.version).await
}

pub(super) async fn resume(
    campaigns: &Campaigns,
    request: Request<wire::ResumeCampaignRequest>,
) -> Result<wire::Campaign, Status> {
    let (_, row) = find(campaigns, &request, &request.get_ref().id).await?;
    expect_state(&row, row.state == CampaignState::Paused, "only one that is held goes on")?;
    let state = if row.planned.is_some() { CampaignState::Running } else { CampaignState::Scheduled };
    put(campaigns, &kept::next(&row, state, campaigns.now()), row.version).await
}

pub(super) async fn cancel(
    campaigns: &Campaigns,
    request: Request<wire::CancelCampaignRequest>,
) -> Result<wire::Campaign, Status> {
    let (_, row) = find(campaigns, &request, &request.get_ref().id).await?;
    expect_state(&row, row.state.is_under_way(), "only one that is under way is cancelled")?;
    put(campaigns, &kept::next(&row, CampaignState::Cancelled, campaigns.now()), row.version).await
}

pub(super) async fn delete(
    campaigns: &Campaigns,
    request: Request<wire::DeleteCampaignRequest>,
) -> Result<wire::DeleteCampaignResponse, Status> {
    let (site, row) = find(campaigns, &request, &request.get_ref().id).await?;
    expect_state(&row, !row.state.is_under_way(), "cancel it first")?;
    campaigns.store.delete_campaign(site.id, row.id).await.map_err(status::of_store)?;
    Ok(wire::DeleteCampaignResponse {})
}
