//! Reads: a queue, a few threads with a connection each, and an interrupt for reads that nobody waits for any more.

use super::worker::{QUEUE, join, run_job, spawn, submit, transaction};
use super::{cells, writer};
use crate::{Answer, Error, Statement};
use crossbeam_channel::{Sender, bounded};
use duckdb::{Connection, InterruptHandle};
use parking_lot::Mutex;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

struct Job {
    statements: Vec<Statement>,
    ticket: Arc<Ticket>,
    reply: oneshot::Sender<Result<Answer, Error>>,
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

    pub(super) async fn read(&self, statements: Vec<Statement>) -> Result<Answer, Error> {
        let (reply, answer) = oneshot::channel();
        let ticket = Arc::new(Ticket::default());
        let _wanted = Wanted(ticket.clone());
        let job = Job { statements, ticket, reply };
        submit(self.jobs.as_ref(), job)?;
        answer.await.map_err(|_| Error::Engine("a read panicked".to_owned()))?
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

fn serve(conn: &Connection, job: Job) {
    let result = job.ticket.starts(conn).and_then(|()| read(conn, &job.statements, &job.ticket));
    job.ticket.ends();
    // Nobody waits any more: nothing is lost.
    let _ = job.reply.send(result);
}

fn read(conn: &Connection, statements: &[Statement], ticket: &Ticket) -> Result<Answer, Error> {
    transaction(conn, |conn| {
        let as_of = writer::as_of(conn)?;
        let mut results = Vec::with_capacity(statements.len());
        for statement in statements {
            ticket.still_wanted()?;
            results.push(cells::query(conn, statement)?);
        }
        Ok(Answer { as_of, results })
    })
    .map_err(|error| match error {
        // A ROLLBACK after an interrupt says something else than the interrupt itself.
        Error::Engine(_) if ticket.still_wanted().is_err() => Error::Interrupted,
        other => other,
    })
}
