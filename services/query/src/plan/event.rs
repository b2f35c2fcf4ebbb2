//! One event as it is handed out whole: what Export and Journey share.

use super::Malformed;
use crate::answer::cell;
use pistats_core::{EventId, Micros, PartitionId};
use pistats_proto::query::v1::ExportedEvent;
use pistats_store::{Cell, offset_of};

/// The texts of an event, in the order of [`read`].
const TEXTS: [&str; 19] = [
    "user_id",
    "name",
    "url",
    "host",
    "path",
    "referrer",
    "source",
    "channel",
    "title",
    "language",
    "country",
    "screen",
    "device",
    "browser",
    "os",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
];

/// The columns of an event `e`, in the order of [`read`]; `visitor` is where its visitor's key stands.
pub(super) fn columns(visitor: &str) -> String {
    let texts = TEXTS.map(|name| format!("e.{name}, ")).concat();
    format!(
        "e.id, e.time_us, e.received_us, {visitor}, {texts}e.utm_content, e.bot, e.value, e.topics, \
         e.property_keys, e.property_values, e.log_partition, e.log_offset"
    )
}

/// Reads one row as a message, with its place in the order. What stands behind the columns is left.
pub fn read(row: Vec<Cell>) -> Result<(ExportedEvent, (Micros, EventId)), Malformed> {
    let Cell::Wide(id) = *cell(&row, 0)? else {
        return Err(Malformed("an event without an id".into()));
    };
    let id = EventId(id.to_be_bytes());
    let time = Micros(cell(&row, 1)?.int());
    let visitor = match cell(&row, 3)? {
        Cell::Wide(key) => format!("{key:032x}"),
        _ => String::new(),
    };
    let received_us = cell(&row, 2)?.int();
    let mut cells = row.into_iter().skip(4);
    let mut text = || match cells.next() {
        Some(Cell::Text(text)) => text,
        _ => String::new(),
    };
    let mut event = ExportedEvent {
        id: id.0.to_vec().into(),
        time_us: time.0,
        received_us,
        visitor,
        user_id: text(),
        name: text(),
        url: text(),
        page: text() + &text(),
        referrer: text(),
        source: text(),
        channel: text(),
        title: text(),
        language: text(),
        country: text(),
        screen: text(),
        device: text(),
        browser: text(),
        os: text(),
        utm_source: text(),
        utm_medium: text(),
        utm_campaign: text(),
        utm_term: text(),
        utm_content: text(),
        ..ExportedEvent::default()
    };
    let mut next = || cells.next().unwrap_or(Cell::Null);
    event.bot = next().int() != 0;
    event.value_micros = next().maybe_int();
    event.topics = list(next());
    let keys = list(next());
    event.properties = keys.into_iter().zip(list(next())).collect();
    event.partition = u32::from(partition(&next())?.0);
    event.offset = offset_of(next().int());
    Ok((event, (time, id)))
}

fn list(cell: Cell) -> Vec<String> {
    match cell {
        Cell::List(items) => items,
        _ => Vec::new(),
    }
}

fn partition(cell: &Cell) -> Result<PartitionId, Malformed> {
    u16::try_from(cell.int()).map(PartitionId).map_err(|_| Malformed(format!("{cell:?} as a partition")))
}
