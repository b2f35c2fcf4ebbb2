//! One reader's stream: a message is made when it is asked for, of the newest state and of what was told before.
//!
//! Before each message the key is looked at again: a revoked one reads no further.

use super::{Hub, State, Subject, Told};
use crate::members;
use crate::service::{READERS, some};
use crate::status;
use futures::stream::{BoxStream, try_unfold};
use pistats_core::directory::Site;
use pistats_proto::convert::query::as_of;
use pistats_proto::convert::segment as convert;
use pistats_proto::segment::v1::{Cause, WatchSegmentRequest, WatchSegmentResponse};
use roaring::RoaringBitmap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tonic::{Request, Status};

/// Visitors that a delta names, of each kind.
const MOST_NAMED: usize = 100;
/// How soon a revoked key ends its streams.
const LOOK_EVERY: Duration = Duration::from_secs(1);

struct Open {
    hub: Arc<Hub>,
    /// Carries the key.
    credentials: Request<()>,
    newest: watch::Receiver<Told>,
    told: Option<Arc<State>>,
    sequence: u64,
    _subject: Arc<Subject>,
    _room: OwnedSemaphorePermit,
}

/// Opens a stream. Everything that the contract refuses is refused here.
pub(crate) async fn open(
    hub: &Arc<Hub>,
    request: Request<WatchSegmentRequest>,
) -> Result<BoxStream<'static, Result<WatchSegmentResponse, Status>>, Status> {
    let site = hub.shared.site(&request, READERS)?;
    let id = convert::id("id", &request.get_ref().id).map_err(status::invalid)?;
    crate::kept::Kept::read(hub.shared.segments.as_ref(), &site).await?.tree(id)?;
    let full = |_| Status::resource_exhausted("as many segments are watched as this server holds; try again later");
    let room = hub.streams.clone().try_acquire_owned().map_err(full)?;
    let mut credentials = Request::new(());
    if let Some(key) = request.metadata().get("authorization") {
        credentials.metadata_mut().insert("authorization", key.clone());
    }
    let subject = hub.join(site.id, id);
    let mut newest = subject.newest.clone();
    newest.mark_changed();
    let open = Open { hub: hub.clone(), credentials, newest, told: None, sequence: 0, _subject: subject, _room: room };
    Ok(Box::pin(try_unfold(open, Open::next)))
}

impl Open {
    async fn next(mut self) -> Result<Option<(WatchSegmentResponse, Open)>, Status> {
        loop {
            let site = self.hub.shared.site(&self.credentials, READERS)?;
            let changed = tokio::time::timeout(LOOK_EVERY, self.newest.changed()).await;
            match changed {
                // Nothing new; the key is looked at again.
                Err(_) => continue,
                Ok(Err(_)) => return Err(Status::unavailable("the server goes down; watch again")),
                Ok(Ok(())) => {}
            }
            let told = self.newest.borrow_and_update().clone();
            let state = match told {
                None => continue,
                Some(Err(status)) => return Err(status),
                Some(Ok(state)) => state,
            };
            if let Some(message) = self.message(&site, &state).await? {
                self.told = Some(state);
                return Ok(Some((message, self)));
            }
            self.told = Some(state);
        }
    }

    /// What there is to tell of a state; nothing where nobody entered or left and the segment is the same.
    async fn message(&mut self, site: &Site, state: &Arc<State>) -> Result<Option<WatchSegmentResponse>, Status> {
        let mut message = WatchSegmentResponse {
            size: state.members.len(),
            version: state.version,
            as_of: Some(as_of(&state.as_of)),
            now_us: state.now.0,
            ..WatchSegmentResponse::default()
        };
        let before = self.told.as_ref().filter(|before| before.as_of.generation == state.as_of.generation);
        let Some(before) = before else {
            // The first state, or numbers of another generation: nothing to compare with.
            self.sequence = 0;
            return Ok(Some(message));
        };
        let entered = state.members.as_ref() - before.members.as_ref();
        let left = before.members.as_ref() - state.members.as_ref();
        let is_edited = before.version != state.version;
        if entered.is_empty() && left.is_empty() && !is_edited {
            return Ok(None);
        }
        let (known, causes) = (before.causes, state.causes);
        let cause = match (is_edited || causes.edits > known.edits, causes.events > known.events) {
            (true, _) => Cause::Edit,
            (false, false) if causes.midnights > known.midnights => Cause::Time,
            (false, _) => Cause::Events,
        };
        self.sequence += 1;
        message.sequence = self.sequence;
        (message.entered, message.left, message.cause) = (entered.len(), left.len(), cause.into());
        message.entered_visitors = self.named(site, &entered, state).await?;
        message.left_visitors = self.named(site, &left, state).await?;
        Ok(Some(message))
    }

    async fn named(&self, site: &Site, numbers: &RoaringBitmap, state: &State) -> Result<Vec<String>, Status> {
        let store = self.hub.shared.store.as_ref();
        members::keys(store, site, &some(numbers, MOST_NAMED), state.as_of.generation).await
    }
}
