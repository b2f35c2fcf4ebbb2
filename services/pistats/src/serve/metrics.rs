//! Which number of which part is told as which metric (docs/metrics.md has them all).
//!
//! What is observed is held weakly: metrics keep nothing running, and what is gone is not told.

use pistats_aggregate::Watched;
use pistats_core::PartitionId;
use pistats_core::ids::PARTITIONS;
use pistats_eventlog::EventLog;
use pistats_ingest::IngestCounters;
use pistats_ingest::forward::{Backlog, Forwarding};
use pistats_query::Watching;
use pistats_segment::Sending;
use pistats_telemetry::Meters;
use pistats_telemetry::metrics::catalogue;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::task::AbortHandle;

/// How often the log is asked for its ends.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Which number of a part a metric tells.
type Number<T> = fn(&T) -> u64;
/// Which number of where a log ends and how far it is committed.
type OfEnds = fn(u64, u64) -> u64;

/// Of a collector.
pub(super) fn of_ingest(meters: &Meters, counters: &Arc<IngestCounters>) {
    let own = counters.clone();
    meters.observe(&catalogue::INGEST_REFUSED, move |readings| {
        own.refused().iter().for_each(|(reason, count)| readings.set(*count as f64, &[reason]));
    });
    let numbers: [(_, Number<pistats_ingest::Counts>); 6] = [
        (&catalogue::INGEST_BATCHES, |counts| counts.batches),
        (&catalogue::INGEST_BATCHES_FAILED, |counts| counts.failed_batches),
        (&catalogue::INGEST_BYTES, |counts| counts.bytes),
        (&catalogue::INGEST_ACCEPTED, |counts| counts.accepted),
        (&catalogue::INGEST_NOT_KEPT, |counts| counts.not_kept),
        (&catalogue::INGEST_SEEN_LATELY, |counts| counts.duplicates),
    ];
    for (metric, number) in numbers {
        let own = counters.clone();
        meters.observe(metric, move |readings| readings.set(number(&own.read()) as f64, &[]));
    }
}

/// Of what a collector still has to forward.
pub(super) fn of_forwarding(meters: &Meters, forwarding: &Forwarding) {
    type Number = fn(&Backlog) -> f64;
    let numbers: [(_, Number); 7] = [
        (&catalogue::SPOOL_RECORDS, |backlog| backlog.records() as f64),
        (&catalogue::SPOOL_SIZE, |backlog| backlog.bytes() as f64),
        (&catalogue::SPOOL_AGE, |backlog| backlog.oldest_age().as_secs_f64()),
        (&catalogue::SPOOL_BOUND, |backlog| backlog.spool_bound_bytes as f64),
        (&catalogue::SPOOL_FORWARDED, |backlog| backlog.forwarded_records as f64),
        (&catalogue::SPOOL_REPEATED, |backlog| backlog.repeated_records as f64),
        (&catalogue::SPOOL_REWINDS, |backlog| backlog.rewinds as f64),
    ];
    for (metric, number) in numbers {
        let watch = forwarding.watch();
        meters.observe(metric, move |readings| {
            watch.now().into_iter().for_each(|backlog| readings.set(number(&backlog), &[]));
        });
    }
}

/// Of a log in a folder of this machine.
pub(super) fn of_log_files(meters: &Meters, folder: PathBuf) {
    meters.observe(&catalogue::LOG_SIZE, move |readings| readings.set(size(&folder) as f64, &[]));
}

/// Of an aggregator and the log that it folds. What is returned ends the looking.
pub(super) fn of_aggregate(meters: &Meters, watched: Watched, log: &Arc<dyn EventLog>) -> Option<AbortHandle> {
    if !meters.is_on() {
        return None;
    }
    let ends: Arc<Vec<AtomicU64>> = Arc::new((0..PARTITIONS).map(|_| AtomicU64::default()).collect());
    let looking = tokio::spawn(look(Arc::downgrade(log), ends.clone())).abort_handle();
    // Where a partition stands is told by who folds it; another Aggregate's view of it is old.
    let stands: [(_, OfEnds); 3] = [
        (&catalogue::LOG_NEXT, |next, _| next),
        (&catalogue::CHECKPOINT, |_, checkpoint| checkpoint),
        (&catalogue::LAG, u64::saturating_sub),
    ];
    for (metric, number) in stands {
        let (of, ends) = (watched.clone(), ends.clone());
        meters.observe(metric, move |readings| {
            let partitions = of.figures().into_iter().flat_map(|figures| figures.partitions);
            for figures in partitions.filter(|figures| figures.is_here) {
                let next = ends[figures.partition.index()].load(Relaxed);
                let value = number(next, figures.checkpoint.0);
                readings.set(value as f64, &[&figures.partition.0.to_string()]);
            }
        });
    }
    let numbers: [(_, Number<pistats_aggregate::PartitionFigures>); 3] = [
        (&catalogue::EVENTS, |of| of.events),
        (&catalogue::DUPLICATES, |of| of.duplicates),
        (&catalogue::RESENT, |of| of.resent_records),
    ];
    for (metric, number) in numbers {
        let of = watched.clone();
        meters.observe(metric, move |readings| {
            for figures in of.figures().into_iter().flat_map(|figures| figures.partitions) {
                readings.set(number(&figures) as f64, &[&figures.partition.0.to_string()]);
            }
        });
    }
    let of = watched.clone();
    meters.observe(&catalogue::DROPS, move |readings| {
        for figures in of.figures().into_iter().flat_map(|figures| figures.partitions) {
            readings.set(figures.undecodable as f64, &["undecodable"]);
            readings.set(figures.unknown_site as f64, &["unknown_site"]);
            readings.set(figures.lost_records as f64, &["lost_record"]);
        }
    });
    meters.observe(&catalogue::NEWEST_AGE, move |readings| {
        let age = watched.figures().and_then(|figures| figures.newest_age);
        age.into_iter().for_each(|age| readings.set(age.as_secs_f64(), &[]));
    });
    Some(looking)
}

/// Of a log on Fluvio: what its guards counted, by kind. None once the log is gone.
pub(super) fn of_fluvio(
    meters: &Meters,
    faults: impl Fn() -> Option<[(&'static str, u64); 5]> + Send + Sync + 'static,
) {
    meters.observe(&catalogue::FLUVIO_FAULTS, move |readings| {
        faults().into_iter().flatten().for_each(|(kind, count)| readings.set(count as f64, &[kind]));
    });
}

/// Of the watched reports.
pub(super) fn of_query(meters: &Meters, watching: Watching) {
    let own = watching.clone();
    meters.observe(&catalogue::WATCHERS, move |readings| {
        own.now().into_iter().for_each(|(streams, _)| readings.set(streams as f64, &[]));
    });
    meters.observe(&catalogue::WATCHED, move |readings| {
        watching.now().into_iter().for_each(|(_, reports)| readings.set(reports as f64, &[]));
    });
}

/// Of the campaigns.
pub(super) fn of_push(meters: &Meters, sending: Sending) {
    let own = sending.clone();
    meters.observe(&catalogue::PUSH_ANSWERS, move |readings| {
        let answered = own.answered().into_iter().flatten();
        answered.for_each(|(outcome, count)| readings.set(count as f64, &[outcome]));
    });
    meters.observe(&catalogue::PUSH_ON_THEIR_WAY, move |readings| {
        sending.on_their_way().into_iter().for_each(|count| readings.set(count as f64, &[]));
    });
}

/// Asks the log for its ends, for as long as somebody else uses it: asking may take a call to another machine, and who reads
/// metrics does not wait for one.
async fn look(log: Weak<dyn EventLog>, ends: Arc<Vec<AtomicU64>>) {
    loop {
        let Some(log) = log.upgrade() else { return };
        for partition in PartitionId::all() {
            if let Ok(bounds) = log.bounds(partition).await {
                ends[partition.index()].store(bounds.next.0, Relaxed);
            }
        }
        drop(log);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Bytes of the files in a folder and in those inside it; what cannot be read counts nothing.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_telemetry::Settings;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_the_guards_of_fluvio_counted_is_on_the_page_by_kind_until_the_log_is_gone() {
        let prometheus = Some("127.0.0.1:0".parse().unwrap());
        let meters = Meters::start(&Settings { prometheus, ..Settings::default() }).await.unwrap();
        let log = Arc::new(AtomicU64::new(3));
        let watched = Arc::downgrade(&log);
        of_fluvio(&meters, move || {
            let missing = watched.upgrade()?.load(Relaxed);
            Some([("resent", 1), ("reopened", 2), ("cut", 4), ("stalled", 0), ("missing", missing)])
        });
        let page = async || {
            let mut stream = tokio::net::TcpStream::connect(meters.address().unwrap()).await.unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
            let mut page = String::new();
            stream.read_to_string(&mut page).await.unwrap();
            let of_fluvio = page.lines().filter_map(|line| line.strip_prefix("pistats_fluvio_faults_total"));
            of_fluvio.map(str::to_owned).collect::<Vec<_>>()
        };
        let told = |counts: [u64; 5]| {
            let kinds = ["cut", "missing", "reopened", "resent", "stalled"].into_iter().zip(counts);
            kinds.map(|(kind, count)| format!("{{kind=\"{kind}\"}} {count}")).collect::<Vec<_>>()
        };
        assert_eq!(page().await, told([4, 3, 2, 1, 0]));
        log.fetch_add(5, Relaxed);
        assert_eq!(page().await, told([4, 8, 2, 1, 0]));
        drop(log);
        assert_eq!(page().await, Vec::<String>::new());
    }
}
