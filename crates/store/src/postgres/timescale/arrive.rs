//! Events on their way in: many of one calm day go straight into columns, as an import's do; all others become rows.
//!
//! Columns are written by the server in the same `COPY` and the same transaction, sorted in pieces, and no index of rows is kept
//! for them: that is most of what a row costs. Nothing that is stored moves, so no snapshot sees half of anything
//! (columns.rs has the other case).

use crate::postgres::failure::engine;
use crate::postgres::rows;
use crate::{Error, EventColumns};
use pistats_core::Micros;
use sqlx::PgConnection;
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// A batch of columns holds a thousand rows; fewer of a day stay rows.
const LEAST_ROWS: usize = 1_000;
const DAY: i64 = 24 * Micros::HOUR;

/// Stores events.
pub(in crate::postgres) async fn events(conn: &mut PgConnection, events: &EventColumns) -> Result<(), Error> {
    let (columns, others) = split(&events.time, now());
    if !columns.is_empty() {
        columnwise(conn, true).await?;
        rows::some_events(conn, events, columns.len(), |at| columns[at]).await?;
        columnwise(conn, false).await?;
    }
    rows::some_events(conn, events, others.len(), |at| others[at]).await
}

/// Whether copied rows of this transaction become columns.
async fn columnwise(conn: &mut PgConnection, whether: bool) -> Result<(), Error> {
    let set = "SELECT set_config('timescaledb.enable_direct_compress_copy', $1, true)";
    let word = if whether { "on" } else { "off" };
    sqlx::query(set).bind(word).execute(conn).await.map_err(engine).map(drop)
}

/// This machine's clock: which of both an event becomes changes no answer.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The places of those that become columns, chunk by chunk, and of the others.
fn split(times: &[i64], now: i64) -> (Vec<usize>, Vec<usize>) {
    let last_calm = now.saturating_sub(super::columns::CALM_AFTER_US).div_euclid(DAY) - 1;
    let mut by_day: HashMap<i64, Vec<usize>> = HashMap::new();
    for (at, time) in times.iter().enumerate() {
        by_day.entry(time.div_euclid(DAY)).or_default().push(at);
    }
    let mut days: Vec<(i64, Vec<usize>)> = by_day.into_iter().collect();
    days.sort_unstable();
    let (mut columns, mut others) = (Vec::new(), Vec::new());
    for (day, places) in days {
        let is_calm = day <= last_calm;
        if is_calm && places.len() >= LEAST_ROWS { columns.extend(places) } else { others.extend(places) }
    }
    (columns, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_of_a_day_that_ended_long_enough_ago_become_columns() {
        let now = 100 * DAY + 12 * Micros::HOUR;
        // 36 hours before now is the end of day 98.
        let day = |day: i64, many: usize| vec![day * DAY + DAY - 1; many];
        let times = [day(98, LEAST_ROWS), day(97, LEAST_ROWS - 1), day(99, 5_000), day(-3, LEAST_ROWS)].concat();
        let (columns, others) = split(&times, now);
        let days = |places: &[usize]| places.iter().map(|at| times[*at].div_euclid(DAY)).collect::<Vec<_>>();
        assert_eq!(days(&columns), [vec![-3; LEAST_ROWS], vec![98; LEAST_ROWS]].concat());
        assert_eq!(others.len(), LEAST_ROWS - 1 + 5_000);
        assert_eq!(split(&times, now - 1).0.len(), LEAST_ROWS, "a microsecond before, day 98 is not calm");
        assert_eq!(split(&[], now), (vec![], vec![]));
    }
}
