//! What is happening right now, per site, in memory: from folded events, committed or not.
//!
//! ```text
//!   live     all sites, and how far each partition is folded        site     one site: shown, waiting, received
//!   recent   distinct visitors of 5 minutes by a value              topics   events of topics by minute; what is usual
//!   memory   what the warehouse remembers of all this, told to a site at a start
//! ```
//!
//! Exact by event time and the server's clock: an event with a time to come waits until its time, a late one counts where
//! it happened. Arrival order never matters. Memory is bounded, each by a number that its file names: visitors and values of
//! 5 minutes, topics of 30, events that wait, topics with a usual level. Beyond a bound the state says that it is cut.
//!
//! It is not responsible for history (the warehouse) nor for merging what several processes own (`core::report::realtime`).

mod memory;
mod recent;
mod site;
mod topics;

pub(crate) use memory::{Memory, Remembered};
pub(crate) use site::{Touch, WAITING_MOST};
pub(crate) use topics::{Counts, USUAL_MOST, Usual};

use hashbrown::HashMap;
use parking_lot::Mutex;
use pistats_core::report::realtime::{CURRENT_US, LivePart, MINUTES};
use pistats_core::report::{AsOf, Bots};
use pistats_core::{Day, Micros, Offset, PartitionId, SiteChange, SiteId};
use pistats_store::Held;
use site::Site;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The server's clock; tests give their own.
pub type Clock = Arc<dyn Fn() -> Micros + Send + Sync>;

/// Live state of all sites.
pub(crate) struct Live {
    clock: Clock,
    sites: Mutex<HashMap<SiteId, Arc<Mutex<Site>>>>,
    /// Counts changes of all sites.
    moves: AtomicU64,
    /// The number of the last restart among them: sites that are not there changed then.
    restarted: AtomicU64,
    generation: AtomicU64,
    /// The partitions that are folded here.
    held: Mutex<Vec<PartitionId>>,
    /// By partition. A record's is set while its site is locked: who locks the site sees both or neither.
    folded: Vec<AtomicU64>,
}

/// A folded record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoldedRecord {
    pub site: SiteId,
    pub partition: PartitionId,
    /// The first offset that is not folded now.
    pub next: Offset,
    pub received: Micros,
    /// All new events, the old ones too.
    pub events: Counts,
}

/// What the warehouse remembers, by site.
pub(crate) type Recalled = HashMap<SiteId, Vec<Memory>>;

impl Live {
    pub(crate) fn new(clock: Clock) -> Live {
        Live {
            clock,
            sites: Mutex::default(),
            moves: AtomicU64::new(0),
            restarted: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            held: Mutex::default(),
            folded: PartitionId::all().map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub(crate) fn now(&self) -> Micros {
        (self.clock)()
    }

    /// Events at or before this are too old to be shown.
    pub(crate) fn since(&self) -> Micros {
        let now = self.now();
        let oldest = (site::minute(now) - MINUTES as i64 + 1) * Micros::MINUTE;
        Micros(oldest - 1).min(now.plus(-CURRENT_US))
    }

    fn site(&self, site: SiteId) -> Option<Arc<Mutex<Site>>> {
        self.sites.lock().get(&site).cloned()
    }

    fn next_move(&self) -> u64 {
        self.moves.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Adds a folded record: all its events are counted, the touches are shown.
    pub(crate) fn fold<'a>(&self, record: FoldedRecord, touches: impl Iterator<Item = Touch<'a>>) {
        let events = record.events.get(Bots::Include);
        if events == 0 {
            return self.passed(record.partition, record.next);
        }
        let now = self.now();
        let site = self.sites.lock().entry(record.site).or_default().clone();
        let mut site = site.lock();
        site.events += events;
        site.receive(record.received, false, record.events.people);
        site.receive(record.received, true, record.events.bots);
        touches.for_each(|touch| site.take(touch, now));
        site.tidy(now);
        site.moved = self.next_move();
        self.passed(record.partition, record.next);
    }

    /// A record without anything to show is folded.
    pub(crate) fn passed(&self, partition: PartitionId, next: Offset) {
        self.folded[partition.index()].store(next.0, Ordering::Release);
    }

    /// The live state of a site now.
    pub(crate) fn part(&self, site: SiteId, bots: Bots) -> LivePart {
        let found = self.site(site);
        let mut found = found.as_ref().map(|site| site.lock());
        let now = self.now();
        let part = match &mut found {
            Some(site) => site.part(now, bots),
            None => Site::default().part(now, bots),
        };
        // Still under the site's lock.
        let next = |partition: PartitionId| Offset(self.folded[partition.index()].load(Ordering::Acquire));
        let next_offsets = self.held.lock().iter().map(|partition| (*partition, next(*partition))).collect();
        LivePart { generation: self.generation.load(Ordering::Acquire), next_offsets, ..part }
    }

    /// Events of a site folded since the process started.
    pub(crate) fn events(&self, site: SiteId) -> u64 {
        self.site(site).map_or(0, |site| site.lock().events)
    }

    /// Grows with every change of a site but those by the clock.
    pub(crate) fn moved(&self, site: SiteId) -> u64 {
        let restarted = self.restarted.load(Ordering::Relaxed);
        self.site(site).map_or(restarted, |site| site.lock().moved.max(restarted))
    }

    /// The sites that lack the usual level of an instant.
    pub(crate) fn lacking_usual<'z>(&self, at: Micros, zone: impl Fn(SiteId) -> Option<&'z str>) -> Vec<SiteId> {
        let sites: Vec<(SiteId, Arc<Mutex<Site>>)> =
            self.sites.lock().iter().map(|(id, site)| (*id, site.clone())).collect();
        let lacks = |id: SiteId, site: &Mutex<Site>| zone(id).is_some_and(|zone| site.lock().lacks_usual(at, zone));
        sites.into_iter().filter(|(id, site)| lacks(*id, site)).map(|(id, _)| id).collect()
    }

    /// Lets every site forget what is over: nobody may look at one for long, and nothing may come.
    pub(crate) fn tidy(&self) {
        let sites: Vec<Arc<Mutex<Site>>> = self.sites.lock().values().cloned().collect();
        sites.iter().for_each(|site| site.lock().tidy(self.now()));
    }

    /// A commit touched these days of a site: what was usual then may have changed.
    pub(crate) fn touched(&self, change: &SiteChange) {
        if let Some(site) = self.site(change.site) {
            site.lock().touch(change.first, change.last);
        }
    }

    /// Every site may have changed.
    pub(crate) fn touched_all(&self) {
        let sites: Vec<Arc<Mutex<Site>>> = self.sites.lock().values().cloned().collect();
        sites.iter().for_each(|site| site.lock().touch(Day(i32::MIN), Day(i32::MAX)));
    }

    /// Takes note of what is usual on a site.
    pub(crate) fn know_usual(&self, site: SiteId, usual: Usual) {
        if let Some(site) = self.site(site) {
            let mut site = site.lock();
            site.know_usual(usual, self.now());
            site.moved = self.next_move();
        }
    }

    /// Replaces everything by what the warehouse remembers: what was folded but not committed will be folded again.
    pub(crate) fn restart(&self, recalled: Recalled, as_of: &AsOf, held: &[Held]) {
        let now = self.now();
        let mut sites = self.sites.lock();
        sites.clear();
        for (id, memories) in recalled {
            let mut site = Site::default();
            memories.into_iter().for_each(|memory| site.recall(memory, now));
            sites.insert(id, Arc::new(Mutex::new(site)));
        }
        for (partition, next) in PartitionId::all().zip(&as_of.next_offsets) {
            self.passed(partition, *next);
        }
        *self.held.lock() = held.iter().map(|held| held.partition).collect();
        self.generation.store(as_of.generation.0, Ordering::Release);
        self.restarted.store(self.next_move(), Ordering::Relaxed);
    }
}
