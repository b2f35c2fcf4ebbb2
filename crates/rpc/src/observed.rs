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
        let (service, method) = name(path);
        let span = trace::served(service, method, || traceparent(request.headers()));
        if call.is_none() && span.is_disabled() {
            return Either::Left(self.inner.call(request));
        }
        let observation = Observation { call, span: span.clone(), is_error: is_fault };
        let answer = span.in_scope(|| self.inner.call(request));
        Either::Right(async move { Ok(observation.follow(answer.await?)) }.instrument(span).boxed())
    }
}

/// `/package.Service/Method` → service and method.
pub(crate) fn name(path: &str) -> (&str, &str) {
    path.trim_start_matches('/').split_once('/').unwrap_or((path, ""))
}

/// The caller's place in its trace. A header that is none counts as absent (W3C Trace Context, section 3.2.2.3).
fn traceparent(headers: &HeaderMap) -> Option<TraceParent> {
    headers.get("traceparent")?.to_str().ok()?.parse().ok()
}

/// A call under way, on either side. Dropped without an end, the caller went away.
pub(crate) struct Observation {
    /// Counted on the server's side only.
    call: Option<Call>,
    span: Span,
    is_error: fn(Code) -> bool,
}

impl Observation {
    /// Of a call to another service: whatever is not good is an error for who called.
    pub(crate) fn of_caller(span: Span) -> Observation {
        Observation { call: None, span, is_error: |code| code != Code::Ok }
    }

    pub(crate) fn end(mut self, code: Code) {
        if let Some(call) = self.call.take() {
            call.end(code.into());
        }
        let span = std::mem::replace(&mut self.span, Span::none());
        trace::ended(&span, code.into(), (self.is_error)(code));
    }

    /// Ends with the answer: an error without a stream is a head alone, all else ends behind its body.
    pub(crate) fn follow(self, answer: Response<Body>) -> Response<Body> {
        match Status::from_header_map(answer.headers()) {
            Some(status) => {
                self.end(status.code());
                answer
            }
            None => answer.map(|body| Body::new(ObservedBody { inner: body, observation: Some(self) })),
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        // None if it has ended.
        trace::ended(&self.span, Code::Cancelled.into(), false);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut::tests::{drain, endless};
    use pistats_telemetry::Settings;
    use std::convert::Infallible;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tower::{ServiceExt, service_fn};

    const BOUNDS: &str = "/pistats.log.v1.LogService/Bounds";

    fn request(path: &str) -> Request<Body> {
        Request::builder().uri(path).body(Body::empty()).unwrap()
    }

    async fn measured() -> Meters {
        let prometheus = Some("127.0.0.1:0".parse().unwrap());
        Meters::start(&Settings { prometheus, ..Settings::default() }).await.unwrap()
    }

    /// Whether the page has such a line.
    async fn tells(meters: &Meters, line: &str) -> bool {
        let mut stream = tokio::net::TcpStream::connect(meters.address().unwrap()).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).await.unwrap();
        page.lines().any(|told| told == line)
    }

    fn answers(code: &str, count: u32) -> String {
        let labels = format!("{{code=\"{code}\",method=\"Bounds\",service=\"pistats.log.v1.LogService\"}}");
        format!("pistats_rpc_answers_total{labels} {count}")
    }

    #[tokio::test]
    async fn with_everything_off_a_call_passes_through_untouched() {
        let inner = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
        let call = ObservedLayer::new(&Meters::off()).layer(inner).call(request(BOUNDS));
        assert!(matches!(call, Either::Left(_)), "the inner future itself, in no box");
    }

    #[tokio::test]
    async fn a_status_in_the_head_and_one_behind_a_stream_are_both_counted() {
        let meters = measured().await;
        let layer = ObservedLayer::new(&meters);
        let refusing = service_fn(|_| async { Ok::<_, Infallible>(Status::not_found("no").into_http()) });
        layer.layer(refusing).oneshot(request(BOUNDS)).await.unwrap();
        assert!(tells(&meters, &answers("not_found", 1)).await);

        let ending = service_fn(|_| async {
            let mut trailers = HeaderMap::new();
            Status::data_loss("gone").add_header(&mut trailers).unwrap();
            let frames = [Frame::data(Bytes::from_static(b"x")), Frame::trailers(trailers)].map(Ok::<_, Status>);
            let body = http_body_util::StreamBody::new(futures::stream::iter(frames));
            Ok::<_, Infallible>(Response::new(Body::new(body)))
        });
        let answer = layer.layer(ending).oneshot(request(BOUNDS)).await.unwrap();
        assert!(!tells(&meters, &answers("data_loss", 1)).await, "a stream has no status before its end");
        assert_eq!(drain(answer.into_body()).await.1.unwrap().code(), Code::DataLoss);
        assert!(tells(&meters, &answers("data_loss", 1)).await);
    }

    #[tokio::test]
    async fn a_caller_who_goes_away_before_or_during_the_answer_cancels() {
        let meters = measured().await;
        let layer = ObservedLayer::new(&meters);
        let stuck = service_fn(|_| futures::future::pending::<Result<Response<Body>, Infallible>>());
        drop(layer.layer(stuck).call(request(BOUNDS)));
        assert!(tells(&meters, &answers("cancelled", 1)).await);
        let streaming = service_fn(|_| async { Ok::<_, Infallible>(Response::new(endless(1))) });
        let answer = layer.layer(streaming).oneshot(request(BOUNDS)).await.unwrap();
        let open = "pistats_rpc_open{method=\"Bounds\",service=\"pistats.log.v1.LogService\"}";
        assert!(tells(&meters, &format!("{open} 1")).await);
        drop(answer);
        assert!(tells(&meters, &format!("{open} 0")).await);
        assert!(tells(&meters, &answers("cancelled", 2)).await);
    }

    #[test]
    fn every_rpc_of_the_contract_is_known_by_name() {
        let methods = methods();
        for (service, method) in [("pistats.log.v1.LogService", "Read"), ("grpc.health.v1.Health", "Check")] {
            assert!(methods.contains(&(service.to_owned(), method.to_owned())), "{methods:?}");
        }
    }

    #[test]
    fn a_header_that_is_no_traceparent_counts_as_absent() {
        let mut headers = HeaderMap::new();
        assert_eq!(traceparent(&headers), None);
        headers.insert("traceparent", "00-nonsense".parse().unwrap());
        assert_eq!(traceparent(&headers), None);
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        headers.insert("traceparent", text.parse().unwrap());
        assert_eq!(traceparent(&headers).map(|at| at.to_string()).as_deref(), Some(text));
    }
}
