//! What the tests share: events, a collector on a clock that stands still, and a look into the log.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "tests")]

use bytes::Bytes;
use futures::StreamExt;
use pistats_core::{Limits, Micros, PartitionId, Refusal, SiteId};
use pistats_eventlog::file::Clock;
use pistats_eventlog::{EventLog, MemoryLog, Position};
use pistats_ingest::{CollectError, Collected, Collector, Sender, Trust, Visitors};
use pistats_proto::ingest::v1::Event;
use pistats_proto::record::v1::{LoggedEvent, PackedRecord, RejectedEvent};
use prost::Message;
use std::sync::Arc;

pub const SITE: SiteId = SiteId(7);
/// In the year 2027.
pub const NOW: Micros = Micros(1_800_000_000_000_000);
pub const BROWSER: &str = "Mozilla/5.0 (request)";
pub const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

pub fn clock() -> Clock {
    Arc::new(|| NOW)
}

/// The smallest good event of a visitor.
pub fn of(visitor: &str) -> Event {
    Event { visitor_id: visitor.into(), ..Default::default() }
}

/// An event that uses every field.
pub fn full(visitor: &str) -> Event {
    Event {
        id: pistats_core::EventId::from_parts(1_799_999_999_000, 77).0.to_vec().into(),
        time_us: Some(NOW.0 - Micros::SECOND),
        sent_at_us: Some(NOW.0),
        visitor_id: visitor.into(),
        user_id: "account-1".into(),
        name: "signup".into(),
        url: "https://example.org/a?b=c".into(),
        referrer: "https://search.example/".into(),
        title: "Grüße".into(),
        topics: vec!["news".into(), "sport".into()],
        language: "de-DE".into(),
        time_zone: "Europe/Berlin".into(),
        screen_width: 1_920,
        screen_height: 1_080,
        user_agent: "Event/1".into(),
        client_address: "192.0.2.7".into(),
        country: "de".into(),
        value_micros: Some(-2_500_000),
        properties: [("plan".to_owned(), "pro".to_owned())].into(),
    }
}

pub fn bytes(event: &Event) -> Bytes {
    event.encode_to_vec().into()
}

/// What a batch of these events takes on the wire.
pub fn batch_bytes(events: &[Bytes]) -> usize {
    events.iter().map(|event| 1 + prost::length_delimiter_len(event.len()) + event.len()).sum()
}

/// A collector and its log.
pub struct Bench<L = MemoryLog> {
    pub log: Arc<L>,
    pub collector: Arc<Collector>,
}

impl Bench {
    pub fn new(limits: Limits) -> Bench {
        Bench::on(Arc::new(MemoryLog::new(u64::MAX, clock())), limits)
    }
}

impl Default for Bench {
    fn default() -> Bench {
        Bench::new(Limits::default())
    }
}

impl<L: EventLog> Bench<L> {
    pub fn on(log: Arc<L>, limits: Limits) -> Bench<L> {
        let collector = Arc::new(Collector::with_clock(log.clone(), limits, clock()).unwrap());
        Bench { log, collector }
    }

    pub async fn try_collect(&self, trust: Trust, events: &[Bytes]) -> Result<Collected, CollectError> {
        let origin = Sender { site: SITE, trust, user_agent: BROWSER, traceparent: TRACE, visitors: Visitors::Sent };
        self.collector.collect(origin, events, batch_bytes(events)).await
    }

    pub async fn collect(&self, trust: Trust, events: &[Bytes]) -> Collected {
        self.try_collect(trust, events).await.unwrap()
    }

    /// Judges one event of a server.
    pub async fn judge(&self, event: &Event) -> Result<(), Refusal> {
        self.judge_bytes(bytes(event)).await
    }

    pub async fn judge_bytes(&self, event: Bytes) -> Result<(), Refusal> {
        let collected = self.collect(Trust::Server, &[event]).await;
        match collected.rejections.into_iter().next() {
            None => {
                assert_eq!(collected.accepted, 1);
                Ok(())
            }
            Some(rejected) => {
                assert_eq!((collected.accepted, rejected.index), (0, 0));
                Err(rejected.refusal)
            }
        }
    }

    /// Everything in the log, by partition.
    pub async fn records(&self) -> Vec<(PartitionId, u32, PackedRecord)> {
        records(&*self.log).await
    }

    pub async fn events(&self) -> Vec<LoggedEvent> {
        self.records().await.into_iter().flat_map(|(_, _, record)| record.events).collect()
    }

    pub async fn rejected(&self) -> Vec<RejectedEvent> {
        self.records().await.into_iter().flat_map(|(_, _, record)| record.rejected).collect()
    }
}

pub async fn records(log: &dyn EventLog) -> Vec<(PartitionId, u32, PackedRecord)> {
    let mut found = Vec::new();
    for partition in PartitionId::all() {
        let bounds = log.bounds(partition).await.unwrap();
        let mut records = log.read(partition, Position::First).await.unwrap();
        for _ in bounds.first.0..bounds.next.0 {
            let record = records.next().await.unwrap().unwrap();
            found.push((partition, record.count, PackedRecord::decode(record.payload).unwrap()));
        }
    }
    found
}

/// Whether any payload in the log holds these bytes.
pub async fn log_holds(log: &dyn EventLog, needle: &str) -> bool {
    for partition in PartitionId::all() {
        let bounds = log.bounds(partition).await.unwrap();
        let mut records = log.read(partition, Position::First).await.unwrap();
        for _ in bounds.first.0..bounds.next.0 {
            let payload = records.next().await.unwrap().unwrap().payload;
            if payload.windows(needle.len()).any(|window| window == needle.as_bytes()) {
                return true;
            }
        }
    }
    false
}
