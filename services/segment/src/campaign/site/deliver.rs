//! Sending: steps of due messages, intents before requests, answers after them.

use super::plan::is_passing;
use super::{Active, Serving, TOGETHER};
use crate::campaign::audience::{Audience, Zones};
use crate::campaign::{answers, moments, payload};
use crate::status;
use pistats_core::push::{CampaignId, CampaignState, Reason, Schedule};
use pistats_core::{Micros, VisitorKey};
use pistats_push::{Message, Outcome, Subscription};
use pistats_store::{Due, Settled, Step};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;

/// What a push service said, with the place among those on their way: it is free when the answer is stored.
pub(super) struct Answer {
    campaign: CampaignId,
    visitor: VisitorKey,
    endpoint: String,
    push_service: String,
    tries_before: u32,
    outcome: Outcome,
    place: OwnedSemaphorePermit,
}

impl Serving {
    /// Begins what is due, as far as there are places. True: there may be more at once.
    pub(super) async fn send(&mut self) -> Result<bool, Status> {
        let mut more = false;
        for at in 0..self.active.len() {
            let is_running = self.active.get(at).is_some_and(|active| active.row.state == CampaignState::Running);
            if is_running {
                more |= self.send_of(at).await?;
            }
        }
        Ok(more)
    }

    async fn send_of(&mut self, at: usize) -> Result<bool, Status> {
        let free = self.campaigns.places.available_permits();
        let Some(active) = self.active.get(at).filter(|_| free > 0) else { return Ok(false) };
        let (id, now) = (active.row.id, self.campaigns.now());
        let had_since = match active.content.cap {
            Some(cap) => now.plus(-i64::from(cap.days) * Micros::DAY),
            None => Micros(i64::MAX),
        };
        let most = u32::try_from(free).unwrap_or(u32::MAX);
        let due =
            self.campaigns.store.due(self.lease.site, id, now, most, had_since).await.map_err(status::of_store)?;
        if due.is_empty() {
            return Ok(false);
        }
        let (segment, schedule) = (active.content.segment, active.content.schedule);
        // Who has just entered was looked at by that.
        let not_before = if schedule == Schedule::OnEnter { now.plus(-Micros::SECOND) } else { self.believed(now) };
        let audience = match segment {
            None => None,
            Some(_) => match self.audience(segment, not_before).await {
                Ok(audience) => Some(audience),
                Err(error) if is_passing(&error) => {
                    tracing::warn!(%error, campaign = %id, "a campaign waits: who is in its segment cannot be read");
                    return Ok(false);
                }
                Err(error) => return self.give_up(at, &error).await.map(|()| false),
            },
        };
        if self.identity.is_none() {
            match self.campaigns.identity(&self.site).await {
                Ok(identity) => self.identity = Some(identity),
                Err(error) => {
                    tracing::warn!(%error, campaign = %id, "a campaign waits: it cannot be signed");
                    return Ok(false);
                }
            }
        }
        let Some(active) = self.active.get(at) else { return Ok(false) };
        let message = match message(active, now) {
            Ok(message) => Arc::new(message),
            Err(error) => {
                tracing::error!(%error, campaign = %id, "a campaign's message cannot be sent");
                return Ok(false);
            }
        };
        let mut zones = Zones::new(&self.site);
        let mut begun = Vec::new();
        for due in &due {
            let step = self.step(active, due, audience.as_deref(), &mut zones, now);
            let place = match &step {
                Step::Send { .. } => match self.campaigns.places.clone().try_acquire_owned() {
                    Ok(place) => Some(place),
                    // Another site took it meanwhile.
                    Err(_) => break,
                },
                _ => None,
            };
            begun.push((due, step, place));
        }
        let steps: Vec<(VisitorKey, Step)> = begun.iter().map(|(due, step, _)| (due.visitor, step.clone())).collect();
        let took = self.campaigns.store.begin(&self.lease, id, &steps, now).await.map_err(status::of_store)?;
        let has_begun = took.contains(&true);
        for ((due, _, place), took) in begun.into_iter().zip(took) {
            if let (Some(place), true, Some(row)) = (place, took, &due.subscription) {
                let read =
                    Subscription::from_bytes(&row.endpoint, &row.p256dh, &row.auth, self.campaigns.settings.reach);
                let Ok(to) = read else { continue };
                self.spawn(id, due, to, message.clone(), place);
            }
        }
        // Held or cancelled meanwhile: nothing took effect, and the next look tells.
        Ok(has_begun)
    }

    /// What happens to a message whose moment has come.
    fn step(&self, active: &Active, due: &Due, audience: Option<&Audience>, zones: &mut Zones, now: Micros) -> Step {
        let content = &active.content;
        let skip = |reason| Step::Skip { reason };
        if active.window.expires(content).is_some_and(|expires| now >= expires) {
            return skip(Reason::Expired);
        }
        let Some(row) = &due.subscription else { return skip(Reason::Gone) };
        if audience.is_some_and(|audience| !audience.targets.contains_key(&due.visitor)) {
            return skip(Reason::LeftSegment);
        }
        if content.cap.is_some_and(|cap| due.had >= cap.messages) {
            return skip(Reason::Capped);
        }
        let until = moments::not_quiet(content.quiet, &zones.of(&row.time_zone), now);
        if until > now {
            return Step::Wait { until };
        }
        let read = Subscription::from_bytes(&row.endpoint, &row.p256dh, &row.auth, self.campaigns.settings.reach);
        let Ok(to) = read else { return skip(Reason::BadSubscription) };
        match self.held.get(to.push_service()).filter(|until| **until > now) {
            Some(until) => Step::Wait { until: *until },
            None => Step::Send { endpoint: row.endpoint.clone() },
        }
    }

    fn spawn(
        &mut self,
        campaign: CampaignId,
        due: &Due,
        to: Subscription,
        message: Arc<Message>,
        place: OwnedSemaphorePermit,
    ) {
        let Some(identity) = self.identity.clone() else { return };
        let (channel, answers) = (self.campaigns.channel.clone(), self.answers.0.clone());
        let endpoint = due.subscription.as_ref().map(|row| row.endpoint.clone()).unwrap_or_default();
        let (visitor, tries_before) = (due.visitor, due.attempts);
        self.on_their_way += 1;
        self.sending.spawn(async move {
            let outcome = channel.send(&identity, &to, &message).await;
            let push_service = to.push_service().to_owned();
            // Nobody listens any more: then it is uncertain, and told so by the next lease.
            _ = answers.send(Answer { campaign, visitor, endpoint, push_service, tries_before, outcome, place }).await;
        });
    }

    /// Stores answers: the first, and what else has come.
    pub(super) async fn settle(&mut self, first: Answer) -> Result<(), Status> {
        let mut answers = vec![first];
        while answers.len() < TOGETHER
            && let Ok(next) = self.answers.1.try_recv()
        {
            answers.push(next);
        }
        let now = self.campaigns.now();
        let results: Vec<(CampaignId, VisitorKey, Settled)> = answers
            .iter()
            .map(|answer| {
                let settled = answers::settled(&answer.outcome, &answer.endpoint, answer.tries_before, now);
                (answer.campaign, answer.visitor, settled)
            })
            .collect();
        for answer in &answers {
            self.campaigns.answered.count(&answer.outcome);
            if let Some(hold) = answers::hold(&answer.outcome) {
                let until = self.held.entry(answer.push_service.clone()).or_insert(now);
                *until = (*until).max(now.plus(hold));
            }
        }
        self.campaigns.store.settle(&self.lease, &results, now).await.map_err(status::of_store)?;
        self.on_their_way = self.on_their_way.saturating_sub(answers.len());
        // Their intents have answers: only now are the places free.
        answers.into_iter().for_each(|answer| drop(answer.place));
        Ok(())
    }
}

/// The message as it is sent now: kept by push services no longer than the campaign lasts.
fn message(active: &Active, now: Micros) -> Result<Message, String> {
    let content = &active.content;
    let text = payload::text("message", &content.message, Some(active.row.id)).map_err(|error| error.to_string())?;
    let left = active.window.expires(content).map_or(i64::MAX, |expires| expires.since(now));
    let keep = Duration::from_micros(left.max(0).unsigned_abs());
    payload::message(&content.message, text, keep).map_err(|error| error.to_string())
}
