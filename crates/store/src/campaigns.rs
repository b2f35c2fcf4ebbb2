//! Push messages: keys and subscriptions of sites, the campaigns that people keep, and every message with what became of it.
//!
//! ```text
//!   browsers ──▶ Subscriptions    one row an endpoint
//!   people   ──▶ Campaigns        one row a campaign, changed only on the version that was looked at
//!   runner   ──▶ Deliveries       one row a (campaign, visitor):  plan ─▶ due ─▶ begin ─▶ (send) ─▶ settle
//!                                                                            a crash in between ─▶ uncertain
//! ```
//!
//! It is not responsible for when a message is due, whom it may reach and how it is sent (services/segment): it keeps rows, and
//! promises what [`Deliveries`] says.

use crate::{Error, Owner};
use async_trait::async_trait;
use pistats_core::push::{CampaignId, CampaignState, MessageState, Reason};
use pistats_core::segment::SegmentId;
use pistats_core::{Micros, SiteId, VisitorKey};
use std::time::Duration;

/// A browser that takes messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRow {
    pub site: SiteId,
    /// Unique within the site.
    pub endpoint: String,
    pub p256dh: Vec<u8>,
    pub auth: Vec<u8>,
    pub visitor: VisitorKey,
    /// As the browser named it; may be empty, or unknown here.
    pub time_zone: String,
    pub created: Micros,
    /// When the browser told of it last: the newest of a visitor's is the one that a message goes to.
    pub updated: Micros,
}

/// Subscriptions and the keys that they are made with.
///
/// Implementations MUST promise: a change takes effect whole or not at all, and is durable on return.
#[async_trait]
pub trait Subscriptions: Send + Sync + 'static {
    /// The site's private key; where there is none yet, the offered one is kept. So of two who offer one wins, and both learn which.
    async fn push_key(&self, site: SiteId, offered: &[u8; 32], now: Micros) -> Result<[u8; 32], Error>;

    /// Adds a subscription, or puts it in the place of the one with its endpoint (which stays as old as it is). False: the visitor
    /// has `most` others already, and nothing was changed.
    async fn put_subscription(&self, row: &SubscriptionRow, most: u32) -> Result<bool, Error>;

    /// Takes a subscription away because its visitor wants no more, and notes that at the visitor's newest accepted message.
    /// False: there was none.
    async fn unsubscribe(&self, site: SiteId, endpoint: &str, now: Micros) -> Result<bool, Error>;

    /// A visitor's subscriptions, the newest first.
    async fn subscriptions_of(&self, site: SiteId, visitor: VisitorKey) -> Result<Vec<SubscriptionRow>, Error>;
}

/// A campaign as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignRow {
    pub site: SiteId,
    pub id: CampaignId,
    pub state: CampaignState,
    /// 1, and one more with each change.
    pub version: u32,
    /// The encoded content (push.v1 `CampaignContent`): what it says is not the store's business.
    pub content: Vec<u8>,
    /// Whom it is for; none: all.
    pub segment: Option<SegmentId>,
    pub created: Micros,
    pub updated: Micros,
    pub started: Option<Micros>,
    pub ended: Option<Micros>,
    /// When its messages were planned for the first time.
    pub planned: Option<Micros>,
    /// When the last of its messages may be due; none as long as it is not planned, and for those that go on.
    pub closes: Option<Micros>,
}

/// How many messages of a campaign stand where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By state and reason; a pair that is not there is none.
    pub messages: Vec<(MessageState, Option<Reason>, u64)>,
    /// Visitors who unsubscribed after it, before any other campaign reached them.
    pub unsubscribed: u64,
    /// Subscriptions that turned out to be gone.
    pub removed: u64,
    /// When the next waiting message is due.
    pub next: Option<Micros>,
}

impl Tally {
    /// Messages in a state.
    pub fn of(&self, state: MessageState) -> u64 {
        self.messages.iter().filter(|(at, _, _)| *at == state).map(|(_, _, count)| count).sum()
    }

    /// All messages.
    pub fn all(&self) -> u64 {
        self.messages.iter().map(|(_, _, count)| count).sum()
    }
}

/// The campaigns of all sites.
///
/// Implementations MUST promise: a change takes effect whole or not at all, and is durable on return; of two changes on the
/// same version one takes effect.
#[async_trait]
pub trait Campaigns: Send + Sync + 'static {
    /// A site's campaigns, the newest first.
    async fn campaigns(&self, site: SiteId) -> Result<Vec<CampaignRow>, Error>;

    async fn campaign(&self, site: SiteId, id: CampaignId) -> Result<Option<CampaignRow>, Error>;

    /// Adds a campaign (`before`: 0) or replaces the one whose version is `before`. One that is cancelled takes its waiting messages
    /// with it: they end as not sent. False: another version is there, and nothing was changed.
    async fn put_campaign(&self, row: &CampaignRow, before: u32) -> Result<bool, Error>;

    /// Takes a campaign away with its messages. False: there was none.
    async fn delete_campaign(&self, site: SiteId, id: CampaignId) -> Result<bool, Error>;

    async fn tally(&self, site: SiteId, id: CampaignId) -> Result<Tally, Error>;
}

/// Who sends for a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteLease {
    pub site: SiteId,
    pub owner: Owner,
    /// Grows by one with each owner.
    pub epoch: u64,
}

/// A message that is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    pub visitor: VisitorKey,
    pub due: Micros,
    /// Not to be sent at all, and why.
    pub skip: Option<Reason>,
}

/// A waiting message whose moment has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub visitor: VisitorKey,
    pub due: Micros,
    /// How often it was begun.
    pub attempts: u32,
    /// The visitor's newest subscription; none is left.
    pub subscription: Option<SubscriptionRow>,
    /// Messages of the site to the visitor since the moment that was asked about: accepted, uncertain or on their way.
    pub had: u32,
}

/// What happens to a waiting message next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is about to be sent to this endpoint.
    Send { endpoint: String },
    /// It waits until then.
    Wait { until: Micros },
    /// It is never sent.
    Skip { reason: Reason },
}

/// What became of a message that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    Accepted,
    Failed {
        reason: Reason,
    },
    /// No answer came: it may have arrived.
    Uncertain,
    /// Not taken over, for certain; to be tried again then.
    Again {
        until: Micros,
    },
    /// The subscription is gone, and removed: the next one's turn.
    Gone {
        endpoint: String,
    },
}

/// Messages and who sends them.
///
/// Implementations MUST promise:
/// - **D-1** A site has at most one lease at a time, by the store's own clock. A call under another lease than the stored one changes
///   nothing and is [`Error::NotLeased`]; no take-over slips in between the comparison and the change.
/// - **D-2** A message that is [`Step::Send`] is stored as sending, durably, when [`begin`](Deliveries::begin) returns true for it; it
///   does so once: only for a message that waits, of a campaign that is running.
/// - **D-3** When [`Campaigns::put_campaign`] has paused or cancelled a campaign, no later `begin` takes effect on it.
/// - **D-4** With a new lease every message that was sending is uncertain, durably before [`lease_site`](Deliveries::lease_site)
///   returns. A message that is uncertain, accepted, failed or not sent stays so.
/// - **D-5** A campaign has at most one message a visitor: planning one that is there changes nothing of it.
#[async_trait]
pub trait Deliveries: Send + Sync + 'static {
    /// Sites whose campaigns are scheduled or running, or that have messages on their way.
    async fn sites_to_serve(&self) -> Result<Vec<SiteId>, Error>;

    /// Takes the lease of a site for `ttl` where nobody else holds it (D-4); none: somebody does.
    async fn lease_site(&self, site: SiteId, owner: &Owner, ttl: Duration) -> Result<Option<SiteLease>, Error>;

    /// Holds the lease for `ttl` from now. False: somebody else has it.
    async fn keep_lease(&self, lease: &SiteLease, ttl: Duration) -> Result<bool, Error>;

    /// Gives the lease back: it is free at once.
    async fn free_lease(&self, lease: &SiteLease) -> Result<(), Error>;

    /// Adds messages to a campaign as far as they are not there (D-5), and puts `row` in the place of its version `before`, as a
    /// whole. None: another version is there, and nothing was changed; else how many are new.
    async fn plan(
        &self,
        lease: &SiteLease,
        row: &CampaignRow,
        before: u32,
        messages: &[Planned],
    ) -> Result<Option<u64>, Error>;

    /// Waiting messages that are due at `now`, by due time, at most so many.
    async fn due(
        &self,
        site: SiteId,
        campaign: CampaignId,
        now: Micros,
        most: u32,
        had_since: Micros,
    ) -> Result<Vec<Due>, Error>;

    /// Takes the next steps of waiting messages (D-2, D-3). Which of them took effect.
    async fn begin(
        &self,
        lease: &SiteLease,
        campaign: CampaignId,
        steps: &[(VisitorKey, Step)],
        now: Micros,
    ) -> Result<Vec<bool>, Error>;

    /// Stores what became of messages that were sending. One that is not sending stays as it is. What waits again of a campaign
    /// that is cancelled is not sent.
    async fn settle(
        &self,
        lease: &SiteLease,
        results: &[(CampaignId, VisitorKey, Settled)],
        now: Micros,
    ) -> Result<(), Error>;
}

/// All that sending needs of a store.
pub trait Pushing: Subscriptions + Campaigns + Deliveries {}

impl<W: Subscriptions + Campaigns + Deliveries> Pushing for W {}

pub(crate) fn campaign_state(number: i16) -> Result<CampaignState, Error> {
    CampaignState::from_number(number).ok_or_else(|| Error::Engine(format!("{number} is no state of a campaign")))
}

pub(crate) fn message_state(number: i16) -> Result<MessageState, Error> {
    MessageState::from_number(number).ok_or_else(|| Error::Engine(format!("{number} is no state of a message")))
}

pub(crate) fn reason(number: i16) -> Result<Reason, Error> {
    Reason::from_number(number).ok_or_else(|| Error::Engine(format!("{number} is no reason of a message")))
}
