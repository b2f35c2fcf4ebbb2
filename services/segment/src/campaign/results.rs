//! What became of a campaign: counts of its messages, and of clicks, which come back as events; watched as they change.

use super::kept;
use super::service::Campaigns;
use crate::service::READERS;
use crate::status;
use futures::stream::{BoxStream, try_unfold};
use pistats_core::SiteId;
use pistats_core::push::{CampaignId, CampaignState, MessageState};
use pistats_proto::convert::push as convert;
use pistats_proto::push::v1::{Campaign, Results, WatchCampaignRequest, WatchCampaignResponse};
use pistats_store::{CampaignRow, Cell, Statement, Tally};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Request, Status};

/// The event of a click, and its property that names the campaign.
const CLICK: &str = "push_click";
const CAMPAIGN: &str = "campaign";

/// Messages of a stream lie at least so far apart.
const PACE: Duration = Duration::from_secs(1);

/// Streams of watched campaigns.
pub(super) struct Watching(Arc<Semaphore>);

impl Watching {
    pub(super) fn new(streams: usize) -> Watching {
        Watching(Arc::new(Semaphore::new(streams)))
    }
}

/// The results of a campaign as they are now.
pub(super) async fn of(campaigns: &Campaigns, row: &CampaignRow) -> Result<Results, Status> {
    let tally = campaigns.store.tally(row.site, row.id).await.map_err(status::of_store)?;
    let clicked = match row.started {
        Some(_) if tally.of(MessageState::Accepted) + tally.of(MessageState::Uncertain) > 0 => {
            clicked(campaigns, row).await?
        }
        _ => 0,
    };
    Ok(told(&tally, clicked))
}

fn told(tally: &Tally, clicked: u64) -> Results {
    let reasons = |wanted: MessageState| {
        let of_state = tally.messages.iter().filter(move |(state, _, _)| *state == wanted);
        of_state.filter_map(|(_, reason, count)| Some(convert::reason((*reason)?, *count))).collect()
    };
    Results {
        planned: tally.all(),
        waiting: tally.of(MessageState::Waiting),
        sending: tally.of(MessageState::Sending),
        accepted: tally.of(MessageState::Accepted),
        failed: tally.of(MessageState::Failed),
        failures: reasons(MessageState::Failed),
        uncertain: tally.of(MessageState::Uncertain),
        not_sent: tally.of(MessageState::NotSent),
        skips: reasons(MessageState::NotSent),
        clicked,
        unsubscribed: tally.unsubscribed,
        removed_subscriptions: tally.removed,
        next_us: tally.next.map_or(0, |at| at.0),
    }
}

/// Visitors who clicked, of those whom a message was sent to.
async fn clicked(campaigns: &Campaigns, row: &CampaignRow) -> Result<u64, Status> {
    let statement = clicks(row.site, row.id, row.started.map_or(0, |at| at.0));
    let read = campaigns.shared.store.read(vec![statement]).await.map_err(status::of_store)?;
    let count = read.results.first().and_then(|rows| rows.rows.first()).and_then(|row| row.first()).map(Cell::int);
    Ok(count.unwrap_or(0).unsigned_abs())
}

fn clicks(site: SiteId, campaign: CampaignId, since_us: i64) -> Statement {
    let text = "SELECT count(*) FROM push_message m \
                WHERE m.site = $1 AND m.campaign = $2 AND m.state IN (1, 2, 4) AND m.visitor IN (\
                  SELECT v.key FROM visitor v WHERE v.site = $1 AND v.visitor IN (\
                    SELECT e.visitor FROM event e WHERE e.site = $1 AND e.name = $3 AND e.time_us >= $4 \
                    AND coalesce((e.property_values)[array_position(e.property_keys, $5)], '') = $6))";
    let values = vec![
        Cell::Int(i64::from(site.0)),
        Cell::Wide(campaign.0),
        Cell::from(CLICK),
        Cell::Int(since_us),
        Cell::from(CAMPAIGN),
        Cell::from(campaign.to_string()),
    ];
    Statement::new(text, values)
}

struct Open {
    campaigns: Arc<Campaigns>,
    /// Carries the key.
    credentials: Request<()>,
    id: CampaignId,
    told: Option<(Campaign, Results)>,
    is_over: bool,
    _room: OwnedSemaphorePermit,
}

/// Opens a stream. Everything that the contract refuses is refused here.
pub(super) async fn watch(
    campaigns: &Arc<Campaigns>,
    watching: &Watching,
    request: Request<WatchCampaignRequest>,
) -> Result<BoxStream<'static, Result<WatchCampaignResponse, Status>>, Status> {
    let site = campaigns.caller(&request, READERS)?;
    let id = convert::id("id", &request.get_ref().id).map_err(status::invalid)?;
    kept::row(campaigns.store.as_ref(), site.id, id).await?;
    let full = |_| Status::resource_exhausted("as many campaigns are watched as this server holds; try again later");
    let room = watching.0.clone().try_acquire_owned().map_err(full)?;
    let mut credentials = Request::new(());
    if let Some(key) = request.metadata().get("authorization") {
        credentials.metadata_mut().insert("authorization", key.clone());
    }
    let open = Open { campaigns: campaigns.clone(), credentials, id, told: None, is_over: false, _room: room };
    Ok(Box::pin(try_unfold(open, Open::next)))
}

impl Open {
    async fn next(mut self) -> Result<Option<(WatchCampaignResponse, Open)>, Status> {
        if self.is_over {
            return Ok(None);
        }
        loop {
            if self.told.is_some() {
                tokio::time::sleep(PACE).await;
            }
            // A revoked key reads no further.
            let site = self.campaigns.caller(&self.credentials, READERS)?;
            let row = kept::row(self.campaigns.store.as_ref(), site.id, self.id).await?;
            let state = (kept::message(&row), of(&self.campaigns, &row).await?);
            let is_over = matches!(row.state, CampaignState::Done | CampaignState::Cancelled);
            self.is_over = is_over && state.1.sending == 0;
            if self.told.as_ref() == Some(&state) {
                if self.is_over {
                    return Ok(None);
                }
                continue;
            }
            self.told = Some(state.clone());
            let (campaign, results) = state;
            return Ok(Some((WatchCampaignResponse { campaign: Some(campaign), results: Some(results) }, self)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_core::Micros;
    use pistats_core::push::Reason;

    #[test]
    fn every_planned_message_is_told_in_exactly_one_place() {
        let messages = vec![
            (MessageState::Waiting, None, 1),
            (MessageState::Sending, None, 2),
            (MessageState::Accepted, None, 4),
            (MessageState::Failed, Some(Reason::TooLarge), 8),
            (MessageState::Failed, Some(Reason::Rejected), 16),
            (MessageState::Uncertain, None, 32),
            (MessageState::NotSent, Some(Reason::Capped), 64),
        ];
        let tally = Tally { messages, unsubscribed: 3, removed: 5, next: Some(Micros(9)) };
        let told = told(&tally, 2);
        let sum = told.waiting + told.sending + told.accepted + told.failed + told.uncertain + told.not_sent;
        assert_eq!((sum, told.planned, told.failed, told.clicked), (127, 127, 24, 2));
        let names: Vec<(&str, u64)> = told.failures.iter().map(|reason| (reason.name.as_str(), reason.count)).collect();
        assert_eq!(names, [("too_large", 8), ("rejected", 16)]);
        assert_eq!(told.skips[0].name, "capped");
    }
}
