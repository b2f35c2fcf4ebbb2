//! The campaigns of one site, sent by one task that holds the site's lease.
//!
//! ```text
//!   look (each pace)   campaigns under way ──▶ plan those whose window is open ──▶ end those that are served
//!   send               due ──▶ steps ──▶ begin (intents stored) ──▶ one task a message ──▶ answers
//!   answers            settled in one transaction; only then are their places free
//! ```
//!
//! An error of the store ends the task: the lease is given back, and whoever takes it next tells what was on its way as uncertain. So
//! nothing is ever sent of which it is not known that its intent is stored.

mod deliver;
mod plan;

use super::audience::Audience;
use super::kept;
use super::moments::Window;
use super::service::Campaigns;
use crate::kept::Kept;
use crate::status;
use deliver::Answer;
use pistats_core::directory::Site;
use pistats_core::push::{CampaignId, CampaignState, Content, MessageState, Schedule};
use pistats_core::segment::SegmentId;
use pistats_core::{Micros, VisitorKey};
use pistats_push::Identity;
use pistats_store::{CampaignRow, SiteLease};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tonic::Status;

/// Answers that are settled together.
const TOGETHER: usize = 64;
/// Batches of people who entered that may wait.
const ENTERED: usize = 64;

/// A campaign that is under way.
pub(super) struct Active {
    pub(super) row: CampaignRow,
    pub(super) content: Content,
    pub(super) window: Window,
}

/// Who entered the segment of which campaign.
type Entered = (CampaignId, Vec<VisitorKey>);

pub(super) struct Serving {
    pub(super) campaigns: Arc<Campaigns>,
    pub(super) lease: SiteLease,
    pub(super) site: Site,
    active: Vec<Active>,
    /// Whom segments reach, as far as that was read.
    audiences: HashMap<Option<SegmentId>, Arc<Audience>>,
    /// When newcomers were looked for.
    passes: HashMap<CampaignId, Micros>,
    /// Push services that want to be left alone until then.
    held: HashMap<String, Micros>,
    identity: Option<Identity>,
    answers: (mpsc::Sender<Answer>, mpsc::Receiver<Answer>),
    on_their_way: usize,
    /// Dropped with the task: what is on its way then is uncertain.
    sending: JoinSet<()>,
    entered: (mpsc::Sender<Entered>, mpsc::Receiver<Entered>),
    follows: HashMap<CampaignId, AbortHandle>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.follows.values().for_each(AbortHandle::abort);
    }
}

/// Serves a site as long as it has something under way and the lease is held.
pub(super) async fn serve(campaigns: Arc<Campaigns>, lease: SiteLease) {
    let Some(site) = campaigns.site(lease.site) else {
        _ = campaigns.store.free_lease(&lease).await;
        return;
    };
    let mut serving = Serving {
        campaigns: campaigns.clone(),
        lease: lease.clone(),
        site,
        active: Vec::new(),
        audiences: HashMap::new(),
        passes: HashMap::new(),
        held: HashMap::new(),
        identity: None,
        answers: mpsc::channel(campaigns.settings.in_flight.max(1) as usize),
        on_their_way: 0,
        sending: JoinSet::new(),
        entered: mpsc::channel(ENTERED),
        follows: HashMap::new(),
    };
    let ended = tokio::select! {
        ended = serving.run() => ended,
        () = hold(&campaigns, &lease) => Err(Status::aborted("another process sends for this site now")),
    };
    if let Err(error) = ended {
        tracing::warn!(%error, site = lease.site.0, "sending for a site stops; what was on its way will be told as uncertain");
    }
    drop(serving);
    _ = campaigns.store.free_lease(&lease).await;
}

/// Extends the lease until it is lost.
async fn hold(campaigns: &Campaigns, lease: &SiteLease) {
    loop {
        tokio::time::sleep(campaigns.settings.lease / 3).await;
        match campaigns.store.keep_lease(lease, campaigns.settings.lease).await {
            Ok(true) => {}
            Ok(false) => return,
            // It may come back before the lease runs out; if it does not, D-1 keeps the others safe.
            Err(error) => tracing::warn!(%error, site = lease.site.0, "the lease of a site could not be extended"),
        }
    }
}

impl Serving {
    async fn run(&mut self) -> Result<(), Status> {
        let pace = self.campaigns.settings.pace;
        let mut look_at = tokio::time::Instant::now();
        loop {
            if tokio::time::Instant::now() >= look_at {
                self.look().await?;
                if self.active.is_empty() && self.on_their_way == 0 {
                    return Ok(());
                }
                look_at = tokio::time::Instant::now() + pace;
            }
            let more = self.send().await?;
            let campaigns = self.campaigns.clone();
            tokio::select! {
                Some(first) = self.answers.1.recv() => self.settle(first).await?,
                Some((id, visitors)) = self.entered.1.recv() => self.entered(id, &visitors).await?,
                () = campaigns.wake.notified() => look_at = tokio::time::Instant::now(),
                () = tokio::time::sleep_until(look_at), if !more => {}
                () = std::future::ready(()), if more => {}
            }
            while self.sending.try_join_next().is_some() {}
        }
    }

    /// Reads what is under way, plans what is open, ends what is served.
    async fn look(&mut self) -> Result<(), Status> {
        self.site = self.campaigns.site(self.lease.site).unwrap_or_else(|| self.site.clone());
        let rows = self.campaigns.store.campaigns(self.lease.site).await.map_err(status::of_store)?;
        let is_going = |row: &CampaignRow| matches!(row.state, CampaignState::Scheduled | CampaignState::Running);
        self.active.clear();
        for row in rows.into_iter().filter(is_going) {
            match (kept::content(&row), row.started) {
                (Ok(content), Some(started)) => {
                    let window = Window::of(content.schedule, started);
                    self.active.push(Active { row, content, window });
                }
                _ => tracing::warn!(campaign = %row.id, "a campaign cannot be read"),
            }
        }
        let ids: Vec<CampaignId> = self.active.iter().map(|active| active.row.id).collect();
        self.passes.retain(|id, _| ids.contains(id));
        let is_followed = |id: &CampaignId| {
            let active = self.active.iter().find(|active| active.row.id == *id);
            active.is_some_and(|active| active.row.state == CampaignState::Running)
        };
        // One that ended is begun anew: whoever tells of the segment may be back.
        self.follows.retain(|id, follow| {
            let stays = is_followed(id) && !follow.is_finished();
            if !stays {
                follow.abort();
            }
            stays
        });
        let now = self.campaigns.now();
        self.held.retain(|_, until| *until > now);
        for at in 0..self.active.len() {
            self.plan(at).await?;
            self.follow(at).await?;
            self.end(at).await?;
        }
        let is_over = |row: &CampaignRow| matches!(row.state, CampaignState::Done | CampaignState::Cancelled);
        self.active.retain(|active| !is_over(&active.row));
        Ok(())
    }

    /// Begins to follow the segment of a campaign on entering, if there is still one.
    async fn follow(&mut self, at: usize) -> Result<(), Status> {
        let Some(active) = self.active.get(at) else { return Ok(()) };
        let (id, Some(segment)) = (active.row.id, active.content.segment) else { return Ok(()) };
        let is_meant = active.content.schedule == Schedule::OnEnter && active.row.state == CampaignState::Running;
        if !is_meant || self.follows.contains_key(&id) {
            return Ok(());
        }
        let kept = Kept::read(self.campaigns.shared.segments.as_ref(), &self.site).await?;
        if let Err(error) = kept.tree(segment) {
            return self.give_up(at, &error).await;
        }
        use futures::StreamExt as _;
        let mut stream = self.campaigns.enters.follow(self.lease.site, segment);
        let entered = self.entered.0.clone();
        let task = tokio::spawn(async move {
            while let Some(visitors) = stream.next().await {
                if entered.send((id, visitors)).await.is_err() {
                    return;
                }
            }
        });
        self.follows.insert(id, task.abort_handle());
        Ok(())
    }

    /// Ends a campaign whose messages are all served, and that plans no more.
    async fn end(&mut self, at: usize) -> Result<(), Status> {
        let Some(active) = self.active.get_mut(at) else { return Ok(()) };
        let now = self.campaigns.now();
        let plans_no_more = match active.window.closes {
            Some(closes) => closes <= now,
            None => active.content.expires.is_some_and(|expires| expires <= now),
        };
        if active.row.state != CampaignState::Running || !plans_no_more {
            return Ok(());
        }
        let tally = self.campaigns.store.tally(active.row.site, active.row.id).await.map_err(status::of_store)?;
        if tally.of(MessageState::Waiting) + tally.of(MessageState::Sending) > 0 {
            return Ok(());
        }
        let next = kept::next(&active.row, CampaignState::Done, now);
        if self.campaigns.store.put_campaign(&next, active.row.version).await.map_err(status::of_store)? {
            active.row = next;
        }
        Ok(())
    }

    /// Ends a campaign whose segment is gone: there is nobody it could be for.
    async fn give_up(&mut self, at: usize, error: &Status) -> Result<(), Status> {
        let Some(active) = self.active.get_mut(at) else { return Ok(()) };
        tracing::warn!(%error, campaign = %active.row.id, "a campaign is cancelled: its segment cannot be read any more");
        let next = kept::next(&active.row, CampaignState::Cancelled, self.campaigns.now());
        if self.campaigns.store.put_campaign(&next, active.row.version).await.map_err(status::of_store)? {
            active.row = next;
        }
        Ok(())
    }

    /// Whom a segment reaches, not older than asked.
    pub(super) async fn audience(
        &mut self,
        segment: Option<SegmentId>,
        not_before: Micros,
    ) -> Result<Arc<Audience>, Status> {
        if let Some(audience) = self.audiences.get(&segment).filter(|audience| audience.at >= not_before) {
            return Ok(audience.clone());
        }
        let audience = Arc::new(super::audience::read(&self.campaigns, &self.site, segment).await?);
        self.audiences.insert(segment, audience.clone());
        Ok(audience)
    }
}
