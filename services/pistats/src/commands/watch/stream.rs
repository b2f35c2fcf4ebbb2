//! A stream of watched reports that takes itself up again.

use crate::client::Authorized;
use pistats_proto::convert::query::delta::Watched;
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::{Snapshot, WatchRequest, WatchResponse, WatchedReport};
use std::time::Duration;
use tonic::{Code, Status, Streaming};

/// Pauses before the stream is taken up again: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Reports as they are now.
pub(super) struct Stream {
    client: QueryServiceClient<Authorized>,
    reports: Vec<(WatchedReport, Watched)>,
    messages: Option<Streaming<WatchResponse>>,
    pause: Duration,
}

/// What a message was about.
pub(super) struct Changed {
    pub(super) tag: String,
    pub(super) number: u64,
    pub(super) reset: bool,
    pub(super) changed_us: i64,
}

impl Stream {
    /// Opens the stream. What is refused here would be refused again.
    pub(super) async fn open(
        client: QueryServiceClient<Authorized>,
        reports: Vec<WatchedReport>,
    ) -> Result<Stream, Status> {
        let reports = reports.into_iter().map(|report| (report, Watched::default())).collect();
        let mut stream = Stream { client, reports, messages: None, pause: FIRST_PAUSE };
        stream.messages = Some(stream.connect().await?);
        Ok(stream)
    }

    /// The reports by tag, as far as they are known.
    pub(super) fn answers(&self) -> impl Iterator<Item = (&str, Option<&Snapshot>)> {
        self.reports.iter().map(|(report, watched)| (report.tag.as_str(), watched.answer()))
    }

    /// Waits for the next change, also over cuts.
    ///
    /// Status: what no new stream would mend.
    pub(super) async fn next(&mut self) -> Result<Changed, Status> {
        loop {
            let received = match &mut self.messages {
                Some(messages) => messages.message().await,
                None => match self.connect().await {
                    Ok(messages) => {
                        self.messages = Some(messages);
                        continue;
                    }
                    Err(status) => Err(status),
                },
            };
            match received {
                Ok(Some(message)) => {
                    self.pause = FIRST_PAUSE;
                    if let Some(changed) = self.take(message) {
                        return Ok(changed);
                    }
                }
                Err(status) if !may_pass(status.code()) => return Err(status),
                Ok(None) | Err(_) => self.cut().await,
            }
        }
    }

    /// Takes a message; one that does not fit is no reason to end: its report starts anew.
    fn take(&mut self, message: WatchResponse) -> Option<Changed> {
        let (_, watched) = self.reports.iter_mut().find(|(report, _)| report.tag == message.tag)?;
        let (tag, number) = (message.tag.clone(), message.number);
        let (reset, changed_us) = (message.reset, message.changed_us);
        if watched.take(message).is_err() {
            *watched = Watched::default();
            self.messages = None;
            return None;
        }
        Some(Changed { tag, number, reset, changed_us })
    }

    async fn cut(&mut self) {
        self.messages = None;
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    async fn connect(&mut self) -> Result<Streaming<WatchResponse>, Status> {
        let reports = self
            .reports
            .iter_mut()
            .map(|(report, watched)| WatchedReport { resume_from: watched.resume(), ..report.clone() });
        let request = WatchRequest { reports: reports.collect() };
        Ok(self.client.watch(request).await?.into_inner())
    }
}

/// Whether the server may answer later: it is away, going down, full, or the line was cut.
fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::Unknown
            | Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Internal
    )
}
