//! A simulated disk that forgets what was not synced, and fails on request. For fault tests only.
//!
//! ```text
//!   write ─▶ cache (dirty pages) ─ sync_data ─▶ disk          power cut: each dirty page reaches the disk or not
//!   name  ─▶ cache (journal)     ─ sync_dir  ─▶ disk                     the first n name changes do, n by chance
//! ```
//!
//! What it models: pages reach the disk in any order; half pages (512-byte sectors); a failed sync leaves pages that
//! look clean and are not on the disk; a process that dies leaves the cache alone; a full disk, also in the midst of
//! a write; a sync that lies ([`Syncs`]). What it does not: directories other than flat ones, and time.
//!
//! Chance comes from a seed, so a failing test can be run again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{File, FileSystem};

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// What reached the disk, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Write {
        file: String,
        position: u64,
        bytes: u64,
    },
    Sync {
        file: String,
    },
    SyncDir,
    Rename {
        from: String,
        to: String,
    },
    /// What a test wrote between them with [`SimDisk::note`].
    Note(&'static str),
}

/// How the disk syncs. The lies are there to show that a check can fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syncs {
    #[default]
    Honestly,
    /// Answers `Ok` and does nothing.
    Never,
    /// Answers `Ok` and syncs before the next write: one commit too late.
    Late,
}

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

struct State {
    chance: u64,
    /// Handles of an earlier boot are dead.
    boot: u64,
    off: bool,
    files: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Name changes since the last `sync_dir`, each with the names after it.
    journal: Vec<BTreeMap<PathBuf, usize>>,
    locks: BTreeSet<PathBuf>,
    free: u64,
    calls: Vec<Call>,
    syncs: Syncs,
    late: Option<usize>,
    /// Changing calls until the power goes off.
    power_left: Option<u64>,
    /// Syncs until one fails.
    syncs_left: Option<u64>,
    /// Bytes of the next write that still fit.
    write_left: Option<usize>,
    /// Before each write some dirty pages reach the disk by themselves.
    writes_back: bool,
}

#[derive(Default)]
struct Inode {
    cached: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

impl Inode {
    /// A page reaches the disk.
    fn keep(&mut self, page: usize) {
        let page = page * PAGE..((page + 1) * PAGE).min(self.cached.len());
        self.durable.resize(self.durable.len().max(page.end), 0);
        self.durable[page.clone()].copy_from_slice(&self.cached[page]);
    }
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
    boot: u64,
}

struct SimLock {
    disk: SimDisk,
    dir: PathBuf,
    boot: u64,
}

impl SimDisk {
    /// An empty disk of `free` bytes.
    pub fn new(seed: u64, free: u64) -> SimDisk {
        let state = State {
            chance: seed,
            boot: 0,
            off: false,
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            journal: Vec::new(),
            locks: BTreeSet::new(),
            free,
            calls: Vec::new(),
            syncs: Syncs::Honestly,
            late: None,
            power_left: None,
            syncs_left: None,
            write_left: None,
            writes_back: false,
        };
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// Cuts the power at the `calls`-th changing call from now (1 = the next one): it and all later calls fail.
    pub fn power_off_after(&self, calls: u64) {
        self.state.lock().power_left = Some(calls);
    }

    /// Fails the `syncs`-th `sync_data` from now (1 = the next one) with an I/O error; its pages look clean after it.
    pub fn fail_sync(&self, syncs: u64) {
        self.state.lock().syncs_left = Some(syncs);
    }

    /// Finds the disk full after `bytes` of the next write, though it only overwrites (copy-on-write disks do that).
    pub fn fill_up_in_next_write(&self, bytes: usize) {
        self.state.lock().write_left = Some(bytes);
    }

    /// All dirty pages reach the disk now, unasked, as they do on a real one after a while.
    pub fn write_back(&self) {
        self.state.lock().write_back(|_| true);
    }

    /// From now on some dirty pages reach the disk unasked before each write, by chance.
    pub fn write_back_by_chance(&self) {
        self.state.lock().writes_back = true;
    }

    pub fn set_free_bytes(&self, free: u64) {
        self.state.lock().free = free;
    }

    pub fn set_syncs(&self, syncs: Syncs) {
        self.state.lock().syncs = syncs;
    }

    /// The power comes back: what was not synced is there or not, by chance, page by page.
    pub fn restart(&self) {
        let (odds, unit) = {
            let mut state = self.state.lock();
            let odds = [0, 10, 50, 90, 100][state.roll(5) as usize];
            (odds, if state.roll(4) == 0 { SECTOR } else { PAGE })
        };
        self.lose(unit, |state, _| state.roll(100) < odds);
    }

    /// The power comes back: of what was not synced those pages are there that `keep` says, by their number in the
    /// file; of the names all.
    pub fn restart_keeping(&self, keep: impl Fn(usize) -> bool) {
        {
            let mut state = self.state.lock();
            state.durable_names = state.names.clone();
            state.journal.clear();
        }
        self.lose(PAGE, |_, page| keep(page));
    }

    /// The process dies and starts again; the disk and its cache stay as they are.
    pub fn kill(&self) {
        self.state.lock().reboot();
    }

    fn lose(&self, unit: usize, mut keep: impl FnMut(&mut State, usize) -> bool) {
        let mut state = self.state.lock();
        for inode in 0..state.files.len() {
            let Inode { cached, mut durable, dirty } = std::mem::take(&mut state.files[inode]);
            if durable.len() < cached.len() && keep(&mut state, 0) {
                durable.resize(cached.len(), 0);
            }
            for page in dirty {
                for at in (page * PAGE..((page + 1) * PAGE).min(cached.len())).step_by(unit) {
                    if keep(&mut state, page) {
                        let end = (at + unit).min(cached.len());
                        durable.resize(durable.len().max(end), 0);
                        durable[at..end].copy_from_slice(&cached[at..end]);
                    }
                }
            }
            state.files[inode] = Inode { cached: durable.clone(), durable, dirty: BTreeSet::new() };
        }
        let survive = state.journal.len() as u64 + 1;
        let survive = state.roll(survive) as usize;
        let mut journal = std::mem::take(&mut state.journal);
        if let Some(last) = survive.checked_sub(1) {
            state.durable_names = journal.swap_remove(last);
        }
        state.names = state.durable_names.clone();
        state.reboot();
    }

    /// Writes into the record of calls.
    pub fn note(&self, what: &'static str) {
        self.state.lock().calls.push(Call::Note(what));
    }

    /// Every changing call since the last time this was asked.
    pub fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state.lock().calls)
    }

    /// The names of all files, sorted.
    pub fn names(&self) -> Vec<PathBuf> {
        self.state.lock().names.keys().cloned().collect()
    }

    /// Changes a file on the disk and in the cache, as decay would.
    pub fn damage(&self, path: impl AsRef<Path>, change: impl Fn(&mut Vec<u8>)) {
        let mut state = self.state.lock();
        if let Some(inode) = state.names.get(path.as_ref()).copied() {
            let inode = &mut state.files[inode];
            change(&mut inode.cached);
            change(&mut inode.durable);
        }
    }

    /// What a file holds, as a process sees it.
    pub fn content(&self, path: impl AsRef<Path>) -> Vec<u8> {
        let state = self.state.lock();
        state.names.get(path.as_ref()).map(|inode| state.files[*inode].cached.clone()).unwrap_or_default()
    }
}

impl State {
    /// A number below `below`: SplitMix64 (Steele, Lea, Flood 2014).
    fn roll(&mut self, below: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below.max(1)
    }

    fn reboot(&mut self) {
        self.boot += 1;
        (self.off, self.power_left, self.syncs_left, self.write_left, self.late) = (false, None, None, None, None);
        self.locks.clear();
    }

    fn alive(&self, boot: u64) -> io::Result<()> {
        if self.off || boot != self.boot { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    /// Counts a changing call; `false` if the power goes off in it.
    fn powered(&mut self) -> bool {
        match &mut self.power_left {
            Some(1) => {
                (self.off, self.power_left) = (true, None);
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    fn name_of(&self, inode: usize) -> String {
        let found = self.names.iter().find(|(_, other)| **other == inode);
        found.map(|(path, _)| file_name(path)).unwrap_or_default()
    }

    fn change_names(&mut self, change: impl FnOnce(&mut BTreeMap<PathBuf, usize>)) -> io::Result<()> {
        self.alive(self.boot)?;
        change(&mut self.names);
        self.journal.push(self.names.clone());
        if self.powered() { Ok(()) } else { self.alive(self.boot) }
    }

    fn put(&mut self, inode: usize, position: usize, bytes: &[u8]) {
        let inode = &mut self.files[inode];
        let end = position + bytes.len();
        inode.cached.resize(inode.cached.len().max(end), 0);
        inode.cached[position..end].copy_from_slice(bytes);
        inode.dirty.extend(position / PAGE..end.div_ceil(PAGE));
    }

    fn write_back(&mut self, mut reaches: impl FnMut(&mut State) -> bool) {
        for inode in 0..self.files.len() {
            for page in std::mem::take(&mut self.files[inode].dirty) {
                if reaches(self) {
                    self.files[inode].keep(page);
                } else {
                    self.files[inode].dirty.insert(page);
                }
            }
        }
    }

    fn persist(&mut self, inode: usize) {
        let file = self.name_of(inode);
        let inode = &mut self.files[inode];
        inode.durable.resize(inode.cached.len(), 0);
        for page in std::mem::take(&mut inode.dirty) {
            inode.keep(page);
        }
        self.calls.push(Call::Sync { file });
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl FileSystem for SimDisk {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        let state = self.state.lock();
        state.alive(state.boot)
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.state.lock();
        state.alive(state.boot)?;
        if !state.locks.insert(dir.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { disk: self.clone(), dir: dir.to_owned(), boot: state.boot }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state.lock();
        state.alive(state.boot)?;
        Ok(state.names.keys().filter(|path| path.parent() == Some(dir)).map(|path| file_name(path)).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.state.lock();
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.files.len();
        state.files.push(Inode::default());
        state.change_names(|names| {
            names.insert(path.to_owned(), inode);
        })?;
        Ok(Arc::new(SimFile { disk: self.clone(), inode, boot: state.boot }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let state = self.state.lock();
        state.alive(state.boot)?;
        let inode = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile { disk: self.clone(), inode, boot: state.boot }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.calls.push(Call::Rename { from: file_name(from), to: file_name(to) });
        state.change_names(|names| {
            names.remove(from);
            names.insert(to.to_owned(), inode);
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        let inode = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        state.free += state.files[inode].cached.len() as u64;
        state.change_names(|names| {
            names.remove(path);
        })
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.alive(state.boot)?;
        if !state.powered() {
            return state.alive(state.boot);
        }
        state.durable_names = state.names.clone();
        state.journal.clear();
        state.calls.push(Call::SyncDir);
        Ok(())
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        Ok(self.state.lock().free)
    }
}

impl File for SimFile {
    fn write_at(&self, position: u64, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let mut state = self.disk.state.lock();
        state.alive(self.boot)?;
        if let Some(inode) = state.late.take() {
            state.persist(inode);
        }
        if state.writes_back && state.roll(4) == 0 {
            state.write_back(|state| state.roll(2) == 0);
        }
        let position = position as usize;
        let file = state.name_of(self.inode);
        state.calls.push(Call::Write { file, position: position as u64, bytes: bytes.len() as u64 });
        let grown = (position + bytes.len()).saturating_sub(state.files[self.inode].cached.len()) as u64;
        let fits = match state.write_left.take() {
            Some(fits) => Some(fits),
            None if grown > state.free => Some(bytes.len() - (grown - state.free) as usize),
            None => None,
        };
        if let Some(fits) = fits {
            bytes.truncate(fits);
            state.free -= grown.min(state.free);
            state.put(self.inode, position, &bytes);
            return Err(io::ErrorKind::StorageFull.into());
        }
        if !state.powered() {
            let part = state.roll(bytes.len() as u64 + 1) as usize;
            state.put(self.inode, position, &bytes[..part]);
            return state.alive(self.boot);
        }
        state.free -= grown;
        state.put(self.inode, position, &bytes);
        Ok(())
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.state.lock();
        state.alive(self.boot)?;
        let bytes = state.files[self.inode].cached.get(position as usize..).unwrap_or_default();
        let read = bytes.len().min(buffer.len());
        buffer[..read].copy_from_slice(&bytes[..read]);
        Ok(read)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.alive(self.boot)?;
        if !state.powered() {
            return state.alive(self.boot);
        }
        match &mut state.syncs_left {
            Some(1) => {
                state.syncs_left = None;
                state.files[self.inode].dirty.clear();
                return Err(io::Error::other("input/output error"));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        match state.syncs {
            Syncs::Honestly => state.persist(self.inode),
            Syncs::Never => {}
            Syncs::Late => state.late = Some(self.inode),
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        let state = self.disk.state.lock();
        state.alive(self.boot)?;
        Ok(state.files[self.inode].cached.len() as u64)
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.state.lock();
        if state.boot == self.boot {
            state.locks.remove(&self.dir);
        }
    }
}
