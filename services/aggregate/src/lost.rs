//! Visitors whose rows are gone while events of theirs are still stored: which number was whose?
//!
//! Numbers are never given away twice, and an event cannot change its visitor. So before a repair the whole log is looked
//! through, as far as it is kept: a visitor without a row has the number that one of its stored events carries, wherever
//! in the log that event lies. Only a visitor without any stored event there is numbered anew. Where no row is lost, one
//! statement says so, and the log is not read.

use crate::Error;
use crate::arrival;
use crate::epoch::Setup;
use crate::reader::{REPAIR_EVENTS, next_batch};
use crate::worker::events;
use hashbrown::{HashMap, HashSet};
use pistats_core::{EventId, Offset, PartitionId, SiteId, VisitorKey, VisitorNo};
use pistats_eventlog::{Position, Record};
use pistats_store::Statement;
use std::sync::Arc;

/// Found numbers.
pub(crate) type Lost = HashMap<VisitorKey, VisitorNo>;

/// One row if any stored event has a visitor without a row.
const ANY: &str = "SELECT 1 FROM event WHERE NOT EXISTS \
                   (SELECT 1 FROM visitor WHERE visitor.site = event.site AND visitor.visitor = event.visitor) LIMIT 1";

/// Finds the numbers of lost visitors among the records of a partition below `to`, as far as the log still keeps them.
pub(crate) async fn find(setup: &Arc<Setup>, partition: PartitionId, to: Offset) -> Result<Arc<Lost>, Error> {
    let mut lost = Lost::default();
    let from = setup.log.bounds(partition).await?.first;
    let any = Statement::new(ANY, Vec::new());
    let answer = setup.store.read(vec![any]).await?;
    if from >= to || answer.results.iter().all(|result| result.rows.is_empty()) {
        return Ok(Arc::new(lost));
    }
    tracing::warn!(partition = partition.0, "stored events have visitors without a row: looking for their numbers");
    let mut records = setup.log.read(partition, Position::At(from)).await?;
    while let Some(batch) = next_batch(&mut records, to, REPAIR_EVENTS).await? {
        let is_last = batch.last().is_none_or(|record| record.offset.next() >= to);
        let setup = setup.clone();
        let found = tokio::task::spawn_blocking(move || find_among(&setup, partition, &batch));
        lost.extend(found.await.map_err(|_| Error::Panicked("a look-up"))??);
        if is_last {
            break;
        }
    }
    Ok(Arc::new(lost))
}

fn find_among(setup: &Setup, partition: PartitionId, records: &[Record]) -> Result<Lost, Error> {
    let lookup = setup.store.lookup();
    let unpacked: Vec<_> = records.iter().map(arrival::unpack).collect();
    let directory = setup.directory.load_full();
    let read = |(record, unpacked)| arrival::read(record, unpacked, &directory, &setup.secret);
    let batch: Vec<_> = records.iter().zip(&unpacked).flat_map(read).collect();
    let mut by_site: HashMap<SiteId, Vec<(VisitorKey, EventId)>> = HashMap::new();
    for (site, arrival) in events(&batch) {
        by_site.entry(site).or_default().push((arrival.key, arrival.id));
    }
    let mut lost = Lost::default();
    for (site, mut asked) in by_site {
        let keys: HashSet<VisitorKey> = asked.iter().map(|(key, _)| *key).collect();
        let keys: Vec<VisitorKey> = keys.into_iter().collect();
        let known = lookup.visitors(site, partition, &keys)?;
        let known: HashSet<VisitorKey> = known.into_iter().map(|visitor| visitor.key).collect();
        asked.retain(|(key, _)| !known.contains(key));
        let ids: Vec<EventId> = asked.iter().map(|(_, id)| *id).collect();
        let mut numbers: HashMap<EventId, VisitorNo> = lookup.visitors_of_events(site, &ids)?.into_iter().collect();
        // The same id may have been sent with two visitors: a number of another partition, or one whose row stands,
        // belongs to the other one.
        let found: HashSet<VisitorNo> = numbers.values().copied().filter(|no| no.partition() == partition).collect();
        let found: Vec<VisitorNo> = found.into_iter().collect();
        let histories = lookup.histories(site, &found)?;
        let ownerless: HashSet<VisitorNo> =
            histories.into_iter().filter(|history| history.known.is_none()).map(|history| history.visitor).collect();
        numbers.retain(|_, no| ownerless.contains(no));
        lost.extend(asked.iter().filter_map(|(key, id)| Some((*key, *numbers.get(id)?))));
    }
    Ok(lost)
}
