//! The calls of push.v1, and what they share with the runner.

use super::answered::Answered;
use super::channel::Channel;
use super::contact;
use super::enters::Enters;
use super::results::Watching;
use super::{browser, owner, results, runner};
use crate::service::Shared;
use futures::stream::BoxStream;
use pistats_core::directory::Site;
use pistats_core::{Micros, Scope, SiteId, VisitorKey};
use pistats_proto::push::v1::push_service_server::PushService;
use pistats_proto::push::v1::*;
use pistats_push::{Identity, Reach, VapidKey};
use pistats_store::{Owner, Pushing};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;
use tonic::{Request, Response, Status};

/// How campaigns are sent.
#[derive(Clone, Debug)]
pub struct PushSettings {
    /// Whom the operators of push services may write to: `mailto:` or `https:`. Empty: the site's own address, where its name is
    /// a host.
    pub contact: String,
    /// How far messages go; loopback is for tests.
    pub reach: Reach,
    /// Messages on their way at the same time: as many may be uncertain after a crash.
    pub in_flight: u32,
    /// Streams of watched campaigns at once; one more is refused.
    pub streams: usize,
    /// How long a site's lease lasts that is not extended: so soon goes another process on for one that died.
    pub lease: Duration,
    /// How often is looked for what is due.
    pub pace: Duration,
    /// Who is in a segment is believed for so long when a message is sent.
    pub members_for: Duration,
    /// How often newcomers are looked for as long as messages of a campaign may become due.
    pub plan_every: Duration,
}

impl Default for PushSettings {
    fn default() -> PushSettings {
        PushSettings {
            contact: String::new(),
            reach: Reach::Public,
            in_flight: 64,
            streams: 200,
            lease: pistats_store::LEASE_TTL,
            pace: Duration::from_millis(500),
            members_for: Duration::from_secs(10),
            plan_every: Duration::from_secs(60),
        }
    }
}

/// The push service. Cheap to clone.
#[derive(Clone)]
pub struct Push {
    campaigns: Arc<Campaigns>,
    watching: Arc<Watching>,
}

/// What calls and runner share.
pub(crate) struct Campaigns {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Arc<dyn Pushing>,
    pub(crate) channel: Arc<dyn Channel>,
    pub(crate) enters: Arc<dyn Enters>,
    /// Hashes visitor ids, as the fold does.
    pub(crate) visitor_secret: [u8; 32],
    pub(crate) settings: PushSettings,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) answered: Answered,
    /// Something was started or changed here.
    pub(crate) wake: Notify,
}

impl Push {
    /// The service over the segments' own warehouse. Nothing is sent before [`Push::start`].
    pub(crate) fn new(
        shared: Arc<Shared>,
        store: Arc<dyn Pushing>,
        channel: Arc<dyn Channel>,
        enters: Arc<dyn Enters>,
        visitor_secret: [u8; 32],
        settings: PushSettings,
    ) -> Push {
        let places = Arc::new(Semaphore::new(settings.in_flight as usize));
        let watching = Arc::new(Watching::new(settings.streams));
        let (answered, wake) = (Answered::default(), Notify::new());
        let campaigns = Campaigns { shared, store, channel, enters, visitor_secret, settings, places, answered, wake };
        Push { campaigns: Arc::new(campaigns), watching }
    }

    /// Sends from now on what is due, for the sites that nobody else sends for, until it is aborted.
    pub fn start(&self, owner: Owner) -> AbortHandle {
        tokio::spawn(runner::run(self.campaigns.clone(), owner)).abort_handle()
    }

    /// What is being sent, for whoever measures.
    pub fn sending(&self) -> Sending {
        Sending(Arc::downgrade(&self.campaigns))
    }
}

/// Sees what is being sent, and keeps nothing running. Both are none once the service is gone.
#[derive(Clone)]
pub struct Sending(Weak<Campaigns>);

impl Sending {
    /// Messages that are on their way: begun, and their answers not stored.
    pub fn on_their_way(&self) -> Option<usize> {
        let campaigns = self.0.upgrade()?;
        Some((campaigns.settings.in_flight as usize).saturating_sub(campaigns.places.available_permits()))
    }

    /// Answers of push services since the process began, by outcome.
    pub fn answered(&self) -> Option<impl IntoIterator<Item = (&'static str, u64)> + use<>> {
        Some(self.0.upgrade()?.answered.counts())
    }
}

impl Campaigns {
    pub(crate) fn now(&self) -> Micros {
        self.shared.reading.now()
    }

    /// A site as it is now; none: it is gone.
    pub(crate) fn site(&self, id: SiteId) -> Option<Site> {
        self.shared.directory.load().site(id).cloned()
    }

    pub(crate) fn visitor(&self, site: SiteId, visitor_id: &str) -> VisitorKey {
        VisitorKey::derive(&self.visitor_secret, site, visitor_id.as_bytes())
    }

    /// The keys of a site, made where there are none.
    pub(crate) async fn key(&self, site: SiteId) -> Result<VapidKey, Status> {
        let offered = VapidKey::generate().map_err(|error| Status::internal(error.to_string()))?;
        let kept = self.store.push_key(site, &offered.secret_bytes(), self.now()).await;
        let kept = kept.map_err(crate::status::of_store)?;
        VapidKey::from_bytes(&kept).map_err(|error| Status::internal(error.to_string()))
    }

    /// In whose name a site sends.
    ///
    /// Status: FAILED_PRECONDITION there is nobody to write to.
    pub(crate) async fn identity(&self, site: &Site) -> Result<Identity, Status> {
        let contact = contact::of(&self.settings.contact, site).map_err(Status::failed_precondition)?;
        Ok(Identity::new(self.key(site.id).await?, contact))
    }

    /// Whose campaigns the caller may see or change.
    pub(crate) fn caller<T>(&self, request: &Request<T>, scopes: &[Scope]) -> Result<Site, Status> {
        self.shared.site(request, scopes)
    }
}

#[tonic::async_trait]
impl PushService for Push {
    async fn get_push_key(&self, request: Request<GetPushKeyRequest>) -> Result<Response<GetPushKeyResponse>, Status> {
        browser::key(&self.campaigns, request).await.map(Response::new)
    }

    async fn subscribe(&self, request: Request<SubscribeRequest>) -> Result<Response<SubscribeResponse>, Status> {
        browser::subscribe(&self.campaigns, request).await.map(Response::new)
    }

    async fn unsubscribe(&self, request: Request<UnsubscribeRequest>) -> Result<Response<UnsubscribeResponse>, Status> {
        browser::unsubscribe(&self.campaigns, request).await.map(Response::new)
    }

    async fn create_campaign(
        &self,
        request: Request<CreateCampaignRequest>,
    ) -> Result<Response<CreateCampaignResponse>, Status> {
        let campaign = owner::create(&self.campaigns, request).await?;
        Ok(Response::new(CreateCampaignResponse { campaign: Some(campaign) }))
    }

    async fn get_campaign(
        &self,
        request: Request<GetCampaignRequest>,
    ) -> Result<Response<GetCampaignResponse>, Status> {
        let (campaign, results) = owner::get(&self.campaigns, request).await?;
        Ok(Response::new(GetCampaignResponse { campaign: Some(campaign), results: Some(results) }))
    }

    async fn list_campaigns(
        &self,
        request: Request<ListCampaignsRequest>,
    ) -> Result<Response<ListCampaignsResponse>, Status> {
        owner::list(&self.campaigns, request).await.map(Response::new)
    }

    async fn update_campaign(
        &self,
        request: Request<UpdateCampaignRequest>,
    ) -> Result<Response<UpdateCampaignResponse>, Status> {
        let campaign = owner::update(&self.campaigns, request).await?;
        Ok(Response::new(UpdateCampaignResponse { campaign: Some(campaign) }))
    }

    async fn start_campaign(
        &self,
        request: Request<StartCampaignRequest>,
    ) -> Result<Response<StartCampaignResponse>, Status> {
        let campaign = owner::start(&self.campaigns, request).await?;
        Ok(Response::new(StartCampaignResponse { campaign: Some(campaign) }))
    }

    async fn pause_campaign(
        &self,
        request: Request<PauseCampaignRequest>,
    ) -> Result<Response<PauseCampaignResponse>, Status> {
        let campaign = owner::pause(&self.campaigns, request).await?;
        Ok(Response::new(PauseCampaignResponse { campaign: Some(campaign) }))
    }

    async fn resume_campaign(
        &self,
        request: Request<ResumeCampaignRequest>,
    ) -> Result<Response<ResumeCampaignResponse>, Status> {
        let campaign = owner::resume(&self.campaigns, request).await?;
        Ok(Response::new(ResumeCampaignResponse { campaign: Some(campaign) }))
    }

    async fn cancel_campaign(
        &self,
        request: Request<CancelCampaignRequest>,
    ) -> Result<Response<CancelCampaignResponse>, Status> {
        let campaign = owner::cancel(&self.campaigns, request).await?;
        Ok(Response::new(CancelCampaignResponse { campaign: Some(campaign) }))
    }

    async fn delete_campaign(
        &self,
        request: Request<DeleteCampaignRequest>,
    ) -> Result<Response<DeleteCampaignResponse>, Status> {
        owner::delete(&self.campaigns, request).await.map(Response::new)
    }

    async fn preview_campaign(
        &self,
        request: Request<PreviewCampaignRequest>,
    ) -> Result<Response<PreviewCampaignResponse>, Status> {
        super::preview::preview(&self.campaigns, request).await.map(Response::new)
    }

    async fn test_send(&self, request: Request<TestSendRequest>) -> Result<Response<TestSendResponse>, Status> {
        super::preview::test_send(&self.campaigns, request).await.map(Response::new)
    }

    type WatchCampaignStream = BoxStream<'static, Result<WatchCampaignResponse, Status>>;

    async fn watch_campaign(
        &self,
        request: Request<WatchCampaignRequest>,
    ) -> Result<Response<Self::WatchCampaignStream>, Status> {
        Ok(Response::new(results::watch(&self.campaigns, &self.watching, request).await?))
    }
}
