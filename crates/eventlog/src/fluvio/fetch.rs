//! Getting records out of a partition, and finding where it begins and ends.
//!
//! The client delivers whole batches, and two things must be watched, because it says nothing itself: a batch may come cut
//! (fewer records than its header tells; the rest would never come), and a batch may start behind what is due. Either is
//! [`Trouble::Cut`], and the reader opens again at the first missing offset.
//!
//! Why not the controller's status for the ends: it lags by up to 0.4 s, and shows an empty partition for seconds after a
//! restart. The SPU itself answers at once and exactly, if asked for an impossible offset: "start offset: X is greater
//! than leo: Y", or `OffsetEvicted` with the first one kept.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ::fluvio::dataplane::link::ErrorCode;
use ::fluvio::dataplane::record::Batch;
use ::fluvio::{ConsumerConfig, Isolation, Offset};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use pistats_core::PartitionId;

use super::config::Config;
use super::envelope::{self, Envelope};
use super::link::Client;

/// How long opening a stream or a first answer may take; an SPU answers in a millisecond, on a loaded machine in 50.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// An offset that no partition has.
const BEYOND_ALL: u64 = 1 << 62;
/// What a look at single records fetches; a larger batch is fetched again in full.
const SMALL_FETCH: u32 = 64 << 10;

/// Why records do not come.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The partition is not served yet (its SPU loads it, say): the same client will do, in a moment.
    NotReady(String),
    /// What was asked for is no longer kept.
    Evicted { first: u64 },
    /// What was asked for lies past the end.
    BeyondEnd { end: u64 },
    /// The records from `at` on are there, but did not come as they should.
    Cut { at: u64, reason: String },
    /// The connection failed: another client is needed.
    Lost(String),
}

/// A record as it came.
pub(super) struct Raw {
    pub offset: u64,
    pub value: Bytes,
}

/// A partition being read.
pub(super) struct Batches {
    stream: Pin<Box<dyn Stream<Item = Result<Batch, ErrorCode>> + Send>>,
    /// Keeps the connection. None where a test makes the stream.
    client: Option<Arc<Client>>,
    /// The offset that is due.
    next: u64,
    cut: bool,
}

/// Opens a partition at an offset. Records before it may come, those of the batch it lies in.
pub(super) async fn open(
    client: &Arc<Client>,
    config: &Config,
    partition: PartitionId,
    from: u64,
    fetch_bytes: u32,
) -> Result<Batches, Trouble> {
    let at = Offset::absolute(i64::try_from(from).unwrap_or(i64::MAX)).map_err(lost)?;
    let settings = ConsumerConfig::builder()
        .max_bytes(i32::try_from(fetch_bytes).unwrap_or(i32::MAX))
        .isolation(Isolation::ReadUncommitted)
        .build()
        .map_err(|error| Trouble::Lost(format!("{error:#}")))?;
    let opening = async {
        #[allow(
            deprecated,
            reason = "the only call that gives whole batches; the newer ones lose records, see ADR 0013"
        )]
        let consumer = client.fluvio.partition_consumer(&config.topic, u32::from(partition.0)).await;
        let consumer = consumer.map_err(|error| Trouble::Lost(format!("{error:#}")))?;
        let stream = consumer.stream_batches_with_config(at, settings).await;
        stream.map_err(|error| match error.downcast_ref::<ErrorCode>() {
            Some(code) => trouble(code),
            None => Trouble::Lost(format!("{error:#}")),
        })
    };
    let stream = match tokio::time::timeout(ANSWER_TIMEOUT, opening).await {
        Ok(opened) => opened?,
        Err(_) => return Err(Trouble::Lost("opening a partition took too long".to_owned())),
    };
    Ok(Batches { stream: Box::pin(stream), client: Some(client.clone()), next: from, cut: false })
}

impl Batches {
    /// The client that the stream came from.
    pub(super) fn client(&self) -> Option<Arc<Client>> {
        self.client.clone()
    }

    /// The complete records of the next batch, in order, from the due offset on. Waits for the tail.
    ///
    /// Cancellation-safe: what was not returned comes with the next call.
    pub(super) async fn next(&mut self) -> Result<Vec<Raw>, Trouble> {
        if self.cut {
            let reason = "a batch came with fewer records than it holds".to_owned();
            return Err(Trouble::Cut { at: self.next, reason });
        }
        let batch = match self.stream.next().await {
            Some(Ok(batch)) => batch,
            Some(Err(code)) => return Err(trouble(&code)),
            None => return Err(Trouble::Lost("the stream ended".to_owned())),
        };
        let base = u64::try_from(batch.get_base_offset()).unwrap_or(0);
        if base > self.next {
            let reason = format!("the batch that starts at {base} came instead");
            return Err(Trouble::Cut { at: self.next, reason });
        }
        let declared = batch.records_len();
        let due = self.next;
        let records = batch.own_records().into_iter().zip(base..);
        let came: Vec<_> =
            records.map(|(record, offset)| Raw { offset, value: Bytes::clone(record.value()) }).collect();
        self.cut = came.len() < declared;
        self.next = due.max(base + came.len() as u64);
        Ok(came.into_iter().filter(|raw| raw.offset >= due).collect())
    }

    async fn first_answer(&mut self) -> Result<Vec<Raw>, Trouble> {
        match tokio::time::timeout(ANSWER_TIMEOUT, self.next()).await {
            Ok(answer) => answer,
            Err(_) => Err(Trouble::Lost("the SPU did not answer".to_owned())),
        }
    }
}

/// The offset that the next record will get: exact, and now.
pub(super) async fn end(client: &Arc<Client>, config: &Config, partition: PartitionId) -> Result<u64, Trouble> {
    match open(client, config, partition, BEYOND_ALL, SMALL_FETCH).await?.first_answer().await {
        Err(Trouble::BeyondEnd { end }) => Ok(end),
        Err(trouble) => Err(trouble),
        Ok(_) => Err(Trouble::Lost("the SPU served an offset that cannot be".to_owned())),
    }
}

/// The first offset that is kept, of a partition that ends at `end`.
pub(super) async fn first(
    client: &Arc<Client>,
    config: &Config,
    partition: PartitionId,
    end: u64,
) -> Result<u64, Trouble> {
    if end == 0 {
        return Ok(0);
    }
    match open(client, config, partition, 0, SMALL_FETCH).await?.first_answer().await {
        // The record at 0, though perhaps cut by the small fetch.
        Ok(_) | Err(Trouble::Cut { .. }) => Ok(0),
        Err(Trouble::Evicted { first }) => Ok(first),
        Err(trouble) => Err(trouble),
    }
}

/// The records `from .. to`, which must be there; few of them.
pub(super) async fn scan(
    client: &Arc<Client>,
    config: &Config,
    partition: PartitionId,
    from: u64,
    to: u64,
) -> Result<Vec<(u64, Envelope)>, Trouble> {
    let mut found: Vec<(u64, Envelope)> = Vec::new();
    let mut fetch_bytes = SMALL_FETCH;
    let mut next = from;
    while next < to {
        let mut batches = open(client, config, partition, next, fetch_bytes).await?;
        let trouble = loop {
            if next >= to {
                break None;
            }
            match batches.first_answer().await {
                Ok(came) => {
                    for raw in came.into_iter().filter(|raw| raw.offset < to) {
                        let read = envelope::decode(&raw.value);
                        found.push((raw.offset, read.map_err(|reason| Trouble::Cut { at: raw.offset, reason })?));
                    }
                    next = batches.next;
                }
                Err(trouble) => break Some(trouble),
            }
        };
        match trouble {
            // A small fetch is cut by its nature; a full one is not.
            Some(Trouble::Cut { .. }) if fetch_bytes < config.fetch_bytes => fetch_bytes = config.fetch_bytes,
            Some(trouble) => return Err(trouble),
            None => {}
        }
    }
    Ok(found)
}

fn lost(error: impl std::fmt::Display) -> Trouble {
    Trouble::Lost(error.to_string())
}

/// What an answer of the SPU means.
pub(super) fn trouble(code: &ErrorCode) -> Trouble {
    match code {
        ErrorCode::OffsetEvicted { next_available, .. } => {
            Trouble::Evicted { first: u64::try_from(*next_available).unwrap_or(0) }
        }
        ErrorCode::NotLeaderForPartition | ErrorCode::PartitionNotLeader => Trouble::NotReady(code.to_string()),
        ErrorCode::Other(text) => {
            end_in(text).map_or_else(|| Trouble::Lost(text.clone()), |end| Trouble::BeyondEnd { end })
        }
        other => Trouble::Lost(other.to_string()),
    }
}

/// "start offset: 120 is greater than leo: 90" → 90.
fn end_in(text: &str) -> Option<u64> {
    let (_, end) = text.split_once("is greater than leo: ")?;
    end.trim().parse().ok()
}

/// A partition as an SPU would send it, for tests: no client is behind it.
#[cfg(test)]
pub(super) fn sent(from: u64, batches: Vec<Result<Batch, ErrorCode>>) -> Batches {
    Batches { stream: Box::pin(futures::stream::iter(batches)), client: None, next: from, cut: false }
}

/// A batch of these values from `base` on, whose header tells of `declared`, for tests.
#[cfg(test)]
pub(super) fn batch_of(base: u64, values: Vec<Vec<u8>>, declared: u64) -> Result<Batch, ErrorCode> {
    use ::fluvio::dataplane::record::Record;
    let mut batch = Batch::from(values.into_iter().map(Record::new).collect::<Vec<Record>>());
    batch.set_base_offset(base as i64);
    batch.get_mut_header().last_offset_delta = declared as i32 - 1;
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of records "base", "base + 1" …, whose header tells of `declared`.
    fn batch(base: u64, records: u64, declared: u64) -> Result<Batch, ErrorCode> {
        batch_of(base, (base..base + records).map(|offset| offset.to_string().into_bytes()).collect(), declared)
    }

    async fn offsets(from: u64, batches: Vec<Result<Batch, ErrorCode>>) -> (Vec<u64>, Trouble) {
        let mut batches = sent(from, batches);
        let mut came = Vec::new();
        loop {
            match batches.next().await {
                Ok(records) => came.extend(records.iter().map(|raw| {
                    assert_eq!(raw.value, raw.offset.to_string());
                    raw.offset
                })),
                Err(trouble) => return (came, trouble),
            }
        }
    }

    #[tokio::test]
    async fn a_cut_batch_gives_its_complete_records_and_then_says_where_it_was_cut() {
        let (came, trouble) = offsets(0, vec![batch(0, 3, 3), batch(3, 2, 5), batch(8, 1, 1)]).await;
        assert_eq!(came, [0, 1, 2, 3, 4]);
        assert!(matches!(trouble, Trouble::Cut { at: 5, .. }), "{trouble:?}");
        let (came, trouble) = offsets(0, vec![batch(0, 0, 2)]).await;
        assert!(came.is_empty() && matches!(trouble, Trouble::Cut { at: 0, .. }), "{trouble:?}");
    }

    #[tokio::test]
    async fn a_batch_that_starts_too_late_gives_nothing() {
        let (came, trouble) = offsets(0, vec![batch(0, 2, 2), batch(3, 2, 2)]).await;
        assert_eq!(came, [0, 1]);
        assert!(matches!(trouble, Trouble::Cut { at: 2, .. }), "{trouble:?}");
    }

    #[tokio::test]
    async fn a_start_within_a_batch_passes_over_the_records_before_it() {
        let (came, trouble) = offsets(2, vec![batch(0, 4, 4), batch(4, 1, 1)]).await;
        assert_eq!(came, [2, 3, 4]);
        assert!(matches!(trouble, Trouble::Lost(_)), "{trouble:?}");
    }

    #[test]
    fn the_end_is_read_from_the_spus_refusal() {
        assert_eq!(end_in("start offset: 4611686018427387904 is greater than leo: 90"), Some(90));
        assert_eq!(end_in("Socket closed"), None);
        let refusal = ErrorCode::Other("start offset: 7 is greater than leo: 0".to_owned());
        assert!(matches!(trouble(&refusal), Trouble::BeyondEnd { end: 0 }));
        assert!(matches!(trouble(&ErrorCode::Other("Socket closed".to_owned())), Trouble::Lost(_)));
        let evicted = ErrorCode::OffsetEvicted { offset: 3, next_available: 40 };
        assert!(matches!(trouble(&evicted), Trouble::Evicted { first: 40 }));
        assert!(matches!(trouble(&ErrorCode::NotLeaderForPartition), Trouble::NotReady(_)));
    }
}
