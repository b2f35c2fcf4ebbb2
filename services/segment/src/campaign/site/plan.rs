//! Planning: who gets a message of a campaign, and when. A message is planned once, however often it is looked.

use super::Serving;
use crate::campaign::{audience, kept, moments, usual};
use crate::status;
use pistats_core::push::{CampaignId, CampaignState, Reason, Schedule};
use pistats_core::{Micros, VisitorKey};
use pistats_store::{CampaignRow, Planned};
use std::collections::HashMap;
use tonic::Status;

/// Messages that are planned in one transaction.
const AT_ONCE: usize = 10_000;

impl Serving {
    /// Plans a campaign whose window is open: everybody at first, then newcomers as long as messages may become due.
    pub(super) async fn plan(&mut self, at: usize) -> Result<(), Status> {
        let now = self.campaigns.now();
        let Some(active) = self.active.get(at) else { return Ok(()) };
        let (row, content, window) = (active.row.clone(), active.content.clone(), active.window);
        let Some(started) = row.started.filter(|_| window.opens <= now) else { return Ok(()) };
        let is_first = row.planned.is_none();
        if !is_first {
            let last = self.passes.get(&row.id).copied().unwrap_or(started);
            let every = i64::try_from(self.campaigns.settings.plan_every.as_micros()).unwrap_or(i64::MAX);
            if window.closes.is_none_or(|closes| now >= closes) || now.since(last) < every {
                return Ok(());
            }
        }
        let mut messages = Vec::new();
        if content.schedule != Schedule::OnEnter {
            let audience = match self.audience(content.segment, now).await {
                Ok(audience) => audience,
                Err(error) if is_passing(&error) => return Err(error),
                Err(error) => return self.give_up(at, &error).await,
            };
            let habits = match content.schedule {
                Schedule::UsualHour => usual::hours(&self.campaigns, &self.site, &audience).await?,
                _ => HashMap::new(),
            };
            let from = if is_first { started } else { now };
            let expires = window.expires(&content);
            for (visitor, target) in &audience.targets {
                let habit = habits.get(visitor).copied().unwrap_or_default();
                let due = moments::due(content.schedule, &target.zone, from, habit);
                let is_past = due < from && matches!(content.schedule, Schedule::Local { .. });
                // A newcomer whose moment is past, or is another day's, was not in it at that moment.
                if !is_first && (is_past || window.closes.is_some_and(|closes| due > closes)) {
                    continue;
                }
                let due = if is_past { due } else { moments::not_quiet(content.quiet, &target.zone, due.max(from)) };
                let skip = match expires {
                    _ if is_past => Some(Reason::Missed),
                    Some(expires) if due >= expires => Some(Reason::Expired),
                    _ => None,
                };
                messages.push(Planned { visitor: *visitor, due, skip });
            }
        }
        self.passes.insert(row.id, now);
        let last = match is_first {
            true => CampaignRow {
                planned: Some(now),
                closes: window.closes,
                ..kept::next(&row, CampaignState::Running, now)
            },
            false => row.clone(),
        };
        // Nothing is sent of a campaign that is not running: the last part makes it so.
        let whole = messages.len() / AT_ONCE * AT_ONCE;
        let (parts, rest) =
            messages.split_at(if whole == messages.len() { whole.saturating_sub(AT_ONCE) } else { whole });
        for part in parts.chunks(AT_ONCE) {
            if !self.store_plan(at, &row, row.version, part).await? {
                return Ok(());
            }
        }
        self.store_plan(at, &last, row.version, rest).await?;
        Ok(())
    }

    /// False: the campaign changed meanwhile.
    async fn store_plan(
        &mut self,
        at: usize,
        row: &CampaignRow,
        before: u32,
        messages: &[Planned],
    ) -> Result<bool, Status> {
        let new = self.campaigns.store.plan(&self.lease, row, before, messages).await.map_err(status::of_store)?;
        let Some(new) = new else { return Ok(false) };
        if new > 0 {
            tracing::info!(campaign = %row.id, messages = new, "messages were planned");
        }
        if let Some(active) = self.active.get_mut(at) {
            active.row = row.clone();
        }
        Ok(true)
    }

    /// Plans a message for each of those who entered that has a subscription.
    pub(super) async fn entered(&mut self, id: CampaignId, visitors: &[VisitorKey]) -> Result<(), Status> {
        let now = self.campaigns.now();
        let Some(at) = self.active.iter().position(|active| active.row.id == id) else { return Ok(()) };
        let Some(active) = self.active.get(at) else { return Ok(()) };
        let (row, content) = (active.row.clone(), active.content.clone());
        if row.state != CampaignState::Running || content.expires.is_some_and(|expires| expires <= now) {
            return Ok(());
        }
        let zones = audience::zones_of(&self.campaigns, &self.site, visitors).await?;
        let planned = |(visitor, zone)| {
            let due = moments::not_quiet(content.quiet, &zone, now);
            Planned { visitor, due, skip: None }
        };
        let messages: Vec<Planned> = zones.into_iter().map(planned).collect();
        if !messages.is_empty() {
            self.store_plan(at, &row, row.version, &messages).await?;
        }
        // Who is in it now is not who was in it before.
        self.audiences.remove(&content.segment);
        Ok(())
    }

    /// The moment from which who is in a segment is believed.
    pub(super) fn believed(&self, now: Micros) -> Micros {
        now.plus(-i64::try_from(self.campaigns.settings.members_for.as_micros()).unwrap_or(i64::MAX))
    }
}

/// Whether it may be another time: a segment that is gone stays so.
pub(super) fn is_passing(error: &Status) -> bool {
    use tonic::Code;
    !matches!(error.code(), Code::NotFound | Code::FailedPrecondition | Code::InvalidArgument)
}
