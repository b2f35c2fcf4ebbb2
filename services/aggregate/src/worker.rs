//! A partition's worker: one thread that folds the partition's records, in order, into its window.
//!
//! ```text
//!   records ─▶ taken apart ─▶ ids claimed ─▶ visitors known ─▶ sessions known ─▶ folded, record by record
//!                              (duplicates    ╰── one look-up a batch, for what memory lacks ──╯
//!                               end here)
//! ```
//!
//! Only this thread changes the partition's visitors. It never waits for a commit, but for room and before a repair.

use crate::arrival::{self, Arrival, Arrived, Unpacked};
use crate::enriched::{self, Origin, Rows};
use crate::epoch::Epoch;
use crate::gate::Stopped;
use crate::ids::Pins;
use crate::inbox::Work;
use crate::live::{Counts, FoldedRecord, Touch};
use crate::resends::Resends;
use crate::visitors::{AlreadyHashed, Visitor, Visitors};
use crate::window::Window;
use hashbrown::{HashMap, HashSet};
use pistats_core::enrich::Enriched;
use pistats_core::{Directory, Offset, PartitionId, SiteId, VisitorKey, VisitorNo, ids};
use pistats_eventlog::Record;
use pistats_store::{Error, Lookup, Mark, SessionsOf};
use std::sync::Arc;

/// Why a worker ends before its time.
#[derive(Debug)]
pub(crate) enum Halt {
    /// Someone else stopped.
    Stopped,
    /// A look-up failed.
    Store(Error),
}

impl From<Stopped> for Halt {
    fn from(_: Stopped) -> Halt {
        Halt::Stopped
    }
}

impl From<Error> for Halt {
    fn from(error: Error) -> Halt {
        Halt::Store(error)
    }
}

pub(crate) struct Worker {
    pub(crate) epoch: Arc<Epoch>,
    pub(crate) partition: PartitionId,
    pub(crate) visitors: Visitors,
    pub(crate) rows: Rows,
    /// Where the partition's folding stands: the first offset that is in no window.
    pub(crate) position: Offset,
    next_ordinals: HashMap<SiteId, u64>,
    /// Sites that had no visitor in the partition when this worker began.
    new_sites: HashSet<SiteId>,
    resends: Resends,
}

impl Worker {
    pub(crate) fn new(epoch: Arc<Epoch>, partition: PartitionId) -> Worker {
        // Two generations in each partition.
        let capacity = epoch.setup.config.held_visitors / usize::from(ids::PARTITIONS) / 2;
        let (visitors, rows) = (Visitors::new(capacity), Rows::default());
        let start = epoch.checkpoints.iter().find(|checkpoint| checkpoint.partition == partition);
        let position = start.map_or(Offset(0), |checkpoint| checkpoint.next);
        let (next_ordinals, new_sites, resends) = (HashMap::new(), HashSet::new(), Resends::default());
        Worker { epoch, partition, visitors, rows, position, next_ordinals, new_sites, resends }
    }

    /// Works until the inbox is closed or something fails.
    pub(crate) fn run(mut self) -> Result<(), Halt> {
        let epoch = self.epoch.clone();
        while let Some(work) = epoch.inboxes[self.partition.index()].take(epoch.setup.config.batch_events) {
            match work {
                Work::Fold(records) => self.fold(&records)?,
                Work::Repair(batch) => self.repair(batch)?,
            }
        }
        Ok(())
    }

    pub(crate) fn lookup(&self) -> &dyn Lookup {
        self.epoch.setup.store.lookup()
    }

    fn fold(&mut self, records: &[Record]) -> Result<(), Halt> {
        let unpacked: Vec<_> = records.iter().map(arrival::unpack).collect();
        let directory = self.directory(&unpacked)?;
        let read = |(record, unpacked)| arrival::read(record, unpacked, &directory, &self.epoch.setup.secret);
        let mut batch: Vec<Arrived<'_>> = records.iter().zip(&unpacked).flat_map(read).collect();
        for arrived in &mut batch {
            self.resends.judge(arrived, self.partition, self.epoch.setup.store.lookup())?;
        }

        let mut pins = Pins::default();
        self.claim(&mut batch, &mut pins)?;
        for arrived in &mut batch {
            let before = arrived.events.len();
            arrived.events.retain(|arrival| arrival.is_new);
            arrived.counts.duplicates += (before - arrived.events.len()) as u64;
        }
        let committed = self.epoch.gate.committed(self.partition);
        self.visitors.turn(committed);
        self.know(&batch, committed)?;
        let mut record = Vec::new();
        for arrived in batch {
            let is_last = arrived.is_last;
            record.push(arrived);
            if is_last {
                self.fold_record(std::mem::take(&mut record), &pins, committed)?;
            }
        }
        Ok(())
    }

    /// The sites that these records are of, as far as there are such sites.
    ///
    /// A collector elsewhere may know a site that was made a moment ago before this process has heard of it: so before events
    /// are dropped for want of their site, the registry is asked.
    pub(crate) fn directory(&self, unpacked: &[Unpacked]) -> Result<Arc<Directory>, Halt> {
        let Epoch { setup, runtime, .. } = self.epoch.as_ref();
        let directory = setup.directory.load_full();
        if unpacked.iter().flat_map(Unpacked::records).all(|record| directory.site(SiteId(record.site)).is_some()) {
            return Ok(directory);
        }
        runtime.block_on((setup.reload)())?;
        Ok(setup.directory.load_full())
    }

    /// Decides for each event whether it is new.
    pub(crate) fn claim(&self, batch: &mut [Arrived<'_>], pins: &mut Pins) -> Result<(), Halt> {
        for arrived in batch {
            let Some((site, _)) = arrived.site else { continue };
            for arrival in &mut arrived.events {
                arrival.is_new = self.epoch.index.claim(self.lookup(), pins, site, arrival.id)?;
            }
        }
        Ok(())
    }

    /// Brings every visitor of a batch into memory, with the sessions around every event.
    fn know(&mut self, batch: &[Arrived<'_>], committed: u64) -> Result<(), Halt> {
        let mut unknown: Vec<(SiteId, &Arrival<'_>)> = Vec::new();
        let mut lacking: HashMap<VisitorKey, SessionsOf> = HashMap::new();
        for (site, arrival) in events(batch) {
            match self.visitors.get(arrival.key, committed) {
                Some(visitor) => note_lack(&mut lacking, visitor, arrival),
                None => unknown.push((site, arrival)),
            }
        }
        if !unknown.is_empty() {
            self.know_visitors(&unknown, committed)?;
            for (_, arrival) in unknown {
                if let Some(visitor) = self.visitors.get(arrival.key, committed) {
                    note_lack(&mut lacking, visitor, arrival);
                }
            }
        }
        if lacking.is_empty() { Ok(()) } else { self.know_sessions(lacking, committed) }
    }

    /// Brings visitors into memory; new ones get their numbers in order of appearance.
    fn know_visitors(&mut self, unknown: &[(SiteId, &Arrival<'_>)], committed: u64) -> Result<(), Halt> {
        let mut keys_of: Vec<(SiteId, Vec<VisitorKey>)> = Vec::new();
        let mut seen: HashSet<VisitorKey, AlreadyHashed> = HashSet::default();
        for (site, arrival) in unknown.iter().filter(|(_, arrival)| seen.insert(arrival.key)) {
            match keys_of.iter_mut().find(|(of, _)| of == site) {
                Some((_, keys)) => keys.push(arrival.key),
                None => keys_of.push((*site, vec![arrival.key])),
            }
        }
        for (site, keys) in keys_of {
            self.next_ordinal(site)?;
            let is_new_site = self.new_sites.contains(&site);
            let is_asked = |key: &&VisitorKey| !(is_new_site && self.visitors.was_never_held(**key));
            let asked: Vec<VisitorKey> = keys.iter().filter(is_asked).copied().collect();
            if !asked.is_empty() {
                for found in self.lookup().visitors(site, self.partition, &asked)? {
                    self.visitors.insert(found.key, Visitor::known(site, found.visitor, found.first_seen));
                }
            }
            for key in keys {
                if self.visitors.get(key, committed).is_none() {
                    let no = self.new_number(site)?;
                    self.visitors.insert(key, Visitor::unseen(site, no));
                }
            }
        }
        Ok(())
    }

    /// Brings stored sessions into memory.
    fn know_sessions(&mut self, lacking: HashMap<VisitorKey, SessionsOf>, committed: u64) -> Result<(), Halt> {
        let asked: Vec<SessionsOf> = lacking.values().copied().collect();
        let mut found: HashMap<(SiteId, VisitorNo), Vec<_>> = HashMap::new();
        for stored in self.lookup().sessions(&asked)? {
            found.entry((stored.site, stored.visitor)).or_default().push(stored.session);
        }
        for (key, asked) in lacking {
            let stored = found.remove(&(asked.site, asked.visitor)).unwrap_or_default();
            if let Some(visitor) = self.visitors.get(key, committed) {
                visitor.learn(stored, asked.since);
            }
        }
        Ok(())
    }

    /// Folds a record of the log, in one window whatever it holds. Its visitors are known.
    fn fold_record(&mut self, record: Vec<Arrived<'_>>, pins: &Pins, committed: u64) -> Result<(), Halt> {
        let Some(&Arrived { offset, appended, digest, .. }) = record.last() else { return Ok(()) };
        let epoch = self.epoch.clone();
        let (events, bytes) =
            (record.iter().map(|of| of.input_events).sum(), record.iter().map(|of| of.input_bytes).sum());
        let mut window = epoch.gate.enter(self.partition, events, bytes)?;
        window.advance(self.position, offset.next());
        self.position = offset.next();
        window.mark(appended, Mark { offset, digest });
        let mut shown = Vec::with_capacity(record.len());
        for part in &record {
            shown.push(self.fold_part(part, &mut window, pins, committed));
        }
        drop(window);
        for (part, (events, shown)) in record.iter().zip(&shown) {
            let Some((site, _)) = part.site else { continue };
            let (partition, next, received) = (self.partition, offset.next(), part.received);
            let folded = FoldedRecord { site, partition, next, received, events: *events };
            epoch.setup.live.fold(folded, shown.iter().map(Shown::touch));
        }
        epoch.setup.live.passed(self.partition, offset.next());
        Ok(())
    }

    /// Folds a part of a record; what of it the live state shows.
    fn fold_part<'b, 'a>(
        &mut self,
        part: &'b Arrived<'a>,
        window: &mut Window,
        pins: &Pins,
        committed: u64,
    ) -> (Counts, Vec<Shown<'b, 'a>>) {
        let Arrived { offset, received, site, events, .. } = part;
        window.rejected.extend(part.rejected.iter().cloned());
        window.sequences.extend(part.forwarded);
        window.counts.add(part.counts);
        window.counts.events += events.len() as u64;
        window.received = window.received.max(Some(*received));
        window.link(part.traces);
        let (mut counted, mut shown) = (Counts::default(), Vec::new());
        let Some((site, zone)) = site else { return (counted, shown) };
        if !events.is_empty() {
            window.pins.add(pins);
            window.use_zone(*site, zone);
        }
        let origin = Origin { partition: self.partition, offset: *offset, received: *received, site: *site, zone };
        let live_since = self.epoch.setup.live.since();
        for arrival in events {
            let Some(visitor) = self.visitors.get(arrival.key, committed) else { continue };
            let enriched = self.rows.enrich(arrival);
            let run = enriched::run(arrival, &enriched);
            counted.add(enriched.bot, 1);
            enriched::push(&mut window.events, origin, visitor.no, arrival, &enriched);
            visitor.fold(arrival.key, run, window);
            if arrival.time > live_since {
                shown.push(Shown { visitor: visitor.no, arrival, enriched });
            }
        }
        (counted, shown)
    }

    /// The number of a visitor never seen before.
    pub(crate) fn new_number(&mut self, site: SiteId) -> Result<VisitorNo, Error> {
        let ordinal = self.next_ordinal(site)?;
        self.next_ordinals.insert(site, ordinal + 1);
        Ok(VisitorNo::new(self.partition, ordinal))
    }

    fn next_ordinal(&mut self, site: SiteId) -> Result<u64, Error> {
        if let Some(next) = self.next_ordinals.get(&site) {
            return Ok(*next);
        }
        let next = self.lookup().next_ordinal(site, self.partition)?;
        self.next_ordinals.insert(site, next);
        if next == 0 {
            self.new_sites.insert(site);
        }
        Ok(next)
    }
}

/// A folded event that the live state shows.
pub(crate) struct Shown<'b, 'a> {
    pub visitor: VisitorNo,
    pub arrival: &'b Arrival<'a>,
    pub enriched: Enriched,
}

impl Shown<'_, '_> {
    pub(crate) fn touch(&self) -> Touch<'_> {
        let Shown { visitor, arrival, enriched } = self;
        Touch {
            time: arrival.time,
            visitor: *visitor,
            bot: enriched.bot,
            page: &enriched.page,
            source: &enriched.source,
            country: enriched.country,
            topics: &arrival.event.topics,
        }
    }
}

/// Notes from when on a visitor's sessions must be known to fold an event.
fn note_lack(lacking: &mut HashMap<VisitorKey, SessionsOf>, visitor: &Visitor, arrival: &Arrival<'_>) {
    if let Some(since) = visitor.lacks(arrival.time) {
        let asked = SessionsOf { site: visitor.site, visitor: visitor.no, since };
        let asked = lacking.entry(arrival.key).or_insert(asked);
        asked.since = asked.since.min(since);
    }
}

/// All events of a batch with their sites.
pub(crate) fn events<'b, 'a>(batch: &'b [Arrived<'a>]) -> impl Iterator<Item = (SiteId, &'b Arrival<'a>)> {
    batch.iter().flat_map(|arrived| {
        let site = arrived.site.as_ref().map(|(site, _)| *site);
        arrived.events.iter().filter_map(move |arrival| site.map(|site| (site, arrival)))
    })
}
