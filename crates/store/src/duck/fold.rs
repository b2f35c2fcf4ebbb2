//! Folds signed rows: a row that was added and taken back is deleted together with its retraction.
//!
//! It runs beside the writer, which only appends: the rows it deletes are of its snapshot, nobody else deletes them, and
//! what came meanwhile waits for the next time.

use super::failure::engine;
use super::worker::transaction;
use crate::Error;
use duckdb::Connection;

const SESSIONS: &str = include_str!("sql/fold_sessions.sql");
const VISITORS: &str = include_str!("sql/fold_visitors.sql");

/// Fewer retractions than this are left alone: reading over them costs less than folding.
const LEAST: u64 = 20_000;
/// And so is less than this part of the table, since a fold reads all of it: one row in twenty.
const PART: u64 = 20;

/// How many rows a fold deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    pub session_rows: u64,
    pub visitor_rows: u64,
}

/// When to fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Worthwhile,
    Always,
}

pub(super) fn fold(conn: &Connection, when: When) -> Result<Folded, Error> {
    Ok(Folded {
        session_rows: fold_table(conn, "session", SESSIONS, when)?,
        visitor_rows: fold_table(conn, "visitor", VISITORS, when)?,
    })
}

fn fold_table(conn: &Connection, table: &str, fold: &str, when: When) -> Result<u64, Error> {
    transaction(conn, |conn| {
        let (rows, retracted): (u64, u64) = conn
            .prepare(&format!("SELECT count(*), count(*) FILTER (WHERE sign = -1) FROM {table}"))
            .and_then(|mut statement| statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))))
            .map_err(engine)?;
        if when == When::Worthwhile && retracted < LEAST.max(rows / PART) {
            return Ok(0);
        }
        conn.prepare(fold).and_then(|mut s| s.execute([])).map(|rows| rows as u64).map_err(engine)
    })
}
