//! A refresh: rollups of dirty hours, then sheets of dirty days (sheets.rs).
//!
//! Rollups are made anew from the raw rows: delete + insert-select in one transaction, beside the writer on a snapshot of
//! its own. A mark that a commit sets meanwhile is not in the snapshot, so it is not deleted and the hour stays dirty: no
//! number is lost and none is counted twice.
//!
//! Statements that group are prepared each time: the engine's plan may count on the least and greatest values that the
//! table had when it was prepared (perfect hashing), and a kept plan fails once they have moved.

use super::failure::engine;
use super::worker::transaction;
use super::{fold, sheets, writer};
use crate::{Error, Refresh, Refreshed};
use duckdb::{Connection, params};
use pistats_core::Micros;

const CHOOSE: &str = include_str!("sql/choose_dirty.sql");
const TRAFFIC: &str = include_str!("sql/refresh_traffic.sql");
const SESSIONS: &str = include_str!("sql/refresh_sessions.sql");

/// Hours first; days once no dirty hour is left out, since more questions need hours.
pub(super) fn refresh(conn: &Connection, work: Refresh, unfit: &sheets::Unfit) -> Result<Refreshed, Error> {
    let mut refreshed = refresh_hours(conn, work.hours)?;
    if refreshed.hours_left == 0 {
        fold::fold(conn, fold::When::Worthwhile)?;
    }
    let days = if (refreshed.hours as usize) < work.hours { work.days } else { 0 };
    (refreshed.days, refreshed.days_left) = sheets::refresh(conn, days, work.calm_to, unfit)?;
    refreshed.commits = writer::last_commit(conn)?.unsigned_abs();
    Ok(refreshed)
}

fn refresh_hours(conn: &Connection, most: usize) -> Result<Refreshed, Error> {
    conn.execute_batch("CREATE TEMP TABLE IF NOT EXISTS refreshing (site INTEGER NOT NULL, hour BIGINT NOT NULL)")
        .map_err(engine)?;
    let hours = transaction(conn, |conn| {
        let run = |sql: &str| conn.prepare(sql).and_then(|mut s| s.execute([])).map_err(engine);
        run("DELETE FROM temp.refreshing")?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let hours = conn.prepare(CHOOSE).and_then(|mut s| s.execute(params![most])).map_err(engine)?;
        if hours == 0 {
            return Ok(0);
        }
        let (first, last): (i64, i64) = conn
            .prepare("SELECT min(hour), max(hour) FROM temp.refreshing")
            .and_then(|mut s| s.query_row([], |row| Ok((row.get(0)?, row.get(1)?))))
            .map_err(engine)?;
        // Bounds beside the join let the engine skip rows by the minima and maxima it keeps of each row group.
        let bounds = params![first * Micros::HOUR, (last + 1) * Micros::HOUR];
        for (rollup, fill) in [("traffic_15m", TRAFFIC), ("session_15m", SESSIONS)] {
            run(&format!(
                "DELETE FROM {rollup} USING temp.refreshing r \
                 WHERE {rollup}.site = r.site AND {rollup}.bucket BETWEEN r.hour * 4 AND r.hour * 4 + 3"
            ))?;
            conn.prepare(fill).and_then(|mut s| s.execute(bounds)).map_err(engine)?;
        }
        run("DELETE FROM rollup_dirty USING temp.refreshing r \
             WHERE rollup_dirty.site = r.site AND rollup_dirty.hour = r.hour")?;
        Ok(hours as u64)
    })?;
    let left: i64 = conn
        .prepare("SELECT count(*) FROM (SELECT DISTINCT site, hour FROM rollup_dirty)")
        .and_then(|mut s| s.query_row([], |row| row.get(0)))
        .map_err(engine)?;
    Ok(Refreshed { hours, hours_left: left.unsigned_abs(), ..Refreshed::default() })
}
