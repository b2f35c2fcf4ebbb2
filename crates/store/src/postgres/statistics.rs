//! Statistics of the server's planner, kept up while rows come in.
//!
//! Nothing else does that in time. Autovacuum looks once a minute at most and may be off; after an import of two hundred
//! thousand events the planner still takes every table for one of a few rows. So the store has the server ANALYZE what has
//! changed enough, by the server's own count (`n_mod_since_analyze`):
//!
//! ```text
//!   commits    once a table has as many rows again   an import of any size is looked at a dozen times
//!   refresh    once a tenth has changed              when nothing is behind, every ten seconds at most
//! ```
//!
//! Not responsible for right answers, and hardly for fast ones: readers plan without nested loops (open.rs), which is what a
//! wrong guess turns into minutes. Statistics decide between an index and a table, and how large a hash is made.
//!
//! What is analyzed has its page ranges summarized, too (`event_by_instant`).
//!
//! A hypertable is looked at chunk by chunk, since asking for it as a whole asks for all of its chunks: only for the columns that
//! joins and groups go by, and only when it has grown by half.

use super::failure::engine;
use super::variant::Variant;
use crate::Error;
use parking_lot::Mutex;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One process at a time analyzes; the others' rows are in the server's count too.
const ANALYZING: i64 = 0x7069_5374_6174_7302;
/// A table with fewer changed rows is planned well enough by its size.
const LEAST: i64 = 1_000;
/// What has to have changed of a table, in parts of the rows that it had: while commits come in …
const WHILE_COMMITTING: f64 = 1.0;
/// … and when they have calmed down.
const WHEN_CALM: f64 = 0.1;
/// How often a refresh looks at most.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How much a hypertable has to have grown until it is looked at as a whole.
const GROWTH: f64 = 1.5;

const SUMMARIZE: &str = include_str!("sql/summarize.sql");
const CHOOSE: &str = include_str!("sql/choose_statistics.sql");
const CHOOSE_CHUNKS: &str = include_str!("sql/timescale/choose_statistics.sql");
const ROWS: &str = include_str!("sql/timescale/count_rows.sql");

/// Hypertables, and what is asked of them as a whole.
const WHOLE: [(&str, &str); 2] = [
    ("event", "ANALYZE (SKIP_LOCKED) event (site, visitor, time_us, day, bot, name)"),
    ("session", "ANALYZE (SKIP_LOCKED) session (site, visitor, first_us, last_us, day, sign)"),
];

/// What this process remembers between two looks.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    /// Rows of events that it committed, ever.
    committed: AtomicU64,
    /// From how many on it looks again.
    next: AtomicU64,
    is_looking: AtomicBool,
    looked: Mutex<Option<Instant>>,
    /// How many rows hypertables had when they were looked at as a whole.
    whole: Mutex<HashMap<&'static str, f64>>,
}

impl Statistics {
    /// Notes rows that were committed; whether it is time to look.
    pub(super) fn committed(&self, rows: usize) -> bool {
        let committed = self.committed.fetch_add(rows as u64, Ordering::Relaxed) + rows as u64;
        if committed < self.next.load(Ordering::Relaxed).max(LEAST.unsigned_abs()) {
            return false;
        }
        // Looking costs a round trip: not with every commit of a large table.
        self.next.store(committed + committed / 4, Ordering::Relaxed);
        true
    }
}

/// Looks after commits, on a connection of its own. What fails is tried again at the next look.
pub(super) async fn after_commits(pool: &PgPool, variant: Variant, statistics: &Statistics) {
    if statistics.is_looking.swap(true, Ordering::AcqRel) {
        return;
    }
    let looked = async {
        let mut conn = pool.acquire().await.map_err(engine)?;
        let looked = keep(&mut conn, variant, WHILE_COMMITTING, statistics).await;
        if looked.is_err() {
            conn.close_on_drop();
        }
        looked
    };
    if let Err(error) = looked.await {
        tracing::warn!(%error, "the planner's statistics could not be kept up; reports may be planned worse");
    }
    statistics.is_looking.store(false, Ordering::Release);
}

/// Looks after a refresh that left nothing behind.
pub(super) async fn when_calm(conn: &mut PgConnection, variant: Variant, statistics: &Statistics) -> Result<(), Error> {
    let is_due = statistics.looked.lock().is_none_or(|at| at.elapsed() >= LOOK_EVERY);
    if is_due {
        *statistics.looked.lock() = Some(Instant::now());
        keep_calm(conn, variant, statistics).await?;
    }
    Ok(())
}

/// Analyzes what has changed by a tenth.
pub(super) async fn keep_calm(conn: &mut PgConnection, variant: Variant, statistics: &Statistics) -> Result<(), Error> {
    keep(conn, variant, WHEN_CALM, statistics).await
}

async fn keep(conn: &mut PgConnection, variant: Variant, part: f64, statistics: &Statistics) -> Result<(), Error> {
    let turn: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(ANALYZING)
        .fetch_one(&mut *conn)
        .await
        .map_err(engine)?;
    if !turn {
        return Ok(());
    }
    // On an error the caller closes the session, and the lock ends with it.
    analyze(conn, CHOOSE, part).await?;
    if variant == Variant::Timescale {
        analyze(conn, CHOOSE_CHUNKS, part).await?;
        analyze_whole(conn, statistics).await?;
    }
    let given_back = sqlx::query("SELECT pg_advisory_unlock($1)").bind(ANALYZING);
    given_back.execute(conn).await.map_err(engine).map(drop)
}

async fn analyze(conn: &mut PgConnection, choose: &'static str, part: f64) -> Result<(), Error> {
    let chosen: Vec<String> =
        sqlx::query_scalar(choose).bind(LEAST).bind(part).fetch_all(&mut *conn).await.map_err(engine)?;
    if chosen.is_empty() {
        return Ok(());
    }
    // Names as the server quoted them. One that somebody holds is left for the next look.
    let statement = format!("ANALYZE (SKIP_LOCKED) {}", chosen.join(", "));
    sqlx::query(AssertSqlSafe(statement)).execute(&mut *conn).await.map_err(engine)?;
    sqlx::query(SUMMARIZE).bind(chosen).execute(conn).await.map_err(engine).map(drop)
}

async fn analyze_whole(conn: &mut PgConnection, statistics: &Statistics) -> Result<(), Error> {
    for (table, statement) in WHOLE {
        let rows: f64 = sqlx::query_scalar(ROWS).bind(table).fetch_one(&mut *conn).await.map_err(engine)?;
        let before = statistics.whole.lock().get(table).copied().unwrap_or(0.0);
        if rows >= (before * GROWTH).max(LEAST as f64) {
            sqlx::query(statement).execute(&mut *conn).await.map_err(engine)?;
            statistics.whole.lock().insert(table, rows);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_looked_at_more_rarely_the_larger_it_gets() {
        let statistics = Statistics::default();
        assert!(!statistics.committed(999), "a few rows need no statistics");
        assert!(statistics.committed(1));
        assert!(!statistics.committed(249));
        assert!(statistics.committed(1));
        let looks = (0..4_700).filter(|_| statistics.committed(1_000)).count();
        assert!((30..45).contains(&looks), "{looks} looks at 4.7 million events in commits of a thousand");
    }
}
