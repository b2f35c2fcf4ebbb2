//! The open calls: how many are being worked on, and who is late when the server goes down.
//!
//! ```text
//!   serving ─▶ streams end (UNAVAILABLE), single calls go on ─▶ all end
//! ```
//!
//! A call is *worked on* until the head of its answer; beyond the limit of such calls the next one is refused at once, which
//! is cheaper for everyone than a queue that outlives the clients' patience. A call is *open* until its answer's last byte.

use crate::{cut::CutBody, status};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::uri::PathAndQuery;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// When a refused client should come back: longer than a burst's commit, shorter than a visitor's patience.
const RETRY_AFTER: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Phase {
    Serving,
    StreamsEnd,
    AllEnd,
}

/// The open calls of a server. Clones share them.
#[derive(Clone, Debug)]
pub struct Calls {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: usize,
    phase: watch::Sender<Phase>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    working: usize,
    calls: HashMap<u64, (Option<PathAndQuery>, Instant)>,
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        // The map is whole after every single step, so a panic elsewhere leaves nothing half done.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    /// At most `limit` calls are worked on at once.
    pub fn new(limit: usize) -> Calls {
        let shared = Shared { limit, phase: watch::Sender::new(Phase::Serving), open: Mutex::default() };
        Calls { shared: Arc::new(shared) }
    }

    /// The layer that counts into these calls.
    pub fn layer(&self) -> CallsLayer {
        CallsLayer { calls: self.clone() }
    }

    /// Ends streamed answers with UNAVAILABLE; single calls go on.
    pub fn end_streams(&self) {
        self.shared.phase.send_replace(Phase::StreamsEnd);
    }

    /// Ends every call with UNAVAILABLE.
    pub fn end_all(&self) {
        self.shared.phase.send_replace(Phase::AllEnd);
    }

    /// The open calls, the oldest first: path and age.
    pub fn open(&self) -> Vec<String> {
        let open = self.shared.open();
        let mut calls: Vec<_> = open.calls.values().collect();
        calls.sort_by_key(|(_, since)| *since);
        let name = |(path, since): &&(Option<PathAndQuery>, Instant)| {
            let path = path.as_ref().map_or("/", PathAndQuery::path);
            format!("{path} ({:.1} s)", since.elapsed().as_secs_f64())
        };
        calls.iter().map(name).collect()
    }

    fn begin(&self, path: Option<PathAndQuery>, exempt: bool) -> Option<(Working, Opened)> {
        let mut open = self.shared.open();
        if open.working >= self.shared.limit && !exempt {
            return None;
        }
        open.working += 1;
        let number = open.next;
        open.next += 1;
        open.calls.insert(number, (path, Instant::now()));
        Some((Working(self.shared.clone()), Opened(self.shared.clone(), number)))
    }

    async fn reached(mut phase: watch::Receiver<Phase>, wanted: Phase) -> Status {
        // The sender lives in the guard that the call holds.
        _ = phase.wait_for(|phase| *phase >= wanted).await;
        status::unavailable("the server is shutting down; send the call again", RETRY_AFTER)
    }
}

struct Working(Arc<Shared>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.open().working -= 1;
    }
}

struct Opened(Arc<Shared>, u64);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.open().calls.remove(&self.1);
    }
}

/// See [`Calls`].
#[derive(Clone, Debug)]
pub struct CallsLayer {
    calls: Calls,
}

impl<S> Layer<S> for CallsLayer {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, calls: self.calls.clone() }
    }
}

/// See [`Calls`].
#[derive(Clone, Debug)]
pub struct Counted<S> {
    inner: S,
    calls: Calls,
}

impl<S> Service<http::Request<Body>> for Counted<S>
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
        let path = request.uri().path_and_query().cloned();
        // A busy server is not a sick one: who asks for its health must learn that.
        let exempt = request.uri().path().starts_with("/grpc.health.");
        let Some((working, opened)) = self.calls.begin(path, exempt) else {
            let limit = self.calls.shared.limit;
            let refusal = status::exhausted(format!("{limit} calls are being worked on already"), RETRY_AFTER);
            return futures::future::ready(Ok(refusal.into_http())).boxed();
        };
        let phase = self.calls.shared.phase.subscribe();
        let call = self.inner.call(request);
        async move {
            let _working = working;
            tokio::select! {
                biased;
                answer = call => Ok(answer?.map(|body| {
                    let cut = Calls::reached(phase, Phase::StreamsEnd).boxed();
                    Body::new(CutBody::new(body, cut, opened))
                })),
                end = Calls::reached(phase.clone(), Phase::AllEnd) => Ok(end.into_http()),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut::tests::{drain, endless};
    use std::convert::Infallible;
    use tonic::Code;
    use tower::{ServiceExt, service_fn};

    fn request(path: &str) -> http::Request<Body> {
        http::Request::builder().uri(path).body(Body::empty()).unwrap()
    }

    fn code(answer: &http::Response<Body>) -> Option<Code> {
        Status::from_header_map(answer.headers()).map(|status| status.code())
    }

    /// Waits for ever.
    async fn stuck(_: http::Request<Body>) -> Result<http::Response<Body>, Infallible> {
        futures::future::pending().await
    }

    #[tokio::test]
    async fn one_call_above_the_limit_is_refused_and_health_is_not() {
        let calls = Calls::new(2);
        let service = calls.layer().layer(service_fn(stuck));
        let first = tokio::spawn(service.clone().oneshot(request("/a")));
        let second = tokio::spawn(service.clone().oneshot(request("/b")));
        while calls.open().len() < 2 {
            tokio::task::yield_now().await;
        }
        let refused = service.clone().oneshot(request("/c")).await.unwrap();
        assert_eq!(code(&refused), Some(Code::ResourceExhausted));

        let health = service.clone().oneshot(request("/grpc.health.v1.Health/Check"));
        assert!(tokio::time::timeout(Duration::from_millis(20), health).await.is_err(), "it was let in, and is stuck");

        first.abort();
        second.abort();
        while !calls.open().is_empty() {
            tokio::task::yield_now().await;
        }
        let let_in = service.oneshot(request("/c"));
        assert!(tokio::time::timeout(Duration::from_millis(20), let_in).await.is_err(), "there is room again");
    }

    #[tokio::test]
    async fn on_the_way_down_streams_end_first_and_calls_last() {
        let calls = Calls::new(10);
        let streaming =
            calls.layer().layer(service_fn(|_| async { Ok::<_, Infallible>(http::Response::new(endless(1))) }));
        let stream = streaming.oneshot(request("/watch")).await.unwrap();
        let single = tokio::spawn(calls.layer().layer(service_fn(stuck)).oneshot(request("/single")));
        while calls.open().len() < 2 {
            tokio::task::yield_now().await;
        }

        calls.end_streams();
        let (data, status) = drain(stream.into_body()).await;
        assert_eq!((data, status.unwrap().code()), (1, Code::Unavailable));
        assert!(calls.open()[0].starts_with("/single ("), "the laggard is named: {:?}", calls.open());

        calls.end_all();
        assert_eq!(code(&single.await.unwrap().unwrap()), Some(Code::Unavailable));
        assert!(calls.open().is_empty());
    }
}
