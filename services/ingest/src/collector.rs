//! The collector: a batch of event bytes in, records on disk, one outcome an event out. Knows nothing of gRPC, so that every
//! way in (calls, streams, beacons, retries) is the same code.

use crate::IngestCounters;
use crate::check::{Check, Checked};
use crate::identity::{Identity, NoRandomNumbers};
use crate::pack::{Head, Packer};
use crate::recent::{RecentIds, fingerprint};
use crate::rejected::{self, Allowance};
use crate::stamp::stamp;
use bytes::Bytes;
use futures::future::try_join_all;
use pistats_core::{Limits, Micros, Refusal, Salts, SiteId, Zone};
use pistats_eventlog::file::{Clock, wall_clock};
use pistats_eventlog::{Append, EventLog};
use pistats_proto::record::v1::RejectedEvent;
use pistats_rpc::resubmit::Resubmission;
use pistats_telemetry::{span, trace};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument as _;

/// Bytes of batches that may be worked on at once: what bounds the collector's memory.
const ROOM_BYTES: usize = 128 << 20;
/// The log takes requests of 8 MiB, its frames included. By default no batch comes near; a larger one is handed over in parts.
const APPEND_BYTES: usize = 7 << 20;
/// Of a request's own user agent this much is stamped onto its events, and tells visitors apart.
pub(crate) const USER_AGENT_BYTES: usize = 512;

/// Whether an event is believed about user agent, country and address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// A public key: anyone may have written it. The request's own user agent counts.
    Public,
    /// A server's secret key: the event counts, also where it says nothing.
    Server,
    /// A retry of a refused event: the event counts, then what its request said.
    Retry,
}

impl Trust {
    pub(crate) fn believes(self) -> bool {
        self != Trust::Public
    }
}

/// How the visitors of a batch are known.
#[derive(Clone, Copy, Debug)]
pub enum Visitors<'a> {
    /// By the id that each event has.
    Sent,
    /// Derived from address, user agent and local day ([`pistats_core::cookieless`]): from a public key always, from the request;
    /// from a server where an event has no id, from what it says.
    Derived {
        zone: &'a Zone,
        salts: &'a Salts,
        /// The request's own. Never in a record.
        address: Option<IpAddr>,
    },
}

/// Where a batch comes from.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// From the key (P-7).
    pub site: SiteId,
    pub trust: Trust,
    /// The request's own, or empty.
    pub user_agent: &'a str,
    /// W3C trace context of the request, if its trace is recorded; else empty.
    pub traceparent: &'a str,
    pub visitors: Visitors<'a>,
}

/// What became of a batch. Everything accepted is on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    pub accepted: u32,
    /// Of the accepted, those with an id seen lately. Advisory.
    pub duplicates: u32,
    /// By ascending index.
    pub rejections: Vec<Rejected>,
}

/// A refused event of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Position in the batch, from 0.
    pub index: u32,
    pub refusal: Refusal,
}

impl Rejected {
    /// The field's path from the batch: `events[3].properties["plan"]`.
    pub fn path(&self) -> String {
        let Rejected { index, refusal } = self;
        if refusal.field.is_empty() { format!("events[{index}]") } else { format!("events[{index}].{}", refusal.field) }
    }
}

/// Why a batch as a whole was not collected. Nothing of it was answered as accepted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CollectError {
    #[error("{events} events in a batch; at most {limit} are accepted, send them in several batches")]
    TooManyEvents { events: usize, limit: usize },
    #[error("the batch has {bytes} bytes; at most {limit} are accepted, send it in several batches")]
    TooLarge { bytes: usize, limit: usize },
    #[error("more batches came at once than this collector takes into memory; send it again a little later")]
    Overloaded,
    #[error(transparent)]
    Log(#[from] pistats_eventlog::Error),
}

/// Collects batches into an event log. Shared by all calls.
pub struct Collector {
    log: Arc<dyn EventLog>,
    limits: Limits,
    clock: Clock,
    identity: Identity,
    recent: RecentIds,
    allowance: Allowance,
    room: Semaphore,
    counters: Arc<IngestCounters>,
}

/// A batch that was judged and packed, not yet on disk.
struct Packed {
    records: Vec<Append>,
    accepted: u32,
    rejections: Vec<Rejected>,
    not_kept: usize,
    fingerprints: Vec<u64>,
}

impl Collector {
    /// A collector on the system's clock.
    ///
    /// # Errors
    /// [`NoRandomNumbers`]: the writer's id is one.
    pub fn new(log: Arc<dyn EventLog>, limits: Limits) -> Result<Collector, NoRandomNumbers> {
        Collector::with_clock(log, limits, wall_clock())
    }

    /// A collector on any clock.
    ///
    /// # Errors
    /// As [`Collector::new`].
    pub fn with_clock(log: Arc<dyn EventLog>, limits: Limits, clock: Clock) -> Result<Collector, NoRandomNumbers> {
        Ok(Collector {
            log,
            limits,
            clock,
            identity: Identity::new()?,
            recent: RecentIds::new(),
            allowance: Allowance::default(),
            room: Semaphore::new(ROOM_BYTES),
            counters: Arc::default(),
        })
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The collector's clock.
    pub(crate) fn now(&self) -> Micros {
        (self.clock)()
    }

    pub fn counters(&self) -> Arc<IngestCounters> {
        self.counters.clone()
    }

    /// Collects a batch; resolves after every accepted event is on disk (I-1). Each of `events` is the bytes of an
    /// `ingest.v1.Event`; `batch_bytes` is what they took on the wire.
    ///
    /// Dropping the future may leave the batch in the log; sending it again is safe when the events carry ids.
    ///
    /// # Errors
    /// [`CollectError`]; `Overloaded` at once when there is no room.
    pub async fn collect(
        &self,
        sender: Sender<'_>,
        events: &[Bytes],
        batch_bytes: usize,
    ) -> Result<Collected, CollectError> {
        self.check_batch(events, batch_bytes)?;
        let room = self.room.try_acquire_many(permits(batch_bytes)).map_err(|_| CollectError::Overloaded)?;
        self.run(sender, events, batch_bytes, room).await
    }

    /// As [`Collector::collect`], but waits for room: for a stream, whose sender then waits too.
    ///
    /// # Errors
    /// [`CollectError`] except `Overloaded`.
    pub async fn collect_patiently(
        &self,
        sender: Sender<'_>,
        events: &[Bytes],
        batch_bytes: usize,
    ) -> Result<Collected, CollectError> {
        self.check_batch(events, batch_bytes)?;
        let room = self.room.acquire_many(permits(batch_bytes)).await.map_err(|_| CollectError::Overloaded)?;
        self.run(sender, events, batch_bytes, room).await
    }

    /// Judges refused events again, under today's limits. One outcome an event, in their order; an accepted one is on disk.
    /// One that is refused again is not kept a second time.
    ///
    /// # Errors
    /// [`CollectError::Log`].
    pub(crate) async fn judge_again(
        &self,
        site: SiteId,
        events: &[Resubmission],
    ) -> Result<Vec<Result<(), Refusal>>, CollectError> {
        let now = (self.clock)();
        let traceparent = trace::current().map(|at| at.to_string()).unwrap_or_default();
        let head = Head { site, identity: &self.identity, received: now, traceparent: &traceparent };
        let mut packer = Packer::new(head, events.iter().map(|event| event.payload.len()).sum());
        let mut stamps = Vec::new();
        let mut outcomes = Vec::with_capacity(events.len());
        for event in events {
            let sender =
                Sender { site, trust: Trust::Retry, user_agent: "", traceparent: "", visitors: Visitors::Sent };
            let check = self.check(sender, event.received, now);
            let outcome = check.event(&event.payload).map(|checked| {
                stamps.clear();
                stamp(&checked, Trust::Retry, event.user_agent.as_bytes(), || event.refusal, &mut stamps);
                packer.add(&checked, &event.payload, &stamps);
            });
            outcomes.push(outcome);
        }
        let accepted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let (records, bytes) =
            (packer.finish(Vec::new()), events.iter().map(|event| event.payload.len()).sum::<usize>());
        let span = span!("append", records = records.len() as i64, events = accepted as i64, bytes = bytes as i64);
        self.append(records).instrument(span).await?;
        self.counters.accepted.fetch_add(accepted as u64, Relaxed);
        Ok(outcomes)
    }

    fn check_batch(&self, events: &[Bytes], batch_bytes: usize) -> Result<(), CollectError> {
        let Limits { batch_events, batch_bytes: limit, .. } = self.limits;
        if events.len() > batch_events {
            return Err(CollectError::TooManyEvents { events: events.len(), limit: batch_events });
        }
        if batch_bytes > limit {
            return Err(CollectError::TooLarge { bytes: batch_bytes, limit });
        }
        Ok(())
    }

    async fn run(
        &self,
        sender: Sender<'_>,
        events: &[Bytes],
        batch_bytes: usize,
        _room: SemaphorePermit<'_>,
    ) -> Result<Collected, CollectError> {
        let Packed { records, accepted, rejections, not_kept, fingerprints } = self.pack(sender, events, batch_bytes);
        let span =
            span!("append", records = records.len() as i64, events = i64::from(accepted), bytes = batch_bytes as i64);
        if let Err(error) = self.append(records).instrument(span).await {
            self.counters.failed_batches.fetch_add(1, Relaxed);
            return Err(error);
        }
        // Only now: a batch that failed and is sent again is no duplicate.
        let duplicates = fingerprints.into_iter().filter(|fingerprint| self.recent.note(*fingerprint)).count() as u32;
        self.counters.batches.fetch_add(1, Relaxed);
        self.counters.bytes.fetch_add(batch_bytes as u64, Relaxed);
        self.counters.accepted.fetch_add(u64::from(accepted), Relaxed);
        self.counters.duplicates.fetch_add(u64::from(duplicates), Relaxed);
        self.counters.not_kept.fetch_add(not_kept as u64, Relaxed);
        rejections.iter().for_each(|rejected| self.counters.refuse(rejected.refusal.reason));
        Ok(Collected { accepted, duplicates, rejections })
    }

    fn check<'a>(&'a self, sender: Sender<'a>, received: Micros, now: Micros) -> Check<'a> {
        Check { limits: &self.limits, sender, received, latest: self.limits.latest(now) }
    }

    fn pack(&self, sender: Sender<'_>, events: &[Bytes], batch_bytes: usize) -> Packed {
        let now = (self.clock)();
        let user_agent = head_of(sender.user_agent, USER_AGENT_BYTES);
        let sender = Sender { user_agent, ..sender };
        let Sender { site, trust, traceparent, .. } = sender;
        let check = self.check(sender, now, now);
        let mut packer = Packer::new(Head { site, identity: &self.identity, received: now, traceparent }, batch_bytes);
        let mut stamps = Vec::new();
        let mut rejections = Vec::new();
        let mut fingerprints = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            match check.event(event) {
                Ok(checked) => {
                    stamps.clear();
                    stamp(&checked, trust, user_agent.as_bytes(), || self.identity.new_id(now), &mut stamps);
                    packer.add(&checked, event, &stamps);
                    fingerprints.extend(known(site, &checked));
                }
                Err(refusal) => rejections.push(Rejected { index: index as u32, refusal }),
            }
        }
        let accepted = (events.len() - rejections.len()) as u32;
        let rejected = self.rejected(&rejections, events, &check, now);
        let not_kept = rejections.len() - rejected.len();
        Packed { records: packer.finish(rejected), accepted, rejections, not_kept, fingerprints }
    }

    /// Those refused events that may be kept.
    fn rejected(
        &self,
        rejections: &[Rejected],
        events: &[Bytes],
        check: &Check<'_>,
        now: Micros,
    ) -> Vec<RejectedEvent> {
        if rejections.is_empty() {
            return Vec::new();
        }
        let kept = self.allowance.take(check.sender.site, rejections.len(), now);
        let keep = |rejected: &Rejected| {
            let event = &events[rejected.index as usize];
            rejected::kept(event, &rejected.refusal, check, &self.identity, now)
        };
        rejections.iter().take(kept).map(keep).collect()
    }

    /// Hands the records to the log, in parts that it takes.
    async fn append(&self, mut records: Vec<Append>) -> Result<(), CollectError> {
        if records.iter().map(|record| record.payload.len()).sum::<usize>() <= APPEND_BYTES {
            self.log.append(records).await?;
            return Ok(());
        }
        let mut parts = Vec::new();
        while !records.is_empty() {
            let mut bytes = 0;
            let fitting = records.iter().take_while(|record| {
                bytes += record.payload.len();
                bytes <= APPEND_BYTES
            });
            let rest = records.split_off(fitting.count().max(1));
            parts.push(self.log.append(std::mem::replace(&mut records, rest)));
        }
        try_join_all(parts).await?;
        Ok(())
    }
}

fn known(site: SiteId, checked: &Checked) -> Option<u64> {
    checked.id.map(|id| fingerprint(site, id))
}

/// A batch beyond the whole room (a limit may be set so) takes all of it.
fn permits(batch_bytes: usize) -> u32 {
    batch_bytes.clamp(1, ROOM_BYTES) as u32
}

/// The first bytes of a text, cut between characters.
pub(crate) fn head_of(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
