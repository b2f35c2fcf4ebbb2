//! Channels from service to service: several addresses, one budget for retries, and the caller's deadline.
//!
//! ```text
//!   generated client ─▶ key ─▶ span ─▶ retry (safe calls, while the budget lasts) ─▶ deadline (what is left of the caller's) ─▶ balance
//! ```
//!
//! The span lies outside the retries: it is of what the caller asked for, and waits for (`traced`).
//!
//! Retry lies outside the deadline, so that each try gets what is left by then, and outside the balance, so that another try
//! may meet another server.
//!
//! Balancing is by turns. An address where nobody answers is left out for a second, as long as there is another one: tonic's own
//! balance goes on choosing it, and each time a call fails that another server would have answered. That nobody answers is
//! UNAVAILABLE with the address, all that is known of the cause, and for certificates what to look at.
//!
//! Not responsible for streams that break: their readers know where to go on.

use crate::client::{BearerKey, Error};
use crate::deadline;
use crate::status::causes;
use crate::tls::{self, ClientTls};
use crate::traced::Traced;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::service::interceptor::InterceptedService;
use tonic::{Code, Status};
use tower::Service;
use tower::retry::budget::{Budget, TpsBudget};

/// Calls that may be tried again: their contract says so, they are single requests, and another service makes them.
const SAFE: [&str; 4] = [
    "/pistats.aggregate.v1.AggregateService/ListPartitions",
    "/pistats.log.v1.LogService/Bounds",
    "/pistats.log.v1.LogService/State",
    "/grpc.health.v1.Health/Check",
];

/// Tries of one call beside the first.
const MOST_RETRIES: u32 = 2;
/// Before the second try; twice as long before the third.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Retries for a fifth of the calls of the last ten seconds, and one a second always: when a service is down, its callers
/// do not call it three times as often.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);
const BUDGET_A_SECOND: u32 = 1;
const BUDGET_SHARE: f32 = 0.2;

/// A single request of a caller without a deadline is given up after this.
const LONGEST: Duration = Duration::from_secs(10);

/// How long an address is left out after a call that it did not take.
const LEFT_OUT: Duration = Duration::from_secs(1);

/// A channel to all processes of a service. Cheap to clone; clones share connections and the budget.
pub type Channel = InterceptedService<Traced<Mesh<Balance>>, BearerKey>;

/// What a channel does beside carrying calls.
#[derive(Clone)]
pub struct Mesh<C> {
    inner: C,
    budget: Arc<TpsBudget>,
}

/// A channel to these addresses (`http://host:port`, or `https://` with `tls`), which need not be there yet.
///
/// # Errors
/// [`Error::Endpoint`], [`Error::Key`], [`Error::Tls`].
pub fn channel(addresses: &[String], key: &str, tls: Option<&ClientTls>) -> Result<Channel, Error> {
    let channels = addresses
        .iter()
        .map(|address| Ok((address.clone(), crate::client::endpoint(address, tls)?.connect_lazy())))
        .collect::<Result<Vec<_>, _>>()?;
    if channels.is_empty() {
        return Err(Error::Endpoint { endpoint: String::new() });
    }
    Ok(InterceptedService::new(Traced::new(Mesh::new(Balance::new(channels))), BearerKey::new(key)?))
}

impl<C> Mesh<C> {
    fn new(inner: C) -> Mesh<C> {
        Mesh { inner, budget: Arc::new(TpsBudget::new(BUDGET_WINDOW, BUDGET_A_SECOND, BUDGET_SHARE)) }
    }
}

impl<C, E> Service<http::Request<Body>> for Mesh<C>
where
    C: Service<http::Request<Body>, Response = http::Response<Body>, Error = E> + Clone + Send + 'static,
    C::Future: Send + 'static,
    E: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = E;
    type Future = BoxFuture<'static, Result<http::Response<Body>, E>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // The one that was polled makes the first call.
        let spare = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, spare);
        if !SAFE.contains(&request.uri().path()) {
            deadline::pass_on(request.headers_mut(), None);
            return inner.call(request).boxed();
        }
        let budget = self.budget.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(status) => return Ok(status.into_http()),
            };
            budget.deposit();
            let mut tries = 0;
            loop {
                let answer = inner.call(again(&head, &body)).await;
                let may_pass = answer.as_ref().map_or(true, is_unavailable);
                if !may_pass || tries == MOST_RETRIES || !budget.withdraw() {
                    return answer;
                }
                tokio::time::sleep(FIRST_PAUSE * 2u32.pow(tries)).await;
                tries += 1;
                futures::future::poll_fn(|cx| inner.poll_ready(cx)).await?;
            }
        }
        .boxed()
    }
}

/// The same request once more, with what is left of its time.
fn again(head: &http::request::Parts, body: &Bytes) -> http::Request<Body> {
    let mut request = http::Request::from_parts(head.clone(), Body::new(Full::new(body.clone())));
    deadline::pass_on(request.headers_mut(), Some(LONGEST));
    request
}

/// Nobody answered for the service: what was asked was not begun, or may be asked again.
fn is_unavailable(answer: &http::Response<Body>) -> bool {
    Status::from_header_map(answer.headers()).is_some_and(|status| status.code() == Code::Unavailable)
}

/// Channels that take turns.
#[derive(Clone)]
pub struct Balance<C = tonic::transport::Channel>(Arc<Turns<C>>);

struct Turns<C> {
    channels: Vec<Turn<C>>,
    next: AtomicUsize,
}

struct Turn<C> {
    address: String,
    channel: C,
    /// Left out until then.
    out_until: Mutex<Option<Instant>>,
}

impl<C: Clone> Balance<C> {
    fn new(channels: Vec<(String, C)>) -> Balance<C> {
        let turn = |(address, channel)| Turn { address, channel, out_until: Mutex::new(None) };
        Balance(Arc::new(Turns { channels: channels.into_iter().map(turn).collect(), next: AtomicUsize::new(0) }))
    }

    /// Whose turn it is: the next one that is not left out, or simply the next one.
    fn choose(&self) -> usize {
        let Turns { channels, next } = &*self.0;
        let first = next.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let is_out = |at: &usize| lock(&channels[*at].out_until).is_some_and(|until| now < until);
        let mut in_turn = (0..channels.len()).map(|step| first.wrapping_add(step) % channels.len());
        in_turn.find(|at| !is_out(at)).unwrap_or(first % channels.len())
    }
}

impl<C, E> Service<http::Request<Body>> for Balance<C>
where
    C: Service<http::Request<Body>, Response = http::Response<Body>, Error = E> + Clone + Send + Sync + 'static,
    C::Future: Send + 'static,
    E: std::error::Error + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = E;
    type Future = BoxFuture<'static, Result<http::Response<Body>, E>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        // The one whose turn it is is waited for in the call.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let (turns, at) = (self.0.clone(), self.choose());
        async move {
            let turn = &turns.channels[at];
            let mut channel = turn.channel.clone();
            let answer = match futures::future::poll_fn(|cx| channel.poll_ready(cx)).await {
                Ok(()) => channel.call(request).await,
                Err(error) => Err(error),
            };
            *lock(&turn.out_until) = answer.is_err().then(|| Instant::now() + LEFT_OUT);
            // The transport's own words are "transport error", and the cause would be lost on the way to the caller.
            answer.or_else(|error| Ok(unreachable(&turn.address, &error).into_http()))
        }
        .boxed()
    }
}

/// What a caller is told of a server that does not answer.
fn unreachable(address: &str, error: &(dyn std::error::Error + 'static)) -> Status {
    let told = causes(error);
    let is_encrypted = address.starts_with("https://");
    let advice = Some(&told).filter(|_| is_encrypted).and_then(|told| tls::advice(told));
    let advice = advice.map(|advice| format!("; {advice}")).unwrap_or_default();
    Status::unavailable(format!("{address} does not answer: {told}{advice}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A time is whole whatever happened to who wrote it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use tower::util::BoxCloneService;
    use tower::{ServiceExt, service_fn};

    type Failing = Mesh<BoxCloneService<http::Request<Body>, http::Response<Body>, Infallible>>;

    /// A service that answers UNAVAILABLE so many times, and how often it was called.
    fn failing(times: u32) -> (Failing, Arc<AtomicU32>) {
        let calls = Arc::new(AtomicU32::new(0));
        let counted = calls.clone();
        let inner = service_fn(move |request: http::Request<Body>| {
            let number = counted.fetch_add(1, SeqCst);
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(&body[..], b"asked", "each try brings the whole request");
                let is_up = number >= times;
                Ok(if is_up { http::Response::new(Body::empty()) } else { Status::unavailable("down").into_http() })
            }
        });
        (Mesh::new(BoxCloneService::new(inner)), calls)
    }

    fn request(path: &str) -> http::Request<Body> {
        http::Request::builder().uri(path).body(Body::new(Full::new(Bytes::from_static(b"asked")))).unwrap()
    }

    fn is_ok(answer: &http::Response<Body>) -> bool {
        Status::from_header_map(answer.headers()).is_none()
    }

    #[tokio::test]
    async fn a_safe_call_is_tried_three_times_and_no_more() {
        let (mesh, calls) = failing(2);
        assert!(is_ok(&mesh.oneshot(request(SAFE[0])).await.unwrap()));
        assert_eq!(calls.load(SeqCst), 3);
        let (mesh, calls) = failing(3);
        assert!(!is_ok(&mesh.oneshot(request(SAFE[0])).await.unwrap()));
        assert_eq!(calls.load(SeqCst), 3);
    }

    #[tokio::test]
    async fn a_call_that_is_not_known_to_be_safe_is_made_once() {
        let (mesh, calls) = failing(1);
        let answer = mesh.oneshot(request("/pistats.aggregate.v1.AggregateService/Replay")).await.unwrap();
        assert!(!is_ok(&answer) && calls.load(SeqCst) == 1);
    }

    #[tokio::test]
    async fn when_a_service_is_down_the_budget_ends_the_retries() {
        let (mesh, calls) = failing(u32::MAX);
        for _ in 0..200 {
            assert!(!is_ok(&mesh.clone().oneshot(request(SAFE[0])).await.unwrap()));
        }
        let retries = calls.load(SeqCst) - 200;
        // A fifth of 200, and the ten of the ten seconds; without a budget it would be 400.
        assert!((10..=52).contains(&retries), "{retries} retries");
    }
}
