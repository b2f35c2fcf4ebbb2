//! The aggregator as a whole: start, supervision, shutdown.

use crate::epoch::{Current, Running, Setup};
use crate::live::{Clock, Live};
use crate::notices::Notices;
use crate::pauses::Pauses;
use crate::stats::Stats;
use crate::times::Times;
use crate::{Config, Error, recall, upkeep, usual};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use pistats_core::{Micros, PartitionId};
use pistats_eventlog::EventLog;
use pistats_rpc::auth::SharedDirectory;
use pistats_store::Store;
use pistats_telemetry::Meters;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// What the supervisor is asked.
pub(crate) enum Command {
    /// Commit, forget everything in memory, start again; answered when it runs again.
    Reset(oneshot::Sender<()>),
    /// Commit, forget everything in memory, do this while nothing is folded, start again.
    Pause(BoxFuture<'static, ()>),
    Shutdown,
}

/// Pause after a failure, doubled each time.
const RETRY_FIRST: Duration = Duration::from_millis(50);

/// Everything the aggregator needs.
pub struct Parts {
    pub config: Config,
    pub log: Arc<dyn EventLog>,
    pub store: Arc<dyn Store>,
    pub directory: SharedDirectory,
    /// Of the instance: keys the hash that visitors are known by. Another secret makes all visitors new.
    pub secret: [u8; 32],
    /// The server's clock.
    pub clock: Clock,
    /// Where the times of commits are told.
    pub meters: Meters,
}

impl Parts {
    /// The parts with the system's clock, telling nobody.
    pub fn new(
        config: Config,
        log: Arc<dyn EventLog>,
        store: Arc<dyn Store>,
        directory: SharedDirectory,
        secret: [u8; 32],
    ) -> Parts {
        Parts { config, log, store, directory, secret, clock: Arc::new(system_now), meters: Meters::off() }
    }
}

fn system_now() -> Micros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Micros(since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX)))
}

/// Folds the log into the warehouse; see [`Aggregator::start`].
pub struct Aggregator;

/// A running aggregator. Dropping it stops it without waiting for its last commit.
pub struct Handle {
    pub(crate) setup: Arc<Setup>,
    pub(crate) current: Current,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) replaying: Arc<tokio::sync::Mutex<()>>,
    supervisor: JoinHandle<()>,
    upkeep: JoinHandle<()>,
}

impl Aggregator {
    /// Starts folding at the stored checkpoints. Must be called within a multi-threaded tokio runtime.
    ///
    /// Nothing can go wrong here: a warehouse or log that does not answer is tried again for ever, and is logged.
    pub fn start(parts: Parts) -> Handle {
        let Parts { config, log, store, directory, secret, clock, meters } = parts;
        let (live, stats, commits, notices) = (Live::new(clock), Stats::new(), watch::Sender::new(0), Notices::new());
        let times = Times::new(&meters);
        let setup = Arc::new(Setup { config, log, store, directory, secret, live, stats, times, commits, notices });
        let (commands, asked) = mpsc::channel(4);
        let current = Current::default();
        let supervisor = tokio::spawn(supervise(setup.clone(), current.clone(), asked));
        let upkeep = tokio::spawn(upkeep::run(setup.clone(), current.clone()));
        Handle { setup, current, commands, replaying: Arc::default(), supervisor, upkeep }
    }
}

impl Handle {
    /// The number of commits since the start; changes with each commit.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.setup.commits.subscribe()
    }

    /// Waits until everything that is in the log now is folded and committed.
    ///
    /// Errors: the log cannot tell its bounds, or the aggregator is stopped.
    pub async fn caught_up(&self) -> Result<(), Error> {
        for partition in PartitionId::all() {
            let end = self.setup.log.bounds(partition).await?.next;
            tokio::select! {
                () = self.setup.stats.reaches(partition, end) => {}
                () = self.commands.closed() => return Err(Error::Stopped),
            }
        }
        Ok(())
    }

    /// For those who change what folding relies on.
    pub fn pauses(&self) -> Pauses {
        Pauses(self.commands.clone())
    }

    /// Commits what is folded, then stops. What was not folded is still in the log.
    pub async fn shutdown(self) {
        let _ = self.commands.send(Command::Shutdown).await;
        self.upkeep.abort();
        // Aborted is what it was meant to be; gone, it no longer holds the warehouse.
        let _ = self.upkeep.await;
        if self.supervisor.await.is_err() {
            tracing::error!("the aggregator's supervisor ended unexpectedly");
        }
    }
}

async fn supervise(setup: Arc<Setup>, current: Current, mut asked: mpsc::Receiver<Command>) {
    let longest = Duration::from_millis(setup.config.retry_max_ms.max(1));
    let mut pause = RETRY_FIRST;
    let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
    let mut recalls = true;
    let mut has_failed = false;
    loop {
        let commits_before = *setup.commits.borrow();
        let error = match start(&setup, &mut recalls).await {
            Err(error) => Arc::new(error),
            Ok(running) => {
                let epoch = running.epoch.clone();
                *current.lock() = Some(epoch.clone());
                if std::mem::take(&mut has_failed) {
                    setup.notices.reset(setup.live.now());
                }
                for reply in waiting.drain(..) {
                    // A replay that gave up does not listen.
                    let _ = reply.send(());
                }
                let command = tokio::select! {
                    command = asked.recv() => Some(command.unwrap_or(Command::Shutdown)),
                    _ = epoch.failed() => None,
                };
                *current.lock() = None;
                running.stop().await;
                match command {
                    Some(Command::Shutdown) => return,
                    // What a replay repairs is added to the live state, so that must be what is stored.
                    Some(Command::Reset(reply)) => {
                        waiting.push(reply);
                        recalls = true;
                    }
                    // If the last commit failed, that is no reason not to: nothing is in memory any more.
                    Some(Command::Pause(work)) => pause_for(&setup, work, &mut recalls).await,
                    None => {}
                }
                match epoch.failure() {
                    Some(error) => error,
                    None => continue,
                }
            }
        };
        // What was folded and not committed will be folded again, and must not be shown twice.
        recalls = true;
        has_failed = true;
        if *setup.commits.borrow() > commits_before {
            pause = RETRY_FIRST;
        }
        if pause == RETRY_FIRST {
            tracing::error!(%error, "folding failed; starting again from the stored checkpoints");
        }
        tokio::select! {
            () = tokio::time::sleep(pause.min(longest)) => {}
            command = asked.recv() => match command {
                Some(Command::Reset(reply)) => waiting.push(reply),
                Some(Command::Pause(work)) => pause_for(&setup, work, &mut recalls).await,
                Some(Command::Shutdown) | None => return,
            },
        }
        pause = (pause * 2).min(longest);
    }
}

/// Does what may only be done while nothing is folded.
async fn pause_for(setup: &Setup, work: BoxFuture<'static, ()>, recalls: &mut bool) {
    if AssertUnwindSafe(work).catch_unwind().await.is_err() {
        tracing::error!("what folding was paused for ended abnormally");
    }
    // It may have changed the warehouse in any way: whoever shows reports looks at everything anew.
    *recalls = true;
    setup.notices.reset(setup.live.now());
}

async fn start(setup: &Arc<Setup>, recalls: &mut bool) -> Result<Running, Error> {
    let checkpoints = setup.store.checkpoints().await?;
    if *recalls {
        let (recalled, as_of) = recall::recall(setup).await?;
        setup.live.restart(recalled, &as_of);
        usual::learn(setup, setup.live.now()).await?;
        *recalls = false;
    }
    let generation = checkpoints.first().map_or(0, |checkpoint| checkpoint.generation.0);
    setup.stats.stands_at(generation, checkpoints.iter().map(|checkpoint| (checkpoint.partition, checkpoint.next)));
    Running::start(setup.clone(), checkpoints)
}
