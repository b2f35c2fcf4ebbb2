//! Snapshots: a queue, a few threads with a connection each, and an interrupt for reads that nobody waits for any more.
//!
//! ```text
//!   snapshot() ──Job──▶ queue ──▶ thread: BEGIN ─ as_of ─┬─ statements ─ answers ─┬─ dropped: COMMIT, the next job
//!                                                        └───────────◀────────────┘
//! ```

use super::worker::{QUEUE, join, run_job, spawn, submit, transaction};
use super::{cells, writer};
use crate::{Error, Rows, Snapshot, Statement};
use async_trait::async_trait;
use crossbeam_channel::{Receiver, Sender, bounded};
use duckdb::{Connection, InterruptHandle};
use parking_lot::Mutex;
use pistats_core::report::AsOf;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// A snapshot that is wanted.
struct Job {
    begun: oneshot::Sender<Result<AsOf, Error>>,
    batches: Receiver<Batch>,
}

/// Statements to be answered in it.
struct Batch {
    statements: Vec<Statement>,
    ticket: Arc<Ticket>,
    reply: oneshot::Sender<Result<Vec<Rows>, Error>>,
}

struct DuckSnapshot {
    as_of: AsOf,
    batches: Sender<Batch>,
}

#[async_trait]
impl Snapshot for DuckSnapshot {
    fn as_of(&self) -> &AsOf {
        &self.as_of
    }

    async fn read(&mut self, statements: Vec<Statement>) -> Result<Vec<Rows>, Error> {
        let (reply, answer) = oneshot::channel();
        let ticket = Arc::new(Ticket::default());
        let _wanted = Wanted(ticket.clone());
        // Never full: one reader, who waits for each answer. Its thread went on to the next job after an error.
        self.batches.try_send(Batch { statements, ticket, reply }).map_err(|_| Error::Interrupted)?;
        answer.await.map_err(|_| Error::Engine("a read panicked".to_owned()))?
    }
}

/// Where a read stands. The interrupt is sent under this lock, so that it can never hit the next read of a connection.
#[derive(Default)]
struct Ticket(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Waiting,
    Running(Arc<InterruptHandle>),
    Done,
    Dropped,
}

impl Ticket {
    fn starts(&self, conn: &Connection) -> Result<(), Error> {
        let mut state = self.0.lock();
        if matches!(*state, State::Dropped) {
            return Err(Error::Interrupted);
        }
        *state = State::Running(conn.interrupt_handle());
        Ok(())
    }

    fn still_wanted(&self) -> Result<(), Error> {
        if matches!(*self.0.lock(), State::Dropped) { Err(Error::Interrupted) } else { Ok(()) }
    }

    fn ends(&self) {
        *self.0.lock() = State::Done;
    }
}

/// Held by the future of a read.
struct Wanted(Arc<Ticket>);

impl Drop for Wanted {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        if let State::Running(handle) = &*state {
            handle.interrupt();
        }
        if !matches!(*state, State::Done) {
            *state = State::Dropped;
        }
    }
}

pub(super) struct Readers {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(count: usize, connect: impl Fn() -> Result<Connection, Error>) -> Result<Readers, Error> {
        let (jobs, queue) = bounded::<Job>(QUEUE);
        let mut readers = Readers { jobs: Some(jobs), threads: Vec::new() };
        for number in 0..count {
            let (queue, conn) = (queue.clone(), connect()?);
            readers.threads.push(spawn(&format!("store-reader-{number}"), move || {
                for job in queue {
                    run_job(&conn, |conn| serve(conn, job));
                }
            })?);
        }
        Ok(readers)
    }

    pub(super) async fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        let (reply, begun) = oneshot::channel();
        let (batches, queue) = bounded(1);
        submit(self.jobs.as_ref(), Job { begun: reply, batches: queue })?;
        let as_of = begun.await.map_err(|_| Error::Engine("a read panicked".to_owned()))??;
        Ok(Box::new(DuckSnapshot { as_of, batches }))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs.take();
        for thread in self.threads.drain(..) {
            join(Some(thread));
        }
    }
}

fn serve(conn: &Connection, Job { begun, batches }: Job) {
    if begun.is_closed() {
        return;
    }
    let mut begun = Some(begun);
    // Where nobody waits for an answer any more, nothing is lost.
    let ended = transaction(conn, |conn| {
        let as_of = writer::as_of(conn)?;
        if let Some(begun) = begun.take() {
            let _ = begun.send(Ok(as_of));
        }
        while let Ok(Batch { statements, ticket, reply }) = batches.recv() {
            match answer(conn, &statements, &ticket) {
                Ok(results) => drop(reply.send(Ok(results))),
                Err(error) => {
                    drop(batches);
                    let _ = reply.send(Err(error));
                    // It was told; this one ends the transaction.
                    return Err(Error::Interrupted);
                }
            }
        }
        Ok(())
    });
    if let (Some(begun), Err(error)) = (begun, ended) {
        let _ = begun.send(Err(error));
    }
}

fn answer(conn: &Connection, statements: &[Statement], ticket: &Ticket) -> Result<Vec<Rows>, Error> {
    ticket.starts(conn)?;
    let mut results = Vec::with_capacity(statements.len());
    for statement in statements {
        let rows = ticket.still_wanted().and_then(|()| cells::query(conn, statement));
        match rows {
            Ok(rows) => results.push(rows),
            Err(error) => {
                ticket.ends();
                return Err(error);
            }
        }
    }
    ticket.ends();
    Ok(results)
}
