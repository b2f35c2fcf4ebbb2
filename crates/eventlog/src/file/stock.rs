//! The stock of files: makes the next segment's file ahead of time, forgets trimmed segments and recycles them.
//!
//! Writing 64 MiB of zeros takes far longer than a commit, so it happens here, on its own thread, before the committer
//! needs the file. A forgotten segment first loses its name (durably, oldest first, so that what is left never has a
//! gap); its file is used again when the last reader has let go of it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use pistats_core::Micros;

use super::Config;
use super::frame::Home;
use super::segment::{self, Header, Index, Segment};
use super::shared::Shared;
use crate::Error;
use crate::disk::{File, FileSystem};

/// Retention by time is looked at this often while nothing happens.
const IDLE: Duration = Duration::from_secs(1);
/// How soon to look again whether readers have let go of a file.
const COOLING: Duration = Duration::from_millis(5);

/// A file of a segment's size whose bytes have been written before.
pub(super) struct Spare {
    pub(super) number: u64,
    pub(super) file: Arc<dyn File>,
}

pub(super) struct Stock {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ready: Vec<Spare>,
    /// Files that lost their segment's name or wait to: (spare number once renamed, segment).
    leaving: VecDeque<(Option<u64>, Arc<Segment>)>,
    /// Files that the committer took and has not made a segment of yet.
    taken: usize,
    next_number: u64,
    /// The committer waits for a file.
    wanted: bool,
    /// Why it cannot have one.
    problem: Option<Error>,
    woken: bool,
    stopped: bool,
}

impl Stock {
    pub(super) fn new(ready: Vec<Spare>) -> Stock {
        let next_number = ready.iter().map(|spare| spare.number + 1).max().unwrap_or(0);
        Stock { state: Mutex::new(State { ready, next_number, ..State::default() }), changed: Condvar::new() }
    }

    pub(super) fn wake(&self) {
        self.state.lock().woken = true;
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Files that are not segments any more or not yet.
    pub(super) fn files(&self) -> u64 {
        let state = self.state.lock();
        (state.ready.len() + state.leaving.len() + state.taken) as u64
    }

    /// Takes a file; waits while one is being made. `Full` if there is no room for one.
    pub(super) fn take(&self) -> Result<Spare, Error> {
        let mut state = self.state.lock();
        state.problem = None;
        loop {
            let taken = if let Some(spare) = state.ready.pop() {
                state.taken += 1;
                Ok(spare)
            } else if let Some(problem) = state.problem.take() {
                Err(problem)
            } else if state.stopped {
                Err(Error::Closed)
            } else {
                (state.wanted, state.woken) = (true, true);
                self.changed.notify_all();
                self.changed.wait(&mut state);
                continue;
            };
            (state.wanted, state.woken) = (false, true);
            self.changed.notify_all();
            return taken;
        }
    }

    /// A taken file is a segment now, and counts as one.
    pub(super) fn placed(&self) {
        let mut state = self.state.lock();
        (state.taken, state.woken) = (state.taken.saturating_sub(1), true);
        self.changed.notify_all();
    }

    /// A taken file could not be used.
    pub(super) fn put_back(&self, spare: Spare) {
        let mut state = self.state.lock();
        state.taken = state.taken.saturating_sub(1);
        state.ready.push(spare);
    }
}

/// The thread's work, until the log ends.
pub(super) fn run(shared: &Shared) {
    let stock = &shared.stock;
    loop {
        let wanted = {
            let mut state = stock.state.lock();
            if !state.woken && !state.stopped {
                let wait = if state.leaving.is_empty() { IDLE } else { COOLING };
                stock.changed.wait_for(&mut state, wait);
            }
            if state.stopped {
                return;
            }
            state.woken = false;
            state.wanted
        };
        if let Err(error) = look_after(shared, wanted) {
            // A disk that fails to sync or rename ends here: from then on nothing may be promised.
            shared.fail(&error);
            return;
        }
    }
}

fn look_after(shared: &Shared, wanted: bool) -> Result<(), Error> {
    let stock = &shared.stock;
    let fits = || shared.usage().bytes + shared.config.segment_bytes <= shared.config.max_bytes;
    let pressure = wanted && stock.files() == 0 && !fits();
    let forgotten = shared.forget(pressure);
    stock.state.lock().leaving.extend(forgotten.into_iter().map(|segment| (None, segment)));
    let renamed = rename_leaving(shared)?;
    recycle_cooled(shared);

    let (empty, cooling) = {
        let state = stock.state.lock();
        (state.ready.is_empty(), renamed && !state.leaving.is_empty())
    };
    if empty && (wanted || shared.config.spare_segments > 0) {
        let made = if fits() { make(shared).map(Some) } else { Ok(None) };
        let mut state = stock.state.lock();
        match made {
            Ok(Some(spare)) => state.ready.push(spare),
            Err(error @ Error::Failed { .. }) => return Err(error),
            Err(error) if wanted => state.problem = Some(error),
            Err(error) => tracing::warn!(%error, "no file could be made ready for the next segment"),
            // A file that readers still hold will do in a moment; else there is no room.
            Ok(None) if wanted && !cooling => {
                drop(state);
                let full = shared.full();
                stock.state.lock().problem = Some(full);
            }
            Ok(None) => {}
        }
    }
    stock.changed.notify_all();
    Ok(())
}

/// Takes the names from forgotten segments, oldest first. `false` if the disk has no room even for that: tried again
/// later.
fn rename_leaving(shared: &Shared) -> Result<bool, Error> {
    loop {
        let (segment, number) = {
            let mut state = shared.stock.state.lock();
            let number = state.next_number;
            let Some((_, segment)) = state.leaving.iter().find(|(renamed, _)| renamed.is_none()) else {
                return Ok(true);
            };
            let segment = segment.clone();
            state.next_number += 1;
            (segment, number)
        };
        let from = segment::path(&shared.dir, segment.number());
        if let Err(error) = shared.disk.rename(&from, &segment::spare_path(&shared.dir, number)) {
            tracing::warn!(segment = segment.number(), %error, "a trimmed segment could not be put aside");
            let doing = "putting a trimmed segment aside";
            return match write_error(&*shared.disk, &shared.dir, &shared.config, doing, error) {
                Error::Full { .. } => Ok(false),
                failed => Err(failed),
            };
        }
        shared.disk.sync_dir(&shared.dir).map_err(|error| failed("syncing the log's directory", &error))?;
        let mut state = shared.stock.state.lock();
        if let Some((renamed, _)) = state.leaving.iter_mut().find(|(renamed, _)| renamed.is_none()) {
            *renamed = Some(number);
        }
    }
}

/// Makes files ready again that nobody reads any more; removes what is too many or of another size.
fn recycle_cooled(shared: &Shared) {
    let mut state = shared.stock.state.lock();
    for (renamed, segment) in std::mem::take(&mut state.leaving) {
        let Some(number) = renamed else {
            state.leaving.push_back((renamed, segment));
            continue;
        };
        match Arc::try_unwrap(segment) {
            Err(read) => state.leaving.push_back((renamed, read)),
            Ok(segment) => {
                let keep = state.ready.len() < shared.config.spare_segments.max(usize::from(state.wanted));
                if keep && segment.header.bytes == shared.config.segment_bytes {
                    state.ready.push(Spare { number, file: segment.file });
                } else if let Err(error) = shared.disk.remove(&segment::spare_path(&shared.dir, number)) {
                    tracing::warn!(%error, "a trimmed segment could not be removed");
                }
            }
        }
    }
}

fn make(shared: &Shared) -> Result<Spare, Error> {
    let number = {
        let mut state = shared.stock.state.lock();
        state.next_number += 1;
        state.next_number - 1
    };
    write_file(&*shared.disk, &shared.dir, &shared.config, number)
}

/// Makes a file of zeros and syncs it. A file that could not be finished is removed.
fn write_file(disk: &dyn FileSystem, dir: &Path, config: &Config, number: u64) -> Result<Spare, Error> {
    let path = segment::spare_path(dir, number);
    let refused = |error| write_error(disk, dir, config, "making a segment's file", error);
    let file = disk.create(&path).map_err(refused)?;
    if let Err(error) = super::recover::zero(&*file, 0, config.segment_bytes) {
        if let Err(error) = disk.remove(&path) {
            tracing::warn!(%error, "a half-written file could not be removed");
        }
        return Err(refused(error));
    }
    file.sync_data().map_err(|error| failed("syncing a new segment's file", &error))?;
    Ok(Spare { number, file })
}

/// Turns a spare file into a segment: its header is durable before it gets its name, its name before this returns.
pub(super) fn activate(
    disk: &dyn FileSystem,
    dir: &Path,
    config: &Config,
    spare: &Spare,
    header: Header,
) -> Result<Segment, Error> {
    let written = spare.file.write_at(0, &mut [IoSlice::new(&header.encode())]);
    written.map_err(|error| write_error(disk, dir, config, "writing a segment's header", error))?;
    spare.file.sync_data().map_err(|error| failed("syncing a segment's header", &error))?;
    let (from, to) = (segment::spare_path(dir, spare.number), segment::path(dir, header.home.epoch));
    disk.rename(&from, &to).map_err(|error| failed("naming a segment", &error))?;
    disk.sync_dir(dir).map_err(|error| failed("syncing the log's directory", &error))?;
    Ok(Segment::new(header, spare.file.clone(), Some(Index::default())))
}

/// The first segment of a new log.
pub(super) fn first_segment(
    disk: &dyn FileSystem,
    dir: &Path,
    config: &Config,
    spare: Option<Spare>,
    now: Micros,
) -> Result<Segment, Error> {
    let spare = match spare {
        Some(spare) => spare,
        None => write_file(disk, dir, config, 0)?,
    };
    let header = Header {
        home: Home { epoch: 1, nonce: segment::nonce() },
        bytes: config.segment_bytes,
        created_at: now,
        first_group: 1,
        previous_end: 0,
        base: [0; _],
    };
    activate(disk, dir, config, &spare, header)
}

/// A write that failed: `Full` if for want of room, else an end of all promises.
pub(super) fn write_error(disk: &dyn FileSystem, dir: &Path, config: &Config, doing: &str, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::Full { used_bytes: 0, bound_bytes: config.max_bytes, free_bytes: disk.free_bytes(dir).unwrap_or(0) }
        }
        _ => failed(doing, &error),
    }
}

pub(super) fn failed(doing: &str, error: &io::Error) -> Error {
    Error::Failed { reason: format!("{doing}: {error}") }
}
