//! The two ways of DESIGN section 7 to keep who was there: small delta rows in the commit, or rebuilt dirty days.

use duckdb::arrow::array::{ArrayRef, BinaryArray, Int16Array, Int32Array, RecordBatch, StringArray};
use duckdb::{Connection, params};
use pistats_core::VisitorNo;
use pistats_store::EventColumns;
use roaring::RoaringBitmap;
use std::collections::HashMap;
use std::sync::Arc;

pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS spike_bitmap (
    log_partition SMALLINT NOT NULL, day INTEGER NOT NULL, dimension VARCHAR NOT NULL, value VARCHAR NOT NULL,
    bitmap BLOB NOT NULL)";

const DIMENSIONS: [&str; 8] = ["all", "country", "device", "browser", "os", "channel", "event", "page"];

/// (partition, day, dimension, value) → ordinals.
#[derive(Default)]
pub(crate) struct Bitmaps(HashMap<(u16, i32, usize, String), RoaringBitmap>);

impl Bitmaps {
    fn add(&mut self, no: VisitorNo, day: i32, values: [&str; 8]) {
        let ordinal = no.ordinal() as u32;
        for (dimension, value) in values.into_iter().enumerate() {
            let key = (no.partition().0, day, dimension, value.to_owned());
            self.0.entry(key).or_default().insert(ordinal);
        }
    }

    pub(crate) fn of(events: &EventColumns) -> Bitmaps {
        let mut bitmaps = Bitmaps::default();
        for at in 0..events.len() {
            let page = format!("{}{}", events.host.get(at), events.path.get(at));
            let texts = [&events.country, &events.device, &events.browser, &events.os, &events.channel, &events.name];
            let [country, device, browser, os, channel, name] = texts.map(|text| text.get(at));
            let values = ["", country, device, browser, os, channel, name, &page];
            bitmaps.add(VisitorNo(events.visitor[at]), events.day[at], values);
        }
        bitmaps
    }

    pub(crate) fn rows(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn append(&self, conn: &Connection) -> duckdb::Result<()> {
        let bytes: Vec<Vec<u8>> = self
            .0
            .values()
            .map(|bitmap| {
                let mut bytes = Vec::with_capacity(bitmap.serialized_size());
                // Writing to a Vec cannot fail.
                let _ = bitmap.serialize_into(&mut bytes);
                bytes
            })
            .collect();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("log_partition", Arc::new(Int16Array::from_iter_values(self.0.keys().map(|key| key.0 as i16)))),
            ("day", Arc::new(Int32Array::from_iter_values(self.0.keys().map(|key| key.1)))),
            ("dimension", Arc::new(StringArray::from_iter_values(self.0.keys().map(|key| DIMENSIONS[key.2])))),
            ("value", Arc::new(StringArray::from_iter_values(self.0.keys().map(|key| &key.3)))),
            ("bitmap", Arc::new(BinaryArray::from_iter_values(&bytes))),
        ];
        let batch = RecordBatch::try_from_iter(columns).map_err(|error| {
            duckdb::Error::ArrowTypeToDuckdbType(error.to_string(), duckdb::arrow::datatypes::DataType::Null)
        })?;
        let mut appender = conn.appender("spike_bitmap")?;
        appender.append_record_batch(batch)?;
        appender.flush()
    }
}

/// The keys with more than 16 rows, of days from $1 on.
const CROWDED: &str = "day >= $1 AND (log_partition, day, dimension, value) IN \
    (SELECT (log_partition, day, dimension, value) FROM spike_bitmap WHERE day >= $1 GROUP BY ALL HAVING count(*) > 16)";

/// Way a: merges the rows of crowded keys, of days from `since` on. Returns how many rows went away.
pub(crate) fn compact(conn: &Connection, since: i32) -> duckdb::Result<usize> {
    let mut merged = Bitmaps::default();
    let mut gone = 0;
    {
        let columns = "log_partition, day, dimension, value, bitmap";
        let mut statement = conn.prepare(&format!("SELECT {columns} FROM spike_bitmap WHERE {CROWDED}"))?;
        let mut rows = statement.query(params![since])?;
        while let Some(row) = rows.next()? {
            let (dimension, bytes): (String, Vec<u8>) = (row.get(2)?, row.get(4)?);
            let at = DIMENSIONS.iter().position(|name| *name == dimension).unwrap_or(0);
            let bitmap = RoaringBitmap::deserialize_from(&bytes[..]).unwrap_or_default();
            *merged.0.entry((row.get(0)?, row.get(1)?, at, row.get(3)?)).or_default() |= bitmap;
            gone += 1;
        }
    }
    conn.execute(&format!("DELETE FROM spike_bitmap WHERE {CROWDED}"), params![since])?;
    if merged.rows() > 0 {
        merged.append(conn)?;
    }
    Ok(gone - merged.rows())
}

/// Way b: the bitmaps of a day, made anew from its events.
pub(crate) fn rebuild(conn: &Connection, day: i32) -> duckdb::Result<usize> {
    let mut bitmaps = Bitmaps::default();
    {
        // Distinct pairs are gathered by the engine: far fewer rows cross than there are events.
        for (at, column) in
            ["''", "country", "device", "browser", "os", "channel", "name", "host || path"].into_iter().enumerate()
        {
            let mut statement =
                conn.prepare(&format!("SELECT DISTINCT visitor, {column} FROM event WHERE site = 1 AND day = $1"))?;
            let mut rows = statement.query(params![day])?;
            while let Some(row) = rows.next()? {
                let no = VisitorNo(row.get(0)?);
                let key = (no.partition().0, day, at, row.get(1)?);
                bitmaps.0.entry(key).or_default().insert(no.ordinal() as u32);
            }
        }
    }
    conn.execute("DELETE FROM spike_bitmap WHERE day = $1", params![day])?;
    bitmaps.append(conn)?;
    Ok(bitmaps.rows())
}
