//! Between the workers, who fold, and the committer, who takes what is folded: windows, room, and the moment to cut.
//!
//! ```text
//!   worker ─ enter(room for a record) ─▶ windows[p] ─ lock, fold ─▶ …
//!   committer ─ wait(first event + idle, or load) ─▶ cut: take windows, at most so many events ─▶ commit ─▶ settle
//! ```
//!
//! Memory is bounded here: a record enters when the uncommitted events and bytes of all partitions leave room, or when its
//! own window is empty (so that the largest record gets through). Folding goes on while a commit runs.

use crate::config::Config;
use crate::window::Window;
use parking_lot::{Condvar, Mutex, MutexGuard};
use pistats_core::PartitionId;
use pistats_core::ids::PARTITIONS;
use std::time::{Duration, Instant};

/// Everything stops: at the end, or because something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Open,
    /// No record enters any more: commit what there is, then stop.
    Draining,
    Failed,
}

struct State {
    phase: Phase,
    /// In windows that were not cut yet.
    events: usize,
    bytes: usize,
    first_at: Option<Instant>,
    /// Workers that wait for room, or for their window to be committed.
    waiting: usize,
    /// The number of the last window committed, by partition.
    committed: Vec<u64>,
}

pub(crate) struct Gate {
    state: Mutex<State>,
    /// The committer waits here.
    work: Condvar,
    /// Workers wait here.
    settled: Condvar,
    windows: Vec<Mutex<Window>>,
    most_events: usize,
    most_bytes: usize,
    idle: Duration,
    longest: Duration,
}

/// How often a committer under load looks whether the load is over.
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl Gate {
    pub(crate) fn new(config: &Config) -> Gate {
        let partitions = usize::from(PARTITIONS);
        Gate {
            state: Mutex::new(State {
                phase: Phase::Open,
                events: 0,
                bytes: 0,
                first_at: None,
                waiting: 0,
                committed: vec![0; partitions],
            }),
            work: Condvar::new(),
            settled: Condvar::new(),
            windows: (0..partitions).map(|_| Mutex::new(Window::numbered(1))).collect(),
            most_events: config.commit_max_events.max(1),
            most_bytes: config.commit_max_bytes.max(1),
            idle: Duration::from_millis(config.commit_idle_ms),
            longest: Duration::from_millis(config.commit_max_ms.max(config.commit_idle_ms)),
        }
    }

    /// Waits until a record has room, then opens the partition's window for it.
    ///
    /// Called by the partition's own worker only.
    pub(crate) fn enter(
        &self,
        partition: PartitionId,
        events: usize,
        bytes: usize,
    ) -> Result<MutexGuard<'_, Window>, Stopped> {
        let mut state = self.state.lock();
        loop {
            if state.phase != Phase::Open {
                return Err(Stopped);
            }
            let has_room = state.events + events <= self.most_events && state.bytes + bytes <= self.most_bytes
                || state.events == 0;
            // Only this worker fills the window, so that an empty one stays empty until it enters.
            if has_room || self.windows[partition.index()].lock().is_empty() {
                break;
            }
            state.waiting += 1;
            self.work.notify_one();
            self.settled.wait(&mut state);
            state.waiting -= 1;
        }
        state.events += events;
        state.bytes += bytes;
        if state.first_at.is_none() {
            state.first_at = Some(Instant::now());
            self.work.notify_one();
        }
        drop(state);
        let mut window = self.windows[partition.index()].lock();
        window.input_events += events;
        window.input_bytes += bytes;
        Ok(window)
    }

    /// Waits until all that a partition folded is committed. Called by its own worker only.
    pub(crate) fn flush(&self, partition: PartitionId) -> Result<(), Stopped> {
        let mut state = self.state.lock();
        let target = {
            let window = self.windows[partition.index()].lock();
            if window.is_empty() { window.number - 1 } else { window.number }
        };
        loop {
            if state.committed[partition.index()] >= target {
                return Ok(());
            }
            if state.phase != Phase::Open {
                return Err(Stopped);
            }
            state.waiting += 1;
            self.work.notify_one();
            self.settled.wait(&mut state);
            state.waiting -= 1;
        }
    }

    /// The number of a partition's last committed window.
    pub(crate) fn committed(&self, partition: PartitionId) -> u64 {
        self.state.lock().committed[partition.index()]
    }

    /// Waits for the moment to commit. `Ok(false)`: everything is committed and nothing enters any more.
    pub(crate) fn wait(&self, is_busy: impl Fn() -> bool) -> Result<bool, Stopped> {
        let mut state = self.state.lock();
        loop {
            match state.phase {
                Phase::Failed => return Err(Stopped),
                Phase::Draining => return Ok(state.first_at.is_some()),
                Phase::Open => {}
            }
            let Some(first_at) = state.first_at else {
                self.work.wait(&mut state);
                continue;
            };
            let waited = first_at.elapsed();
            let full = state.events >= self.most_events || state.bytes >= self.most_bytes || state.waiting > 0;
            if full || waited >= self.longest || waited >= self.idle && !is_busy() {
                return Ok(true);
            }
            let next = if waited < self.idle { self.idle - waited } else { LOOK_EVERY };
            self.work.wait_for(&mut state, next);
        }
    }

    /// Takes the windows of partitions, from `start` on, until a commit is full.
    pub(crate) fn cut(&self, start: usize) -> Vec<(PartitionId, Window)> {
        let mut taken: Vec<(PartitionId, Window)> = Vec::new();
        let (mut events, mut bytes) = (0, 0);
        let partitions = self.windows.len();
        for index in (0..partitions).map(|step| (start + step) % partitions) {
            let mut window = self.windows[index].lock();
            let fits =
                events + window.input_events <= self.most_events && bytes + window.input_bytes <= self.most_bytes;
            if window.is_empty() || !fits && !taken.is_empty() {
                continue;
            }
            events += window.input_events;
            bytes += window.input_bytes;
            let next = Window::numbered(window.number + 1);
            taken.push((PartitionId(index as u16), std::mem::replace(&mut *window, next)));
        }
        let mut state = self.state.lock();
        state.events -= events;
        state.bytes -= bytes;
        // Something that did not fit, or came since, starts its own wait.
        state.first_at = (state.events > 0 || !self.all_empty()).then(Instant::now);
        self.settled.notify_all();
        taken
    }

    fn all_empty(&self) -> bool {
        self.windows.iter().all(|window| window.lock().is_empty())
    }

    /// A commit took effect.
    pub(crate) fn settle(&self, windows: impl Iterator<Item = (PartitionId, u64)>) {
        let mut state = self.state.lock();
        for (partition, number) in windows {
            state.committed[partition.index()] = number;
        }
        self.settled.notify_all();
    }

    /// No record enters any more; the committer ends when all is committed.
    pub(crate) fn drain(&self) {
        self.enter_phase(Phase::Draining);
    }

    /// Something failed: nothing more is committed, everyone stops.
    pub(crate) fn fail(&self) {
        self.enter_phase(Phase::Failed);
    }

    fn enter_phase(&self, phase: Phase) {
        let mut state = self.state.lock();
        if state.phase != Phase::Failed {
            state.phase = phase;
        }
        self.work.notify_all();
        self.settled.notify_all();
    }
}
