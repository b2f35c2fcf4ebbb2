//! Errors that answer two questions: what mends it, and may I retry? Details as in `google/rpc/error_details.proto`.

use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// An error with all its causes, each said once: the transport's own words are "transport error".
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    let mut told: Vec<String> = chain.filter(|cause| cause != "transport error").collect();
    // A layer may repeat what is below it.
    told.dedup_by(|later, earlier| earlier.contains(later.as_str()));
    told.join(": ")
}

/// INVALID_ARGUMENT with one `BadRequest` violation. `field` is a path such as `filters[0].values`; `fix` says what is wrong
/// and what to do.
pub fn invalid_argument(field: impl Into<String>, fix: impl Into<String>) -> Status {
    let (field, fix) = (field.into(), fix.into());
    let message = if field.is_empty() { fix.clone() } else { format!("{field}: {fix}") };
    let details = ErrorDetails::with_bad_request(vec![FieldViolation::new(field, fix)]);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// RESOURCE_EXHAUSTED with a `RetryInfo`: the same call may succeed after the delay.
pub fn exhausted(message: impl Into<String>, retry_after: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(retry_after));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// UNAVAILABLE with a `RetryInfo`: this process cannot now, another one or a later one may.
pub fn unavailable(message: impl Into<String>, retry_after: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(retry_after));
    Status::with_error_details(Code::Unavailable, message, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_field_is_named_in_the_message_and_in_the_details() {
        let status = invalid_argument("limit", "at most 1,000");
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "limit: at most 1,000"));
        let details = status.get_details_bad_request().unwrap();
        assert_eq!(details.field_violations[0].field, "limit");
        assert_eq!(details.field_violations[0].description, "at most 1,000");
    }

    #[test]
    fn overload_says_when_to_come_back() {
        let status = exhausted("busy", Duration::from_millis(250));
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_millis(250)));
    }
}
