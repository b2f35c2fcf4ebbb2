//! The committer: one thread that takes what all partitions folded and stores it in one transaction.
//!
//! One transaction for all partitions, because the warehouse commits one at a time: eight small ones would cost eight times
//! the fixed price. Folding goes on meanwhile.

use crate::epoch::Epoch;
use crate::holding::epoch_of;
use crate::notices;
use crate::stats::Counts;
use crate::window::Window;
use pistats_core::ids::PARTITIONS;
use pistats_core::{Micros, Offset, PartitionId};
use pistats_store::{Commit, Fence, Held};
use pistats_telemetry::{TraceParent, span, trace};
use std::time::{Duration, Instant};
use tracing::{Instrument as _, Span};

/// Commits until the epoch ends: drained, failed, or a commit that failed.
pub(crate) fn run(epoch: &Epoch, runtime: &tokio::runtime::Handle) {
    let mut start = 0;
    while let Ok(true) = epoch.gate.wait(|| epoch.is_busy()) {
        let taken = epoch.gate.cut(start);
        // Each partition comes first in its turn, so that none starves when commits are small.
        start = (start + 1) % usize::from(PARTITIONS);
        if taken.is_empty() {
            continue;
        }
        if let Err(error) = commit(epoch, runtime, taken) {
            epoch.fail(error.into());
            return;
        }
        epoch.index.shrink();
    }
}

fn commit(
    epoch: &Epoch,
    runtime: &tokio::runtime::Handle,
    taken: Vec<(PartitionId, Window)>,
) -> Result<(), pistats_store::Error> {
    let mut commit = Commit::default();
    let mut parts: Vec<(PartitionId, Option<Offset>, Counts)> = Vec::with_capacity(taken.len());
    let mut numbers = Vec::with_capacity(taken.len());
    let mut pins = Vec::with_capacity(taken.len());
    let mut received: Option<Micros> = None;
    let mut links = Vec::new();
    let mut repaired = Vec::new();
    for (partition, mut window) in taken {
        parts.push((partition, window.progress.map(|(_, to)| to), window.counts));
        numbers.push((partition, window.number));
        pins.push(std::mem::take(&mut window.pins));
        received = received.max(window.received);
        links.append(&mut window.links);
        let (is_repair, before) = (window.is_repair, commit.events.len());
        window.add_to(partition, &mut commit);
        if is_repair {
            repaired.push(before..commit.events.len());
        }
    }
    let leases = parts.iter().filter_map(|(partition, _, _)| {
        epoch_of(&epoch.held, *partition).map(|epoch| Held { partition: *partition, epoch })
    });
    commit.fence = Fence { leases: leases.collect(), generation: Some(epoch.generation) };
    let span = span_of(&commit, &links);
    let touched = notices::touched(&commit);
    // Before it is stored: whoever reads it knows that it was told of it.
    epoch.setup.follows.ahead(&commit, &repaired);
    let started = Instant::now();
    runtime.block_on(epoch.setup.store.commit(commit).instrument(span))?;
    let took = started.elapsed();
    epoch.setup.follows.settled();
    epoch.setup.notices.committed(epoch.setup.live.now(), touched);
    epoch.gate.settle(numbers.into_iter());
    // From here on the warehouse knows these ids itself.
    drop(pins);
    let freshness = received.map(|at| u64::try_from(epoch.setup.live.now().since(at)).unwrap_or(0));
    epoch.setup.times.committed(took, freshness.map(Duration::from_micros));
    let number = epoch.setup.stats.committed(&parts, took, freshness, received);
    epoch.setup.commits.send_replace(number);
    Ok(())
}

/// A commit that serves recorded requests is recorded, too, and linked to them: it is no child of any, for it serves many.
fn span_of(commit: &Commit, links: &[TraceParent]) -> Span {
    if links.is_empty() {
        return Span::none();
    }
    let count = |many: usize| many as i64;
    let (events, partitions) = (count(commit.events.len()), count(commit.progress.len()));
    let span = span!(parent: None, "commit", events, partitions, sessions = count(commit.sessions.len()));
    trace::link(&span, links.iter().copied());
    span
}
