//! One reader's stream: a message is made when it is asked for.
//!
//! All that is held is the place in each report. Reports take turns, so that one that changes often does not keep the
//! others waiting. Each report is of the site of its own key, the call's where it names none: a tenant is made of a key and
//! of nothing else (P-7). Before each message all keys are looked at again: where one is revoked, the stream ends.

use super::hub::Hub;
use super::question::{Key, Question, question};
use super::subject::{Place, Subject};
use crate::plan::Tenant;
use crate::service::tenant_with;
use crate::status;
use futures::stream::{BoxStream, StreamExt, try_unfold};
use pistats_core::Directory;
use pistats_proto::query::v1::watched_report::Report;
use pistats_proto::query::v1::{WatchRequest, WatchResponse, WatchedReport};
use pistats_rpc::auth;
use std::sync::Arc;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tonic::{Request, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Who reads.
pub(super) struct Reader {
    hub: Arc<Hub>,
    /// In which the keys were looked up last.
    directory: Arc<Directory>,
    /// The call's, then those that reports name, each once.
    keys: Vec<Opened>,
}

/// A key, and what it opens.
struct Opened {
    secret: String,
    /// Where the request names it first; empty: in its metadata.
    field: String,
    tenant: Tenant,
}

impl Reader {
    /// The reader of a request, and what it asks for.
    pub(super) fn of(hub: &Arc<Hub>, request: Request<WatchRequest>) -> Result<(Reader, WatchRequest), Status> {
        let directory = hub.directory().load_full();
        let mut reader = Reader { hub: hub.clone(), directory, keys: Vec::new() };
        let secret = auth::secret(&request)?.to_owned();
        reader.open(secret, String::new())?;
        Ok((reader, request.into_inner()))
    }

    /// Opens the keys of all reports. Answers which one each report has.
    ///
    /// Status: UNAUTHENTICATED or PERMISSION_DENIED naming the first key that opens nothing.
    pub(super) fn open_all(&mut self, request: &WatchRequest) -> Result<Vec<usize>, Status> {
        let named = |(number, report): (usize, &WatchedReport)| match report.key.trim() {
            "" => Ok(0),
            secret => self.open(secret.to_owned(), format!("reports[{number}].key")),
        };
        request.reports.iter().enumerate().map(named).collect()
    }

    fn open(&mut self, secret: String, field: String) -> Result<usize, Status> {
        if let Some(known) = self.keys.iter().position(|key| key.secret == secret) {
            return Ok(known);
        }
        let tenant = tenant_with(self.hub.directory(), self.hub.engine(), &secret);
        let tenant = tenant.map_err(|status| of_key(&field, status))?;
        self.keys.push(Opened { secret, field, tenant });
        Ok(self.keys.len() - 1)
    }

    /// Whom a key of this reader opens.
    pub(super) fn tenant(&self, key: usize) -> &Tenant {
        &self.keys[key].tenant
    }

    /// Whether the reader may go on. Answers the keys whose site's days are others now.
    fn look(&mut self) -> Result<Vec<usize>, Status> {
        let directory = self.hub.directory().load_full();
        if Arc::ptr_eq(&directory, &self.directory) {
            return Ok(Vec::new());
        }
        let mut moved = Vec::new();
        for (number, key) in self.keys.iter_mut().enumerate() {
            let now = tenant_with(self.hub.directory(), self.hub.engine(), &key.secret);
            let now = now.map_err(|status| of_key(&key.field, status))?;
            if !now.is_like(&key.tenant) {
                moved.push(number);
            }
            key.tenant = now;
        }
        self.directory = directory;
        Ok(moved)
    }
}

/// One report of a stream.
struct Watching {
    tag: String,
    /// Of the reader's keys.
    key: usize,
    subject: Arc<Subject>,
    bell: u64,
    place: Place,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.subject.leave(self.bell);
    }
}

struct Open {
    reader: Reader,
    watching: Vec<Watching>,
    /// Whose turn it is.
    turn: usize,
    bell: Arc<Notify>,
    _room: OwnedSemaphorePermit,
}

/// Opens the stream. The reports were checked.
pub(super) fn open(
    reader: Reader,
    reports: Vec<(WatchedReport, Question, usize)>,
    room: OwnedSemaphorePermit,
) -> Result<BoxStream<'static, Result<WatchResponse, Status>>, Status> {
    let bell = Arc::new(Notify::new());
    let mut watching = Vec::with_capacity(reports.len());
    for (watched, question, key) in reports {
        let Some(report) = watched.report else { continue };
        let place = match watched.resume_from {
            Some(as_of) => Place::Named(as_of),
            None => Place::Nowhere { reset: false },
        };
        watching.push(join(&reader, &bell, watched.tag, key, question, report, place)?);
    }
    let open = Open { reader, watching, turn: 0, bell, _room: room };
    let messages = try_unfold(open, |mut open| async move {
        let message = open.next().await?;
        Ok(Some((message, open)))
    });
    Ok(messages.boxed())
}

fn join(
    reader: &Reader,
    bell: &Arc<Notify>,
    tag: String,
    key: usize,
    question: Question,
    report: Report,
    place: Place,
) -> Result<Watching, Status> {
    let tenant = reader.tenant(key);
    let (subject, bell) = reader.hub.join(tenant, Key::of(tenant, question), report, bell)?;
    Ok(Watching { tag, key, subject, bell, place })
}

impl Open {
    /// The next message; waits for it.
    async fn next(&mut self) -> Result<WatchResponse, Status> {
        loop {
            let moved = self.reader.look()?;
            self.move_over(&moved)?;
            for step in 0..self.watching.len() {
                let at = (self.turn + step) % self.watching.len();
                let watching = &mut self.watching[at];
                let next = watching.subject.next(&mut watching.place);
                if let Some(next) = next.map_err(|status| of_report(&watching.tag, status))? {
                    self.turn = at + 1;
                    return Ok(next.message(&watching.tag));
                }
            }
            // Rung since the look, it returns at once.
            self.bell.notified().await;
        }
    }

    /// The same reports over a site's new days. What was sent is void.
    fn move_over(&mut self, moved: &[usize]) -> Result<(), Status> {
        for watching in self.watching.iter_mut().filter(|watching| moved.contains(&watching.key)) {
            let report = watching.subject.report.clone();
            let question = question(self.reader.tenant(watching.key), &report).map_err(status::invalid)?;
            let place = Place::Nowhere { reset: true };
            *watching = join(&self.reader, &self.bell, watching.tag.clone(), watching.key, question, report, place)?;
        }
        Ok(())
    }
}

/// Says which key it was, where the request has several.
fn of_key(field: &str, status: Status) -> Status {
    if field.is_empty() {
        return status;
    }
    let details = ErrorDetails::with_bad_request_violation(field, status.message());
    Status::with_error_details(status.code(), format!("{field}: {}", status.message()), details)
}

/// Says which report of the stream it was.
fn of_report(tag: &str, status: Status) -> Status {
    let message = format!("report {tag:?}: {}", status.message());
    Status::with_details_and_metadata(
        status.code(),
        message,
        status.details().to_vec().into(),
        status.metadata().clone(),
    )
}
