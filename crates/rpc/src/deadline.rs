//! The client's deadline (`grpc-timeout`): past it the work is dropped and DEADLINE_EXCEEDED is answered.
//!
//! tonic watches the deadline too, but only until the answer's head, and it says CANCELLED. This layer sits inside it, so its
//! timer is the earlier one and its status is the one that counts; it also bounds the stream that follows a head.
//!
//! While a call is worked on, its deadline is known to the calls that the work makes itself ([`pass_on`]): a service behind
//! another one does not go on for somebody who has left. Work that was handed to another task does not know it.

use crate::cut::CutBody;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

tokio::task_local! {
    /// Of the call that this task works on.
    static DEADLINE: Instant;
}

/// Gives a call of ours what is left of the deadline of the call that we work on, or `longest` where nobody waits. A deadline
/// that the call has already is kept if it is the earlier one.
pub(crate) fn pass_on(headers: &mut HeaderMap, longest: Option<Duration>) {
    let own = headers.get(TIMEOUT).and_then(|value| parse(value.to_str().ok()?));
    let left = DEADLINE.try_with(|deadline| deadline.saturating_duration_since(Instant::now())).ok();
    let Some(timeout) = own.into_iter().chain(left).min().or(longest) else { return };
    // At most eight digits: in milliseconds more than a day.
    let milliseconds = timeout.as_millis().clamp(1, 99_999_999);
    if let Ok(value) = HeaderValue::from_str(&format!("{milliseconds}m")) {
        headers.insert(TIMEOUT, value);
    }
}

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Bounds every call by its own `grpc-timeout`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner }
    }
}

/// See [`DeadlineLayer`].
#[derive(Clone, Debug)]
pub struct Deadline<S> {
    inner: S,
}

impl<S> Service<http::Request<Body>> for Deadline<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<http::Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let timeout = request.headers().get(TIMEOUT).and_then(|value| parse(value.to_str().ok()?));
        let Some(deadline) = timeout.and_then(|timeout| Instant::now().checked_add(timeout)) else {
            return self.inner.call(request).boxed();
        };
        let call = DEADLINE.sync_scope(deadline, || self.inner.call(request));
        async move {
            match tokio::time::timeout_at(deadline, DEADLINE.scope(deadline, call)).await {
                Ok(answer) => Ok(answer?.map(|body| Body::new(CutBody::new(body, passed(deadline).boxed(), ())))),
                Err(_) => Ok(exceeded().into_http()),
            }
        }
        .boxed()
    }
}

async fn passed(deadline: Instant) -> Status {
    tokio::time::sleep_until(deadline).await;
    exceeded()
}

fn exceeded() -> Status {
    Status::deadline_exceeded(
        "the call's deadline (grpc-timeout) has passed; what was asked may or may not have been done",
    )
}

/// Reads a `grpc-timeout`: one to eight digits and a unit (gRPC over HTTP/2, "Timeout").
fn parse(value: &str) -> Option<Duration> {
    let unit = value.chars().last()?;
    let digits = value.strip_suffix(unit)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(amount * 3_600)),
        'M' => Some(Duration::from_secs(amount * 60)),
        'S' => Some(Duration::from_secs(amount)),
        'm' => Some(Duration::from_millis(amount)),
        'u' => Some(Duration::from_micros(amount)),
        'n' => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut::tests::{drain, endless};
    use std::convert::Infallible;
    use tonic::Code;
    use tower::{ServiceExt, service_fn};

    fn request(timeout: &str) -> http::Request<Body> {
        http::Request::builder().header("grpc-timeout", timeout).body(Body::empty()).unwrap()
    }

    fn code(answer: &http::Response<Body>) -> Option<Code> {
        Status::from_header_map(answer.headers()).map(|status| status.code())
    }

    #[test]
    fn timeouts_of_every_unit_are_read_and_nonsense_is_not() {
        assert_eq!(parse("2H"), Some(Duration::from_secs(7_200)));
        assert_eq!(parse("3M"), Some(Duration::from_secs(180)));
        assert_eq!(parse("4S"), Some(Duration::from_secs(4)));
        assert_eq!(parse("5m"), Some(Duration::from_millis(5)));
        assert_eq!(parse("6u"), Some(Duration::from_micros(6)));
        assert_eq!(parse("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for nonsense in ["", "S", "999999999S", "1x", "-1S", "1 S", "1ü"] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }

    #[tokio::test]
    async fn a_call_that_does_not_answer_in_time_is_dropped_and_answered_for() {
        struct Dropped(std::sync::Arc<std::sync::atomic::AtomicBool>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.store(true, std::sync::atomic::Ordering::SeqCst);
            }
        }
        let dropped = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let work = Dropped(dropped.clone());
        let mut work = Some(work);
        let inner = service_fn(move |_| {
            let work = work.take();
            async move {
                let _work = work;
                futures::future::pending::<Result<http::Response<Body>, Infallible>>().await
            }
        });
        let answer = DeadlineLayer.layer(inner).oneshot(request("50m")).await.unwrap();
        assert_eq!(code(&answer), Some(Code::DeadlineExceeded));
        assert!(dropped.load(std::sync::atomic::Ordering::SeqCst));
    }

    #[tokio::test]
    async fn what_is_left_of_a_deadline_goes_with_the_calls_that_the_work_makes() {
        let inner = service_fn(|_| async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            let mut headers = HeaderMap::new();
            pass_on(&mut headers, Some(Duration::from_secs(10)));
            let mut shorter = HeaderMap::from_iter([(TIMEOUT, HeaderValue::from_static("100m"))]);
            pass_on(&mut shorter, None);
            let mut answer = http::Response::new(Body::empty());
            answer.headers_mut().insert("left", headers[TIMEOUT].clone());
            answer.headers_mut().insert("own", shorter[TIMEOUT].clone());
            Ok::<_, Infallible>(answer)
        });
        let mut service = DeadlineLayer.layer(inner);
        let answer = (&mut service).oneshot(request("1S")).await.unwrap();
        let left = parse(answer.headers()["left"].to_str().unwrap()).unwrap();
        assert!(left > Duration::ZERO && left <= Duration::from_millis(600), "{left:?} of a second after 400 ms");
        assert_eq!(answer.headers()["own"], "100m", "the earlier one counts");
        let answer = service.oneshot(http::Request::new(Body::empty())).await.unwrap();
        assert_eq!(answer.headers()["left"], "10000m", "nobody waits: the longest");
        let mut headers = HeaderMap::new();
        pass_on(&mut headers, None);
        assert!(headers.is_empty());
    }

    #[tokio::test]
    async fn a_stream_ends_at_the_deadline_too() {
        let inner = service_fn(|_| async { Ok::<_, Infallible>(http::Response::new(endless(1))) });
        let answer = DeadlineLayer.layer(inner).oneshot(request("1S")).await.unwrap();
        let (data, status) = drain(answer.into_body()).await;
        assert_eq!((data, status.unwrap().code()), (1, Code::DeadlineExceeded));
    }

    #[tokio::test]
    async fn a_call_in_time_and_a_call_without_deadline_are_left_alone() {
        let inner = service_fn(|_| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, Infallible>(http::Response::new(Body::empty()))
        });
        let mut service = DeadlineLayer.layer(inner);
        assert_eq!(code(&(&mut service).oneshot(request("1S")).await.unwrap()), None);
        let without = http::Request::new(Body::empty());
        assert_eq!(code(&(&mut service).oneshot(without).await.unwrap()), None);
    }
}
