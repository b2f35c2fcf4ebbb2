//! A refresh: rollups of dirty hours (by variant), then sheets of dirty days (sheets.rs), then pairs of signed rows.
//!
//! One process does it at a time, whoever comes first: a lock of its session says so, so that it ends with the process, and it
//! is taken before any snapshot, so that no leader works on rows of before its turn. A mark that a commit sets meanwhile is
//! not in the snapshot, so it is not deleted and the hour stays dirty: no number is lost and none is counted twice.

use super::failure::engine;
use super::variant::Variant;
use super::{Upkeep, plain, sheets, statistics, timescale};
use crate::{Error, Refresh, Refreshed};
use sqlx::{Connection, PgConnection, PgPool};
use std::time::{Duration, Instant};

/// Held by who rewrites or deletes rows of the large tables: the refreshing process, and a change of zone.
pub(super) const REWRITING: i64 = 0x7069_5374_6174_7301;

/// Fewer retractions than this are left alone: reading over them costs less than folding.
const LEAST: f32 = 20_000.0;
/// And so is less than this part of the table: one row in twenty.
const PART: f32 = 20.0;
/// How often a table is folded at most: the server's estimate of its rows lags behind.
const FOLD_EVERY: Duration = Duration::from_secs(600);

const FOLD_SESSIONS: &str = include_str!("sql/fold_sessions.sql");
const FOLD_VISITORS: &str = include_str!("sql/fold_visitors.sql");

pub(super) async fn refresh(
    pool: &PgPool,
    variant: Variant,
    work: Refresh,
    upkeep: &Upkeep,
) -> Result<Refreshed, Error> {
    let mut conn = pool.acquire().await.map_err(engine)?;
    let lead = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(REWRITING);
    let leads: bool = lead.fetch_one(&mut *conn).await.map_err(engine)?;
    let refreshed = if leads { lead_refresh(&mut conn, variant, work, upkeep).await } else { behind(&mut conn).await };
    if !leads {
        return refreshed;
    }
    let given_back = sqlx::query("SELECT pg_advisory_unlock($1)").bind(REWRITING);
    if refreshed.is_err() || given_back.execute(&mut *conn).await.is_err() {
        // The lock ends with the session.
        conn.close_on_drop();
    }
    refreshed
}

/// Hours first; days once no dirty hour is left out, since more questions need hours.
async fn lead_refresh(
    conn: &mut PgConnection,
    variant: Variant,
    work: Refresh,
    upkeep: &Upkeep,
) -> Result<Refreshed, Error> {
    let hours = match variant {
        Variant::Plain => plain::refresh_hours(conn, work.hours).await?,
        Variant::Timescale => timescale::refresh_hours(conn, work.hours).await?,
    };
    let has_hours = (hours as usize) < work.hours;
    let most_days = if has_hours { work.days } else { 0 };
    let (days, days_left) = sheets::refresh(conn, most_days, work.calm_to, &upkeep.unfit).await?;
    let refreshed = Refreshed { hours, days, days_left, ..behind(conn).await? };
    // Where less was to be done than might have been, only what is newer or not calm yet is behind: on a busy site something
    // always is, and the rest is due all the same.
    if has_hours {
        fold(conn, variant, upkeep).await?;
    }
    if has_hours && (days as usize) < work.days {
        if variant == Variant::Timescale {
            timescale::convert_calm(conn, &upkeep.looked).await?;
        }
        statistics::when_calm(conn, variant, &upkeep.statistics).await?;
    }
    Ok(refreshed)
}

/// What is dirty, and how far commits have come.
async fn behind(conn: &mut PgConnection) -> Result<Refreshed, Error> {
    let (hours, days, commits): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM (SELECT DISTINCT site, hour FROM rollup_dirty) AS h), \
                (SELECT count(*) FROM (SELECT DISTINCT site, day FROM sheet_dirty) AS d), commits FROM generation",
    )
    .fetch_one(conn)
    .await
    .map_err(engine)?;
    Ok(Refreshed {
        hours_left: hours.unsigned_abs(),
        days_left: days.unsigned_abs(),
        commits: commits.unsigned_abs(),
        ..Refreshed::default()
    })
}

/// Folds pairs of signed rows that cancel out, where that is worth it. Commits only append beside it.
async fn fold(conn: &mut PgConnection, variant: Variant, upkeep: &Upkeep) -> Result<(), Error> {
    let is_due = upkeep.folded.lock().is_none_or(|at| at.elapsed() >= FOLD_EVERY);
    if !is_due {
        return Ok(());
    }
    *upkeep.folded.lock() = Some(Instant::now());
    if variant == Variant::Timescale {
        timescale::fold_sessions(conn, FOLD_SESSIONS, (LEAST, PART)).await?;
    } else {
        fold_if_worthwhile(conn, "session", "session_retracted", FOLD_SESSIONS).await?;
    }
    fold_if_worthwhile(conn, "visitor", "visitor_retracted", FOLD_VISITORS).await
}

async fn fold_if_worthwhile(
    conn: &mut PgConnection,
    table: &str,
    index: &str,
    statement: &'static str,
) -> Result<(), Error> {
    // Estimates that the server keeps anyway. Counting would read the whole table.
    let estimate = "SELECT t.reltuples, i.reltuples FROM pg_class t, pg_class i WHERE t.oid = $1::regclass AND i.oid = $2::regclass";
    let (rows, retracted): (f32, f32) =
        sqlx::query_as(estimate).bind(table).bind(index).fetch_one(&mut *conn).await.map_err(engine)?;
    if retracted >= LEAST.max(rows / PART) {
        fold_table(conn, statement).await?;
    }
    Ok(())
}

/// Folds both tables, worth it or not: for tests, whose tables are small.
pub(super) async fn fold_all(conn: &mut PgConnection, variant: Variant) -> Result<u64, Error> {
    take_turn(conn).await?;
    let sessions = match variant {
        Variant::Plain => fold_table(conn, FOLD_SESSIONS).await?,
        Variant::Timescale => timescale::fold_sessions(conn, FOLD_SESSIONS, (0.0, f32::INFINITY)).await?,
    };
    let folded = sessions + fold_table(conn, FOLD_VISITORS).await?;
    give_back(conn).await?;
    Ok(folded)
}

/// Turns a chunk into columns: for tests, and for whoever cannot wait for a refresh.
pub(super) async fn convert(conn: &mut PgConnection) -> Result<timescale::Converted, Error> {
    take_turn(conn).await?;
    let converted = timescale::convert(conn).await?;
    give_back(conn).await?;
    Ok(converted)
}

/// Waits for the lock of who rewrites rows. On an error the session ends, and its lock with it.
async fn take_turn(conn: &mut PgConnection) -> Result<(), Error> {
    let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(REWRITING);
    lock.execute(conn).await.map_err(engine).map(drop)
}

async fn give_back(conn: &mut PgConnection) -> Result<(), Error> {
    let given_back = sqlx::query("SELECT pg_advisory_unlock($1)").bind(REWRITING);
    given_back.execute(conn).await.map_err(engine).map(drop)
}

async fn fold_table(conn: &mut PgConnection, statement: &'static str) -> Result<u64, Error> {
    let mut tx = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.map_err(engine)?;
    let folded = sqlx::query(statement).execute(&mut *tx).await.map_err(engine)?.rows_affected();
    tx.commit().await.map_err(engine)?;
    Ok(folded)
}
