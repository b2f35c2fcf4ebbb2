//! Who has just entered a segment, as campaigns on entering need it: by a recent event of their own, and by nothing else.
//!
//! A small trait lies between, so that the runner knows nothing of parts and matchers. Behind it is what Aggregate tells of a
//! followed segment (`core::segment::follow`): each move with its cause, of which only those that trigger are passed on.

use crate::service::Shared;
use crate::status;
use futures::stream::{BoxStream, StreamExt as _, unfold};
use pistats_core::segment::SegmentId;
use pistats_core::segment::follow::{News, Part};
use pistats_core::{Generation, SiteId, VisitorKey};
use pistats_store::{Cell, Statement};
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::Status;

/// Visitors that are looked up at a time.
const AT_ONCE: usize = 200;

/// Tells who enters.
///
/// Implementations MUST promise:
/// - **N-1** Nobody is told who was in the segment when following began, nor who comes by another version of it, by a midnight, a
///   repair, a replay or a rebuild, nor by an event that was older than 10 minutes when it was folded.
/// - **N-2** Whoever enters by an event of the last 10 minutes while the segment is followed is told once an entering.
pub trait Enters: Send + Sync + 'static {
    /// Follows a segment from now on; ends when it is gone, or nobody tells of it any more.
    fn follow(&self, site: SiteId, segment: SegmentId) -> BoxStream<'static, Vec<VisitorKey>>;
}

/// What is told of followed segments.
pub(crate) struct Followed(pub(crate) Arc<Shared>);

struct Following {
    shared: Arc<Shared>,
    site: SiteId,
    parts: mpsc::Receiver<Part>,
}

impl Enters for Followed {
    fn follow(&self, site: SiteId, segment: SegmentId) -> BoxStream<'static, Vec<VisitorKey>> {
        let parts = self.0.reading.follow(site, segment);
        unfold(Following { shared: self.0.clone(), site, parts }, Following::next).boxed()
    }
}

impl Following {
    async fn next(mut self) -> Option<(Vec<VisitorKey>, Following)> {
        loop {
            let told = self.parts.recv().await?.told;
            let moves = match told.news {
                News::Moves(moves) => moves,
                // Who is in it already, or again after a gap, has not entered.
                News::Members(_) => continue,
                News::Gone => return None,
            };
            let entered: Vec<u64> =
                moves.iter().filter(|moved| moved.triggers(told.now)).map(|moved| moved.visitor.0).collect();
            match keys(&self.shared, self.site, &entered, told.generation).await {
                Ok(visitors) if visitors.is_empty() => {}
                Ok(visitors) => return Some((visitors, self)),
                Err(status) => tracing::warn!(%status, "who entered a segment could not be looked up"),
            }
        }
    }
}

/// The keys of visitors that have these numbers in a generation; of another one nobody's.
async fn keys(
    shared: &Shared,
    site: SiteId,
    numbers: &[u64],
    generation: Generation,
) -> Result<Vec<VisitorKey>, Status> {
    let mut keys = Vec::new();
    for some in numbers.chunks(AT_ONCE) {
        let mut values = vec![Cell::Int(i64::from(site.0))];
        values.extend(some.iter().map(|number| Cell::Int(i64::try_from(*number).unwrap_or(i64::MAX))));
        let places: Vec<String> = (2..).take(some.len()).map(|place| format!("${place}")).collect();
        let text = format!(
            "SELECT v.key FROM visitor v WHERE v.site = $1 AND v.visitor IN ({}) GROUP BY v.visitor, v.key \
             HAVING sum(v.sign) > 0",
            places.join(", ")
        );
        let read = shared.store.read(vec![Statement::new(text, values)]).await.map_err(status::of_store)?;
        if read.as_of.generation != generation {
            return Ok(Vec::new());
        }
        let rows = read.results.into_iter().flat_map(|rows| rows.rows);
        keys.extend(rows.filter_map(|row| match row.first() {
            Some(Cell::Wide(key)) => Some(VisitorKey(*key)),
            _ => None,
        }));
    }
    Ok(keys)
}
