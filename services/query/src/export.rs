//! The export as a stream: the next page is read when the one before was taken.
//!
//! Nothing runs ahead of the reader: a page is read when the stream is polled and its buffer is empty. A page is at most
//! [`PAGE_BYTES`] of rows as long as events are about as large as those before; the first one is small. A message holds at
//! most [`MESSAGE_EVENTS`] events and about [`MESSAGE_BYTES`], well below what clients accept.

use crate::deadline::Deadline;
use crate::plan::{After, Folded, Tenant, export, read_event};
use crate::reports::Reports;
use crate::status;
use futures::stream::{Stream, try_unfold};
use pistats_core::report::AsOf;
use pistats_proto::convert;
use pistats_proto::convert::query::ExportQuestion;
use pistats_proto::query::v1::{ExportResponse, ExportedEvent};
use prost::Message;
use std::collections::VecDeque;
use std::sync::Arc;
use tonic::Status;

const MESSAGE_EVENTS: usize = 1_000;
const MESSAGE_BYTES: usize = 1 << 20;
const PAGE_BYTES: usize = 16 << 20;
const FIRST_PAGE_ROWS: u64 = 1_000;
const MOST_PAGE_ROWS: u64 = 20_000;

/// Streams the selected events. The first message carries `as_of`, also when there is no event.
pub(crate) fn stream(
    reports: Arc<Reports>,
    tenant: Tenant,
    question: ExportQuestion,
    deadline: Deadline,
) -> impl Stream<Item = Result<ExportResponse, Status>> + Send + 'static {
    let left = question.limit.unwrap_or(u64::MAX);
    let state = Reader {
        reports,
        tenant,
        question,
        deadline,
        after: None,
        buffer: VecDeque::new(),
        page_rows: FIRST_PAGE_ROWS,
        left,
        is_first: true,
        is_last_page: false,
    };
    try_unfold(state, |mut reader| async move {
        let message = reader.next_message().await?;
        Ok(message.map(|message| (message, reader)))
    })
}

struct Reader {
    reports: Arc<Reports>,
    tenant: Tenant,
    question: ExportQuestion,
    deadline: Deadline,
    after: Option<After>,
    /// Events that were read and not yet sent, with their encoded sizes.
    buffer: VecDeque<(ExportedEvent, usize)>,
    page_rows: u64,
    /// Events that the limit still allows to read.
    left: u64,
    is_first: bool,
    is_last_page: bool,
}

impl Reader {
    async fn next_message(&mut self) -> Result<Option<ExportResponse>, Status> {
        let mut as_of = None;
        if self.buffer.is_empty() && !self.is_last_page {
            let read = self.read_page().await?;
            as_of = self.is_first.then(|| convert::query::as_of(&read));
        }
        if self.buffer.is_empty() && !self.is_first {
            return Ok(None);
        }
        self.is_first = false;
        let (mut events, mut bytes) = (Vec::new(), 0);
        while events.len() < MESSAGE_EVENTS
            && let Some((_, size)) = self.buffer.front()
            && (events.is_empty() || bytes + size <= MESSAGE_BYTES)
        {
            bytes += size;
            events.extend(self.buffer.pop_front().map(|(event, _)| event));
        }
        Ok(Some(ExportResponse { events, as_of }))
    }

    /// Reads the next page into the empty buffer.
    async fn read_page(&mut self) -> Result<AsOf, Status> {
        let wanted = self.page_rows.min(self.left);
        let page = export(&self.tenant, &self.question.selection, self.after.as_ref(), wanted);
        let answer = self.reports.read(self.deadline, page.statements).await?;
        self.reports.check_zone(&self.tenant, &answer.as_of, self.deadline).await?;
        let mut results = answer.results.into_iter();
        let rows = results.next().unwrap_or_default().rows;
        let (mut last, mut bytes) = (None, 0);
        for row in rows {
            let (event, place) = read_event(row).map_err(status::of_malformed)?;
            let size = event.encoded_len();
            bytes += size;
            last = Some(place);
            self.buffer.push_back((event, size));
        }
        let count = self.buffer.len() as u64;
        self.left -= count.min(self.left);
        self.is_last_page = count < wanted || self.left == 0;
        if count > 0 {
            let fitting = PAGE_BYTES as u64 * count / (bytes as u64).max(1);
            self.page_rows = fitting.clamp(FIRST_PAGE_ROWS, MOST_PAGE_ROWS);
        }
        if let Some(last) = last {
            match &mut self.after {
                Some(after) => after.last = last,
                None => self.after = Some(After { last, folded: Folded::of(&results.next().unwrap_or_default()) }),
            }
        }
        Ok(answer.as_of)
    }
}
