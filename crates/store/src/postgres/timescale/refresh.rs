//! A refresh of continuous aggregates, which cannot be one transaction: the server commits within the call.
//!
//! ```text
//!   choose     one snapshot: dirty hours, and the number of the last commit that it holds (commits are numbered in the
//!              order in which they become visible)
//!   CALL       each stretch of hours is made anew from a later snapshot: it holds at least those commits
//!   clear      the chosen hours' marks up to that number; a mark of a later commit stays, seen by the call or not
//! ```
//!
//! A reader that sees the mark reads raw rows, one that does not sees a rollup that was complete before the mark went: an
//! answer is exact before, during and after, and after a crash at any point.
//!
//! The calls are forced: the stretch is made anew whatever the server's own log of changes says. Ours is exact by hour and
//! is in the commit's transaction; theirs would redo a whole day for two late rows at its ends.

use crate::Error;
use crate::postgres::failure::engine;
use pistats_core::Micros;
use sqlx::PgConnection;

const CHOOSE: &str = include_str!("../sql/timescale/choose_hours.sql");
const CLEAR: &str = include_str!("../sql/timescale/clear_hours.sql");
/// $1, $2: from and to (exclusive), whole hours in microseconds. One batch: one transaction a stretch and rollup.
const CALLS: [&str; 2] = [
    "CALL refresh_continuous_aggregate('traffic_15m', $1, $2, force => true, options => '{\"buckets_per_batch\": 0}')",
    "CALL refresh_continuous_aggregate('session_15m', $1, $2, force => true, options => '{\"buckets_per_batch\": 0}')",
];

/// Brings the rollups of at most `most` dirty hours up to date, newest first. Returns how many.
pub(in crate::postgres) async fn refresh_hours(conn: &mut PgConnection, most: usize) -> Result<u64, Error> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let chosen: Vec<(i32, i64, i64)> = sqlx::query_as(CHOOSE).bind(most).fetch_all(&mut *conn).await.map_err(engine)?;
    let Some(&(_, _, seen)) = chosen.first() else { return Ok(0) };
    let (sites, hours): (Vec<i32>, Vec<i64>) = chosen.into_iter().map(|(site, hour, _)| (site, hour)).unzip();
    for (first, last) in stretches(&hours) {
        for call in CALLS {
            let (from, to) = (first * Micros::HOUR, (last + 1) * Micros::HOUR);
            sqlx::query(call).bind(from).bind(to).execute(&mut *conn).await.map_err(engine)?;
        }
    }
    sqlx::query(CLEAR).bind(&sites).bind(&hours).bind(seen).execute(conn).await.map_err(engine)?;
    Ok(hours.len() as u64)
}

/// First and last hours of the stretches without a gap.
fn stretches(hours: &[i64]) -> Vec<(i64, i64)> {
    let mut sorted = hours.to_vec();
    sorted.sort_unstable();
    let mut stretches: Vec<(i64, i64)> = Vec::new();
    for hour in sorted {
        match stretches.last_mut() {
            Some((_, last)) if hour <= *last + 1 => *last = hour,
            _ => stretches.push((hour, hour)),
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_of_several_sites_make_stretches_without_a_gap() {
        assert_eq!(stretches(&[]), []);
        assert_eq!(stretches(&[7]), [(7, 7)]);
        assert_eq!(stretches(&[9, 8, 8, 7, 5, 0, -1, -3]), [(-3, -3), (-1, 0), (5, 5), (7, 9)]);
    }
}
