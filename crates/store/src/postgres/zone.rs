//! A site's new zone: the local days of all its rows are made anew, in one transaction and in a new generation.
//!
//! The generation's row comes first: commits that are under way take their number before or wait until the end, and then
//! see that they were folded in another generation (S-8).

use super::failure::engine;
use super::registry::replace_site;
use super::timescale;
use super::variant::Variant;
use crate::Error;
use crate::zone::stretches;
use pistats_core::Micros;
use pistats_core::directory::Site;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Where local days stand: table, the instant that the day is of, the day.
const DAYS: [(&str, &str, &str); 3] =
    [("event", "time_us", "day"), ("session", "first_us", "day"), ("visitor", "first_us", "first_day")];

/// What is made of local days. Rows of the old days mean nothing any more.
const MADE_OF_DAYS: [&str; 4] = ["sheet", "visitor_bitmap", "breakdown_1d", "sheet_dirty"];
/// So are rollups. Where they are no tables their rows stay until a refresh makes them anew; marks hide them, so marks of
/// before stay too: an hour may have a row in a rollup and none in its tables any more.
const ROLLUPS: [&str; 3] = ["traffic_15m", "session_15m", "rollup_dirty"];

const MARK: [&str; 2] = [include_str!("sql/mark_site_hours.sql"), include_str!("sql/mark_site_days.sql")];

/// Puts a site in the place of the one with its id, and all its rows into the days of its zone.
pub(super) async fn change(conn: &mut PgConnection, variant: Variant, site: &Site) -> Result<(), Error> {
    let id: i32 = super::copy::narrow(site.id.0, "site")?;
    let mut tx = conn.begin().await.map_err(engine)?;
    let rollups = match variant {
        Variant::Plain => &ROLLUPS[..],
        Variant::Timescale => {
            timescale::rewrite_columns(&mut tx).await?;
            &[]
        }
    };
    let count = "UPDATE generation SET generation = generation + 1, commits = commits + 1 RETURNING commits";
    let commit_no: i64 = sqlx::query_scalar(count).fetch_one(&mut *tx).await.map_err(engine)?;
    replace_site(&mut tx, site).await?;
    if let Some(hull) = hull(&mut tx, id).await? {
        for (from, to, offset) in stretches(&site.zone, hull) {
            for (table, time, day) in DAYS {
                let moved = sqlx::query(AssertSqlSafe(moved(table, time, day)));
                moved.bind(id).bind(from).bind(to).bind(offset).execute(&mut *tx).await.map_err(engine)?;
            }
        }
        for table in MADE_OF_DAYS.iter().chain(rollups) {
            let delete = AssertSqlSafe(format!("DELETE FROM {table} WHERE site = $1"));
            sqlx::query(delete).bind(id).execute(&mut *tx).await.map_err(engine)?;
        }
        for mark in MARK {
            sqlx::query(mark).bind(id).bind(commit_no).execute(&mut *tx).await.map_err(engine)?;
        }
    }
    tx.commit().await.map_err(engine)
}

/// The first and the last instant of the site's rows.
async fn hull(conn: &mut PgConnection, site: i32) -> Result<Option<(Micros, Micros)>, Error> {
    let parts = DAYS.map(|(table, time, _)| {
        format!("SELECT min({time}) AS first, max({time}) AS last FROM {table} WHERE site = $1")
    });
    let sql = format!("SELECT min(first), max(last) FROM ({}) AS t", parts.join(" UNION ALL "));
    let hull: (Option<i64>, Option<i64>) =
        sqlx::query_as(AssertSqlSafe(sql)).bind(site).fetch_one(conn).await.map_err(engine)?;
    Ok(hull.0.map(Micros).zip(hull.1.map(Micros)))
}

/// $1 the site, $2 and $3 the stretch, $4 its offset.
fn moved(table: &str, time: &str, day: &str) -> String {
    // Rounded down before 1970 too: / rounds towards zero.
    let local = format!("({time} + $4)");
    let new = format!("({local} / 86400000000 - CASE WHEN {local} % 86400000000 < 0 THEN 1 ELSE 0 END)");
    format!(
        "UPDATE {table} SET {day} = CAST({new} AS integer) \
         WHERE site = $1 AND {time} >= $2 AND {time} < $3 AND {day} <> {new}"
    )
}
