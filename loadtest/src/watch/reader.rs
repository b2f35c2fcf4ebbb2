//! One watcher: a stream of five reports, what it knows of each, and how late it heard of it.

use crate::Failure;
use crate::client::connect;
use pistats_core::{Micros, Zone};
use pistats_proto::convert::query::delta::Watched;
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::watch_response::Content;
use pistats_proto::query::v1::watched_report::Report;
use pistats_proto::query::v1::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinHandle;

const TRAFFIC: &str = "traffic";
const REALTIME: &str = "realtime";

/// A stream that is open. It reads once it was told to; dropping it closes the stream.
pub(super) struct Reader {
    begins: Arc<Notify>,
    /// Events of the newest Traffic state; an error ends the reader.
    events: watch::Receiver<Result<u64, Failure>>,
    heard: Arc<Mutex<Heard>>,
    task: JoinHandle<()>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Reader {
    pub(super) async fn open(url: &str, key: &str) -> Result<Reader, Failure> {
        let mut client = QueryServiceClient::new(connect(url, key).await?).max_decoding_message_size(64 << 20);
        let request = WatchRequest { reports: reports() };
        let mut stream = client.watch(request).await.map_err(|status| status.to_string())?.into_inner();
        let begins = Arc::new(Notify::new());
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (told, events) = watch::channel(Ok(0));
        let (waits, notes) = (begins.clone(), heard.clone());
        let task = tokio::spawn(async move {
            waits.notified().await;
            let mut known: HashMap<String, Watched> = HashMap::new();
            loop {
                let message = match stream.message().await {
                    Ok(Some(message)) => message,
                    Ok(None) => break drop(told.send(Err("the server ended a stream".to_owned()))),
                    Err(status) => break drop(told.send(Err(format!("a stream failed: {status}")))),
                };
                notes.lock().await.note(&message);
                let tag = message.tag.clone();
                let report = known.entry(tag.clone()).or_default();
                if let Err(error) = report.take(message) {
                    break drop(told.send(Err(format!("{tag}: {error}"))));
                }
                if let Some(Snapshot { report: Some(snapshot::Report::Traffic(traffic)) }) = report.answer() {
                    let events = traffic.total.as_ref().map_or(0, |total| total.events);
                    drop(told.send(Ok(events)));
                }
            }
        });
        Ok(Reader { begins, events, heard, task })
    }

    /// Begins to read.
    pub(super) fn begin(&self) {
        self.begins.notify_one();
    }

    /// Waits until the newest Traffic state counts exactly so many events. More are a failure at once.
    pub(super) async fn until(&self, sent: u64, within: Duration) -> Result<(), Failure> {
        let mut events = self.events.clone();
        let there = events.wait_for(|known| !matches!(known, Ok(known) if *known < sent));
        let known = match tokio::time::timeout(within, there).await {
            Ok(Ok(known)) => known.clone()?,
            Ok(Err(_)) => return Err("a reader ended".to_owned()),
            Err(_) => {
                let known = self.events.borrow().clone()?;
                return Err(format!("{sent} events were sent, a reader knows of {known} after {within:?}"));
            }
        };
        if known == sent { Ok(()) } else { Err(format!("{sent} events were sent, a reader was told of {known}")) }
    }

    pub(super) fn heard(&self) -> Heard {
        self.heard.try_lock().map(|heard| heard.clone()).unwrap_or_default()
    }
}

/// What came over streams.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    pub(super) snapshots: u64,
    pub(super) deltas: u64,
    /// Of the four reports from the warehouse, by commits.
    pub(super) delays: Delays,
    /// Of Realtime's deltas, from when they were worked out.
    pub(super) live_delays: Delays,
}

impl Heard {
    pub(super) fn messages(&self) -> u64 {
        self.snapshots + self.deltas
    }

    fn note(&mut self, message: &WatchResponse) {
        match message.content {
            Some(Content::Delta(_)) => self.deltas += 1,
            _ => self.snapshots += 1,
        }
        let since = |at: i64| Duration::from_micros(u64::try_from(now().0 - at).unwrap_or(0));
        if let Some(Content::Delta(Delta { report: Some(delta::Report::Realtime(state)) })) = &message.content {
            self.live_delays.0.push(since(state.now_us));
        } else if message.changed_us != 0 && message.tag != REALTIME {
            self.delays.0.push(since(message.changed_us));
        }
    }

    pub(super) fn add(&mut self, other: Heard) {
        self.snapshots += other.snapshots;
        self.deltas += other.deltas;
        self.delays.0.extend(other.delays.0);
        self.live_delays.0.extend(other.live_delays.0);
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Delays(Vec<Duration>);

impl Delays {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// `p50, p99, most`, in milliseconds.
    pub(super) fn told(&mut self) -> String {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        let ms = |share: f64| {
            let delay = self.0.get((last as f64 * share) as usize).copied().unwrap_or_default();
            format!("{:.0}", delay.as_secs_f64() * 1_000.0)
        };
        format!("{}, {}, {}", ms(0.5), ms(0.99), ms(1.0))
    }
}

/// What every watcher of a site's start page looks at.
fn reports() -> Vec<WatchedReport> {
    let today = Zone::utc().day_of(now());
    let days = |back: i32| {
        // Tomorrow too: the run may pass midnight.
        let days = DayRange { first: today.plus(-back).to_string(), last: today.plus(1).to_string() };
        Some(Range { range: Some(range::Range::Days(days)) })
    };
    let page = |number: u32| Condition {
        filters: vec![Filter {
            dimension: Dimension::Path.into(),
            values: vec![format!("/articles/{number}")],
            ..Filter::default()
        }],
    };
    let report = |tag: &str, report| WatchedReport { tag: tag.to_owned(), report: Some(report), ..Default::default() };
    vec![
        report(
            TRAFFIC,
            Report::Traffic(TrafficRequest { range: days(0), interval: Interval::Hour.into(), ..Default::default() }),
        ),
        report(
            "pages",
            Report::Breakdown(BreakdownRequest {
                range: days(0),
                dimension: Dimension::Page.into(),
                ..Default::default()
            }),
        ),
        report(
            "retention",
            Report::Retention(RetentionRequest {
                range: days(6),
                interval: Interval::Day.into(),
                ..Default::default()
            }),
        ),
        report(
            "funnel",
            Report::Funnel(FunnelRequest {
                range: days(0),
                steps: vec![page(0), page(1), page(2)],
                ..Default::default()
            }),
        ),
        report(REALTIME, Report::Realtime(RealtimeRequest::default())),
    ]
}

fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_told_from_the_middle_to_the_most() {
        let mut delays = Delays((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(delays.told(), "50, 99, 100");
        assert_eq!(Delays::default().told(), "0, 0, 0");
    }

    #[test]
    fn realtime_is_counted_apart_and_a_first_snapshot_not_at_all() {
        let mut heard = Heard::default();
        let message = |tag: &str, changed_us, content| WatchResponse {
            tag: tag.to_owned(),
            changed_us,
            content: Some(content),
            ..WatchResponse::default()
        };
        heard.note(&message(TRAFFIC, 0, Content::Snapshot(Snapshot::default())));
        heard.note(&message(TRAFFIC, now().0, Content::Delta(Delta::default())));
        let state = RealtimeResponse { now_us: now().0, ..RealtimeResponse::default() };
        heard.note(&message(REALTIME, now().0, Content::Delta(Delta { report: Some(delta::Report::Realtime(state)) })));
        assert_eq!((heard.snapshots, heard.deltas, heard.messages()), (1, 2, 3));
        assert_eq!((heard.delays.count(), heard.live_delays.count()), (1, 1));
    }
}
