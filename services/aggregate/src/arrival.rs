//! A record of the log, taken apart: events with their ids and visitors, refusals, and what could not be read.
//!
//! Ingest lets nothing into the log that cannot be read here. But logs live for years: what cannot be read any more is
//! counted and kept as a refused event, and never stops the partition.

use crate::stats::Counts;
use pistats_core::ids;
use pistats_core::{Directory, Event, EventId, Micros, Offset, PartitionId, Reason, SiteId, VisitorKey, Zone};
use pistats_eventlog::Record;
use pistats_proto::ingest::raw::PackedRecord;
use pistats_proto::record::v1::{Forwarded, RejectedEvent};
use pistats_proto::wire::decode_event;
use pistats_store::RejectedRow;
use prost::Message;

/// Bytes of a refused event that are kept.
const PAYLOAD_KEPT: usize = 4 << 10;

/// One event as it lies in a record.
pub(crate) struct Arrival<'a> {
    pub event: Event<'a>,
    pub id: EventId,
    pub time: Micros,
    pub key: VisitorKey,
    /// Not stored yet; decided by the index of ids.
    pub is_new: bool,
}

/// One record, or one of several that were forwarded as one.
pub(crate) struct Arrived<'a> {
    pub offset: Offset,
    /// Whether the record of the log ends with it.
    pub is_last: bool,
    /// When the log took it.
    pub appended: Micros,
    /// What tells it from another record at its offset.
    pub digest: u64,
    pub received: Micros,
    /// The writer that forwarded it, and its number there; none where the log is a collector's own.
    pub forwarded: Option<(u64, u64)>,
    /// Site and zone; none where the site is not in the directory.
    pub site: Option<(SiteId, Zone)>,
    pub events: Vec<Arrival<'a>>,
    pub rejected: Vec<RejectedRow>,
    pub counts: Counts,
    /// Trace contexts of the requests that the record came from.
    pub traces: &'a [String],
    /// What the record holds, whatever became of it.
    pub input_events: usize,
    pub input_bytes: usize,
}

/// The messages in a record's payload; none if the bytes are no message.
pub(crate) struct Unpacked(Option<Vec<PackedRecord>>);

impl Unpacked {
    pub(crate) fn records(&self) -> impl Iterator<Item = &PackedRecord> {
        self.0.iter().flatten()
    }
}

/// Takes a record's payload apart. Of several that were forwarded as one, each gets its own number.
pub(crate) fn unpack(record: &Record) -> Unpacked {
    let Ok(mut packed) = PackedRecord::decode(record.payload.clone()) else { return Unpacked(None) };
    if packed.records.is_empty() {
        return Unpacked(Some(vec![packed]));
    }
    let mut records = std::mem::take(&mut packed.records);
    let numbers = packed.forwarded.map(|of| (of.writer, of.first.unwrap_or(of.sequence)));
    for (at, record) in (0..).zip(&mut records) {
        record.forwarded = numbers.map(|(writer, first)| Forwarded { writer, sequence: first + at, first: None });
    }
    Unpacked(Some(records))
}

/// Reads a record: what it holds, in order.
pub(crate) fn read<'a>(
    record: &Record,
    unpacked: &'a Unpacked,
    directory: &Directory,
    secret: &[u8; 32],
) -> Vec<Arrived<'a>> {
    let Unpacked(Some(all)) = unpacked else {
        tracing::error!(partition = record.partition.0, offset = record.offset.0, "a record cannot be decoded");
        let mut arrived = Arrived::of(record);
        arrived.counts.undecodable = u64::from(record.count).max(1);
        return vec![arrived];
    };
    let mut index = 0;
    let mut read = Vec::with_capacity(all.len());
    for (at, packed) in all.iter().enumerate() {
        let mut arrived = Arrived::of(record);
        arrived.is_last = at + 1 == all.len();
        // The bytes are those of the whole.
        arrived.input_bytes = if at == 0 { arrived.input_bytes } else { 0 };
        fill(&mut arrived, record, packed, index, directory, secret);
        index += packed.events.len();
        read.push(arrived);
    }
    read
}

impl Arrived<'_> {
    fn of(record: &Record) -> Self {
        Arrived {
            offset: record.offset,
            is_last: true,
            appended: record.appended_at,
            digest: ids::digest(&record.payload),
            received: record.appended_at,
            forwarded: None,
            site: None,
            events: Vec::new(),
            rejected: Vec::new(),
            counts: Counts::default(),
            traces: &[],
            input_events: record.count as usize,
            input_bytes: record.payload.len(),
        }
    }
}

/// `index`: of the first event among all of the record.
fn fill<'a>(
    arrived: &mut Arrived<'a>,
    record: &Record,
    packed: &'a PackedRecord,
    index: usize,
    directory: &Directory,
    secret: &[u8; 32],
) {
    arrived.forwarded = packed.forwarded.map(|of| (of.writer, of.sequence));
    arrived.received = Micros(packed.received_us);
    arrived.input_events = packed.events.len();
    arrived.traces = &packed.traceparents;
    let id = SiteId(packed.site);
    let Some(site) = directory.site(id) else {
        arrived.counts.unknown_site = packed.events.len() as u64;
        return;
    };
    arrived.site = Some((id, site.zone.clone()));
    arrived.events.reserve(packed.events.len());
    for (index, bytes) in (index..).zip(&packed.events) {
        match arrival(bytes, id, secret) {
            Ok(arrival) => arrived.events.push(arrival),
            Err(message) => {
                arrived.counts.undecodable += 1;
                let place = Place { partition: record.partition, offset: record.offset, index };
                arrived.rejected.push(damaged(place, id, arrived.received, bytes, message));
            }
        }
    }
    arrived.rejected.extend(packed.rejected.iter().filter_map(|event| refused(event, id, arrived.received)));
}

fn arrival<'a>(bytes: &'a [u8], site: SiteId, secret: &[u8; 32]) -> Result<Arrival<'a>, String> {
    let event = decode_event(bytes).map_err(|error| error.to_string())?;
    let id = event.id.ok_or("the id is missing")?;
    let time = event.time.ok_or("the time is missing")?;
    if event.visitor_id.is_empty() {
        return Err("the visitor id is missing".into());
    }
    let key = VisitorKey::derive(secret, site, event.visitor_id.as_bytes());
    Ok(Arrival { event, id, time, key, is_new: true })
}

/// Where in the log an event lies.
#[derive(Clone, Copy)]
struct Place {
    partition: PartitionId,
    offset: Offset,
    index: usize,
}

/// Keeps an event that cannot be read; its id is made of its place, so that folding it again names it the same.
fn damaged(place: Place, site: SiteId, received: Micros, bytes: &[u8], message: String) -> RejectedRow {
    let entropy = u128::from(place.partition.0) << 58 | u128::from(place.offset.0) << 18 | place.index as u128;
    RejectedRow {
        id: EventId::from_parts(u64::try_from(received.0 / 1_000).unwrap_or(0), entropy).0,
        site,
        received,
        reason: Reason::Malformed,
        field: String::new(),
        message: format!("the logged bytes cannot be read: {message}"),
        payload: bytes[..bytes.len().min(PAYLOAD_KEPT)].to_vec(),
        payload_bytes: bytes.len() as u32,
        user_agent: String::new(),
    }
}

/// A refusal of the collector. One with an id or a reason that no version knows is not listed.
fn refused(event: &RejectedEvent, site: SiteId, received: Micros) -> Option<RejectedRow> {
    Some(RejectedRow {
        id: event.id[..].try_into().ok()?,
        site,
        received,
        reason: Reason::from_number(event.reason)?,
        field: event.field.clone(),
        message: event.message.clone(),
        payload: event.payload.to_vec(),
        payload_bytes: event.payload_bytes,
        user_agent: event.user_agent.clone(),
    })
}
