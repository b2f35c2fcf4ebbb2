//! When a subject is evaluated: the one task that does it.
//!
//! ```text
//!   of the warehouse   touched ─▶ at once, or when a second has passed since the last one ─▶ room ─▶ read ─▶ publish
//!   of this moment     looked at every 50 ms: folded ─▶ at most ten times a second; the clock alone ─▶ once a second
//!   the same under filters                    folded or not ─▶ once a second ─▶ room ─▶ read ─▶ publish
//! ```
//!
//! The task lives as long as anybody watches, and a little longer, so that a reader who was cut off finds the history. In
//! that time nothing is evaluated; what is touched stays due.
//!
//! What may pass (the warehouse is down, a read took too long) is tried again, each time after a longer pause; what cannot
//! (a sum past 64 bits, a fault of ours) ends the streams. Both were logged where they happened.

use super::Evaluate;
use super::hub::Hub;
use super::subject::{Due, Subject};
use crate::deadline::Deadline;
use crate::live::Living;
use pistats_proto::query::v1::{RealtimeResponse, Snapshot, snapshot};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tonic::{Code, Status};

/// Times between evaluations; tests shorten them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Between two evaluations of a report of the warehouse, at least.
    pub(crate) every: Duration,
    /// Between two looks at whether a site's live state moved.
    pub(crate) look: Duration,
    /// Between two evaluations of Realtime, at least. With clicks in quick succession a click waits this long for its turn,
    /// which is most of the way to the screen: a quarter of a second would be all that is promised.
    pub(crate) live_every: Duration,
    /// Between two evaluations of Realtime that nothing but the clock moves.
    pub(crate) clock_every: Duration,
    /// How long a subject outlives its last reader.
    pub(crate) linger: Duration,
    /// The first pause after a failure; it doubles up to thirty times as much.
    pub(crate) retry: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            every: Duration::from_secs(1),
            look: Duration::from_millis(50),
            live_every: Duration::from_millis(100),
            clock_every: Duration::from_secs(1),
            linger: Duration::from_secs(20),
            retry: Duration::from_secs(1),
        }
    }
}

/// A read that takes longer is ended and tried again: it holds a place that others wait for.
const LONGEST: Duration = Duration::from_secs(60);

/// What evaluators share.
pub(super) struct Means {
    pub(super) evaluate: Arc<dyn Evaluate>,
    pub(super) living: Arc<dyn Living>,
    /// Where evaluations of the warehouse wait for their turn.
    pub(super) room: Semaphore,
    pub(super) pace: Pace,
}

/// Evaluates a subject until nobody has watched it for a while, or until it fails for good.
///
/// Dropped with the hub, which it does not keep alive: a read under way is interrupted.
pub(super) async fn run(subject: Arc<Subject>, means: Arc<Means>, hub: Weak<Hub>) {
    let forget = |only_unwatched| hub.upgrade().is_none_or(|hub| hub.forget(&subject, only_unwatched));
    let pace = means.pace;
    let mut tries = Tries::new(pace.retry);
    let mut last: Option<Instant> = None;
    let mut live = Moved::default();
    loop {
        if !subject.is_watched() {
            if !is_watched_again(&subject, Instant::now() + pace.linger).await && forget(true) {
                return;
            }
            continue;
        }
        let done = if subject.is_live() {
            sleep_until(tries.not_before.unwrap_or_else(Instant::now)).await;
            let is_time = live.is_time(&pace, &subject, means.living.moved(subject.key.site));
            let done = if is_time { means.moment(&subject, &live, &mut tries).await } else { Ok(()) };
            sleep(pace.look).await;
            done
        } else if subject.is_due() {
            // What is touched until then is shown as well.
            let earliest = last.map(|last| last + pace.every).into_iter().chain(tries.not_before).max();
            sleep_until(earliest.unwrap_or_else(Instant::now)).await;
            means.warehouse(&subject, &mut last, &mut tries).await
        } else {
            subject.work.notified().await;
            Ok(())
        };
        if let Err(status) = done {
            forget(false);
            return subject.fail(status);
        }
    }
}

impl Means {
    /// Reads a report and publishes it.
    async fn warehouse(&self, subject: &Subject, last: &mut Option<Instant>, tries: &mut Tries) -> Result<(), Status> {
        let Ok(_room) = self.room.acquire().await else { return Ok(()) };
        if !subject.is_watched() {
            return Ok(());
        }
        let Some(due) = subject.take_due() else { return Ok(()) };
        *last = Some(Instant::now());
        let done = self.evaluate.evaluate(&subject.tenant, &subject.report, Deadline::after(LONGEST)).await;
        tries.settle(subject, due, done.map(Some))
    }

    /// Looks at the live state and publishes it, when there is something to show.
    async fn moment(&self, subject: &Subject, live: &Moved, tries: &mut Tries) -> Result<(), Status> {
        let _room = match subject.reads_rows() {
            true => self.room.acquire().await.ok(),
            false => None,
        };
        let due = subject.take_due().unwrap_or(Due { since: None, is_reset: false });
        let done = self.evaluate.evaluate(&subject.tenant, &subject.report, Deadline::after(LONGEST)).await;
        tries.settle(subject, due, done.map(|answer| live.worth(subject, answer, due)))
    }
}

/// Waits for a reader; what is touched meanwhile does not prolong the wait.
async fn is_watched_again(subject: &Subject, until: Instant) -> bool {
    while !subject.is_watched() {
        if timeout_at(until, subject.work.notified()).await.is_err() {
            return subject.is_watched();
        }
    }
    true
}

/// Failures in a row, and when the next try may be.
struct Tries {
    first: Duration,
    failures: u32,
    not_before: Option<Instant>,
}

impl Tries {
    fn new(first: Duration) -> Tries {
        Tries { first, failures: 0, not_before: None }
    }

    /// Publishes what an evaluation gave, or provides for the next try.
    ///
    /// Status: why there is no use in one.
    fn settle(&mut self, subject: &Subject, due: Due, done: Result<Option<Snapshot>, Status>) -> Result<(), Status> {
        match done {
            Ok(answer) => {
                (self.failures, self.not_before) = (0, None);
                if let Some(answer) = answer {
                    subject.publish(answer, due);
                }
            }
            Err(status) if may_pass(status.code()) => {
                let pause = self.first * (1 << self.failures.min(5)).min(30);
                self.failures += 1;
                self.not_before = Some(Instant::now() + pause);
                subject.demand(due);
            }
            Err(status) => return Err(status),
        }
        Ok(())
    }
}

/// Whether the same evaluation may succeed later.
fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Aborted | Code::Cancelled
    )
}

/// How far a site's live state was shown.
#[derive(Default)]
struct Moved {
    /// At the last evaluation.
    moved: u64,
    at: Option<Instant>,
    /// Whether events were folded between the last two.
    is_folded: bool,
}

impl Moved {
    /// Whether Realtime is to be evaluated now; notes that it is.
    fn is_time(&mut self, pace: &Pace, subject: &Subject, moved: u64) -> bool {
        let since = self.at.map(|at| at.elapsed());
        let is_folded = moved != self.moved;
        let live_every = if subject.reads_rows() { pace.every } else { pace.live_every };
        let is_time = subject.is_due()
            || since.is_none_or(|since| since >= pace.clock_every || (is_folded && since >= live_every));
        if is_time {
            (self.moved, self.at, self.is_folded) = (moved, Some(Instant::now()), is_folded);
        }
        is_time
    }

    /// The answer, when something folded or the clock changed more of it than the time of day.
    fn worth(&self, subject: &Subject, answer: Snapshot, due: Due) -> Option<Snapshot> {
        let is_same = subject.newest_is(|newest| match (&newest.report, &answer.report) {
            (Some(snapshot::Report::Realtime(newest)), Some(snapshot::Report::Realtime(answer))) => {
                timeless(newest) == timeless(answer)
            }
            _ => false,
        });
        (self.is_folded || due.is_reset || !is_same).then_some(answer)
    }
}

/// Without what moves although nothing happens on the site.
fn timeless(answer: &RealtimeResponse) -> RealtimeResponse {
    RealtimeResponse { now_us: 0, as_of: None, ..answer.clone() }
}
