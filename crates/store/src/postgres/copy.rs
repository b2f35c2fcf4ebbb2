//! Rows on their way in: PostgreSQL's binary COPY format, written by hand since the driver has no encoder for it.
//!
//! ```text
//!   PGCOPY\n\xff\r\n\0  flags  extension │ row: fields (i16), each: length (i32, -1 is NULL), value │ … │ -1
//! ```
//!
//! A COPY is several messages that the server answers once. The driver leaves Nagle's algorithm on, so its last one waits until the one
//! before is acknowledged, which the kernel delays by 40 ms: three tables a commit, a tenth of a second. So few rows go in as one
//! INSERT, whose bound values are the same fields.
//!
//! Numbers are big-endian. A text may hold no NUL here: it becomes U+FFFD, in rows as in bound values, so that both still
//! meet. What does not fit its column is refused, never wrapped.

use super::cells;
use super::failure::engine;
use crate::Error;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo};
use sqlx::{AssertSqlSafe, Encode, PgConnection, Postgres, Type};
use std::borrow::Cow;

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The type of the items of a list of texts.
const TEXT_OID: i32 = 25;
/// Bytes that go out at a time: large enough for the socket, small enough for memory.
const PIECE: usize = 1 << 20;

/// Rows that one INSERT takes; more cost less as a COPY, its delay included. Their fields stay far below the 65,535 values of a message.
const FEW: usize = 200;
/// Of so few rows the statement is kept prepared: most commits of a quiet site are one of these.
const PREPARED: usize = 8;

/// Rows of one table.
pub(super) struct CopyRows {
    bytes: Vec<u8>,
}

/// One row under construction.
pub(super) struct Row<'a>(&'a mut Vec<u8>);

impl CopyRows {
    fn new() -> CopyRows {
        CopyRows { bytes: HEADER.to_vec() }
    }

    fn row(&mut self, fields: i16) -> Row<'_> {
        self.bytes.extend_from_slice(&fields.to_be_bytes());
        Row(&mut self.bytes)
    }
}

/// Puts `rows` rows of `fields` fields each into a table, in the running transaction. `fill` writes the row of a number.
///
/// On an error the connection is in the middle of a message: it must be closed.
pub(super) async fn copy(
    conn: &mut PgConnection,
    table: &str,
    fields: i16,
    rows: usize,
    fill: impl Fn(usize, &mut Row<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let taken = match rows {
        0 => 0,
        1..=FEW => insert(conn, table, fields, rows, fill).await?,
        _ => stream(conn, table, fields, rows, fill).await?,
    };
    if taken != rows as u64 {
        return Err(Error::Engine(format!("{taken} of {rows} rows went into {table}")));
    }
    Ok(())
}

/// Many rows, as a COPY; how many the server took.
async fn stream(
    conn: &mut PgConnection,
    table: &str,
    fields: i16,
    rows: usize,
    fill: impl Fn(usize, &mut Row<'_>) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut copying = conn.copy_in_raw(&format!("COPY {table} FROM STDIN (FORMAT binary)")).await.map_err(engine)?;
    let mut out = CopyRows::new();
    for number in 0..rows {
        fill(number, &mut out.row(fields))?;
        if out.bytes.len() >= PIECE {
            copying.send(out.bytes.as_slice()).await.map_err(engine)?;
            out.bytes.clear();
        }
    }
    out.bytes.extend_from_slice(&(-1i16).to_be_bytes());
    copying.send(out.bytes.as_slice()).await.map_err(engine)?;
    // Only here the server says whether it took the rows.
    copying.finish().await.map_err(engine)
}

/// Few rows, as one statement; how many the server took.
async fn insert(
    conn: &mut PgConnection,
    table: &str,
    fields: i16,
    rows: usize,
    fill: impl Fn(usize, &mut Row<'_>) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut bytes = Vec::new();
    for number in 0..rows {
        fill(number, &mut Row(&mut bytes))?;
    }
    let fields = usize::from(fields.unsigned_abs());
    let mut sql = format!("INSERT INTO {table} VALUES ");
    for number in 0..rows {
        let places: Vec<String> = (1..=fields).map(|field| format!("${}", number * fields + field)).collect();
        sql.push_str(if number == 0 { "(" } else { ", (" });
        sql.push_str(&places.join(", "));
        sql.push(')');
    }
    // The text holds places alone; every value is bound.
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(rows <= PREPARED);
    for value in values(&bytes) {
        query = query.bind(Field(value));
    }
    Ok(query.execute(conn).await.map_err(engine)?.rows_affected())
}

/// The fields that were written, without their lengths; `None` is NULL.
fn values(mut bytes: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        // -1 is NULL.
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            bytes = rest;
            return Some(None);
        };
        let (value, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some(Some(value))
    })
}

/// A field of a row as a bound value, whose type is that of its column.
struct Field<'a>(Option<&'a [u8]>);

impl Type<Postgres> for Field<'_> {
    fn type_info() -> PgTypeInfo {
        cells::UNTYPED
    }
}

impl Encode<'_, Postgres> for Field<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let Some(value) = self.0 else { return Ok(IsNull::Yes) };
        buffer.extend_from_slice(value);
        Ok(IsNull::No)
    }
}

impl Row<'_> {
    fn value(&mut self, bytes: &[u8]) {
        // No value of a row is near 2 GiB: a commit is cut long before.
        self.0.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn null(&mut self) {
        self.0.extend_from_slice(&(-1i32).to_be_bytes());
    }

    pub(super) fn bool(&mut self, truth: bool) {
        self.value(&[u8::from(truth)]);
    }

    pub(super) fn smallint(&mut self, number: i16) {
        self.value(&number.to_be_bytes());
    }

    pub(super) fn integer(&mut self, number: i32) {
        self.value(&number.to_be_bytes());
    }

    pub(super) fn bigint(&mut self, number: i64) {
        self.value(&number.to_be_bytes());
    }

    pub(super) fn maybe_bigint(&mut self, number: Option<i64>) {
        match number {
            Some(number) => self.bigint(number),
            None => self.null(),
        }
    }

    pub(super) fn uuid(&mut self, wide: u128) {
        self.value(&wide.to_be_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.value(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.value(without_nul(text).as_bytes());
    }

    pub(super) fn texts<'t>(&mut self, items: impl ExactSizeIterator<Item = &'t str>) {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        let dimensions = i32::from(items.len() > 0);
        for number in [dimensions, 0, TEXT_OID] {
            self.0.extend_from_slice(&number.to_be_bytes());
        }
        if dimensions > 0 {
            for number in [items.len() as i32, 1] {
                self.0.extend_from_slice(&number.to_be_bytes());
            }
            for item in items {
                self.text(item);
            }
        }
        let length = (self.0.len() - start - 4) as i32;
        self.0[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// A whole number of any size: digits of base 10,000.
    pub(super) fn numeric(&mut self, number: i128) {
        let mut digits = Vec::new();
        let mut rest = number.unsigned_abs();
        while rest > 0 {
            digits.push((rest % 10_000) as i16);
            rest /= 10_000;
        }
        let sign: i16 = if number < 0 { 0x4000 } else { 0 };
        let head = [digits.len() as i16, digits.len() as i16 - 1, sign, 0];
        self.0.extend_from_slice(&(8 + 2 * digits.len() as i32).to_be_bytes());
        for half in head.into_iter().chain(digits.into_iter().rev()) {
            self.0.extend_from_slice(&half.to_be_bytes());
        }
    }
}

/// The text as PostgreSQL can hold it.
pub(super) fn without_nul(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&0) { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Converts to the engine's signed types; what does not fit is refused, never wrapped.
pub(super) fn narrow<A: Copy, B: TryFrom<A>>(number: A, field: &str) -> Result<B, Error> {
    B::try_from(number).map_err(|_| Error::Engine(format!("{field} is too large for its column")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fill: impl Fn(&mut Row<'_>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        fill(&mut Row(&mut bytes));
        bytes
    }

    #[test]
    fn numbers_lists_and_absent_values_have_the_documented_bytes() {
        assert_eq!(written(|row| row.smallint(-2)), [0, 0, 0, 2, 0xff, 0xfe]);
        assert_eq!(written(|row| row.null()), [0xff; 4]);
        let one = [0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 1];
        let item = [0, 0, 0, 3, 0xef, 0xbf, 0xbd];
        // The lengths are those of the list and of its item, U+FFFD for a NUL.
        assert_eq!(written(|row| row.texts(["\0"].into_iter()))[4..], [&one[4..], &item[..]].concat());
        assert_eq!(written(|row| row.texts([].into_iter())), [&[0, 0, 0, 12][..], &[0; 11], &[25]].concat());
    }

    #[test]
    fn the_fields_of_a_row_are_its_bound_values() {
        let row = written(|row| {
            row.smallint(-2);
            row.null();
            row.text("");
            row.text("é");
        });
        let read: Vec<Option<&[u8]>> = values(&row).collect();
        assert_eq!(read, [Some(&[0xff, 0xfe][..]), None, Some(&[][..]), Some("é".as_bytes())]);
    }

    #[test]
    fn whole_numbers_of_any_size_are_digits_of_ten_thousand() {
        let halves = |number| {
            let bytes = written(|row| row.numeric(number));
            bytes[4..].chunks(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).collect::<Vec<_>>()
        };
        assert_eq!(halves(0), [0, -1, 0, 0]);
        assert_eq!(halves(-1_0002), [2, 1, 0x4000, 0, 1, 2]);
        assert_eq!(halves(i128::MAX)[..2], [10, 9]);
    }
}
