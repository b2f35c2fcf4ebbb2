//! Statements that are planned anew each time, for tables that begin empty and change much.
//!
//! DuckDB plans a prepared statement with what its tables hold at that moment: `state = 1` on a table without such a row becomes the
//! empty answer, and a statement that is kept (`prepare_cached`) gives it for ever after. So what compares a column with a
//! constant is not kept.

use super::failure::engine;
use crate::Error;
use duckdb::{Connection, Row};

pub(super) fn run(conn: &Connection, sql: &str, values: impl duckdb::Params) -> Result<(), Error> {
    conn.prepare(sql).and_then(|mut statement| statement.execute(values)).map_err(engine)?;
    Ok(())
}

pub(super) fn all<T>(
    conn: &Connection,
    sql: &str,
    values: impl duckdb::Params,
    read: impl Fn(&Row<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut statement = conn.prepare(sql).map_err(engine)?;
    let mut rows = statement.query(values).map_err(engine)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        found.push(read(row)?);
    }
    Ok(found)
}
