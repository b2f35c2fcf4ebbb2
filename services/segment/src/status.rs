//! Failures as statuses: which code, and so whether trying again can help.

use pistats_core::segment::Unresolved;
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

/// A tree that has no meaning among the site's segments: the guilty node, under the field that holds the tree.
pub(crate) fn unresolved(fault: &Unresolved) -> Status {
    let field = if fault.path().is_empty() { "root".to_owned() } else { format!("root.{}", fault.path()) };
    invalid(Invalid::field(field, fault.to_string()))
}

/// What a store that failed answers.
pub(crate) fn of_store(error: Error) -> Status {
    tracing::error!(%error, "segments could not be read or written");
    match error {
        Error::Interrupted => Status::deadline_exceeded(error.to_string()),
        _ => Status::unavailable(error.to_string()),
    }
}
