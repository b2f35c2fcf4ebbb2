//! A thread that owns a connection and runs one job after the other.
//!
//! DuckDB's calls block, and a connection serves one thread at a time: giving each its own thread keeps both facts out of
//! the async code.

use super::failure::engine;
use crate::Error;
use crossbeam_channel::{Sender, TrySendError, bounded};
use duckdb::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Calls that may wait for a thread: far more than ever wait in health, few enough to hold.
pub(super) const QUEUE: usize = 1_024;

pub(super) struct Worker {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(name: &str, conn: Connection) -> Result<Worker, Error> {
        let (jobs, queue) = bounded::<Job>(QUEUE);
        let thread = spawn(name, move || {
            for job in queue {
                run_job(&conn, job);
            }
        })?;
        Ok(Worker { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs a job behind those before it. Dropping the future does not stop the job.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            // Nobody waits any more: the effect stands all the same.
            let _ = reply.send(job(conn));
        });
        submit(self.jobs.as_ref(), job)?;
        answer.await.map_err(|_| Error::Engine("a job of the warehouse panicked".to_owned()))?
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs.take();
        join(self.thread.take());
    }
}

/// Queues a job without waiting; a full queue is an error that a later try may not meet.
pub(super) fn submit<T>(queue: Option<&Sender<T>>, job: T) -> Result<(), Error> {
    queue.ok_or(Error::Closed)?.try_send(job).map_err(|error| match error {
        TrySendError::Full(_) => Error::Engine(format!("{QUEUE} calls wait already")),
        TrySendError::Disconnected(_) => Error::Closed,
    })
}

/// Starts a named thread.
pub(super) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(|error| Error::Open(format!("no thread for {name}: {error}")))
}

pub(super) fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread
        && thread.join().is_err()
    {
        tracing::error!("a thread of the warehouse panicked");
    }
}

/// A job that panics loses its own answer, not the thread; an open transaction is rolled back.
pub(super) fn run_job(conn: &Connection, job: impl FnOnce(&Connection)) {
    if catch_unwind(AssertUnwindSafe(|| job(conn))).is_err() {
        tracing::error!("a job of the warehouse panicked");
        let _ = conn.execute_batch("ROLLBACK");
    }
}

/// Runs `body` in one transaction: committed if it succeeds, else rolled back.
pub(super) fn transaction<T, E: From<Error>>(
    conn: &Connection,
    body: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    let run = |sql: &str| conn.execute_batch(sql).map_err(|error| E::from(engine(error)));
    run("BEGIN TRANSACTION")?;
    let result = body(conn).and_then(|value| run("COMMIT").map(|()| value));
    if result.is_err() {
        // A failed COMMIT has rolled back already; then this one is refused and nothing is lost.
        let _ = conn.execute_batch("ROLLBACK");
    }
    result
}
