//! A partition's visitors: number, first event, latest sessions. Known ones stay in memory, others are looked up.
//!
//! Memory is bounded by two generations of a map: what was used lately is in `young`, what was not goes with `old`.
//! An entry that was changed since the last commit is pinned: the warehouse cannot give it back yet.
//!
//! ```text
//!   get: young? ─ yes ─▶ entry          turn, when young is full:   old  := young
//!          └ no ─▶ old? ─ yes ─▶ move to young                    young := {pinned entries of the former old}
//! ```

use crate::window::Window;
use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};
use pistats_core::session::{self, GAP_US};
use pistats_core::{Micros, Session, SiteId, VisitorKey, VisitorNo};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

/// Latest sessions kept in memory for a visitor whose changes are all committed: late events seldom reach further back.
const SESSIONS_KEPT: usize = 4;

pub(crate) type Run = Session<Arc<str>>;

/// What the worker knows of a visitor.
pub(crate) struct Visitor {
    pub site: SiteId,
    pub no: VisitorNo,
    pub first_seen: Micros,
    /// Disjoint, ascending.
    sessions: Vec<Run>,
    /// Every living session whose last event is at or after this is in `sessions`.
    complete_since: Micros,
    /// The window of the last change, 0 for none, and the change's place in it.
    window: u64,
    change: usize,
}

impl Visitor {
    /// A visitor whom the warehouse knows; its sessions are still there.
    pub(crate) fn known(site: SiteId, no: VisitorNo, first_seen: Micros) -> Visitor {
        let complete_since = Micros(i64::MAX);
        Visitor { site, no, first_seen, sessions: Vec::new(), complete_since, window: 0, change: 0 }
    }

    /// A visitor never seen before.
    pub(crate) fn unseen(site: SiteId, no: VisitorNo) -> Visitor {
        Visitor { complete_since: Micros(i64::MIN), ..Visitor::known(site, no, Micros(i64::MAX)) }
    }

    /// From when on sessions have to be known to fold an event, if they are not.
    pub(crate) fn lacks(&self, at: Micros) -> Option<Micros> {
        let since = at.plus(-GAP_US);
        (since < self.complete_since).then_some(since)
    }

    /// Adds stored sessions, all that end at or after `since`.
    ///
    /// What is in memory is newer. A stored session that joins one of these is an older version of it, because
    /// living sessions never join.
    pub(crate) fn learn(&mut self, stored: impl IntoIterator<Item = Run>, since: Micros) {
        let held = self.sessions.len();
        for run in stored {
            if !self.sessions[..held].iter().any(|newer| newer.joins(&run)) {
                self.sessions.push(run);
            }
        }
        self.sessions.sort_unstable_by_key(|run| run.first);
        self.complete_since = self.complete_since.min(since);
    }

    /// Folds a new event: joins sessions, moves the first event back, and notes the change in the window.
    pub(crate) fn fold(&mut self, key: VisitorKey, run: Run, window: &mut Window) {
        if self.window != window.number {
            let stored = (self.first_seen < Micros(i64::MAX)).then_some(self.first_seen);
            self.change = window.open_change(self.site, self.no, key, stored);
            self.window = window.number;
        }
        self.first_seen = self.first_seen.min(run.first.0);
        match self.sessions.last_mut() {
            // Nearly every event goes on where the visitor's last session stands: no need to search.
            Some(last) if last.first < run.first && last.joins(&run) => {
                let now = last.clone().join(run);
                let old = std::mem::replace(last, now.clone());
                window.change(self.change, self.first_seen, [old], now);
            }
            _ => {
                let (index, replaced) = session::insert(&mut self.sessions, run);
                window.change(self.change, self.first_seen, replaced, self.sessions[index].clone());
            }
        }
    }

    fn is_pinned(&self, committed: u64) -> bool {
        self.window > committed
    }

    /// Forgets old sessions; only while everything is committed.
    fn prune(&mut self) {
        if self.sessions.len() > SESSIONS_KEPT {
            let gone = self.sessions.len() - SESSIONS_KEPT;
            if let Some(newest_gone) = self.sessions.drain(..gone).next_back() {
                self.complete_since = self.complete_since.max(newest_gone.last.0.plus(1));
            }
        }
    }
}

/// Keys are keyed hashes already: evenly spread, and nobody outside can aim them.
#[derive(Clone, Copy, Default)]
pub(crate) struct AlreadyHashed;

impl BuildHasher for AlreadyHashed {
    type Hasher = FirstBits;

    fn build_hasher(&self) -> FirstBits {
        FirstBits(0)
    }
}

pub(crate) struct FirstBits(u64);

impl Hasher for FirstBits {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

fn half(key: VisitorKey) -> u64 {
    key.0 as u64
}

type Map = HashMap<VisitorKey, Visitor, AlreadyHashed>;

/// The cache of one partition.
pub(crate) struct Visitors {
    young: Map,
    old: Map,
    capacity: usize,
    /// Half of the key of everyone who left memory; none once they became too many to remember.
    ///
    /// Of a site that had no visitors when this cache began, a key neither here nor in memory was never seen: an import
    /// into a new site looks nobody up.
    gone: Option<HashSet<u64, AlreadyHashed>>,
}

/// Keys remembered for each visitor that may be held: they cost a fortieth.
const GONE_PER_HELD: usize = 8;

impl Visitors {
    /// Holds at most `capacity` entries in each of two generations, but for pinned ones and those of one batch.
    pub(crate) fn new(capacity: usize) -> Visitors {
        let (young, old, gone) = (Map::default(), Map::default(), Some(HashSet::default()));
        Visitors { young, old, capacity: capacity.max(1), gone }
    }

    /// Lets the generations turn if the young one is full. Between batches only: a batch relies on what it has seen.
    pub(crate) fn turn(&mut self, committed: u64) {
        if self.young.len() < self.capacity {
            return;
        }
        let mut leaving = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        let gone = &mut self.gone;
        leaving.retain(|key, visitor| {
            let stays = visitor.is_pinned(committed);
            if let (false, Some(gone)) = (stays, gone.as_mut()) {
                gone.insert(half(*key));
            }
            stays
        });
        self.young = leaving;
        if self.gone.as_ref().is_some_and(|gone| gone.len() > self.capacity * 2 * GONE_PER_HELD) {
            self.gone = None;
        }
    }

    /// The entry of a key, if it is in memory.
    pub(crate) fn get(&mut self, key: VisitorKey, committed: u64) -> Option<&mut Visitor> {
        match self.young.entry(key) {
            Entry::Occupied(held) => Some(held.into_mut()),
            Entry::Vacant(free) => {
                let mut visitor = self.old.remove(&key)?;
                if !visitor.is_pinned(committed) {
                    visitor.prune();
                }
                Some(free.insert(visitor))
            }
        }
    }

    pub(crate) fn insert(&mut self, key: VisitorKey, visitor: Visitor) {
        self.young.insert(key, visitor);
    }

    /// Whether a visitor that is not in memory was never there since this cache began.
    pub(crate) fn was_never_held(&self, key: VisitorKey) -> bool {
        self.gone.as_ref().is_some_and(|gone| !gone.contains(&half(key)))
    }

    /// Forgets a visitor, whose changes must be committed.
    pub(crate) fn forget(&mut self, key: VisitorKey) {
        if let Some(gone) = &mut self.gone {
            gone.insert(half(key));
        }
        self.young.remove(&key);
        self.old.remove(&key);
    }
}
