//! A site's new zone: the local days of all its rows are made anew, in one transaction.
//!
//! ```text
//!   times of the site's rows   first ─────────────────────────────────────────▶ last
//!   stretches of one offset      │ from, to, offset │ from, to, offset │ …       (computed here: SQL sees numbers only)
//!   day of a row               (time + offset) / a day, rounded down; only rows whose day differs are written
//! ```
//!
//! Runs on the writer's connection, so between two commits, and never beside a refresh or a fold, which rewrite rows of the
//! same tables: they and this take turns (`DuckStore::rewriting`).

use super::failure::engine;
use super::worker::transaction;
use crate::Error;
use crate::zone::stretches;
use duckdb::{Connection, Params, params};
use pistats_core::directory::Site;
use pistats_core::{Micros, SiteId};

/// Where local days stand: table, the instant that the day is of, the day.
const DAYS: [(&str, &str, &str); 3] =
    [("event", "time_us", "day"), ("session", "first_us", "day"), ("visitor", "first_us", "first_day")];

/// What is made of local days. Rows of the old days mean nothing any more.
const MADE_OF_DAYS: [&str; 7] =
    ["traffic_15m", "session_15m", "rollup_dirty", "sheet", "visitor_bitmap", "breakdown_1d", "sheet_dirty"];

const MARK_HOURS: &str = include_str!("sql/mark_site_hours.sql");
const MARK_DAYS: &str = include_str!("sql/mark_site_days.sql");

/// Puts a site in the place of the one with its id, and all its rows into the days of its zone.
pub(super) fn change(conn: &Connection, site: &Site) -> Result<(), Error> {
    transaction(conn, |conn| {
        super::registry::replace_site(conn, site)?;
        let Some(hull) = hull(conn, site.id)? else { return count_generation(conn).map(|_| ()) };
        for stretch in stretches(&site.zone, hull) {
            for (table, time, day) in DAYS {
                // Statements are kept by their text, and there is one text a table.
                run(conn, &moved(table, time, day), params![site.id.0, stretch.0, stretch.1, stretch.2])?;
            }
        }
        for table in MADE_OF_DAYS {
            run(conn, &format!("DELETE FROM {table} WHERE site = $1"), params![site.id.0])?;
        }
        let commit_no = count_generation(conn)?;
        run(conn, MARK_HOURS, params![site.id.0, commit_no])?;
        run(conn, MARK_DAYS, params![site.id.0, commit_no])
    })
}

/// A new generation, by a commit of its own: no answer before has the `as_of` of an answer after.
fn count_generation(conn: &Connection) -> Result<i64, Error> {
    conn.prepare_cached("UPDATE generation SET generation = generation + 1, commits = commits + 1 RETURNING commits")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(engine)
}

/// The first and the last instant of the site's rows.
fn hull(conn: &Connection, site: SiteId) -> Result<Option<(Micros, Micros)>, Error> {
    let parts = DAYS.map(|(table, time, _)| {
        format!("SELECT min({time}) AS first, max({time}) AS last FROM {table} WHERE site = $1")
    });
    let sql = format!("SELECT min(first), max(last) FROM ({}) AS t", parts.join(" UNION ALL "));
    let hull: (Option<i64>, Option<i64>) = conn
        .prepare(&sql)
        .and_then(|mut statement| statement.query_row(params![site.0], |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(engine)?;
    Ok(hull.0.map(Micros).zip(hull.1.map(Micros)))
}

/// $1 the site, $2 and $3 the stretch, $4 its offset.
fn moved(table: &str, time: &str, day: &str) -> String {
    // Rounded down before 1970 too: // rounds towards zero.
    let local = format!("({time} + $4)");
    let new = format!("({local} // 86400000000 - CASE WHEN {local} % 86400000000 < 0 THEN 1 ELSE 0 END)");
    format!(
        "UPDATE {table} SET {day} = CAST({new} AS INTEGER) \
         WHERE site = $1 AND {time} >= $2 AND {time} < $3 AND {day} <> {new}"
    )
}

fn run(conn: &Connection, sql: &str, values: impl Params) -> Result<(), Error> {
    conn.prepare(sql).and_then(|mut statement| statement.execute(values)).map_err(engine)?;
    Ok(())
}
