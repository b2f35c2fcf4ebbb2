//! One reader's stream: a message is made when it is asked for.
//!
//! All that is held is the place in each report. Reports take turns, so that one that changes often does not keep the
//! others waiting. Before each message the key is looked at again: a revoked one reads no further.

use super::hub::Hub;
use super::question::{Key, Question, question};
use super::subject::{Place, Subject};
use crate::plan::Tenant;
use crate::service::tenant;
use crate::status;
use futures::stream::{BoxStream, StreamExt, try_unfold};
use pistats_core::Directory;
use pistats_proto::query::v1::watched_report::Report;
use pistats_proto::query::v1::{WatchRequest, WatchResponse, WatchedReport};
use std::sync::Arc;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tonic::{Request, Status};

/// Who reads.
pub(super) struct Reader {
    hub: Arc<Hub>,
    /// Carries the key.
    credentials: Request<()>,
    /// In which the key was looked up last.
    directory: Arc<Directory>,
    tenant: Tenant,
}

impl Reader {
    /// The reader of a request, and what it asks for.
    pub(super) fn of(hub: &Arc<Hub>, request: Request<WatchRequest>) -> Result<(Reader, WatchRequest), Status> {
        let directory = hub.directory().load_full();
        let tenant = tenant(hub.directory(), hub.engine(), &request)?;
        let mut credentials = Request::new(());
        if let Some(key) = request.metadata().get("authorization") {
            credentials.metadata_mut().insert("authorization", key.clone());
        }
        Ok((Reader { hub: hub.clone(), credentials, directory, tenant }, request.into_inner()))
    }

    pub(super) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Whether the reader may go on; true: the site's days are others now.
    fn look(&mut self) -> Result<bool, Status> {
        let directory = self.hub.directory().load_full();
        if Arc::ptr_eq(&directory, &self.directory) {
            return Ok(false);
        }
        let now = tenant(self.hub.directory(), self.hub.engine(), &self.credentials)?;
        let is_moved = now.site() != self.tenant.site() || now.zone().name() != self.tenant.zone().name();
        (self.directory, self.tenant) = (directory, now);
        Ok(is_moved)
    }
}

/// One report of a stream.
struct Watching {
    tag: String,
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
    reports: Vec<(WatchedReport, Question)>,
    room: OwnedSemaphorePermit,
) -> Result<BoxStream<'static, Result<WatchResponse, Status>>, Status> {
    let bell = Arc::new(Notify::new());
    let mut watching = Vec::with_capacity(reports.len());
    for (watched, question) in reports {
        let Some(report) = watched.report else { continue };
        let place = match watched.resume_from {
            Some(as_of) => Place::Named(as_of),
            None => Place::Nowhere { reset: false },
        };
        watching.push(join(&reader, &bell, watched.tag, question, report, place)?);
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
    question: Question,
    report: Report,
    place: Place,
) -> Result<Watching, Status> {
    let key = Key::of(&reader.tenant, question);
    let (subject, bell) = reader.hub.join(&reader.tenant, key, report, bell)?;
    Ok(Watching { tag, subject, bell, place })
}

impl Open {
    /// The next message; waits for it.
    async fn next(&mut self) -> Result<WatchResponse, Status> {
        loop {
            if self.reader.look()? {
                self.move_over()?;
            }
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

    /// The same reports over the site's new days. What was sent is void.
    fn move_over(&mut self) -> Result<(), Status> {
        for watching in &mut self.watching {
            let report = watching.subject.report.clone();
            let question = question(&self.reader.tenant, &report).map_err(status::invalid)?;
            let place = Place::Nowhere { reset: true };
            *watching = join(&self.reader, &self.bell, watching.tag.clone(), question, report, place)?;
        }
        Ok(())
    }
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
