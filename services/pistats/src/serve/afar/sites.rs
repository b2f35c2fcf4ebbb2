//! Live parts of the sites that somebody looks at: a stream a site and process, as long as it is looked at.

use super::{Pauses, SILENT_MOST};
use crate::serve::living::complete;
use crate::serve::peers::Peer;
use parking_lot::Mutex;
use pistats_core::SiteId;
use pistats_core::report::{Bots, LivePart};
use pistats_proto::aggregate::v1::WatchLiveRequest;
use pistats_proto::convert::live as convert;
use pistats_proto::query::v1 as query;
use pistats_query::Unreachable;
use pistats_telemetry::{TraceParent, span, trace};
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tonic::Status;
use tracing::{Instrument as _, Span};

/// A site that nobody asked about for so long is no longer followed.
const LINGER: Duration = Duration::from_secs(60);

type Views = HashMap<(SiteId, Bots), Arc<View>>;

/// The sites that are followed.
pub(super) struct Sites {
    peers: Vec<Peer>,
    views: Arc<Mutex<Views>>,
    /// By site: how often what is known of it moved.
    moves: Arc<Mutex<HashMap<SiteId, u64>>>,
}

/// What is known of a site.
pub(super) struct View {
    site: SiteId,
    state: Mutex<State>,
    moves: Arc<Mutex<HashMap<SiteId, u64>>>,
}

struct State {
    asked: Instant,
    /// By process; none while its stream is broken.
    parts: Vec<Option<Known>>,
}

/// What one process told last.
#[derive(Clone)]
struct Known {
    part: LivePart,
    /// Folded of the site since the process started.
    events: u64,
}

impl Sites {
    pub(super) fn new(peers: Vec<Peer>) -> Sites {
        Sites { peers, views: Arc::default(), moves: Arc::default() }
    }

    /// What is known of a site; it is followed from now on.
    pub(super) fn view(&self, site: SiteId, bots: Bots) -> Arc<View> {
        let mut views = self.views.lock();
        let view = views.entry((site, bots)).or_insert_with(|| {
            let state = State { asked: Instant::now(), parts: vec![None; self.peers.len()] };
            let view = Arc::new(View { site, state: Mutex::new(state), moves: self.moves.clone() });
            for (at, peer) in self.peers.iter().enumerate() {
                let begun = begun_by(trace::current());
                tokio::spawn(follow(peer.clone(), at, bots, view.clone(), Arc::downgrade(&self.views), begun));
            }
            view
        });
        view.state.lock().asked = Instant::now();
        view.clone()
    }

    pub(super) fn moved(&self, site: SiteId) -> u64 {
        self.moves.lock().get(&site).copied().unwrap_or(0)
    }
}

impl View {
    /// All parts added up, and the events folded since their processes started.
    pub(super) fn whole(&self) -> Result<(LivePart, u64), Unreachable> {
        let parts: Vec<Known> = self.state.lock().parts.iter().flatten().cloned().collect();
        // Who folds nothing knows nothing.
        let mut parts = parts.into_iter().filter(|known| !known.part.next_offsets.is_empty());
        let Some(mut sum) = parts.next() else {
            return Err(Unreachable("no Aggregate answers".to_owned()));
        };
        for known in parts {
            if known.part.generation != sum.part.generation {
                return Err(Unreachable("a site's time zone changes".to_owned()));
            }
            sum.part.merge(known.part);
            sum.events += known.events;
        }
        complete(&sum.part)?;
        sum.part.next_offsets.sort_unstable_by_key(|(partition, _)| *partition);
        Ok((sum.part, sum.events))
    }

    fn put(&self, at: usize, known: Option<Known>) {
        let mut state = self.state.lock();
        let Some(part) = state.parts.get_mut(at) else { return };
        let told = |known: &Known| (known.events, known.part.generation, known.part.next_offsets.len());
        let is_moved = part.as_ref().map(told) != known.as_ref().map(told);
        *part = known;
        if is_moved {
            *self.moves.lock().entry(self.site).or_default() += 1;
        }
    }
}

/// The span of a stream that outlives the question that began it: no child of it, which would have to end before its parent
/// is told, but linked to it. None where nobody records the question.
fn begun_by(question: Option<TraceParent>) -> Span {
    let Some(question) = question else { return Span::none() };
    let span = span!(parent: None, "follow");
    trace::link(&span, [question]);
    span
}

/// Keeps one process's part of a site, until nobody asks for it any more. Only the first stream belongs to who began it.
async fn follow(peer: Peer, at: usize, bots: Bots, view: Arc<View>, views: Weak<Mutex<Views>>, mut begun: Span) {
    let mut pauses = Pauses::new();
    while is_asked(&view, bots, &views) {
        let begun = std::mem::replace(&mut begun, Span::none());
        let heard = hear(&peer, at, bots, &view, &views, &mut pauses).instrument(begun).await;
        view.put(at, None);
        match heard {
            Ok(()) => return,
            Err(status) => tracing::debug!(aggregate = peer.address, %status, "live parts are not heard; trying again"),
        }
        pauses.wait().await;
    }
}

async fn hear(
    peer: &Peer,
    at: usize,
    bots: Bots,
    view: &Arc<View>,
    views: &Weak<Mutex<Views>>,
    pauses: &mut Pauses,
) -> Result<(), Status> {
    let silent = |_| Status::unavailable("it is silent");
    let bots_asked = match bots {
        Bots::Exclude => query::Bots::Exclude,
        Bots::Include => query::Bots::Include,
        Bots::Only => query::Bots::Only,
    };
    let request = WatchLiveRequest {
        per_second: convert::PER_SECOND_MOST,
        bots: bots_asked.into(),
        rows: convert::ROWS_MOST,
        site_id: view.site.0,
    };
    let mut stream = timeout(SILENT_MOST, peer.aggregate().watch_live(request)).await.map_err(silent)??.into_inner();
    while let Some(message) = timeout(SILENT_MOST, stream.message()).await.map_err(silent)?? {
        pauses.worked();
        let events = message.events;
        view.put(at, Some(Known { part: convert::live_part(message), events }));
        if !is_asked(view, bots, views) {
            return Ok(());
        }
    }
    Err(Status::unavailable("it ended the stream"))
}

/// Whether the site is still followed; forgets it if nobody has asked about it for long.
fn is_asked(view: &Arc<View>, bots: Bots, views: &Weak<Mutex<Views>>) -> bool {
    let Some(views) = views.upgrade() else { return false };
    // Asking takes the same lock: nobody gets a view that is being forgotten.
    let mut views = views.lock();
    let key = (view.site, bots);
    if views.get(&key).is_none_or(|kept| !Arc::ptr_eq(kept, view)) {
        return false;
    }
    let is_asked = view.state.lock().asked.elapsed() < LINGER;
    if !is_asked {
        views.remove(&key);
    }
    is_asked
}
