//! Kept campaigns: rows with encoded contents, read as what they say, and told as messages.

use crate::status;
use pistats_core::push::{CampaignId, CampaignState, Content};
use pistats_core::{Micros, SiteId};
use pistats_proto::convert::push as convert;
use pistats_proto::push::v1 as wire;
use pistats_store::{CampaignRow, Pushing};
use prost::Message as _;
use tonic::Status;

/// A campaign of the site, or NOT_FOUND.
pub(super) async fn row(store: &dyn Pushing, site: SiteId, id: CampaignId) -> Result<CampaignRow, Status> {
    let found = store.campaign(site, id).await.map_err(status::of_store)?;
    found.ok_or_else(|| Status::not_found(format!("id: the site has no campaign {id}")))
}

/// What a row says. One that cannot be read was kept by a newer server.
pub(super) fn content(row: &CampaignRow) -> Result<Content, Status> {
    let read = wire::CampaignContent::decode(row.content.as_slice()).ok();
    let read = read.and_then(|content| convert::content("content", Some(&content)).ok());
    read.ok_or_else(|| Status::failed_precondition(format!("campaign {} was kept by a newer server", row.id)))
}

/// As the store keeps it.
pub(super) fn encode(content: &Content) -> Vec<u8> {
    convert::to_wire(content).encode_to_vec()
}

/// A row as a message.
pub(super) fn message(row: &CampaignRow) -> wire::Campaign {
    let micros = |at: Option<Micros>| at.map_or(0, |at| at.0);
    wire::Campaign {
        id: row.id.to_string(),
        content: wire::CampaignContent::decode(row.content.as_slice()).ok(),
        state: convert::state(row.state).into(),
        version: row.version,
        created_us: row.created.0,
        updated_us: row.updated.0,
        started_us: micros(row.started),
        ended_us: micros(row.ended),
    }
}

/// The same campaign in another state, one version on.
pub(super) fn next(row: &CampaignRow, state: CampaignState, now: Micros) -> CampaignRow {
    let is_over = matches!(state, CampaignState::Done | CampaignState::Cancelled);
    let ended = if is_over { Some(now) } else { row.ended };
    CampaignRow { state, version: row.version + 1, updated: now, ended, ..row.clone() }
}
