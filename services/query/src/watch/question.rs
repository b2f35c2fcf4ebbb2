//! What is watched: requests read and checked as the unary calls do, before anything is streamed.

use crate::plan::{self, Tenant};
use pistats_core::report::{Breakdown, Compare, Funnel, Retention, Traffic};
use pistats_core::{Micros, SiteId};
use pistats_proto::convert::query::{self as convert, RealtimeQuestion};
use pistats_proto::convert::{Invalid, Violation};
use pistats_proto::query::v1::watched_report::Report;
use pistats_proto::query::v1::{WatchRequest, WatchedReport};
use std::collections::HashSet;

/// Reports of a stream.
const MOST_REPORTS: usize = 50;
/// Bytes of a tag.
const MOST_TAG_BYTES: usize = 200;

/// A question in its one form: however it is written, equal questions are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    Traffic(Traffic, Option<Compare>),
    Breakdown(Breakdown, Option<Compare>),
    Retention(Retention),
    Funnel(Funnel),
    Realtime(RealtimeQuestion),
}

/// Who is asked about what: who has the same key shares one evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) site: SiteId,
    /// Of the site's days: where it changes, so do the answers.
    pub(super) time_zone: String,
    /// Of its visitors: so do they there.
    visitor_days_before: Option<Micros>,
    pub(super) question: Question,
}

impl Key {
    pub(super) fn of(tenant: &Tenant, question: Question) -> Key {
        let (time_zone, visitor_days_before) = (tenant.zone().name().to_owned(), tenant.visitor_days_before());
        Key { site: tenant.site(), time_zone, visitor_days_before, question }
    }
}

/// Whether a stream may have so many reports.
pub(super) fn check_count(request: &WatchRequest) -> Result<(), Invalid> {
    let count = request.reports.len();
    if count == 0 || count > MOST_REPORTS {
        let what = format!("{count} reports; a stream has 1 to {MOST_REPORTS}, open another one for more");
        return Err(Invalid::field("reports", what));
    }
    Ok(())
}

/// The reports of a request, each with its question to its tenant, or all that is wrong with them.
pub(super) fn read<'a>(
    tenant: impl Fn(usize) -> &'a Tenant,
    request: WatchRequest,
) -> Result<Vec<(WatchedReport, Question)>, Invalid> {
    let (mut read, mut wrong, mut tags) = (Vec::new(), Vec::new(), HashSet::new());
    for (number, watched) in request.reports.into_iter().enumerate() {
        let field = |name: &str| format!("reports[{number}].{name}");
        if watched.tag.len() > MOST_TAG_BYTES {
            let description = format!("{} bytes are too many, at most {MOST_TAG_BYTES}", watched.tag.len());
            wrong.push(Violation { field: field("tag"), description });
        }
        if !tags.insert(watched.tag.clone()) {
            let description = format!("{:?} is the tag of another report, too; give each its own", watched.tag);
            wrong.push(Violation { field: field("tag"), description });
        }
        match &watched.report {
            None => wrong.push(Violation { field: field("report"), description: "name the report to watch".into() }),
            Some(report) => match question(tenant(number), report) {
                Ok(question) => read.push((watched, question)),
                Err(Invalid(violations)) => wrong.extend(violations.into_iter().map(|violation| Violation {
                    field: field(&format!("{}.{}", kind(report), violation.field)),
                    description: violation.description,
                })),
            },
        }
    }
    if wrong.is_empty() { Ok(read) } else { Err(Invalid(wrong)) }
}

/// The question of a report. Refused is what the unary call refuses, so it is planned too.
pub(super) fn question(tenant: &Tenant, report: &Report) -> Result<Question, Invalid> {
    Ok(match report {
        Report::Traffic(asked) => {
            let (question, compare) = convert::traffic(asked)?;
            plan::traffic(tenant, &question, compare)?;
            Question::Traffic(question, compare)
        }
        Report::Breakdown(asked) => {
            let (question, compare) = convert::breakdown(asked)?;
            Question::Breakdown(question, compare)
        }
        Report::Retention(asked) => {
            let question = convert::retention(asked)?;
            plan::retention(&question)?;
            Question::Retention(question)
        }
        Report::Funnel(asked) => {
            let question = convert::funnel(asked)?;
            plan::funnel(tenant, &question)?;
            Question::Funnel(question)
        }
        Report::Realtime(asked) => Question::Realtime(convert::realtime(asked)?),
    })
}

/// The report's field in the request.
fn kind(report: &Report) -> &'static str {
    match report {
        Report::Traffic(_) => "traffic",
        Report::Breakdown(_) => "breakdown",
        Report::Retention(_) => "retention",
        Report::Funnel(_) => "funnel",
        Report::Realtime(_) => "realtime",
    }
}
