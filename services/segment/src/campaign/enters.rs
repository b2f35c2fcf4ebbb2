//! Who has just entered a segment, as campaigns on entering need it: by a recent event of their own, and by nothing else.
//!
//! A small trait lies between, for there are two ways to know: differences of sets that are read after commits (here), and a matcher
//! that folds events one by one.

use crate::service::Shared;
use crate::status;
use crate::watch::{Hub, State, Subject};
use futures::stream::{BoxStream, StreamExt as _, unfold};
use pistats_core::ids::PARTITIONS;
use pistats_core::segment::SegmentId;
use pistats_core::{Micros, SiteId, VisitorKey};
use pistats_store::{Cell, Statement};
use roaring::RoaringBitmap;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;
use tonic::Status;

/// An event that is older when it is folded makes nobody enter.
const MOST_AGE: i64 = 10 * Micros::MINUTE;
/// Visitors that are looked up at a time.
const AT_ONCE: usize = 200;

/// Tells who enters.
///
/// Implementations MUST promise:
/// - **N-1** Nobody is told who was in the segment when following began, nor who comes by another version of it, by a midnight, a repair,
///   a replay or a rebuild, nor by an event that was older than 10 minutes when it was folded.
/// - **N-2** Whoever enters by an event of the last 10 minutes while the segment is followed is told once an entering.
pub trait Enters: Send + Sync + 'static {
    /// Follows a segment from now on; ends when it is gone.
    fn follow(&self, site: SiteId, segment: SegmentId) -> BoxStream<'static, Vec<VisitorKey>>;
}

/// Differences of the sets that a watched segment is worked out as: who is new, and whose events since the set before are all recent.
pub(crate) struct Differences(pub(crate) Arc<Hub>);

struct Following {
    hub: Arc<Hub>,
    site: SiteId,
    newest: watch::Receiver<crate::watch::Told>,
    before: Option<Arc<State>>,
    _subject: Arc<Subject>,
}

impl Enters for Differences {
    fn follow(&self, site: SiteId, segment: SegmentId) -> BoxStream<'static, Vec<VisitorKey>> {
        let subject = self.0.join(site, segment);
        let mut newest = subject.receiver();
        newest.mark_changed();
        let following = Following { hub: self.0.clone(), site, newest, before: None, _subject: subject };
        unfold(following, Following::next).boxed()
    }
}

impl Following {
    async fn next(mut self) -> Option<(Vec<VisitorKey>, Following)> {
        loop {
            self.newest.changed().await.ok()?;
            let told = self.newest.borrow_and_update().clone();
            let state = match told {
                None => continue,
                Some(Ok(state)) => state,
                Some(Err(status)) => {
                    tracing::warn!(%status, "a segment of a campaign cannot be followed any more");
                    return None;
                }
            };
            let Some(before) = self.before.replace(state.clone()) else { continue };
            // Another version, or numbers of another generation: nobody enters by that.
            if before.version != state.version || before.as_of.generation != state.as_of.generation {
                continue;
            }
            let entered = state.members.as_ref() - before.members.as_ref();
            match by_recent_events(&self.hub.shared, self.site, &entered, &before, &state).await {
                Ok(visitors) if visitors.is_empty() => {}
                Ok(visitors) => return Some((visitors, self)),
                Err(status) => tracing::warn!(%status, "who entered a segment could not be looked at"),
            }
        }
    }
}

/// Of those who entered between two states, the keys of those whose events in between are all recent, and who have one.
async fn by_recent_events(
    shared: &Shared,
    site: SiteId,
    entered: &RoaringBitmap,
    before: &State,
    state: &State,
) -> Result<Vec<VisitorKey>, Status> {
    let numbers: Vec<u32> = entered.iter().collect();
    let mut keys = Vec::new();
    for some in numbers.chunks(AT_ONCE) {
        let read = shared.store.read(statements(site, some, before)).await.map_err(status::of_store)?;
        if read.as_of.generation != state.as_of.generation {
            return Ok(Vec::new());
        }
        let mut results = read.results.into_iter();
        let (events, visitors) = (results.next().unwrap_or_default(), results.next().unwrap_or_default());
        let oldest = |row: &Vec<Cell>| Some((row.first()?.maybe_int()?, row.get(1)?.maybe_int()?));
        let oldest: HashMap<i64, i64> = events.rows.iter().filter_map(oldest).collect();
        let is_recent =
            |number: i64| oldest.get(&number).is_some_and(|time| state.now.since(Micros(*time)) <= MOST_AGE);
        keys.extend(visitors.rows.iter().filter_map(|row| match row.as_slice() {
            [Cell::Int(number), Cell::Wide(key)] if is_recent(*number) => Some(VisitorKey(*key)),
            _ => None,
        }));
    }
    Ok(keys)
}

/// The oldest event of each that was folded since `before`, and the keys of all.
fn statements(site: SiteId, numbers: &[u32], before: &State) -> Vec<Statement> {
    let own = vec![Cell::Int(i64::from(site.0))];
    let mut values = own.clone();
    values.extend(numbers.iter().map(|number| Cell::Int(i64::from(*number))));
    let places: Vec<String> = (2..).take(numbers.len()).map(|place| format!("${place}")).collect();
    let places = places.join(", ");
    let visitors = format!(
        "SELECT v.visitor, v.key FROM visitor v WHERE v.site = $1 AND v.visitor IN ({places}) \
         GROUP BY v.visitor, v.key HAVING sum(v.sign) > 0"
    );
    let visitors = Statement::new(visitors, values.clone());
    let since: Vec<String> = (0..PARTITIONS)
        .zip(&before.as_of.next_offsets)
        .map(|(partition, next)| {
            values.push(Cell::Int(i64::from(partition)));
            values.push(Cell::Int(i64::try_from(next.0).unwrap_or(i64::MAX)));
            format!("(e.log_partition = ${} AND e.log_offset >= ${})", values.len() - 1, values.len())
        })
        .collect();
    let events = format!(
        "SELECT e.visitor, min(e.time_us) FROM event e WHERE e.site = $1 AND e.visitor IN ({places}) AND NOT e.bot \
         AND ({}) GROUP BY e.visitor",
        since.join(" OR ")
    );
    vec![Statement::new(events, values), visitors]
}
