//! Folding records again, as a repair: what is there stays, what is missing is filled in.
//!
//! A repaired batch trusts the stored events and nothing else: for every visitor it touches, sessions and first event are
//! computed anew from stored events ∪ missing events, and the difference to the stored rows is committed. So it heals lost
//! events, sessions and visitors alike, and commits nothing where nothing is missing.
//!
//! It runs on the partition's own worker, between two commits of the partition: before it, all that is folded is
//! committed, so that the warehouse tells the whole truth; after it, memory forgets the visitors it touched.
//!
//! Refusals are left out: they were counted when they were first folded, and those sent again must not come back.

use crate::arrival::{self, Arrived};
use crate::enriched::{self, Origin};
use crate::ids::Pins;
use crate::inbox::{RepairBatch, Repaired};
use crate::live::{Counts, FoldedRecord};
use crate::lost::Lost;
use crate::visitors::Run;
use crate::worker::{Halt, Shown, Worker, events};
use hashbrown::{HashMap, HashSet};
use pistats_core::ids;
use pistats_core::{Micros, Session, SiteId, VisitorKey, VisitorNo, Zone, session};
use pistats_eventlog::Record;
use pistats_store::{EventColumns, KnownVisitor, Mark, SessionVersion, Sign, VisitorHistory, VisitorVersion};

/// What a repaired batch commits.
#[derive(Default)]
struct Mended<'b, 'a> {
    events: EventColumns,
    sessions: Vec<SessionVersion>,
    visitors: Vec<VisitorVersion>,
    /// What of it the live state shows: site and receipt, and the event.
    shown: Vec<(SiteId, Micros, Shown<'b, 'a>)>,
}

impl Mended<'_, '_> {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.sessions.is_empty() && self.visitors.is_empty()
    }
}

impl Worker {
    pub(crate) fn repair(&mut self, work: RepairBatch) -> Result<(), Halt> {
        let RepairBatch { records, lost, moves_checkpoint, done } = work;
        let epoch = self.epoch.clone();
        epoch.gate.flush(self.partition)?;

        let unpacked: Vec<_> = records.iter().map(arrival::unpack).collect();
        let directory = self.directory(&unpacked)?;
        let read = |(record, unpacked)| arrival::read(record, unpacked, &directory, &epoch.setup.secret);
        let mut batch: Vec<Arrived<'_>> = records.iter().zip(&unpacked).flat_map(read).collect();
        let mut pins = Pins::default();
        self.claim(&mut batch, &mut pins)?;

        let mut mended = Mended::default();
        let mut sites: Vec<(SiteId, Zone)> = Vec::new();
        for (site, zone) in batch.iter().filter_map(|arrived| arrived.site.as_ref()) {
            if !sites.iter().any(|(known, _)| known == site) {
                sites.push((*site, zone.clone()));
            }
        }
        for (site, zone) in &sites {
            self.repair_site(*site, zone, &batch, &lost, &mut mended)?;
        }
        let result = Repaired {
            repaired: events(&batch).filter(|(_, arrival)| arrival.is_new).count() as u64,
            unchanged: events(&batch).filter(|(_, arrival)| !arrival.is_new).count() as u64,
        };

        if moves_checkpoint || !mended.is_empty() {
            let shown = std::mem::take(&mut mended.shown);
            self.commit_repair(&records, moves_checkpoint, result.repaired, mended, &pins)?;
            self.show(&shown);
        }
        for (_, arrival) in events(&batch) {
            self.visitors.forget(arrival.key);
        }
        // Nobody may be listening any more: the repair is committed all the same.
        let _ = done.send(result);
        Ok(())
    }

    /// Puts a repair into the window and waits until it is committed.
    fn commit_repair(
        &mut self,
        records: &[Record],
        moves_checkpoint: bool,
        repaired: u64,
        mended: Mended<'_, '_>,
        pins: &Pins,
    ) -> Result<(), Halt> {
        let epoch = self.epoch.clone();
        let bytes = if mended.events.is_empty() { 0 } else { records.iter().map(|record| record.payload.len()).sum() };
        let mut window = epoch.gate.enter(self.partition, mended.events.len().max(1), bytes)?;
        if moves_checkpoint && let Some(last) = records.last() {
            window.advance(self.position, last.offset.next());
            self.position = last.offset.next();
            for record in records {
                let digest = ids::digest(&record.payload);
                window.mark(record.appended_at, Mark { offset: record.offset, digest });
            }
        }
        window.is_repair = true;
        window.counts.events += repaired;
        window.pins.add(pins);
        window.events.append(mended.events);
        window.sessions.extend(mended.sessions);
        window.visitors.extend(mended.visitors);
        drop(window);
        epoch.gate.flush(self.partition)?;
        Ok(())
    }

    /// Adds repaired events to the live state: all of the partition before `position` is folded, then as now.
    fn show(&self, shown: &[(SiteId, Micros, Shown<'_, '_>)]) {
        let live = &self.epoch.setup.live;
        for (site, received, shown) in shown {
            let mut events = Counts::default();
            events.add(shown.enriched.bot, 1);
            let (site, received, partition, next) = (*site, *received, self.partition, self.position);
            live.fold(FoldedRecord { site, partition, next, received, events }, std::iter::once(shown.touch()));
        }
        live.passed(self.partition, self.position);
    }

    fn repair_site<'b, 'a>(
        &mut self,
        site: SiteId,
        zone: &Zone,
        batch: &'b [Arrived<'a>],
        lost: &Lost,
        mended: &mut Mended<'b, 'a>,
    ) -> Result<(), Halt> {
        let numbers = self.numbers(site, batch, lost)?;
        let live_since = self.epoch.setup.live.since();
        let mut missing: HashMap<VisitorNo, Vec<Run>> = HashMap::new();
        for arrived in batch.iter().filter(|arrived| arrived.site.as_ref().is_some_and(|(of, _)| *of == site)) {
            let (partition, offset, received) = (self.partition, arrived.offset, arrived.received);
            let origin = Origin { partition, offset, received, site, zone };
            for arrival in arrived.events.iter().filter(|arrival| arrival.is_new) {
                let Some(visitor) = numbers.get(&arrival.key) else { continue };
                let enriched = self.rows.enrich(arrival);
                missing.entry(*visitor).or_default().push(enriched::run(arrival, &enriched));
                enriched::push(&mut mended.events, origin, *visitor, arrival, &enriched);
                if arrival.time > live_since {
                    mended.shown.push((site, received, Shown { visitor: *visitor, arrival, enriched }));
                }
            }
        }
        let mut asked: Vec<(VisitorNo, VisitorKey)> = numbers.into_iter().map(|(key, no)| (no, key)).collect();
        asked.sort_unstable();
        let (visitors, keys): (Vec<VisitorNo>, Vec<VisitorKey>) = asked.into_iter().unzip();
        for (history, key) in self.lookup().histories(site, &visitors)?.into_iter().zip(keys) {
            let runs = missing.remove(&history.visitor).unwrap_or_default();
            mend(site, zone, key, history, runs, mended);
        }
        Ok(())
    }

    /// The numbers of a batch's visitors: known ones, lost ones, new ones.
    ///
    /// A visitor without a number has only events that are stored under another visitor: there is nothing to repair.
    fn numbers(
        &mut self,
        site: SiteId,
        batch: &[Arrived<'_>],
        lost: &Lost,
    ) -> Result<HashMap<VisitorKey, VisitorNo>, Halt> {
        let arrivals = || events(batch).filter(|(of, _)| *of == site).map(|(_, arrival)| arrival);
        let keys: HashSet<VisitorKey> = arrivals().map(|arrival| arrival.key).collect();
        let keys: Vec<VisitorKey> = keys.into_iter().collect();
        let known = self.lookup().visitors(site, self.partition, &keys)?;
        let mut numbers: HashMap<VisitorKey, VisitorNo> = known.iter().map(|of| (of.key, of.visitor)).collect();

        for key in &keys {
            if let (false, Some(no)) = (numbers.contains_key(key), lost.get(key)) {
                numbers.insert(*key, *no);
            }
        }
        for arrival in arrivals().filter(|arrival| arrival.is_new) {
            if !numbers.contains_key(&arrival.key) {
                numbers.insert(arrival.key, self.new_number(site)?);
            }
        }
        Ok(numbers)
    }
}

/// Adds the difference between what a visitor's events say and what its rows say.
fn mend(
    site: SiteId,
    zone: &Zone,
    key: VisitorKey,
    history: VisitorHistory,
    missing: Vec<Run>,
    mended: &mut Mended<'_, '_>,
) {
    let VisitorHistory { visitor, events, sessions: mut stored, known } = history;
    let filled: Vec<Micros> = missing.iter().map(|run| run.first.0).collect();
    let mut runs: Vec<Run> = events
        .into_iter()
        .map(|event| Session::of_event((event.time, event.id), event.page, event.page_view, event.bot))
        .chain(missing)
        .collect();
    runs.sort_unstable_by_key(|run| run.first);
    // No event is left: the rows stay, their numbers are not to be given away.
    let Some(first_seen) = runs.first().map(|run| run.first.0) else { return };
    let mut sessions: Vec<Run> = Vec::new();
    for run in runs {
        session::insert(&mut sessions, run);
    }
    let version = |session: Run, sign| SessionVersion { site, visitor, day: session.day(zone), session, sign };
    // Both ascend: walk them side by side.
    stored.sort_unstable_by_key(|run| run.first);
    let mut stored = stored.into_iter().peekable();
    for session in sessions {
        let mut stands = false;
        while let Some(old) = stored.next_if(|old| old.first <= session.first) {
            if !stands && old == session {
                stands = true;
            } else {
                mended.sessions.push(version(old, Sign::Retract));
            }
        }
        // A session's day counts what its events tell, also those of another day. Where one of these is filled in and the
        // session's row was right all along, taking it back and adding it again says that its day changed.
        let day = session.day(zone);
        let reaches = |at: &&Micros| session.first.0 <= **at && **at <= session.last.0;
        let is_touched = stands && filled.iter().filter(reaches).any(|at| zone.day_of(*at) != day);
        if is_touched {
            mended.sessions.push(version(session.clone(), Sign::Retract));
        }
        if !stands || is_touched {
            mended.sessions.push(version(session, Sign::Add));
        }
    }
    mended.sessions.extend(stored.map(|old| version(old, Sign::Retract)));
    mended.visitors.extend(first_seen_versions(site, visitor, key, zone, known, first_seen));
}

fn first_seen_versions(
    site: SiteId,
    visitor: VisitorNo,
    key: VisitorKey,
    zone: &Zone,
    known: Option<KnownVisitor>,
    first_seen: Micros,
) -> impl Iterator<Item = VisitorVersion> {
    let stored = known.map(|known| known.first_seen);
    let version = move |first_seen: Micros, sign| VisitorVersion {
        site,
        visitor,
        key,
        first_seen,
        first_day: zone.day_of(first_seen),
        sign,
    };
    let changed = stored != Some(first_seen);
    let retracted = stored.filter(|_| changed).map(|stored| version(stored, Sign::Retract));
    let added = changed.then(|| version(first_seen, Sign::Add));
    retracted.into_iter().chain(added).collect::<Vec<_>>().into_iter()
}
