//! The aggregator as a whole: start, supervision, shutdown.

use crate::epoch::{Current, Running, Setup};
use crate::follow::Follows;
use crate::holding::{Holding, News, new_owner};
use crate::live::{Clock, Live};
use crate::notices::Notices;
use crate::pauses::Pauses;
use crate::stats::Stats;
use crate::times::Times;
use crate::{Config, Error, recall, upkeep};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use pistats_core::{Generation, Micros, PartitionId};
use pistats_eventlog::EventLog;
use pistats_rpc::auth::SharedDirectory;
use pistats_store::{Held, Leases, Owner, Store};
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

/// Brings the directory up to date.
pub type Reload = Arc<dyn Fn() -> BoxFuture<'static, Result<(), pistats_store::Error>> + Send + Sync>;

/// Everything the aggregator needs.
pub struct Parts {
    pub config: Config,
    pub log: Arc<dyn EventLog>,
    pub store: Arc<dyn Store>,
    /// Who folds which partition; of the same warehouse.
    pub leases: Arc<dyn Leases>,
    /// Who this process is to the others.
    pub owner: Owner,
    pub directory: SharedDirectory,
    /// Brings the directory up to date with the registry: called before folding begins.
    pub reload: Reload,
    /// Of the instance: keys the hash that visitors are known by. Another secret makes all visitors new.
    pub secret: [u8; 32],
    /// The server's clock.
    pub clock: Clock,
    /// Where the times of commits are told.
    pub meters: Meters,
}

impl Parts {
    /// The parts with the system's clock, a name of host and process, and a directory that others keep up to date, telling nobody.
    pub fn new(
        config: Config,
        log: Arc<dyn EventLog>,
        store: Arc<dyn Store>,
        leases: Arc<dyn Leases>,
        directory: SharedDirectory,
        secret: [u8; 32],
    ) -> Parts {
        let owner = new_owner(process_name());
        let reload: Reload = Arc::new(|| futures::future::ready(Ok(())).boxed());
        let (clock, meters): (Clock, Meters) = (Arc::new(system_now), Meters::off());
        Parts { config, log, store, leases, owner, directory, reload, secret, clock, meters }
    }
}

fn process_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "localhost".into());
    format!("{}:{}", host.trim(), std::process::id())
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
        let Parts { config, log, store, leases, owner, directory, reload, secret, clock, meters } = parts;
        let (live, stats, commits, notices) = (Live::new(clock), Stats::new(), watch::Sender::new(0), Notices::new());
        let times = Times::new(&meters);
        let millis = Duration::from_millis;
        let holding = Holding::new(leases, owner, millis(config.lease_ms), millis(config.heartbeat_ms.max(8)));
        let setup = Setup {
            config,
            log,
            store,
            holding,
            directory,
            reload,
            secret,
            live,
            stats,
            times,
            commits,
            notices,
            follows: Follows::new(),
        };
        let setup = Arc::new(setup);
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

    /// Waits until everything that is in the log now, of the partitions folded here, is committed.
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
    let mut held = Vec::new();
    loop {
        let commits_before = *setup.commits.borrow();
        let error = match start(&setup, &mut held, &mut recalls).await {
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
                    news = setup.holding.news() => {
                        if news == News::Lost {
                            epoch.fail(Error::Lost);
                        }
                        None
                    }
                };
                *current.lock() = None;
                running.stop().await;
                match command {
                    Some(Command::Shutdown) => return setup.holding.leave().await,
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
        setup.follows.void();
        if *setup.commits.borrow() > commits_before {
            pause = RETRY_FIRST;
        }
        if pause == RETRY_FIRST {
            match error.is_expected() {
                true => tracing::info!(%error, "folding starts again from the stored checkpoints"),
                false => tracing::error!(%error, "folding failed; starting again from the stored checkpoints"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause.min(longest)) => {}
            command = asked.recv() => match command {
                Some(Command::Reset(reply)) => waiting.push(reply),
                Some(Command::Pause(work)) => pause_for(&setup, work, &mut recalls).await,
                Some(Command::Shutdown) | None => return setup.holding.leave().await,
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
    setup.follows.void();
    setup.notices.reset(setup.live.now());
}

/// Starts with the partitions that are to be folded here; `held` are those of the last time.
async fn start(setup: &Arc<Setup>, held: &mut Vec<Held>, recalls: &mut bool) -> Result<Running, Error> {
    let now_held = setup.holding.settle().await?;
    if *held != now_held {
        let numbers: Vec<u16> = now_held.iter().map(|held| held.partition.0).collect();
        tracing::info!(owner = setup.holding.owner.name, partitions = ?numbers, "folding these partitions");
        *recalls = true;
        held.clone_from(&now_held);
    }
    // In this order: a lease, so that no other owner commits any more; the checkpoints, with the generation that commits will
    // name; and then the zones, which are of that generation unless the store refuses the commits.
    let checkpoints = setup.store.checkpoints().await?;
    (setup.reload)().await?;
    let generation = checkpoints.first().map_or(Generation(0), |checkpoint| checkpoint.generation);
    if *recalls {
        let (recalled, as_of) = recall::recall(setup, held).await?;
        setup.live.restart(recalled, &as_of, held);
        *recalls = false;
    }
    let stands_at = checkpoints.iter().map(|checkpoint| (checkpoint.partition, checkpoint.next));
    setup.stats.stands_at(generation.0, stands_at, held);
    setup.follows.begin(generation, held, &checkpoints);
    Running::start(setup.clone(), checkpoints, generation, now_held)
}
