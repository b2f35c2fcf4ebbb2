//! Writing: one task a partition, one record in flight.
//!
//! ```text
//!   append ─▶ room in the queue ─▶ requests of a partition ─▶ record ─▶ sent ─▶ acknowledged ─▶ the next one
//!                                                               ▲         │ refused (partition is loading): wait, send again
//!                                                               └─────────┘ anything else: new client, send again
//! ```
//!
//! Why one in flight: with several, the SPU may refuse the first of them while it starts and take the second; sent again,
//! the first comes after it. Order is lost, and resends can no longer be told by a highest number.
//!
//! A record is sent again until it is acknowledged. If it had to be, the acknowledged copy need not be the first one: then
//! the topic is read from the last known offset on, and the offset of the first copy is the answer.

use std::sync::Arc;
use std::time::Duration;

use ::fluvio::{FluvioError, ProducerError};
use pistats_core::{Micros, Offset, PartitionId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::fetch::{self, Trouble};
use super::link::{Client, PAUSE_FIRST, PAUSE_LONGEST};
use super::{Shared, count, envelope, topic};
use crate::{Append, Error};

/// How long an acknowledgement may take before the connection is given up. Measured: 12 ms at the 99th percentile.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that starts refuses a partition until it has read it: half a gigabyte a second. After this it is worth more than a
/// warning.
const LOADS_WITHIN: Duration = Duration::from_secs(20);
/// The queue is counted in these.
const UNIT_BYTES: u64 = 1024;

/// The records of one request that go to one partition.
struct Request {
    records: Vec<Append>,
    answer: oneshot::Sender<Result<Vec<Offset>, Error>>,
    /// Its place in the queue, shared with the request's other partitions.
    _room: Arc<OwnedSemaphorePermit>,
}

/// The writers of all partitions.
pub(super) struct Writers {
    queues: Vec<mpsc::Sender<Request>>,
    room: Arc<Semaphore>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Writers {
    pub(super) fn start(shared: &Arc<Shared>) -> Writers {
        let (mut queues, mut tasks) = (Vec::new(), Vec::new());
        let room = units(shared.config.queue_bytes) as usize;
        for partition in PartitionId::all() {
            // Every request holds a unit of room at least, so this queue is never full.
            let (queue, requests) = mpsc::channel(room);
            queues.push(queue);
            let writer = Writer {
                shared: shared.clone(),
                partition,
                sequence: 0,
                clock: Micros(i64::MIN),
                floor: None,
                online_with: 0,
            };
            tasks.push(tokio::spawn(writer.run(requests)));
        }
        Writers { queues, room: Arc::new(Semaphore::new(room)), tasks }
    }

    /// Queues a request and waits until all of it is acknowledged.
    pub(super) async fn append(&self, shared: &Shared, records: Vec<Append>) -> Result<Vec<Offset>, Error> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let config = &shared.config;
        for record in &records {
            let bytes = record.payload.len() as u64;
            if bytes > config.record_bytes {
                return Err(Error::TooLarge { bytes, bound: config.record_bytes });
            }
        }
        let size = |record: &Append| units(record.payload.len() as u64 + envelope::HEADER_BYTES as u64);
        let needed: u32 = records.iter().map(size).fold(0, u32::saturating_add);
        if needed > units(config.queue_bytes) {
            let bytes = u64::from(needed) * UNIT_BYTES;
            return Err(Error::TooLarge { bytes, bound: config.queue_bytes });
        }
        let room = self.room.clone().acquire_many_owned(needed).await.map_err(|_| Error::Closed)?;
        let room = Arc::new(room);
        let mut parts: Vec<Vec<Append>> = PartitionId::all().map(|_| Vec::new()).collect();
        let order: Vec<PartitionId> = records.iter().map(|record| record.partition).collect();
        for record in records {
            parts[record.partition.index()].push(record);
        }
        let mut answers = Vec::new();
        for (part, queue) in parts.into_iter().zip(&self.queues) {
            let (answer, answered) = oneshot::channel();
            if !part.is_empty() {
                let request = Request { records: part, answer, _room: room.clone() };
                queue.try_send(request).map_err(|_| Error::Closed)?;
            }
            answers.push(answered);
        }
        let mut offsets = Vec::with_capacity(order.len());
        let mut placed: Vec<Option<std::vec::IntoIter<Offset>>> = answers.iter().map(|_| None).collect();
        for partition in order {
            let place = &mut placed[partition.index()];
            if place.is_none() {
                let answered = (&mut answers[partition.index()]).await.map_err(|_| Error::Closed)??;
                *place = Some(answered.into_iter());
            }
            offsets.push(place.as_mut().and_then(Iterator::next).ok_or(Error::Closed)?);
        }
        Ok(offsets)
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

/// Why a record was not acknowledged.
enum Refusal {
    /// The SPU said no: on the same connection it may say yes later.
    Answered(String),
    /// There is no knowing.
    Lost(String),
}

struct Writer {
    shared: Arc<Shared>,
    partition: PartitionId,
    /// Of the next record.
    sequence: u64,
    /// The newest append time.
    clock: Micros,
    /// No copy of a record that is not acknowledged lies below; unknown until the partition was looked at.
    floor: Option<u64>,
    /// The client that was found to serve the partition. Before that, a producer would queue blindly.
    online_with: u64,
}

impl Writer {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(Request { records, answer, _room }) = requests.recv().await {
            let mut offsets = Vec::with_capacity(records.len());
            let mut failed = None;
            for record in records {
                match self.place(record).await {
                    Ok(offset) => offsets.push(offset),
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            // Who dropped his append does not listen any more.
            let _ = answer.send(failed.map_or(Ok(offsets), Err));
        }
    }

    /// Brings a record into the topic and tells where it is. Fails only for what time does not heal.
    async fn place(&mut self, record: Append) -> Result<Offset, Error> {
        let floor = self.look().await?;
        self.clock = (self.shared.clock)().max(self.clock);
        let data = envelope::encode(self.shared.writer, self.sequence, self.clock, record.count, &record.payload);
        let data = ::fluvio::dataplane::record::RecordData::from(data);
        drop(record);
        let mut tries = 0;
        let mut pause = PAUSE_FIRST;
        let begun = Instant::now();
        loop {
            let client = self.client().await?;
            match self.send(&client, &data).await {
                Ok(offset) => {
                    let first = if tries == 0 { offset } else { self.first_copy(floor, offset).await? };
                    self.sequence += 1;
                    self.floor = Some(offset + 1);
                    return Ok(Offset(first));
                }
                Err(Refusal::Answered(reason)) => {
                    // A partition that is being loaded; the others go on with the same client.
                    let (partition, seconds) = (self.partition.0, begun.elapsed().as_secs());
                    if pause == PAUSE_LONGEST && begun.elapsed() > LOADS_WITHIN {
                        // The controller still lists the partition then, so that there is nothing to see but this.
                        tracing::error!(
                            partition,
                            seconds,
                            reason,
                            "the log's server does not take records; unless it is loading them, look for an empty file in \
                             the controller's metadata directory: it then hands out no partition, until a backup of that \
                             file is put back"
                        );
                    } else if pause == PAUSE_LONGEST {
                        tracing::warn!(partition, seconds, reason, "the log's server does not take records");
                    }
                }
                Err(Refusal::Lost(reason)) => {
                    tracing::warn!(
                        partition = self.partition.0,
                        reason,
                        "a record was not acknowledged; sending it again"
                    );
                    self.shared.to_write.discard(&client).await;
                }
            }
            tries += 1;
            count(&self.shared.counts.resent, 1);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_LONGEST);
        }
    }

    async fn send(&self, client: &Client, data: &::fluvio::dataplane::record::RecordData) -> Result<u64, Refusal> {
        let config = &self.shared.config;
        let key = u32::from(self.partition.0).to_le_bytes();
        let sending = async {
            let producer = client.producer(config).await.map_err(Refusal::Lost)?;
            let sent = producer.send(key.to_vec(), data.clone()).await;
            let sent = sent.map_err(|error| match error.downcast_ref::<FluvioError>() {
                Some(error) => refusal(error),
                None => Refusal::Lost(format!("{error:#}")),
            })?;
            let placed = sent.wait().await.map_err(|error| refusal(&error))?;
            u64::try_from(placed.offset()).map_err(|_| Refusal::Lost("an offset below zero".to_owned()))
        };
        match tokio::time::timeout(ACK_TIMEOUT, sending).await {
            Ok(sent) => sent,
            Err(_) => Err(Refusal::Lost("no acknowledgement came in time".to_owned())),
        }
    }

    /// A client that serves the partition; waits for it.
    async fn client(&mut self) -> Result<Arc<Client>, Error> {
        let mut pause = PAUSE_FIRST;
        loop {
            let problem = match self.shared.to_write.client().await {
                Ok(client) if client.number() == self.online_with => return Ok(client),
                Ok(client) => match topic::is_online(&client.fluvio, &self.shared.config, self.partition).await {
                    Ok(true) => {
                        self.online_with = client.number();
                        return Ok(client);
                    }
                    Ok(false) => None,
                    Err(error) => {
                        self.shared.to_write.discard(&client).await;
                        Some(error)
                    }
                },
                Err(error) => Some(error),
            };
            match problem {
                Some(error) if !error.is_retryable() => return Err(error),
                Some(error @ Error::MetadataLost { .. }) => tracing::error!(%error, "records wait"),
                Some(error) if pause == PAUSE_LONGEST => tracing::warn!(%error, "records wait"),
                _ => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_LONGEST);
        }
    }

    /// Before the first record: where the partition ends, and the append time of its last record (L-9).
    async fn look(&mut self) -> Result<u64, Error> {
        loop {
            if let Some(floor) = self.floor {
                return Ok(floor);
            }
            let client = self.client().await?;
            let config = &self.shared.config;
            let looked = async {
                let end = fetch::end(&client, config, self.partition).await?;
                Ok((end, fetch::scan(&client, config, self.partition, end.saturating_sub(1), end).await))
            };
            match looked.await {
                Ok((end, last)) => {
                    // A last record that cannot be read is the readers' to report.
                    if let Ok(last) = last {
                        self.clock = last.last().map_or(self.clock, |(_, last)| last.appended_at.max(self.clock));
                    }
                    self.floor = Some(end);
                }
                Err(trouble) => self.recover(&client, trouble).await,
            }
        }
    }

    /// The offset of the first copy of the record that was sent last, among `from ..= last`.
    async fn first_copy(&mut self, from: u64, last: u64) -> Result<u64, Error> {
        loop {
            let client = self.client().await?;
            match fetch::scan(&client, &self.shared.config, self.partition, from, last + 1).await {
                Ok(found) => {
                    let is_it = |writer: u64, sequence: u64| (writer, sequence) == (self.shared.writer, self.sequence);
                    let first = found.iter().find(|(_, record)| is_it(record.writer, record.sequence));
                    return Ok(first.map_or(last, |(offset, _)| *offset));
                }
                // Gone or damaged in between: the copy that was acknowledged is as good an answer.
                Err(Trouble::Evicted { .. } | Trouble::BeyondEnd { .. } | Trouble::Cut { .. }) => return Ok(last),
                Err(trouble) => self.recover(&client, trouble).await,
            }
        }
    }

    async fn recover(&self, client: &Client, trouble: Trouble) {
        if let Trouble::Lost(_) = trouble {
            self.shared.to_write.discard(client).await;
        }
        tokio::time::sleep(PAUSE_FIRST).await;
    }
}

fn refusal(error: &FluvioError) -> Refusal {
    match error {
        FluvioError::Producer(ProducerError::SpuErrorCode(code)) => Refusal::Answered(code.to_string()),
        other => Refusal::Lost(other.to_string()),
    }
}
