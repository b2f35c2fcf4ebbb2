//! One partition on its way: records in order, one sending under way, repeated until the stream acknowledges it.
//!
//! What waits already goes out together, as one record of the stream: a round trip costs the same for one event as for half a
//! mebibyte of them. Nothing waits for company.
//!
//! One under way, because several would lose their order when some are refused for a moment and others not; then the
//! first copies would not ascend, and F-2's exact rule would drop records for resends.

use super::checkpoint::Place;
use super::{Shared, stamp};
use futures::{FutureExt, StreamExt};
use pistats_core::{Offset, PartitionId};
use pistats_eventlog::{Append, Error, EventLog, Position, Record, Records};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::error::Elapsed;

/// Pause before a record is sent again, doubled each time.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_LONGEST: Duration = Duration::from_secs(1);
/// A stream that has not answered for this long is a problem worth showing.
const TELL_AFTER: Duration = Duration::from_secs(3);
/// What is sent as one is not made larger than this, bytes: a stream takes larger ones no faster, and a reader folds one whole.
const PACK_BYTES: usize = 512 << 10;
/// Nor of more records.
const PACK_RECORDS: usize = 4_096;
/// Marks a settling time. A machine that lost its power is away for longer than one of them takes.
const MARKS: u32 = 32;
/// A stream that took so long to answer may have been away meanwhile.
const INTERRUPTED: Duration = Duration::from_millis(500);

/// Up to here everything was acknowledged at that time.
#[derive(Clone, Copy)]
struct Mark {
    since: Instant,
    at: Instant,
    next: Offset,
    /// Where the record before `next` lies in the stream.
    last: Offset,
}

/// What the stream says about a record that it acknowledged.
enum Held {
    Yes,
    No(String),
    Unknown(String),
}

impl Shared {
    /// The stream's answer, within bounds; a long wait for it is shown while it lasts.
    async fn acknowledgement(
        &self,
        partition: PartitionId,
        append: Vec<Append>,
    ) -> Result<Result<Vec<Offset>, Error>, Elapsed> {
        let mut answer = self.stream.append(append);
        match tokio::time::timeout(TELL_AFTER.min(self.settings.answer_within), &mut answer).await {
            Ok(answer) => Ok(answer),
            Err(_) => {
                self.problem(partition, Some("no acknowledgement yet".to_owned()));
                tokio::time::timeout(self.settings.answer_within, answer).await
            }
        }
    }
}

/// Why a partition has to be read anew.
enum Again {
    Failed(Error),
    /// It begins at another place.
    Rewound,
}

impl From<Error> for Again {
    fn from(error: Error) -> Again {
        Again::Failed(error)
    }
}

pub(super) struct Lane {
    shared: Arc<Shared>,
    partition: PartitionId,
    place: Place,
    marks: VecDeque<Mark>,
    /// When it is looked next whether something has settled.
    look_at: Instant,
    /// The stream did not have a record that it had acknowledged: that is asked once more, since a server that is just starting
    /// may know less than it has.
    suspects: bool,
    /// Ends with the lane.
    counting: JoinSet<()>,
}

impl Lane {
    pub(super) fn new(shared: Arc<Shared>, partition: PartitionId, place: Place) -> Lane {
        let now = Instant::now();
        let mut marks = VecDeque::new();
        if let Some(last) = place.last {
            marks.push_back(Mark { since: now, at: now, next: place.next, last });
        }
        Lane { shared, partition, place, marks, look_at: now, suspects: false, counting: JoinSet::new() }
    }

    /// Ships for ever.
    pub(super) async fn run(mut self) {
        self.look_later();
        self.count(self.place.next, None);
        let mut pause = PAUSE_FIRST;
        loop {
            let before = self.place.next;
            match self.ship().await {
                Again::Rewound => {}
                Again::Failed(error) => {
                    if self.place.next > before {
                        pause = PAUSE_FIRST;
                    }
                    if pause == PAUSE_FIRST {
                        let (partition, offset) = (self.partition.0, self.place.next.0);
                        tracing::error!(partition, offset, %error, "the spool cannot be forwarded; trying again");
                    }
                    self.shared.problem(self.partition, Some(error.to_string()));
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_LONGEST);
                }
            }
        }
    }

    async fn ship(&mut self) -> Again {
        match self.try_ship().await {
            Ok(never) => match never {},
            Err(again) => again,
        }
    }

    async fn try_ship(&mut self) -> Result<std::convert::Infallible, Again> {
        let mut records = self.open().await?;
        // Read, and too large for what was sent last.
        let mut held = None;
        loop {
            let first = match held.take() {
                Some(record) => record,
                None => tokio::select! {
                    // A backlog does not keep what is acknowledged from settling.
                    biased;
                    () = tokio::time::sleep_until(self.look_at) => {
                        self.settle().await?;
                        continue;
                    }
                    record = records.next() => record.unwrap_or(Err(Error::Closed))?,
                },
            };
            let mut bytes = first.payload.len();
            let mut pack = vec![first];
            while held.is_none() && bytes < PACK_BYTES && pack.len() < PACK_RECORDS {
                // Else the runtime would call it pending after so many that were ready, to give others their turn: sending does.
                let Some(next) = tokio::task::unconstrained(records.next()).now_or_never() else { break };
                let next = next.unwrap_or(Err(Error::Closed))?;
                bytes += next.payload.len();
                match bytes <= PACK_BYTES {
                    true => pack.push(next),
                    false => held = Some(next),
                }
            }
            self.send(pack).await?;
        }
    }

    async fn open(&mut self) -> Result<Records, Error> {
        match self.shared.spool.read(self.partition, Position::At(self.place.next)).await {
            // Only what was acknowledged is ever trimmed.
            Err(Error::Trimmed { first, .. }) => {
                self.marks.clear();
                self.moved(Place { next: first, last: None, ..self.place });
                self.shared.spool.read(self.partition, Position::At(first)).await
            }
            other => other,
        }
    }

    /// Sends records that follow each other, as one, until the stream acknowledges it.
    async fn send(&mut self, pack: Vec<Record>) -> Result<(), Again> {
        let (shared, partition) = (self.shared.clone(), self.partition);
        let Some(first) = pack.first() else { return Ok(()) };
        let payload = stamp::stamped(&pack, self.place.writer);
        let count = pack.iter().map(|record| record.count).fold(0, u32::saturating_add);
        shared.spool.oldest(partition, Some(first.appended_at));
        let mut pause = PAUSE_FIRST;
        let begun = Instant::now();
        loop {
            let append = vec![Append { partition, count, payload: payload.clone() }];
            let problem = match shared.acknowledgement(partition, append).await {
                Ok(Ok(offsets)) => match offsets.first() {
                    Some(at) => {
                        if pause > PAUSE_FIRST {
                            tracing::info!(partition = partition.0, offset = first.offset.0, "forwarding goes on");
                        }
                        let may_have_lost = pause > PAUSE_FIRST || begun.elapsed() >= INTERRUPTED;
                        break self.acknowledged(&pack, *at, may_have_lost).await;
                    }
                    None => "the stream acknowledged without an offset".to_owned(),
                },
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no acknowledgement within {:?}", shared.settings.answer_within),
            };
            if pause == PAUSE_FIRST {
                tracing::warn!(partition = partition.0, offset = first.offset.0, problem, "forwarding waits");
            }
            shared.problem(partition, Some(problem));
            shared.repeated.fetch_add(1, Relaxed);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_LONGEST);
        }
    }

    async fn acknowledged(&mut self, pack: &[Record], at: Offset, may_have_lost: bool) -> Result<(), Again> {
        let Some(end) = pack.last().map(|last| last.offset.next()) else { return Ok(()) };
        let lost = match self.place.last {
            // The place of a record that was acknowledged is given away a second time.
            Some(last) if at <= last => Some(format!("it put a record at offset {} after one at {}", at.0, last.0)),
            Some(last) if may_have_lost => self.lost(last).await,
            _ => None,
        };
        if let Some(reason) = lost {
            return self.rewind(reason).await;
        }
        let now = Instant::now();
        self.moved(Place { next: end, last: Some(at), ..self.place });
        self.shared.problem(self.partition, None);
        for record in pack {
            self.shared.spool.took(self.partition, record.count, record.payload.len());
        }
        self.shared.forwarded.fetch_add(pack.len() as u64, Relaxed);
        let (next, last) = (self.place.next, at);
        let span = self.shared.settings.settle / MARKS;
        match self.marks.back_mut().filter(|mark| now.duration_since(mark.since) < span) {
            Some(mark) => *mark = Mark { since: mark.since, at: now, next, last },
            None => self.marks.push_back(Mark { since: now, at: now, next, last }),
        }
        Ok(())
    }

    /// Why the stream has lost the newest record that it had acknowledged, which lay at `last`: its place may have been given to the one
    /// that is sent now, and that one may have come twice, so that its own place tells nothing.
    async fn lost(&self, last: Offset) -> Option<String> {
        let now = Instant::now();
        let mark = Mark { since: now, at: now, next: self.place.next, last };
        let within = TELL_AFTER.min(self.shared.settings.answer_within);
        let ask = async || match tokio::time::timeout(within, self.held(&mark)).await {
            Ok(Held::No(reason)) => Some(reason),
            // It is asked again when it should have settled.
            Ok(Held::Yes | Held::Unknown(_)) | Err(_) => None,
        };
        ask().await?;
        // A server that is just starting may know less than it has.
        tokio::time::sleep(PAUSE_LONGEST).await;
        ask().await
    }

    /// Lets the spool forget what has settled, if the stream still has it. Every mark is asked about: after a stream lost its end, what
    /// came next may stand where it belongs.
    async fn settle(&mut self) -> Result<(), Again> {
        self.look_later();
        let settle = self.shared.settings.settle;
        while let Some(mark) = self.marks.front().copied().filter(|mark| mark.at.elapsed() >= settle) {
            match self.held(&mark).await {
                Held::Yes => {
                    self.suspects = false;
                    self.marks.pop_front();
                    self.shared.spool.trim(self.partition, mark.next).await?;
                }
                Held::No(reason) if self.suspects => return self.rewind(reason).await,
                Held::No(_) => {
                    self.suspects = true;
                    break;
                }
                Held::Unknown(reason) => {
                    tracing::debug!(partition = self.partition.0, reason, "the stream cannot be asked what it holds");
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether the stream still has the last record before a mark, and so all before it: a log loses its end.
    async fn held(&self, mark: &Mark) -> Held {
        let Some(sequence) = mark.next.0.checked_sub(1).map(Offset) else { return Held::Yes };
        let asked = async {
            let bounds = self.shared.stream.bounds(self.partition).await?;
            if bounds.next <= mark.last {
                return Err(Error::BeyondEnd { asked: mark.last, next: bounds.next });
            }
            let mut records = self.shared.stream.read(self.partition, Position::At(mark.last)).await?;
            records.next().await.unwrap_or(Err(Error::Closed))
        };
        match tokio::time::timeout(self.shared.settings.answer_within, asked).await {
            Ok(Ok(record)) if record.offset > mark.last || stamp::is(&record.payload, self.place.writer, sequence) => {
                Held::Yes
            }
            Ok(Ok(_)) => Held::No(format!("another record stands at offset {}", mark.last.0)),
            Ok(Err(Error::BeyondEnd { next, .. })) => {
                Held::No(format!("it ends at offset {}, and had acknowledged {}", next.0, mark.last.0))
            }
            Ok(Err(error @ Error::WentBack { .. })) => Held::No(error.to_string()),
            // Its own retention took it.
            Ok(Err(Error::Trimmed { .. })) => Held::Yes,
            Ok(Err(error)) => Held::Unknown(error.to_string()),
            // Nothing at that place, perhaps: it is asked again.
            Err(_) => Held::Unknown("no answer in time".to_owned()),
        }
    }

    /// Sends everything that the spool still has once more, as a new writer.
    async fn rewind(&mut self, reason: String) -> Result<(), Again> {
        let first = self.shared.spool.bounds(self.partition).await?.first;
        let partition = self.partition.0;
        tracing::error!(
            partition,
            from = first.0,
            to = self.place.next.0,
            reason,
            "the stream lost what it had acknowledged; what the spool still has is sent once more"
        );
        let place = Place::new_writer(first).map_err(|error| Error::Failed { reason: error.to_string() })?;
        self.count(first, Some(self.place.next));
        (self.suspects, self.marks) = (false, VecDeque::new());
        self.moved(place);
        self.shared.rewinds.fetch_add(1, Relaxed);
        // Before anything is sent again: a crash must not make the old writer go on where it stood.
        loop {
            let shared = self.shared.clone();
            if tokio::task::spawn_blocking(move || shared.save()).await.unwrap_or(false) {
                return Err(Again::Rewound);
            }
            tokio::time::sleep(PAUSE_LONGEST).await;
        }
    }

    fn moved(&mut self, place: Place) {
        self.place = place;
        self.shared.put(self.partition, place);
    }

    /// Counts records of the spool as waiting, beside the shipping.
    fn count(&mut self, from: Offset, to: Option<Offset>) {
        let (shared, partition) = (self.shared.clone(), self.partition);
        self.counting.spawn(async move {
            if let Err(error) = shared.spool.count(partition, from, to).await {
                tracing::debug!(partition = partition.0, %error, "the backlog could not be counted");
            }
        });
    }

    fn look_later(&mut self) {
        self.look_at = Instant::now() + self.shared.settings.settle / 6;
    }
}
