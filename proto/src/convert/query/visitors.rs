//! Lists of visitors: the request as a question.

use super::request::selection;
use crate::convert::{Invalid, Violations};
use crate::query::v1;
use pistats_core::report::Selection;

/// Visitors of a page: when the request names none, and at most.
pub const DEFAULT_VISITORS: u32 = 50;
pub const MOST_VISITORS: u32 = 1_000;

/// Whose events, and which page of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitorsQuestion {
    pub selection: Selection,
    /// 1 to 1,000.
    pub limit: u32,
    pub offset: u32,
}

/// Reads a request for visitors.
pub fn visitors(request: &v1::VisitorsRequest) -> Result<VisitorsQuestion, Invalid> {
    let mut wrong = Violations::default();
    let selection = selection(&mut wrong, request.range.as_ref(), &request.filters, request.bots);
    let limit = match request.limit {
        0 => Some(DEFAULT_VISITORS),
        limit if limit <= MOST_VISITORS => Some(limit),
        limit => wrong.add("limit", format!("{limit} rows are too many, ask for at most {MOST_VISITORS}")),
    };
    let question = selection.zip(limit);
    wrong.unless_any(question.map(|(selection, limit)| VisitorsQuestion { selection, limit, offset: request.offset }))
}
