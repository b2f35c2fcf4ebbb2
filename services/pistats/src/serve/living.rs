//! The aggregator of this process, as Query wants to see it.

use pistats_aggregate::Observer;
use pistats_core::ids::PARTITIONS;
use pistats_core::report::{Bots, LivePart, Realtime};
use pistats_core::{Changes, SiteId};
use pistats_query::{Living, Unreachable};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep};

/// How long a question waits for a state that is not whole yet: at a start, or when partitions change hands.
pub(super) const WAIT: Duration = Duration::from_secs(2);

/// How often it is looked whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// An aggregator that folds all partitions.
pub(super) struct Here(pub(super) Observer);

#[tonic::async_trait]
impl Living for Here {
    fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.0.changes()
    }

    async fn realtime(&self, site: SiteId, bots: Bots, limit: usize) -> Result<Realtime, Unreachable> {
        whole(|| {
            let part = self.0.part(site, bots);
            complete(&part).map(|()| part)
        })
        .await
        .map(|part| part.finish(limit))
    }

    fn moved(&self, site: SiteId) -> u64 {
        self.0.moved(site)
    }
}

/// Looks until the state is whole, or for as long as a question waits.
pub(super) async fn whole<T>(look: impl Fn() -> Result<T, Unreachable>) -> Result<T, Unreachable> {
    let since = Instant::now();
    loop {
        match look() {
            Err(_) if since.elapsed() < WAIT => sleep(LOOK_EVERY).await,
            done => return done,
        }
    }
}

/// Whether each partition is in the part, once: anything else would be silently less, or more.
pub(super) fn complete(part: &LivePart) -> Result<(), Unreachable> {
    let mut times = [0u8; PARTITIONS as usize];
    for (partition, _) in &part.next_offsets {
        if let Some(times) = times.get_mut(partition.index()) {
            *times = times.saturating_add(1);
        }
    }
    match (times.iter().position(|times| *times == 0), times.iter().position(|times| *times > 1)) {
        (Some(partition), _) => Err(Unreachable(format!("nobody that answers folds partition {partition} now"))),
        (_, Some(partition)) => Err(Unreachable(format!("partition {partition} changes hands"))),
        (None, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_core::{Offset, PartitionId};

    #[test]
    fn a_state_that_lacks_a_partition_or_has_one_twice_is_none() {
        let part = |partitions: &[u16]| LivePart {
            next_offsets: partitions.iter().map(|partition| (PartitionId(*partition), Offset(0))).collect(),
            ..LivePart::default()
        };
        assert_eq!(complete(&part(&[7, 6, 5, 4, 3, 2, 1, 0])), Ok(()));
        let said = |partitions: &[u16]| complete(&part(partitions)).unwrap_err().0;
        assert!(said(&[0, 1, 2, 4, 5, 6, 7]).contains("partition 3"));
        assert!(said(&[0, 1, 2, 3, 3, 4, 5, 6, 7]).contains("partition 3 changes hands"));
        assert!(said(&[]).contains("partition 0"));
    }

    #[tokio::test]
    async fn a_question_waits_for_the_whole_and_not_for_ever() {
        let started = Instant::now();
        let never = whole(|| Err::<(), _>(Unreachable("gone".to_owned()))).await;
        assert_eq!((never, started.elapsed() >= WAIT), (Err(Unreachable("gone".to_owned())), true));
        let started = Instant::now();
        let soon = Duration::from_millis(500);
        let at_last = whole(|| match started.elapsed() > soon {
            true => Ok(1),
            false => Err(Unreachable("not yet".to_owned())),
        });
        assert_eq!(at_last.await, Ok(1));
    }
}
