//! Calm chunks of events are turned into columns: the same rows in a tenth of the bytes, ordered by visitor and time.
//!
//! Late rows go into such a chunk as rows; when they are many enough they are turned into columns too.
//!
//! **A conversion must not be seen half by a snapshot.** The server moves rows from one relation to another, and a planner
//! looks only at the one that the catalog of *now* names. A reader whose snapshot is older than the conversion would miss
//! rows (measured: half of a chunk). So readers of several statements hold `columns_gate` (ACCESS SHARE) from before their
//! snapshot to their end, and a conversion takes it alone for an instant:
//!
//! ```text
//!   rows alone     lock the chunk against writers, pass the gate, convert, commit    the server writes frozen rows, which any
//!                                                                                    snapshot sees: all of them are newer
//!                                                                                    than the chunk's last row
//!   rows beside    lock the chunk against writers, convert, hold the gate, commit    older snapshots are gone before the
//!   columns                                                                          move can be seen, newer ones come after
//! ```
//!
//! Neither waits longer than [`PATIENCE`]; where a long report holds the gate, the conversion is undone and tried later.

use crate::Error;
use crate::postgres::failure::engine;
use parking_lot::Mutex;
use pistats_core::Micros;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::{Duration, Instant};

const CHOOSE: &str = include_str!("../sql/timescale/choose_chunk.sql");

/// A chunk stays as rows until so long after its last instant, by the server's clock: most late events have come.
const CALM_AFTER_US: i64 = 36 * Micros::HOUR;
/// Fewer bytes of rows than this stay rows: some hundred events.
const LEAST_BYTES: i64 = 128 * 1024;
/// How long writers, readers and a conversion wait for each other. Less than the server's `deadlock_timeout` (1 s), after
/// which it would end one of them.
const PATIENCE: &str = "500ms";
/// Looking for calm chunks costs more the more chunks there are.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// After so long a refresh does not begin with another chunk; rollups are wanted too.
const TURN: Duration = Duration::from_secs(10);

/// When calm chunks were looked for last.
#[derive(Debug, Default)]
pub(in crate::postgres) struct Looked(Mutex<Option<Instant>>);

impl Looked {
    /// Whether it is time to look again; if so, the next time is later.
    fn is_due(&self) -> bool {
        let mut last = self.0.lock();
        let due = last.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        if due {
            *last = Some(Instant::now());
        }
        due
    }

    /// There is more to do: the next look is due at once.
    fn again(&self) {
        *self.0.lock() = None;
    }
}

/// What a look for calm chunks came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// Chunks turned into columns: one at most.
    pub chunks: u64,
    /// Calm chunks that are still rows, or hold rows beside columns.
    pub left: u64,
}

/// Turns calm chunks of events into columns, the newest first, for a while.
pub(in crate::postgres) async fn convert_calm(conn: &mut PgConnection, looked: &Looked) -> Result<(), Error> {
    if !looked.is_due() {
        return Ok(());
    }
    let start = Instant::now();
    loop {
        let Converted { chunks, left } = convert(conn).await?;
        if left == 0 || chunks == 0 {
            return Ok(());
        }
        if start.elapsed() >= TURN {
            looked.again();
            return Ok(());
        }
    }
}

/// Turns the newest calm chunk of events into columns, if there is one.
pub(in crate::postgres) async fn convert(conn: &mut PgConnection) -> Result<Converted, Error> {
    let chosen: Option<(String, bool, i64)> = sqlx::query_as(CHOOSE)
        .bind(CALM_AFTER_US)
        .bind(LEAST_BYTES)
        .fetch_optional(&mut *conn)
        .await
        .map_err(engine)?;
    let Some((chunk, has_columns, others)) = chosen else { return Ok(Converted::default()) };
    let others = others.unsigned_abs();
    match convert_chunk(conn, &chunk, has_columns).await {
        Ok(()) => Ok(Converted { chunks: 1, left: others }),
        Err(error) if is_impatient(&error) => Ok(Converted { chunks: 0, left: others + 1 }),
        Err(error) => Err(engine(error)),
    }
}

/// Lets this transaction change as many rows that are columns as it likes; the server's bound is for those who do not know.
pub(in crate::postgres) async fn rewrite_columns(conn: &mut PgConnection) -> Result<(), Error> {
    let unbound = "SELECT set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true)";
    sqlx::query(unbound).execute(conn).await.map_err(engine).map(drop)
}

/// `lock_not_available`: somebody read or wrote longer than [`PATIENCE`].
fn is_impatient(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().is_some_and(|code| code == "55P03"))
}

/// `chunk` is a name as the server quoted it.
async fn convert_chunk(conn: &mut PgConnection, chunk: &str, has_columns: bool) -> Result<(), sqlx::Error> {
    const GATE: &str = "LOCK TABLE columns_gate IN ACCESS EXCLUSIVE MODE";
    let mut transaction = conn.begin().await?;
    sqlx::query("SELECT set_config('lock_timeout', $1, true)").bind(PATIENCE).execute(&mut *transaction).await?;
    sqlx::query(AssertSqlSafe(format!("LOCK TABLE ONLY {chunk} IN EXCLUSIVE MODE"))).execute(&mut *transaction).await?;
    if !has_columns {
        // A lock ends with the savepoint that it was taken after.
        let mut gate = transaction.begin().await?;
        sqlx::query(GATE).execute(&mut *gate).await?;
        gate.rollback().await?;
    }
    sqlx::query("SELECT compress_chunk(CAST($1 AS regclass))").bind(chunk).execute(&mut *transaction).await?;
    if has_columns {
        sqlx::query(GATE).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
