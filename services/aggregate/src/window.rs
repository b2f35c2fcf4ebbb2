//! What a partition folded since the last commit took it: net changes, ready to be committed.
//!
//! A session that is added and replaced within one window never appears; one that stood before appears once as taken
//! back, however often it changed. So a commit holds the difference between two states, not the way between them.

use crate::ids::Pins;
use crate::stats::Counts;
use crate::visitors::Run;
use hashbrown::HashMap;
use pistats_core::{Micros, Offset, PartitionId, SiteId, VisitorKey, VisitorNo, Zone};
use pistats_store::{
    Commit, EventColumns, LogMinute, Mark, Progress, RejectedRow, SessionVersion, Sign, VisitorVersion, WriterSequence,
    minute_of,
};
use pistats_telemetry::TraceParent;

/// Links of a window: eight of them stay within the 128 that a span may have.
const MOST_LINKS: usize = 16;

/// Uncommitted work of one partition.
#[derive(Default)]
pub(crate) struct Window {
    /// 1, 2, 3 … along the partition.
    pub number: u64,
    /// Records `from..to`, none for a repair.
    pub progress: Option<(Offset, Offset)>,
    /// Events and payload bytes that went in, duplicates too: what the gate counts.
    pub input_events: usize,
    pub input_bytes: usize,
    /// Whether a replay filled its events in: a window is of repairs or of none.
    pub is_repair: bool,
    pub events: EventColumns,
    pub sessions: Vec<SessionVersion>,
    pub visitors: Vec<VisitorVersion>,
    pub rejected: Vec<RejectedRow>,
    /// Of each writer in it, the last record.
    pub sequences: HashMap<u64, u64>,
    /// Of each minute of append time, the first record and the last.
    minutes: Vec<(i64, Mark, Mark)>,
    /// Keeps the hours of uncommitted ids in memory.
    pub pins: Pins,
    pub counts: Counts,
    /// Newest receipt by the collector.
    pub received: Option<Micros>,
    /// Requests whose events are here, as far as their traces are recorded; bounded.
    pub links: Vec<TraceParent>,
    changes: Vec<Change>,
    zones: HashMap<SiteId, Zone>,
}

/// How a visitor differs from what is committed.
struct Change {
    site: SiteId,
    visitor: VisitorNo,
    key: VisitorKey,
    /// As it stood before the window; none for a new visitor.
    stored_first_seen: Option<Micros>,
    first_seen: Micros,
    retracted: Vec<Run>,
    added: Vec<Run>,
}

impl Window {
    pub(crate) fn numbered(number: u64) -> Window {
        Window { number, ..Window::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.progress.is_none() && self.input_events == 0
    }

    /// Begins to note what changes for a visitor; returns the change's place.
    pub(crate) fn open_change(
        &mut self,
        site: SiteId,
        visitor: VisitorNo,
        key: VisitorKey,
        stored_first_seen: Option<Micros>,
    ) -> usize {
        let first_seen = stored_first_seen.unwrap_or(Micros(i64::MAX));
        let (retracted, added) = (Vec::new(), Vec::with_capacity(1));
        self.changes.push(Change { site, visitor, key, stored_first_seen, first_seen, retracted, added });
        self.changes.len() - 1
    }

    /// Notes that a session now stands in place of others.
    pub(crate) fn change(
        &mut self,
        place: usize,
        first_seen: Micros,
        replaced: impl IntoIterator<Item = Run>,
        now: Run,
    ) {
        let change = &mut self.changes[place];
        change.first_seen = first_seen;
        for old in replaced {
            match change.added.iter().position(|added| added.first == old.first && added.last == old.last) {
                Some(at) => drop(change.added.swap_remove(at)),
                None => change.retracted.push(old),
            }
        }
        change.added.push(now);
    }

    /// Notes which traces the commit will serve.
    pub(crate) fn link(&mut self, traces: &[String]) {
        for trace in traces {
            if self.links.len() >= MOST_LINKS {
                return;
            }
            // What a later version writes there and this one cannot read is no reason not to fold.
            self.links
                .extend(trace.parse::<TraceParent>().ok().filter(|at| at.is_sampled() && !self.links.contains(at)));
        }
    }

    /// The zone of a site whose visitors change here.
    pub(crate) fn use_zone(&mut self, site: SiteId, zone: &Zone) {
        self.zones.entry(site).or_insert_with(|| zone.clone());
    }

    /// The records up to `to` are folded; they start where the last ones ended, or at `from`.
    pub(crate) fn advance(&mut self, from: Offset, to: Offset) {
        self.progress = Some((self.progress.map_or(from, |(first, _)| first), to));
    }

    /// Notes where a record lies in time; they come in their order.
    pub(crate) fn mark(&mut self, appended: Micros, mark: Mark) {
        let minute = minute_of(appended);
        match self.minutes.iter_mut().find(|(of, _, _)| *of == minute) {
            Some((_, _, last)) => *last = mark,
            None => self.minutes.push((minute, mark, mark)),
        }
    }

    /// Moves everything into a commit.
    pub(crate) fn add_to(self, partition: PartitionId, commit: &mut Commit) {
        let Window { progress, events, sessions, visitors, rejected, sequences, minutes, changes, zones, .. } = self;
        commit.progress.extend(progress.map(|(from, to)| Progress { partition, from, to }));
        if commit.events.is_empty() {
            commit.events = events;
        } else {
            commit.events.append(events);
        }
        commit.sessions.extend(sessions);
        commit.visitors.extend(visitors);
        commit.rejected.extend(rejected);
        let sequence = |(writer, sequence)| WriterSequence { partition, writer, sequence };
        commit.sequences.extend(sequences.into_iter().map(sequence));
        let minute = |(minute, first, last)| LogMinute { partition, minute, first, last };
        commit.minutes.extend(minutes.into_iter().map(minute));
        for change in changes {
            let Some(zone) = zones.get(&change.site) else { continue };
            change.add_to(zone, commit);
        }
    }
}

impl Change {
    fn add_to(self, zone: &Zone, commit: &mut Commit) {
        let Change { site, visitor, key, stored_first_seen, first_seen, retracted, added } = self;
        if stored_first_seen != Some(first_seen) {
            let version = |first_seen: Micros, sign| VisitorVersion {
                site,
                visitor,
                key,
                first_seen,
                first_day: zone.day_of(first_seen),
                sign,
            };
            commit.visitors.extend(stored_first_seen.map(|stored| version(stored, Sign::Retract)));
            commit.visitors.push(version(first_seen, Sign::Add));
        }
        let version = |session: Run, sign| SessionVersion { site, visitor, day: session.day(zone), session, sign };
        commit.sessions.extend(retracted.into_iter().map(|session| version(session, Sign::Retract)));
        commit.sessions.extend(added.into_iter().map(|session| version(session, Sign::Add)));
    }
}
