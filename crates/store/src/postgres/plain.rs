//! Rollups on plain PostgreSQL: tables. A refresh deletes the rows of dirty hours and makes them anew, in one transaction.

use super::failure::engine;
use crate::Error;
use sqlx::{Connection, PgConnection};

const CHOOSE: &str = "SELECT DISTINCT site, hour FROM rollup_dirty ORDER BY hour DESC, site LIMIT $1";

const REFRESH: [&str; 5] = [
    "DELETE FROM traffic_15m t USING unnest($1::integer[], $2::bigint[]) AS r (site, hour) \
     WHERE t.site = r.site AND t.bucket BETWEEN r.hour * 4 AND r.hour * 4 + 3",
    include_str!("sql/refresh_traffic.sql"),
    "DELETE FROM session_15m t USING unnest($1::integer[], $2::bigint[]) AS r (site, hour) \
     WHERE t.site = r.site AND t.bucket BETWEEN r.hour * 4 AND r.hour * 4 + 3",
    include_str!("sql/refresh_sessions.sql"),
    "DELETE FROM rollup_dirty d USING unnest($1::integer[], $2::bigint[]) AS r (site, hour) \
     WHERE d.site = r.site AND d.hour = r.hour",
];

/// Brings the rollups of at most `most` dirty hours up to date, newest first. Returns how many.
pub(super) async fn refresh_hours(conn: &mut PgConnection, most: usize) -> Result<u64, Error> {
    let mut tx = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.map_err(engine)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let chosen: Vec<(i32, i64)> = sqlx::query_as(CHOOSE).bind(most).fetch_all(&mut *tx).await.map_err(engine)?;
    let (sites, hours): (Vec<i32>, Vec<i64>) = chosen.into_iter().unzip();
    if !sites.is_empty() {
        for statement in REFRESH {
            sqlx::query(statement).bind(&sites).bind(&hours).execute(&mut *tx).await.map_err(engine)?;
        }
    }
    tx.commit().await.map_err(engine)?;
    Ok(sites.len() as u64)
}
