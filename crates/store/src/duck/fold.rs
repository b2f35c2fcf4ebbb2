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
const WORTHWHILE: i64 = 20_000;

/// How many rows a fold deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    pub session_rows: u64,
    pub visitor_rows: u64,
}

pub(super) fn fold(conn: &Connection) -> Result<Folded, Error> {
    fold_above(conn, WORTHWHILE)
}

/// Folds each table that holds more retractions than `least`.
pub(super) fn fold_above(conn: &Connection, least: i64) -> Result<Folded, Error> {
    Ok(Folded {
        session_rows: fold_table(conn, "session", SESSIONS, least)?,
        visitor_rows: fold_table(conn, "visitor", VISITORS, least)?,
    })
}

fn fold_table(conn: &Connection, table: &str, fold: &str, least: i64) -> Result<u64, Error> {
    transaction(conn, |conn| {
        let retracted: i64 = conn
            .prepare_cached(&format!("SELECT count(*) FROM {table} WHERE sign = -1"))
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(engine)?;
        if retracted <= least {
            return Ok(0);
        }
        conn.prepare_cached(fold)
            .and_then(|mut statement| statement.execute([]))
            .map(|rows| rows as u64)
            .map_err(engine)
    })
}
