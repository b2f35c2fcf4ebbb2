//! Rows on their way in: columns → Arrow arrays → DuckDB's appender.
//!
//! Texts are handed over whole (no copy of the bytes) and sliced for each of the engine's vectors. Lists are cut to the
//! vector by hand: the crate would copy all items of the batch into every vector.

use super::failure::engine;
use crate::sheet::{BitmapLine, BreakdownLine};
use crate::{Error, EventColumns, ListColumn, RejectedRow, SessionVersion, TextColumn, VisitorVersion};
use duckdb::arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Int8Array, Int16Array,
    Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
};
use duckdb::arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use duckdb::arrow::datatypes::{DataType, Field, Schema};
use duckdb::arrow::error::ArrowError;
use duckdb::{Appender, Connection};
use std::collections::HashMap;
use std::sync::Arc;

/// Rows of one of the engine's vectors.
const VECTOR: usize = 2048;

/// One column of a batch.
pub(super) enum Column {
    Whole(ArrayRef),
    Lists { items: StringArray, ends: Vec<u32> },
}

impl Column {
    fn slice(&self, from: usize, rows: usize) -> Result<ArrayRef, ArrowError> {
        match self {
            Column::Whole(array) => Ok(array.slice(from, rows)),
            Column::Lists { items, ends } => {
                let start = if from == 0 { 0 } else { ends[from - 1] as usize };
                let stop = ends[from + rows - 1] as usize;
                let mut offsets = Vec::with_capacity(rows + 1);
                offsets.push(0);
                offsets.extend(ends[from..from + rows].iter().map(|end| (*end as usize - start) as i32));
                let item = Arc::new(Field::new("item", DataType::Utf8, true));
                let values = Arc::new(items.slice(start, stop - start));
                let lists = ListArray::try_new(item, OffsetBuffer::new(ScalarBuffer::from(offsets)), values, None)?;
                Ok(Arc::new(lists))
            }
        }
    }
}

/// Columns in the order of the table they go to.
#[derive(Default)]
pub(super) struct Batch {
    columns: Vec<Column>,
    /// Which columns are UUIDs.
    wide: Vec<usize>,
}

impl Batch {
    fn put(&mut self, array: impl Array + 'static) {
        self.columns.push(Column::Whole(Arc::new(array)));
    }

    fn put_longs(&mut self, numbers: Vec<i64>) {
        self.put(Int64Array::from(numbers));
    }

    fn put_wide(&mut self, numbers: &[u128]) -> Result<(), Error> {
        self.wide.push(self.columns.len());
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        self.put(FixedSizeBinaryArray::try_new(16, Buffer::from_vec(bytes), None).map_err(unfit)?);
        Ok(())
    }

    /// Sums of 128 bits. Arrow has no such whole numbers: they cross as decimals, which the appender casts.
    fn put_sums(&mut self, sums: impl Iterator<Item = i128>) -> Result<(), Error> {
        let decimals = Decimal128Array::from_iter_values(sums).with_precision_and_scale(38, 0).map_err(unfit)?;
        self.put(decimals);
        Ok(())
    }

    fn put_text(&mut self, column: TextColumn) -> Result<(), Error> {
        self.put(texts(column)?);
        Ok(())
    }

    fn put_lists(&mut self, column: ListColumn) -> Result<(), Error> {
        self.columns.push(Column::Lists { items: texts(column.items)?, ends: column.ends });
        Ok(())
    }

    /// Appends all rows to a table, in the running transaction.
    pub(super) fn append_to(
        &self,
        conn: &Connection,
        catalog: Option<&str>,
        table: &str,
        rows: usize,
    ) -> Result<(), Error> {
        if rows == 0 {
            return Ok(());
        }
        let mut appender = match catalog {
            Some(catalog) => conn.appender_to_catalog_and_db(table, catalog, "main"),
            None => conn.appender(table),
        }
        .map_err(engine)?;
        for from in (0..rows).step_by(VECTOR) {
            self.append_vector(&mut appender, from, VECTOR.min(rows - from))?;
        }
        appender.flush().map_err(engine)
    }

    fn append_vector(&self, appender: &mut Appender<'_>, from: usize, rows: usize) -> Result<(), Error> {
        let mut fields = Vec::with_capacity(self.columns.len());
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (at, column) in self.columns.iter().enumerate() {
            let array = column.slice(from, rows).map_err(unfit)?;
            let mut field = Field::new("", array.data_type().clone(), true);
            if self.wide.contains(&at) {
                field =
                    field.with_metadata(HashMap::from([("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned())]));
            }
            fields.push(field);
            arrays.push(array);
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(unfit)?;
        appender.append_record_batch(batch).map_err(engine)
    }
}

/// The columns of `event`.
pub(super) fn events(events: EventColumns) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    batch.put(Int32Array::from(narrow::<u32, i32>(&events.site, "site")?));
    batch.put_longs(narrow(&events.visitor, "visitor")?);
    batch.put_wide(&events.id)?;
    batch.put_longs(events.time);
    batch.put(Int32Array::from(events.day));
    batch.put(Int16Array::from(narrow::<u16, i16>(&events.partition, "partition")?));
    batch.put_longs(narrow(&events.offset, "offset")?);
    batch.put_longs(events.received);
    batch.put(Int64Array::from(events.client_time));
    batch.put(BooleanArray::from(events.bot));
    batch.put(Int64Array::from(events.value));
    batch.put_lists(events.topics)?;
    batch.put_lists(events.property_keys)?;
    batch.put_lists(events.property_values)?;
    for text in [
        events.name,
        events.url,
        events.host,
        events.path,
        events.referrer,
        events.source,
        events.channel,
        events.utm_source,
        events.utm_medium,
        events.utm_campaign,
        events.utm_term,
        events.utm_content,
        events.title,
        events.country,
        events.language,
        events.device,
        events.screen,
        events.browser,
        events.os,
        events.user_id,
    ] {
        batch.put_text(text)?;
    }
    Ok(batch)
}

/// The columns of `session`.
pub(super) fn sessions(versions: &[SessionVersion]) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    let of = |f: &dyn Fn(&SessionVersion) -> i64| -> Vec<i64> { versions.iter().map(f).collect() };
    let counts = |f: &dyn Fn(&SessionVersion) -> u64, field| {
        narrow::<u64, i64>(&versions.iter().map(f).collect::<Vec<_>>(), field)
    };
    batch.put(Int32Array::from(narrow::<u32, i32>(&versions.iter().map(|v| v.site.0).collect::<Vec<_>>(), "site")?));
    batch.put_longs(counts(&|v| v.visitor.0, "visitor")?);
    batch.put(Int32Array::from_iter_values(versions.iter().map(|v| v.day.0)));
    batch.put_longs(of(&|v| v.session.first.0.0));
    batch.put_wide(&versions.iter().map(|v| v.session.first.1.as_u128()).collect::<Vec<_>>())?;
    batch.put_longs(of(&|v| v.session.last.0.0));
    batch.put_wide(&versions.iter().map(|v| v.session.last.1.as_u128()).collect::<Vec<_>>())?;
    batch.put_longs(counts(&|v| v.session.events, "events")?);
    batch.put_longs(counts(&|v| v.session.page_views, "page_views")?);
    batch.put_longs(counts(&|v| v.session.bot_events, "bot_events")?);
    batch.put(StringArray::from_iter_values(versions.iter().map(|v| &*v.session.entry_page)));
    batch.put(StringArray::from_iter_values(versions.iter().map(|v| &*v.session.exit_page)));
    batch.put(Int8Array::from_iter_values(versions.iter().map(|v| v.sign.number())));
    Ok(batch)
}

/// The columns of `visitor`.
pub(super) fn visitors(versions: &[VisitorVersion]) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    batch.put(Int32Array::from(narrow::<u32, i32>(&versions.iter().map(|v| v.site.0).collect::<Vec<_>>(), "site")?));
    batch.put_longs(narrow(&versions.iter().map(|v| v.visitor.0).collect::<Vec<_>>(), "visitor")?);
    batch.put_wide(&versions.iter().map(|v| v.key.0).collect::<Vec<_>>())?;
    batch.put_longs(versions.iter().map(|v| v.first_seen.0).collect());
    batch.put(Int32Array::from_iter_values(versions.iter().map(|v| v.first_day.0)));
    batch.put(Int8Array::from_iter_values(versions.iter().map(|v| v.sign.number())));
    Ok(batch)
}

/// The columns of `rejected_event`.
pub(super) fn rejected(rows: &[RejectedRow]) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    batch.put_wide(&rows.iter().map(|row| u128::from_be_bytes(row.id)).collect::<Vec<_>>())?;
    batch.put(Int32Array::from(narrow::<u32, i32>(&rows.iter().map(|row| row.site.0).collect::<Vec<_>>(), "site")?));
    batch.put_longs(rows.iter().map(|row| row.received.0).collect());
    batch.put(Int16Array::from_iter_values(rows.iter().map(|row| row.reason as i16)));
    batch.put(StringArray::from_iter_values(rows.iter().map(|row| &row.field)));
    batch.put(StringArray::from_iter_values(rows.iter().map(|row| &row.message)));
    batch.put(BinaryArray::from_iter_values(rows.iter().map(|row| &row.payload)));
    batch.put_longs(rows.iter().map(|row| i64::from(row.payload_bytes)).collect());
    batch.put(StringArray::from_iter_values(rows.iter().map(|row| &row.user_agent)));
    Ok(batch)
}

/// The columns of `rollup_dirty`.
pub(super) fn marks(marks: &[(i32, i64)], commit_no: i64) -> Batch {
    let mut batch = Batch::default();
    batch.put(Int32Array::from_iter_values(marks.iter().map(|mark| mark.0)));
    batch.put_longs(marks.iter().map(|mark| mark.1).collect());
    batch.put_longs(vec![commit_no; marks.len()]);
    batch
}

/// The columns of `sheet_dirty`.
pub(super) fn day_marks(marks: &[(i32, i32)], commit_no: i64) -> Batch {
    let mut batch = Batch::default();
    batch.put(Int32Array::from_iter_values(marks.iter().map(|mark| mark.0)));
    batch.put(Int32Array::from_iter_values(marks.iter().map(|mark| mark.1)));
    batch.put_longs(vec![commit_no; marks.len()]);
    batch
}

/// The columns of `visitor_bitmap`.
pub(super) fn bitmaps(site: i32, day: i32, version: i64, lines: &[BitmapLine]) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    batch.put(Int32Array::from(vec![site; lines.len()]));
    batch.put(Int32Array::from(vec![day; lines.len()]));
    batch.put(Int16Array::from_iter_values(lines.iter().map(|line| line.dimension.number())));
    batch.put(StringArray::from_iter_values(lines.iter().map(|line| &line.value)));
    batch.put(BooleanArray::from_iter(lines.iter().map(|line| Some(line.bot))));
    batch.put_longs(vec![version; lines.len()]);
    batch.put_longs(narrow(&lines.iter().map(|line| line.visitors).collect::<Vec<_>>(), "visitors")?);
    batch.put(BinaryArray::from_iter_values(lines.iter().map(|line| &line.bitmap)));
    Ok(batch)
}

/// The columns of `breakdown_1d`.
pub(super) fn breakdown(site: i32, day: i32, lines: &[BreakdownLine]) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    let counts = |of: &dyn Fn(&BreakdownLine) -> u64, field| {
        narrow::<u64, i64>(&lines.iter().map(of).collect::<Vec<_>>(), field)
    };
    batch.put(Int32Array::from(vec![site; lines.len()]));
    batch.put(Int32Array::from(vec![day; lines.len()]));
    batch.put(Int16Array::from_iter_values(lines.iter().map(|line| line.dimension.number())));
    batch.put(StringArray::from_iter_values(lines.iter().map(|line| &line.value)));
    batch.put(Int8Array::from_iter_values(lines.iter().map(|line| line.kind)));
    batch.put_longs(counts(&|line| line.counts.events, "events")?);
    batch.put_longs(counts(&|line| line.counts.page_views, "page_views")?);
    batch.put_longs(counts(&|line| line.counts.value_count, "value_count")?);
    batch.put_sums(lines.iter().map(|line| line.counts.value_sum))?;
    batch.put(Int64Array::from_iter(lines.iter().map(|line| line.counts.value_min)));
    batch.put(Int64Array::from_iter(lines.iter().map(|line| line.counts.value_max)));
    batch.put_longs(counts(&|line| line.visitors, "visitors")?);
    batch.put_longs(counts(&|line| line.sessions, "sessions")?);
    batch.put_longs(counts(&|line| line.bounces, "bounces")?);
    batch.put_sums(lines.iter().map(|line| line.session_us))?;
    batch.put_longs(counts(&|line| line.session_page_views, "session_page_views")?);
    Ok(batch)
}

/// Several columns of 64 bits: for the tables that lookups join with.
pub(super) fn longs(columns: Vec<Vec<i64>>) -> Batch {
    let mut batch = Batch::default();
    for column in columns {
        batch.put_longs(column);
    }
    batch
}

/// One column of 16 bytes.
pub(super) fn wides(numbers: &[u128]) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    batch.put_wide(numbers)?;
    Ok(batch)
}

fn texts(column: TextColumn) -> Result<StringArray, Error> {
    let (bytes, ends) = column.into_parts();
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    offsets.extend(narrow::<u32, i32>(&ends, "text")?);
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    StringArray::try_new(offsets, Buffer::from_vec(bytes.into_bytes()), None).map_err(unfit)
}

/// Converts to the engine's signed types; what does not fit is refused, never wrapped.
pub(super) fn narrow<A: Copy, B: TryFrom<A>>(numbers: &[A], field: &str) -> Result<Vec<B>, Error> {
    numbers
        .iter()
        .map(|number| B::try_from(*number).map_err(|_| Error::Engine(format!("{field} is too large for its column"))))
        .collect()
}

fn unfit(error: ArrowError) -> Error {
    Error::Engine(format!("the rows do not fit their columns: {error}"))
}
