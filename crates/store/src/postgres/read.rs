//! Reads: one snapshot for all statements, and an end of the server's work where nobody waits for it any more.
//!
//! ```text
//!   future of the caller ──dropped──▶ the task hears of it ──▶ pg_cancel_backend ──▶ the statement ends ──▶ connection closed
//! ```
//!
//! The connection is closed because a late cancellation would hit whatever it did next.

use super::cells;
use super::failure::engine;
use crate::{Answer, Error, Rows, Statement};
use futures::FutureExt;
use pistats_core::report::AsOf;
use pistats_core::{Generation, Offset};
use sqlx::{Connection, PgConnection, PgPool};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a cancelled statement is waited for.
const CANCELLED: Duration = Duration::from_secs(2);

/// Answers statements, until `unwanted` says that nobody waits (its sender is gone).
pub(super) async fn read(
    pool: &PgPool,
    control: &PgPool,
    begin: &'static str,
    statements: &[Statement],
    unwanted: oneshot::Receiver<()>,
) -> Result<Answer, Error> {
    let unwanted = unwanted.shared();
    let mut conn = tokio::select! {
        conn = pool.acquire() => conn.map_err(engine)?,
        _ = unwanted.clone() => return Err(Error::Interrupted),
    };
    let mut backend = None;
    let result = {
        let mut reading = std::pin::pin!(snapshot(&mut conn, begin, statements, &mut backend));
        tokio::select! {
            result = &mut reading => Some(result),
            _ = unwanted => None,
        }
    };
    match result {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(error)) => {
            // Within a transaction that failed, or on a connection that did.
            conn.close_on_drop();
            Err(error)
        }
        None => {
            // No longer polled, its statement still runs.
            conn.close_on_drop();
            if let Some(backend) = backend {
                cancel(control, backend).await;
            }
            let conn = conn.detach();
            drop(tokio::time::timeout(CANCELLED, conn.close_hard()).await);
            Err(Error::Interrupted)
        }
    }
}

async fn cancel(control: &PgPool, backend: i32) {
    let cancelled = sqlx::query("SELECT pg_cancel_backend($1)").bind(backend).execute(control).await;
    if let Err(error) = cancelled {
        // It ends at its time limit.
        tracing::warn!(%error, "a statement that nobody waits for could not be cancelled");
    }
}

async fn snapshot(
    conn: &mut PgConnection,
    begin: &'static str,
    statements: &[Statement],
    backend: &mut Option<i32>,
) -> Result<Answer, Error> {
    let mut tx = conn.begin_with(begin).await.map_err(engine)?;
    let (pid, generation, next): (i32, i64, Vec<i64>) = sqlx::query_as(
        "SELECT pg_backend_pid(), g.generation, \
         (SELECT array_agg(c.next_offset ORDER BY c.log_partition) FROM checkpoint c) FROM generation g",
    )
    .fetch_one(&mut *tx)
    .await
    .map_err(engine)?;
    *backend = Some(pid);
    let next_offsets = next.into_iter().map(|next| Offset(next.unsigned_abs())).collect();
    let as_of = AsOf { generation: Generation(generation.unsigned_abs()), next_offsets };
    let mut results: Vec<Rows> = Vec::with_capacity(statements.len());
    for statement in statements {
        results.push(cells::query(&mut tx, statement).await?);
    }
    tx.commit().await.map_err(engine)?;
    Ok(Answer { as_of, results })
}
