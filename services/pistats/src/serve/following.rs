//! Who is in a segment, and who enters and leaves: of all Aggregates, wherever they run.
//!
//! ```text
//!   Aggregate here ─ Observer::follow ──────╮
//!   Aggregate ═ FollowSegment ═▶ a part ────┴─▶ one stream of parts, each with the number of who tells it
//! ```
//!
//! What a part promises stands at `core::segment::follow`; the parts of several Aggregates are disjoint. A stream that breaks opens
//! again by itself, and begins with the members: nobody enters by it. Until then what the part told last stands.

use super::afar::{Pauses, SILENT_MOST};
use super::peers::Peer;
use pistats_aggregate::Observer;
use pistats_core::SiteId;
use pistats_core::segment::SegmentId;
use pistats_core::segment::follow::{News, Part};
use pistats_proto::aggregate::v1::FollowSegmentRequest;
use pistats_proto::convert::follow as convert;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Status;

/// Messages that wait for a reader.
const WAITING: usize = 16;

/// All Aggregates, as who follows segments wants to see them.
#[derive(Clone)]
pub(super) enum Follows {
    Here(Observer),
    Afar(Vec<Peer>),
}

impl Follows {
    /// Begins to follow. The stream ends when every part has told that the segment is gone; dropping the receiver ends it, too.
    /// Must be called within a runtime of several threads.
    pub(super) fn follow(&self, site: SiteId, segment: SegmentId) -> mpsc::Receiver<Part> {
        let (parts, receiver) = mpsc::channel(WAITING);
        match self {
            Follows::Here(observer) => {
                let mut following = observer.follow(site, segment);
                tokio::spawn(async move {
                    loop {
                        let told = tokio::select! {
                            told = following.next() => told,
                            () = parts.closed() => return,
                        };
                        let Some(told) = told else { return };
                        if parts.send(Part { number: 0, told }).await.is_err() {
                            return;
                        }
                    }
                });
            }
            Follows::Afar(peers) => {
                for (number, peer) in peers.iter().cloned().enumerate() {
                    tokio::spawn(pass_on(peer, number, site, segment, parts.clone()));
                }
            }
        }
        receiver
    }
}

/// Passes the parts of one process on, until nobody listens or the segment is gone.
async fn pass_on(peer: Peer, number: usize, site: SiteId, segment: SegmentId, parts: mpsc::Sender<Part>) {
    let mut pauses = Pauses::new();
    let mut is_failing = false;
    loop {
        let mut heard = false;
        let ended = tokio::select! {
            ended = hear(&peer, number, site, segment, &parts, &mut heard) => ended,
            () = parts.closed() => return,
        };
        let Err(status) = ended else { return };
        if heard {
            pauses.worked();
        }
        if heard || !is_failing {
            tracing::warn!(aggregate = peer.address, %segment, %status, "a segment is not followed; trying again");
        }
        is_failing = true;
        tokio::select! {
            () = pauses.wait() => {}
            () = parts.closed() => return,
        }
    }
}

/// Good where nothing more is to come.
async fn hear(
    peer: &Peer,
    number: usize,
    site: SiteId,
    segment: SegmentId,
    parts: &mpsc::Sender<Part>,
    heard: &mut bool,
) -> Result<(), Status> {
    let silent = |_| Status::unavailable("it is silent");
    let mut client = peer.aggregate();
    let request = FollowSegmentRequest { site_id: site.0, segment_id: segment.to_string() };
    let stream = timeout(SILENT_MOST, client.follow_segment(request)).await;
    let mut stream = stream.map_err(silent)??.into_inner();
    loop {
        let Some(message) = timeout(SILENT_MOST, stream.message()).await.map_err(silent)?? else {
            return Err(Status::unavailable("it ended the stream"));
        };
        *heard = true;
        let Some(told) = convert::followed(message) else { continue };
        let is_last = told.news == News::Gone;
        if parts.send(Part { number, told }).await.is_err() || is_last {
            return Ok(());
        }
    }
}
