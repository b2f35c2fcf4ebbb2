//! The caller's deadline, for calls that outlive their handler.
//!
//! The transport ends a handler at its deadline, but a stream is read after its handler returned: the export keeps the
//! instant and asks before each page. Dropping a read interrupts the engine, so nothing goes on behind an ended call.

use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;
use tonic::metadata::MetadataMap;

/// When the answer is of no more use; `None` waits for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// Waits for ever.
    pub(crate) fn none() -> Deadline {
        Deadline(None)
    }

    /// The deadline that a request brought along (gRPC over HTTP/2: `grpc-timeout`).
    pub(crate) fn of(metadata: &MetadataMap) -> Deadline {
        let header = metadata.get("grpc-timeout").and_then(|value| value.to_str().ok());
        Deadline(header.and_then(timeout).and_then(|left| Instant::now().checked_add(left)))
    }

    /// From now.
    pub(crate) fn after(length: Duration) -> Deadline {
        Deadline(Instant::now().checked_add(length))
    }

    /// Waits for a future, until the deadline.
    pub(crate) async fn bound<T>(self, work: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        let Some(at) = self.0 else { return work.await };
        match tokio::time::timeout_at(at, work).await {
            Ok(done) => done,
            Err(_) => Err(Status::deadline_exceeded("the deadline passed; ask for less or wait longer")),
        }
    }
}

/// `TimeoutValue TimeoutUnit` of the gRPC protocol: at most 8 digits and one of H M S m u n.
fn timeout(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let digits = &text[..text.len() - unit.len_utf8()];
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(number * 3_600),
        'M' => Duration::from_secs(number * 60),
        'S' => Duration::from_secs(number),
        'm' => Duration::from_millis(number),
        'u' => Duration::from_micros(number),
        'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_read_as_the_protocol_writes_it() {
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("99999999S"), Some(Duration::from_secs(99_999_999)));
        for wrong in ["", "S", "-1S", "1", "1s", "100000000S", "1é"] {
            assert_eq!(timeout(wrong), None, "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn work_past_the_deadline_is_ended() {
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", "1m".parse().expect("metadata"));
        let never = std::future::pending::<Result<(), Status>>();
        let ended = Deadline::of(&metadata).bound(never).await;
        assert_eq!(ended.map_err(|status| status.code()), Err(tonic::Code::DeadlineExceeded));
        let done = Deadline::of(&MetadataMap::new()).bound(async { Ok(5) }).await;
        assert_eq!(done.ok(), Some(5));
    }
}
