//! Every call to another service gets a span, and the other side is told of it: its own span becomes the child.
//!
//! ```text
//!   the work at hand ─▶ called (here) ─traceparent─▶ served (there)
//! ```
//!
//! One span a call, whatever the mesh tries: it lies outside the retries, so that its time is what the caller waits. It ends
//! with the last byte of the answer, or when the caller loses interest. A call in no trace begins one, recorded as often as any
//! that begins here (`telemetry.sampling`).
//!
//! With traces off a call passes through untouched: no allocation, one look at a flag.

use crate::observed::{Observation, name};
use futures::FutureExt;
use futures::future::{BoxFuture, Either};
use http::{HeaderValue, Request, Response};
use pistats_telemetry::trace;
use std::task::{Context, Poll};
use tonic::Code;
use tonic::body::Body;
use tower::Service;

/// Traces the calls of what it wraps.
#[derive(Clone)]
pub struct Traced<C> {
    inner: C,
}

impl<C> Traced<C> {
    pub(crate) fn new(inner: C) -> Traced<C> {
        Traced { inner }
    }
}

impl<C> Service<Request<Body>> for Traced<C>
where
    C: Service<Request<Body>, Response = Response<Body>>,
    C::Future: Send + 'static,
    C::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = C::Error;
    type Future = Either<C::Future, BoxFuture<'static, Result<Response<Body>, C::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let (service, method) = name(request.uri().path());
        let span = trace::called(service, method);
        let Some(at) = trace::within(&span) else { return Either::Left(self.inner.call(request)) };
        if let Ok(header) = HeaderValue::from_str(at.header().as_str()) {
            request.headers_mut().insert("traceparent", header);
        }
        let observation = Observation::of_caller(span);
        let answer = self.inner.call(request);
        Either::Right(
            async move {
                match answer.await {
                    Ok(answer) => Ok(observation.follow(answer)),
                    Err(error) => {
                        observation.end(Code::Unavailable);
                        Err(error)
                    }
                }
            }
            .boxed(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use tower::service_fn;

    #[tokio::test]
    async fn with_traces_off_a_call_passes_through_untouched() {
        let inner = service_fn(|request: Request<Body>| {
            let told = request.headers().get("traceparent").cloned();
            async move {
                assert_eq!(told, None);
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }
        });
        let request = Request::builder().uri("/pistats.log.v1.LogService/Bounds").body(Body::empty()).unwrap();
        let call = Traced::new(inner).call(request);
        assert!(matches!(call, Either::Left(_)), "the inner future itself, in no box");
        call.await.unwrap();
    }
}
