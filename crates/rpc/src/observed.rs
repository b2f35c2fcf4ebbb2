//! Every call that comes in gets a span of its caller's trace and is counted: rate, errors, duration.
//!
//! It sees what the caller sees: the answers of panics, deadlines and limits too. A call ends with the last byte of its answer;
//! the span is entered whenever the call or its stream is worked on, so that what it does is its child.
//!
//! With metrics and traces off a call passes through untouched: no allocation, one look at a flag.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Either};
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use pistats_telemetry::metrics::rpc::{Call, Calls};
use pistats_telemetry::tracing::{Instrument, Span};
use pistats_telemetry::{Meters, TraceParent, trace};
use prost::Message;
use prost_types::FileDescriptorSet;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

/// Observes every call of a server.
#[derive(Clone)]
pub struct ObservedLayer {
    calls: Option<Calls>,
}

impl ObservedLayer {
    /// Counts into these meters, if they are on.
    pub fn new(meters: &Meters) -> ObservedLayer {
        ObservedLayer { calls: Calls::new(meters, methods()) }
    }
}

/// Service and name of every method that a server may have: those of the contract, health and reflection.
fn methods() -> Vec<(String, String)> {
    let sets = [
        pistats_proto::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    ];
    let files = sets.iter().filter_map(|set| FileDescriptorSet::decode(*set).ok()).flat_map(|set| set.file);
    let mut methods = Vec::new();
    for file in files {
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            methods.extend(service.method.iter().map(|method| (name.clone(), method.name().to_owned())));
        }
    }
    methods.sort();
    methods.dedup();
    methods
}

impl<S> Layer<S> for ObservedLayer {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { inner, calls: self.calls.clone() }
    }
}

/// See [`ObservedLayer`].
#[derive(Clone)]
pub struct Observed<S> {
    inner: S,
    calls: Option<Calls>,
}

impl<S> Service<Request<Body>> for Observed<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let call = self.calls.as_ref().map(|calls| calls.begin(path));
        let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
        let span = trace::served(service, method, || traceparent(request.headers()));
        if call.is_none() && span.is_disabled() {
            return Either::Left(self.inner.call(request));
        }
        let observation = Observation { call, span: span.clone() };
        let answer = span.in_scope(|| self.inner.call(request));
        Either::Right(
            async move {
                let answer = answer.await?;
                // An error without a stream is a head alone.
                if let Some(status) = Status::from_header_map(answer.headers()) {
                    observation.end(status.code());
                    return Ok(answer);
                }
                Ok(answer.map(|body| Body::new(ObservedBody { inner: body, observation: Some(observation) })))
            }
            .instrument(span)
            .boxed(),
        )
    }
}

/// The caller's place in its trace. A header that is none counts as absent (W3C Trace Context, section 3.2.2.3).
fn traceparent(headers: &HeaderMap) -> Option<TraceParent> {
    headers.get("traceparent")?.to_str().ok()?.parse().ok()
}

/// A call under way. Dropped without an end, the caller went away.
struct Observation {
    call: Option<Call>,
    span: Span,
}

impl Observation {
    fn end(self, code: Code) {
        if let Some(call) = self.call {
            call.end(code.into());
        }
        trace::ended(&self.span, code.into(), is_fault(code));
    }
}

/// Codes for which the server is to blame (OpenTelemetry semantic conventions for gRPC, "server span status").
fn is_fault(code: Code) -> bool {
    use Code::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unimplemented, Unknown};
    matches!(code, Unknown | DeadlineExceeded | Unimplemented | Internal | Unavailable | DataLoss)
}

struct ObservedBody {
    inner: Body,
    observation: Option<Observation>,
}

impl ObservedBody {
    fn end(&mut self, code: Code) {
        if let Some(observation) = self.observation.take() {
            observation.end(code);
        }
    }
}

impl http_body::Body for ObservedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let span = this.observation.as_ref().map(|observation| observation.span.clone());
        let polled = {
            let _entered = span.as_ref().map(Span::enter);
            Pin::new(&mut this.inner).poll_frame(cx)
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.end(Status::from_header_map(trailers).map_or(Code::Unknown, |status| status.code()));
                }
            }
            Poll::Ready(Some(Err(status))) => this.end(status.code()),
            // An answer without a status is none that gRPC knows.
            Poll::Ready(None) => this.end(Code::Unknown),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ObservedBody {
    fn drop(&mut self) {
        if let Some(observation) = &self.observation {
            trace::ended(&observation.span, Code::Cancelled.into(), false);
        }
    }
}
