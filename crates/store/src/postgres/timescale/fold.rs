//! Folding signed rows of `session`, chunk by chunk: a session and what takes it back start at the same instant, so they lie
//! in one chunk. Over all chunks at once the server would look for each row's place in every one of them.

use crate::Error;
use crate::postgres::failure::engine;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

const CHOOSE: &str = include_str!("../sql/timescale/choose_fold.sql");

/// Runs `fold`, a statement about `session`, on each chunk that holds so many retractions, and one in so many rows. Returns how
/// many rows went.
pub(in crate::postgres) async fn fold_sessions(
    conn: &mut PgConnection,
    fold: &str,
    (least, part): (f32, f32),
) -> Result<u64, Error> {
    let chunks: Vec<String> =
        sqlx::query_scalar(CHOOSE).bind(least).bind(part).fetch_all(&mut *conn).await.map_err(engine)?;
    let mut folded = 0;
    for chunk in chunks {
        let statement = AssertSqlSafe(fold.replace("FROM session", &format!("FROM {chunk}")));
        let mut tx = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.map_err(engine)?;
        folded += sqlx::query(statement).execute(&mut *tx).await.map_err(engine)?.rows_affected();
        tx.commit().await.map_err(engine)?;
    }
    Ok(folded)
}
