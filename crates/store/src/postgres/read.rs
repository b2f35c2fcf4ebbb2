//! Snapshots: a task with a connection in one transaction, and an end of the server's work where nobody waits for it any more.
//!
//! ```text
//!   reader ──statements──▶ task ──▶ server            dropped between two reads: the transaction ends, the connection is kept
//!     └─ future of a read ──dropped──▶ the task hears of it ──▶ pg_cancel_backend ──▶ the statement ends ──▶ connection closed
//! ```
//!
//! The connection is closed because a late cancellation would hit whatever it did next.

use super::cells;
use super::failure::engine;
use super::lives;
use crate::{Error, Rows, Snapshot, Statement};
use async_trait::async_trait;
use pistats_core::Generation;
use pistats_core::report::AsOf;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, PgPool, Postgres, Transaction};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// How long a cancelled statement is waited for.
const CANCELLED: Duration = Duration::from_secs(2);

/// Statements, and who waits for their answers.
struct Batch {
    statements: Vec<Statement>,
    reply: oneshot::Sender<Result<Vec<Rows>, Error>>,
}

struct PgSnapshot {
    as_of: AsOf,
    batches: mpsc::Sender<Batch>,
}

#[async_trait]
impl Snapshot for PgSnapshot {
    fn as_of(&self) -> &AsOf {
        &self.as_of
    }

    async fn read(&mut self, statements: Vec<Statement>) -> Result<Vec<Rows>, Error> {
        let (reply, answer) = oneshot::channel();
        // Its task ends early after an error, or together with the store.
        self.batches.send(Batch { statements, reply }).await.map_err(|_| Error::Interrupted)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

/// Begins a snapshot on a connection of the readers; `control` is for what ends a statement.
pub(super) async fn snapshot(
    handle: &Handle,
    readers: PgPool,
    control: PgPool,
    begin: &'static str,
) -> Result<Box<dyn Snapshot>, Error> {
    let (reply, begun) = oneshot::channel();
    let (batches, queue) = mpsc::channel(1);
    handle.spawn(serve(readers, control, begin, reply, queue));
    let as_of = begun.await.map_err(|_| Error::Closed)??;
    Ok(Box::new(PgSnapshot { as_of, batches }))
}

/// How a snapshot leaves its connection.
enum End {
    AtRest,
    /// Within a transaction that failed, or the connection itself did.
    Broken,
    /// Within a statement that nobody waits for; the server's process.
    Busy(i32),
}

/// The task of a snapshot.
async fn serve(
    readers: PgPool,
    control: PgPool,
    begin: &'static str,
    mut reply: oneshot::Sender<Result<AsOf, Error>>,
    queue: mpsc::Receiver<Batch>,
) {
    let mut conn = tokio::select! {
        conn = readers.acquire() => match conn {
            Ok(conn) => conn,
            Err(error) => return drop(reply.send(Err(engine(error)))),
        },
        () = reply.closed() => return,
    };
    match transaction(&mut conn, begin, reply, queue).await {
        End::AtRest => {}
        End::Broken => conn.close_on_drop(),
        End::Busy(backend) => cancel(&control, backend, conn).await,
    }
}

/// The transaction of a snapshot. Where nobody waits for an answer any more, nothing is lost.
async fn transaction(
    conn: &mut PgConnection,
    begin: &'static str,
    reply: oneshot::Sender<Result<AsOf, Error>>,
    mut queue: mpsc::Receiver<Batch>,
) -> End {
    let (mut tx, backend) = match start(conn, begin).await {
        Ok((tx, backend, as_of)) => {
            let _ = reply.send(Ok(as_of));
            (tx, backend)
        }
        Err(error) => {
            let _ = reply.send(Err(error));
            return End::Broken;
        }
    };
    while let Some(Batch { statements, mut reply }) = queue.recv().await {
        let results = tokio::select! {
            results = answer(&mut tx, &statements) => results,
            () = reply.closed() => return End::Busy(backend),
        };
        let failed = results.is_err();
        if failed {
            queue.close();
        }
        let _ = reply.send(results);
        if failed {
            return End::Broken;
        }
    }
    match tx.commit().await {
        Ok(()) => End::AtRest,
        Err(error) => {
            tracing::debug!(%error, "a snapshot did not end");
            End::Broken
        }
    }
}

/// Ends the statement that a connection is in, and the connection.
async fn cancel(control: &PgPool, backend: i32, mut conn: PoolConnection<Postgres>) {
    conn.close_on_drop();
    let cancelled = sqlx::query("SELECT pg_cancel_backend($1)").bind(backend).execute(control).await;
    if let Err(error) = cancelled {
        // It ends at its time limit.
        tracing::warn!(%error, "a statement that nobody waits for could not be cancelled");
    }
    let conn = conn.detach();
    drop(tokio::time::timeout(CANCELLED, conn.close_hard()).await);
}

/// Begins the transaction; with it the server's process, and how far the log was folded.
async fn start<'c>(
    conn: &'c mut PgConnection,
    begin: &'static str,
) -> Result<(Transaction<'c, Postgres>, i32, AsOf), Error> {
    let mut tx = conn.begin_with(begin).await.map_err(engine)?;
    let (backend, generation, next): (i32, i64, Vec<i64>) = sqlx::query_as(
        "SELECT pg_backend_pid(), g.generation, \
         (SELECT array_agg(c.next_offset ORDER BY c.log_partition) FROM checkpoint c) FROM generation g",
    )
    .fetch_one(&mut *tx)
    .await
    .map_err(engine)?;
    let next_offsets = next.into_iter().map(lives::offset).collect();
    let as_of = AsOf { generation: Generation(generation.unsigned_abs()), next_offsets };
    Ok((tx, backend, as_of))
}

async fn answer(conn: &mut PgConnection, statements: &[Statement]) -> Result<Vec<Rows>, Error> {
    let mut results: Vec<Rows> = Vec::with_capacity(statements.len());
    for statement in statements {
        results.push(cells::query(conn, statement).await?);
    }
    Ok(results)
}
