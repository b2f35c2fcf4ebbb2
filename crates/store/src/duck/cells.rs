//! Values on their way out and parameters on their way in.
//!
//! Three kinds of parameter have no binding in the crate: a `$n` that holds 16 bytes becomes `CAST($n AS UUID)`, one that
//! holds a list of texts `list_value($a, $b, …)` over parameters of its own, one that holds numbers a text with commas that the
//! engine splits. Values are bound in every case.

use super::failure::engine;
use crate::{Cell, Error, Rows, Shape, Statement};
use duckdb::Connection;
use duckdb::arrow::array::{Array, ArrayRef, AsArray, StructArray};
use duckdb::arrow::datatypes::{
    DataType, Field, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use duckdb::types::{ToSql, Value};
use std::fmt::Write;

/// Runs a statement and gathers its rows.
pub(super) fn query(conn: &Connection, statement: &Statement) -> Result<Rows, Error> {
    let (sql, values) = bound(statement);
    let mut prepared = conn.prepare(&sql).map_err(engine)?;
    prepared.execute(duckdb::params_from_iter(values)).map_err(engine)?;
    let mut rows = Rows::default();
    while let Some(chunk) = prepared.step().map_err(engine)? {
        match statement.shape {
            Shape::Rows => gather(&chunk, &mut rows.rows)?,
            Shape::Numbers => gather_numbers(&chunk, &mut rows.numbers)?,
        }
    }
    Ok(rows)
}

/// The statement as DuckDB takes it.
fn bound(statement: &Statement) -> (String, Vec<Value>) {
    let simple = |cell: &Cell| match cell {
        Cell::Null | Cell::List(_) => Value::Null,
        Cell::Numbers(numbers) => Value::Text(with_commas(numbers)),
        Cell::Bool(truth) => Value::Boolean(*truth),
        Cell::Int(number) => Value::BigInt(*number),
        Cell::Text(text) => Value::Text(text.clone()),
        Cell::Wide(wide) => Value::Text(uuid_text(*wide)),
        Cell::Bytes(bytes) => Value::Blob(bytes.clone()),
    };
    if !statement.values.iter().any(|cell| matches!(cell, Cell::Wide(_) | Cell::List(_) | Cell::Numbers(_))) {
        return (statement.sql.clone(), statement.values.iter().map(simple).collect());
    }
    // Parameters are numbered anew in the order of their use: every one is used, as the engine demands.
    let mut sql = String::with_capacity(statement.sql.len() + 64);
    let mut values = Vec::new();
    for piece in pieces(&statement.sql) {
        let cell = match piece {
            Piece::Text(text) => {
                sql.push_str(text);
                continue;
            }
            Piece::Parameter(number) => statement.values.get(number.wrapping_sub(1)).unwrap_or(&Cell::Null),
        };
        // Writing to a String cannot fail.
        let _ = match cell {
            Cell::List(items) if items.is_empty() => write!(sql, "CAST([] AS VARCHAR[])"),
            Cell::List(items) => {
                let first = values.len() + 1;
                values.extend(items.iter().map(|item| Value::Text(item.clone())));
                let numbers: Vec<String> = (first..=values.len()).map(|number| format!("${number}")).collect();
                write!(sql, "list_value({})", numbers.join(", "))
            }
            Cell::Numbers(numbers) if numbers.is_empty() => write!(sql, "CAST([] AS BIGINT[])"),
            Cell::Numbers(_) => {
                values.push(simple(cell));
                write!(sql, "CAST(string_split(${}, ',') AS BIGINT[])", values.len())
            }
            Cell::Wide(_) => {
                values.push(simple(cell));
                write!(sql, "CAST(${} AS UUID)", values.len())
            }
            _ => {
                values.push(simple(cell));
                write!(sql, "${}", values.len())
            }
        };
    }
    (sql, values)
}

fn with_commas(numbers: &[i64]) -> String {
    let mut text = String::with_capacity(numbers.len() * 8);
    for (place, number) in numbers.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}{number}", if place == 0 { "" } else { "," });
    }
    text
}

enum Piece<'a> {
    Text(&'a str),
    Parameter(usize),
}

/// Cuts SQL at its parameters; a `$1` within quotes is text.
fn pieces(sql: &str) -> Vec<Piece<'_>> {
    let bytes = sql.as_bytes();
    let mut pieces = Vec::new();
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'"') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += 1;
                }
                at += 1;
            }
            b'$' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {
                let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                pieces.push(Piece::Text(&sql[from..at]));
                pieces.push(Piece::Parameter(sql[at + 1..at + 1 + digits].parse().unwrap_or(0)));
                at += 1 + digits;
                from = at;
            }
            _ => at += 1,
        }
    }
    pieces.push(Piece::Text(&sql[from..]));
    pieces
}

/// The 8-4-4-4-12 form of 16 bytes.
pub(super) fn uuid_text(wide: u128) -> String {
    let hex = format!("{wide:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// 16 bytes as a parameter of a `CAST($n AS UUID)`.
pub(super) struct Wide(pub(super) u128);

impl ToSql for Wide {
    fn to_sql(&self) -> duckdb::Result<duckdb::types::ToSqlOutput<'_>> {
        Ok(duckdb::types::ToSqlOutput::from(uuid_text(self.0)))
    }
}

fn gather(chunk: &StructArray, rows: &mut Vec<Vec<Cell>>) -> Result<(), Error> {
    let width = chunk.num_columns();
    let first = rows.len();
    rows.extend((0..chunk.len()).map(|_| Vec::with_capacity(width)));
    for (field, column) in chunk.fields().iter().zip(chunk.columns()) {
        for (at, row) in rows[first..].iter_mut().enumerate() {
            row.push(cell(field, column, at)?);
        }
    }
    Ok(())
}

fn gather_numbers(chunk: &StructArray, numbers: &mut Vec<Vec<i64>>) -> Result<(), Error> {
    numbers.resize_with(chunk.num_columns(), Vec::new);
    for ((field, column), numbers) in chunk.fields().iter().zip(chunk.columns()).zip(numbers) {
        if let Some(plain) = column.as_primitive_opt::<Int64Type>().filter(|plain| plain.null_count() == 0) {
            numbers.extend_from_slice(plain.values());
            continue;
        }
        for at in 0..column.len() {
            numbers.push(match cell(field, column, at)? {
                Cell::Null => Rows::NULL,
                Cell::Int(number) => number,
                Cell::Bool(truth) => i64::from(truth),
                other => {
                    return Err(Error::Statement(format!("column {}: {other:?} is no whole number", field.name())));
                }
            });
        }
    }
    Ok(())
}

fn cell(field: &Field, column: &ArrayRef, at: usize) -> Result<Cell, Error> {
    if column.is_null(at) {
        return Ok(Cell::Null);
    }
    let extension = field.metadata().get("ARROW:extension:name").map(String::as_str);
    Ok(match column.data_type() {
        DataType::Boolean => Cell::Bool(column.as_boolean().value(at)),
        DataType::Int8 if extension == Some("arrow.bool8") => {
            Cell::Bool(column.as_primitive::<Int8Type>().value(at) != 0)
        }
        DataType::Int8 => Cell::Int(column.as_primitive::<Int8Type>().value(at).into()),
        DataType::Int16 => Cell::Int(column.as_primitive::<Int16Type>().value(at).into()),
        DataType::Int32 => Cell::Int(column.as_primitive::<Int32Type>().value(at).into()),
        DataType::Int64 => Cell::Int(column.as_primitive::<Int64Type>().value(at)),
        DataType::UInt8 => Cell::Int(column.as_primitive::<UInt8Type>().value(at).into()),
        DataType::UInt16 => Cell::Int(column.as_primitive::<UInt16Type>().value(at).into()),
        DataType::UInt32 => Cell::Int(column.as_primitive::<UInt32Type>().value(at).into()),
        DataType::UInt64 => {
            let number = column.as_primitive::<UInt64Type>().value(at);
            Cell::Int(i64::try_from(number).map_err(|_| Error::Overflow)?)
        }
        DataType::Utf8 => Cell::Text(column.as_string::<i32>().value(at).to_owned()),
        DataType::Binary => Cell::Bytes(column.as_binary::<i32>().value(at).to_owned()),
        DataType::FixedSizeBinary(16) => wide(extension, column.as_fixed_size_binary().value(at))?,
        DataType::List(item) if *item.data_type() == DataType::Utf8 => {
            let items = column.as_list::<i32>().value(at);
            Cell::List(items.as_string::<i32>().iter().map(|item| item.unwrap_or_default().to_owned()).collect())
        }
        other => {
            let name = field.name();
            return Err(Error::Statement(format!("column {name} is a {other}, which no cell holds; cast it")));
        }
    })
}

/// A UUID is big-endian bytes, a HUGEINT (every sum is one) a little-endian number.
fn wide(extension: Option<&str>, bytes: &[u8]) -> Result<Cell, Error> {
    let bytes: [u8; 16] = bytes.try_into().map_err(|_| Error::Engine("a wide cell is not 16 bytes".to_owned()))?;
    if extension == Some("arrow.uuid") {
        return Ok(Cell::Wide(u128::from_be_bytes(bytes)));
    }
    i64::try_from(i128::from_le_bytes(bytes)).map(Cell::Int).map_err(|_| Error::Overflow)
}
