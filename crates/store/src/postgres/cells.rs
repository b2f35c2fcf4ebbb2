//! Values on their way out and parameters on their way in, in PostgreSQL's binary formats.

use super::copy::without_nul;
use super::failure::engine;
use crate::{Cell, Error, Rows, Shape, Statement};
use futures::TryStreamExt;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo, PgValueRef};
use sqlx::query::Query;
use sqlx::types::Uuid;
use sqlx::{AssertSqlSafe, Column, Encode, PgConnection, Postgres, Row, Type, ValueRef};

/// The type of a value of which the statement decides what it is.
pub(super) const UNTYPED: PgTypeInfo = PgTypeInfo::with_oid(Oid(705));

/// NULL of any type.
struct Untyped;

impl Type<Postgres> for Untyped {
    fn type_info() -> PgTypeInfo {
        UNTYPED
    }
}

impl Encode<'_, Postgres> for Untyped {
    fn encode_by_ref(&self, _: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
}

/// Runs a statement and gathers its rows.
///
/// It is planned anew each time (`plan_cache_mode`). Without values a prepared one would keep its plan all the same, and the server
/// tells others of a new chunk of a hypertable a moment after the commit that made it can be seen: in that moment an old plan reads
/// all chunks but that one (S-3).
pub(super) async fn query(conn: &mut PgConnection, statement: &Statement) -> Result<Rows, Error> {
    // The texts are the planners'; values are bound.
    let mut query = sqlx::query(AssertSqlSafe(statement.sql.clone())).persistent(!statement.values.is_empty());
    for value in &statement.values {
        query = bind(query, value);
    }
    let mut stream = query.fetch(conn);
    let mut rows = Rows::default();
    let mut kinds = Vec::new();
    while let Some(row) = stream.try_next().await.map_err(engine)? {
        if kinds.is_empty() {
            kinds = row.columns().iter().map(Kind::of).collect::<Result<Vec<_>, _>>()?;
            rows.numbers.resize_with(if statement.shape == Shape::Numbers { kinds.len() } else { 0 }, Vec::new);
        }
        match statement.shape {
            Shape::Rows => rows.rows.push(gather(&row, &kinds)?),
            Shape::Numbers => gather_numbers(&row, &kinds, &mut rows.numbers)?,
        }
    }
    Ok(rows)
}

fn bind<'q>(query: Query<'q, Postgres, PgArguments>, cell: &'q Cell) -> Query<'q, Postgres, PgArguments> {
    match cell {
        Cell::Null => query.bind(Untyped),
        Cell::Bool(truth) => query.bind(*truth),
        Cell::Int(number) => query.bind(*number),
        Cell::Text(text) => query.bind(without_nul(text)),
        Cell::List(items) => query.bind(items.iter().map(|item| without_nul(item).into_owned()).collect::<Vec<_>>()),
        Cell::Numbers(numbers) => query.bind(numbers.as_slice()),
        Cell::Wide(wide) => query.bind(Uuid::from_u128(*wide)),
        Cell::Bytes(bytes) => query.bind(bytes.as_slice()),
    }
}

/// The types that cells hold.
#[derive(Clone, Copy)]
enum Kind {
    Bool,
    Smallint,
    Integer,
    Bigint,
    Numeric,
    Text,
    Texts,
    Bytes,
    Uuid,
}

impl Kind {
    fn of(column: &<Postgres as sqlx::Database>::Column) -> Result<Kind, Error> {
        // The numbers of built-in types never change.
        Ok(match column.type_info().oid().map(|oid| oid.0) {
            Some(16) => Kind::Bool,
            Some(21) => Kind::Smallint,
            Some(23) => Kind::Integer,
            Some(20) => Kind::Bigint,
            Some(1700) => Kind::Numeric,
            Some(25 | 1043 | 19 | 705) => Kind::Text,
            Some(1009 | 1015) => Kind::Texts,
            Some(17) => Kind::Bytes,
            Some(2950) => Kind::Uuid,
            _ => {
                let (name, kind) = (column.name(), column.type_info());
                return Err(Error::Statement(format!("column {name} is a {kind}, which no cell holds; cast it")));
            }
        })
    }
}

fn gather(row: &PgRow, kinds: &[Kind]) -> Result<Vec<Cell>, Error> {
    let mut cells = Vec::with_capacity(kinds.len());
    for (at, kind) in kinds.iter().enumerate() {
        let raw = row.try_get_raw(at).map_err(engine)?;
        cells.push(match bytes(&raw)? {
            None => Cell::Null,
            Some(bytes) => cell(*kind, bytes)?,
        });
    }
    Ok(cells)
}

fn gather_numbers(row: &PgRow, kinds: &[Kind], columns: &mut [Vec<i64>]) -> Result<(), Error> {
    for (at, (kind, column)) in kinds.iter().zip(columns).enumerate() {
        let raw = row.try_get_raw(at).map_err(engine)?;
        column.push(match bytes(&raw)? {
            None => Rows::NULL,
            Some(bytes) => number(*kind, bytes)?
                .ok_or_else(|| Error::Statement(format!("column {} is no whole number", row.columns()[at].name())))?,
        });
    }
    Ok(())
}

fn bytes<'r>(raw: &PgValueRef<'r>) -> Result<Option<&'r [u8]>, Error> {
    if raw.is_null() {
        return Ok(None);
    }
    raw.as_bytes().map(Some).map_err(|error| Error::Engine(error.to_string()))
}

/// A whole number, `None` where the column holds something else.
fn number(kind: Kind, bytes: &[u8]) -> Result<Option<i64>, Error> {
    Ok(Some(match kind {
        Kind::Bigint => i64::from_be_bytes(fixed(bytes)?),
        Kind::Integer => i32::from_be_bytes(fixed(bytes)?).into(),
        Kind::Smallint => i16::from_be_bytes(fixed(bytes)?).into(),
        Kind::Bool => i64::from(bytes != [0]),
        Kind::Numeric => numeric(bytes)?,
        Kind::Text | Kind::Texts | Kind::Bytes | Kind::Uuid => return Ok(None),
    }))
}

fn cell(kind: Kind, bytes: &[u8]) -> Result<Cell, Error> {
    Ok(match kind {
        Kind::Bool => Cell::Bool(bytes != [0]),
        Kind::Text => Cell::Text(text(bytes)?),
        Kind::Texts => Cell::List(texts(bytes)?),
        Kind::Bytes => Cell::Bytes(bytes.to_vec()),
        Kind::Uuid => Cell::Wide(u128::from_be_bytes(fixed(bytes)?)),
        Kind::Bigint | Kind::Integer | Kind::Smallint | Kind::Numeric => {
            number(kind, bytes)?.map_or(Cell::Null, Cell::Int)
        }
    })
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Error> {
    bytes.try_into().map_err(|_| malformed())
}

fn text(bytes: &[u8]) -> Result<String, Error> {
    String::from_utf8(bytes.to_vec()).map_err(|_| malformed())
}

/// A sum: whole, and refused where it exceeds 64 bits. Digits of base 10,000, the first one worth 10,000 to the `weight`.
fn numeric(bytes: &[u8]) -> Result<i64, Error> {
    let half = |at: usize| bytes.get(2 * at..2 * at + 2).map(|pair| i16::from_be_bytes([pair[0], pair[1]]));
    let (Some(digits), Some(weight), Some(sign)) = (half(0), half(1), half(2)) else { return Err(malformed()) };
    let (digits, weight) = (usize::from(digits.unsigned_abs()), i64::from(weight));
    if sign != 0 && sign != 0x4000 || digits as i64 > weight + 1 {
        return Err(Error::Statement("a number that is not whole; cast it".to_owned()));
    }
    let mut sum: i128 = 0;
    // Trailing zeros are not written.
    for at in 0..=weight {
        let digit = if (at as usize) < digits { half(4 + at as usize).ok_or_else(malformed)? } else { 0 };
        sum = sum.checked_mul(10_000).and_then(|sum| sum.checked_add(digit.into())).ok_or(Error::Overflow)?;
    }
    i64::try_from(if sign == 0 { sum } else { -sum }).map_err(|_| Error::Overflow)
}

/// A list of one dimension: how many dimensions, flags, item type, length, first place; then the items.
fn texts(bytes: &[u8]) -> Result<Vec<String>, Error> {
    let word = |at: usize| bytes.get(at..at + 4).map(|four| i32::from_be_bytes([four[0], four[1], four[2], four[3]]));
    match word(0).ok_or_else(malformed)? {
        0 => return Ok(Vec::new()),
        1 => {}
        _ => return Err(Error::Statement("a list of lists, which no cell holds".to_owned())),
    }
    let count = word(12).ok_or_else(malformed)?;
    let mut items = Vec::new();
    let mut at = 20;
    for _ in 0..count {
        let length = word(at).ok_or_else(malformed)?;
        at += 4;
        // A missing item is an empty one, as in every column.
        let length = usize::try_from(length).unwrap_or(0);
        items.push(text(bytes.get(at..at + length).ok_or_else(malformed)?)?);
        at += length;
    }
    Ok(items)
}

fn malformed() -> Error {
    Error::Engine("a value is not in the format of its type".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halves(halves: &[i16]) -> Vec<u8> {
        halves.iter().flat_map(|half| half.to_be_bytes()).collect()
    }

    #[test]
    fn whole_numbers_are_read_up_to_64_bits() {
        let read = |numbers: &[i16]| numeric(&halves(numbers));
        assert_eq!(read(&[0, 0, 0, 0]).ok(), Some(0));
        assert_eq!(read(&[1, 2, 0x4000, 0, 3]).ok(), Some(-300_000_000));
        let most = [5, 4, 0, 0, 922, 3372, 368, 5477, 5807];
        assert_eq!(read(&most).ok(), Some(i64::MAX));
        assert!(matches!(read(&[5, 4, 0, 0, 922, 3372, 368, 5477, 5808]), Err(Error::Overflow)));
        assert_eq!(read(&[5, 4, 0x4000, 0, 922, 3372, 368, 5477, 5808]).ok(), Some(i64::MIN));
        assert!(matches!(read(&[1, 300, 0, 0, 1]), Err(Error::Overflow)));
        assert!(matches!(read(&[1, -1, 0, 4, 5000]), Err(Error::Statement(_))), "a half is no whole number");
        assert!(matches!(numeric(&[0, 1]), Err(Error::Engine(_))));
    }
}
