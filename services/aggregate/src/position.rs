//! A position by time: from the minutes that commits noted, else by halving.
//!
//! ```text
//!   minutes     12:00       12:01         12:07                 asked: 12:01:30
//!   first at    0           57            93                    look at 57, 58, 60, 64 … until a record is of 12:01:30 or
//!                           ╰▶ ·  ·   ·       ·                 later, then halve between the last two
//! ```
//!
//! Append time never goes back along a partition (L-9). Where the record that a minute begins with is not the one that was noted,
//! the log is another one, and the whole of it is searched.
//!
//! Why not a read from the time on: where nothing was appended since, it would wait for ever.

use pistats_core::{Micros, Offset, PartitionId, ids};
use pistats_eventlog::{Bounds, Error, EventLog, Position, Record};
use pistats_store::{LogMinute, minute_of};

/// The first offset appended at or after a time. `minute` is the newest one noted that is not after the time's.
pub(crate) async fn first_appended(
    log: &dyn EventLog,
    partition: PartitionId,
    bounds: Bounds,
    time: Micros,
    minute: Option<&LogMinute>,
) -> Result<Offset, Error> {
    let (mut low, mut high) = (bounds.first.0, bounds.next.0);
    if let Some(begin) = begin(log, partition, bounds, time, minute).await? {
        low = begin.0;
        let mut step = 1;
        while low < high {
            let looked = low + step - 1;
            if looked >= high {
                break;
            }
            if appended(log, partition, looked).await? >= time {
                high = looked;
                break;
            }
            low = looked + 1;
            step *= 2;
        }
    }
    while low < high {
        let middle = low + (high - low) / 2;
        match appended(log, partition, middle).await? < time {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(Offset(low))
}

/// Where looking may begin; none where the minute tells nothing.
async fn begin(
    log: &dyn EventLog,
    partition: PartitionId,
    bounds: Bounds,
    time: Micros,
    minute: Option<&LogMinute>,
) -> Result<Option<Offset>, Error> {
    let Some(minute) = minute else { return Ok(None) };
    // All of an earlier minute comes before the time; of its own minute some may.
    let is_own = minute.minute == minute_of(time);
    let mark = if is_own { minute.first } else { minute.last };
    if mark.offset < bounds.first || mark.offset >= bounds.next {
        return Ok(None);
    }
    let there = record(log, partition, mark.offset.0).await?;
    let is_noted = there.offset == mark.offset && ids::digest(&there.payload) == mark.digest;
    Ok(is_noted.then(|| if is_own { mark.offset } else { mark.offset.next() }))
}

async fn appended(log: &dyn EventLog, partition: PartitionId, at: u64) -> Result<Micros, Error> {
    record(log, partition, at).await.map(|record| record.appended_at)
}

/// The record at an offset, or the next one where there is none (a resend left a hole).
async fn record(log: &dyn EventLog, partition: PartitionId, at: u64) -> Result<Record, Error> {
    use futures::StreamExt as _;
    let mut records = log.read(partition, Position::At(Offset(at))).await?;
    records.next().await.unwrap_or(Err(Error::Closed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use futures::StreamExt as _;
    use pistats_eventlog::{Append, Records};
    use pistats_store::Mark;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const ONE: PartitionId = PartitionId(1);
    const MINUTE: i64 = 60 * Micros::SECOND;

    /// A log of records appended at these times; it counts the looks.
    #[derive(Default)]
    struct Listed(Mutex<Vec<i64>>, AtomicUsize);

    #[async_trait]
    impl EventLog for Listed {
        async fn append(&self, _: Vec<Append>) -> Result<Vec<Offset>, Error> {
            Err(Error::Closed)
        }

        async fn read(&self, partition: PartitionId, from: Position) -> Result<Records, Error> {
            self.1.fetch_add(1, Ordering::Relaxed);
            let Position::At(from) = from else { return Err(Error::Closed) };
            let times = self.0.lock().unwrap().clone();
            let records = times.into_iter().enumerate().skip(from.0 as usize).map(move |(at, time)| {
                let payload = at.to_string().into();
                Ok(Record { partition, offset: Offset(at as u64), appended_at: Micros(time), count: 1, payload })
            });
            Ok(futures::stream::iter(records).boxed())
        }

        async fn bounds(&self, _: PartitionId) -> Result<Bounds, Error> {
            Ok(Bounds { first: Offset(0), next: Offset(self.0.lock().unwrap().len() as u64) })
        }

        async fn trim(&self, _: PartitionId, _: Offset) -> Result<(), Error> {
            Ok(())
        }
    }

    fn mark(offset: u64) -> Mark {
        Mark { offset: Offset(offset), digest: ids::digest(offset.to_string().as_bytes()) }
    }

    /// The minutes of such a log, as commits note them.
    fn minutes(times: &[i64]) -> Vec<LogMinute> {
        let mut minutes: Vec<LogMinute> = Vec::new();
        for (at, time) in times.iter().enumerate() {
            let (minute, mark) = (minute_of(Micros(*time)), mark(at as u64));
            match minutes.last_mut().filter(|last| last.minute == minute) {
                Some(last) => last.last = mark,
                None => minutes.push(LogMinute { partition: ONE, minute, first: mark, last: mark }),
            }
        }
        minutes
    }

    #[tokio::test]
    async fn every_time_finds_its_record_with_minutes_without_and_with_foreign_ones() {
        let times: Vec<i64> = (0..700).map(|n: i64| n / 7 * 13 * Micros::SECOND).collect();
        let log = Listed(Mutex::new(times.clone()), AtomicUsize::new(0));
        let bounds = log.bounds(ONE).await.unwrap();
        let noted = minutes(&times);
        let strange: Vec<LogMinute> = noted
            .iter()
            .map(|of| LogMinute { first: Mark { digest: 1, ..of.first }, last: Mark { digest: 1, ..of.last }, ..*of })
            .collect();
        let ends = [-1, 0, 1, times[699] - 1, times[699], times[699] + 1, times[699] + 10 * MINUTE];
        for time in ends.into_iter().chain((0..times[699]).step_by(7 * Micros::SECOND as usize)) {
            let expected = Offset(times.partition_point(|of| *of < time) as u64);
            for known in [&noted[..], &noted[..noted.len() / 2], &strange[..], &[]] {
                let newest = known.iter().rev().find(|of| of.minute <= minute_of(Micros(time)));
                let found = first_appended(&log, ONE, bounds, Micros(time), newest).await.unwrap();
                assert_eq!(found, expected, "time {time}, newest {newest:?}");
            }
        }
    }

    #[tokio::test]
    async fn minutes_spare_the_search() {
        let times: Vec<i64> = (0..100_000).map(|n: i64| n * MINUTE / 4).collect();
        let log = Listed(Mutex::new(times.clone()), AtomicUsize::new(0));
        let bounds = log.bounds(ONE).await.unwrap();
        let noted = minutes(&times);
        let time = Micros(50_000 * MINUTE / 4 + 1);
        let newest = noted.iter().rev().find(|of| of.minute <= minute_of(time));
        let mut looks = Vec::new();
        for known in [newest, None] {
            log.1.store(0, Ordering::Relaxed);
            assert_eq!(first_appended(&log, ONE, bounds, time, known).await.unwrap(), Offset(50_001));
            looks.push(log.1.load(Ordering::Relaxed));
        }
        assert!(looks[0] <= 4 && looks[1] >= 16, "{looks:?}");
    }
}
