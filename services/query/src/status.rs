//! Failures as statuses: which code, and so whether trying again can help.

use crate::plan::{Malformed, Unanswered};
use pistats_proto::convert::Invalid;
use pistats_store::Error;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// INVALID_ARGUMENT with every wrong field as google.rpc.BadRequest.
pub(crate) fn invalid(refused: Invalid) -> Status {
    let message = refused.to_string();
    let mut details = ErrorDetails::new();
    for violation in refused.0 {
        details.add_bad_request_violation(violation.field, violation.description);
    }
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// What a failed read answers.
pub(crate) fn of_store(error: Error) -> Status {
    match &error {
        Error::Overflow => Status::out_of_range(error.to_string()),
        Error::Interrupted => Status::deadline_exceeded(error.to_string()),
        Error::Engine(_) | Error::Unavailable(_) | Error::Closed | Error::Open(_) => {
            tracing::error!(%error, "a report could not be read");
            Status::unavailable(error.to_string())
        }
        Error::Statement(_)
        | Error::OutOfStep { .. }
        | Error::Duplicate(_)
        | Error::Fenced { .. }
        | Error::OtherGeneration { .. }
        | Error::NotLeased(_) => {
            tracing::error!(%error, "a report was planned wrongly");
            Status::internal("the report could not be planned; the server's log says why")
        }
    }
}

/// What an answer that does not fit its plan answers.
pub(crate) fn of_malformed(error: Malformed) -> Status {
    tracing::error!(%error, "a report could not be understood");
    Status::internal("the report could not be understood; the server's log says why")
}

/// What rows that are no answer answer.
pub(crate) fn of_unanswered(error: Unanswered) -> Status {
    match error {
        Unanswered::Malformed(error) => of_malformed(error),
        // The same words as for a sum that the warehouse formed.
        Unanswered::Overflow => of_store(Error::Overflow),
    }
}

/// What work beside the async threads that ended abnormally answers.
pub(crate) fn of_panic(error: tokio::task::JoinError) -> Status {
    tracing::error!(%error, "a report ended abnormally");
    Status::internal("the report ended abnormally; the server's log says why")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_proto::convert::Violation;

    #[test]
    fn a_refusal_carries_every_field() {
        let violation = |field: &str| Violation { field: field.into(), description: "wrong".into() };
        let status = invalid(Invalid(vec![violation("range"), violation("filters[2].values")]));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "range: wrong; filters[2].values: wrong");
        let details = status.get_details_bad_request().expect("details");
        let fields: Vec<&str> = details.field_violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["range", "filters[2].values"]);
    }

    #[test]
    fn a_failure_of_the_warehouse_tells_whether_to_try_again() {
        assert_eq!(of_store(Error::Overflow).code(), Code::OutOfRange);
        assert_eq!(of_store(Error::Interrupted).code(), Code::DeadlineExceeded);
        assert_eq!(of_store(Error::Engine("disk".into())).code(), Code::Unavailable);
        assert_eq!(of_store(Error::Statement("syntax".into())).code(), Code::Internal);
    }
}
