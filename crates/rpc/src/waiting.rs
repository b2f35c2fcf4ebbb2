//! What a port answers while there is nothing behind it yet: health says NOT_SERVING, everything else is UNAVAILABLE with the
//! reason. Callers that try again are right to.

use futures::future::{Either, Ready, ready};
use http::{Request, Response};
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// Open to calls in any case: health and reflection.
const OPEN: &str = "/grpc.";

/// Answers in the services' place, if there is a reason to.
#[derive(Clone, Default)]
pub(crate) struct WaitingLayer {
    pub(crate) reason: Option<Arc<str>>,
}

impl<S> Layer<S> for WaitingLayer {
    type Service = Waiting<S>;

    fn layer(&self, inner: S) -> Waiting<S> {
        Waiting { inner, reason: self.reason.clone() }
    }
}

/// See [`WaitingLayer`].
#[derive(Clone)]
pub(crate) struct Waiting<S> {
    inner: S,
    reason: Option<Arc<str>>,
}

impl<S> Service<Request<Body>> for Waiting<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match &self.reason {
            Some(reason) if !request.uri().path().starts_with(OPEN) => {
                Either::Right(ready(Ok(Status::unavailable(&**reason).into_http())))
            }
            _ => Either::Left(self.inner.call(request)),
        }
    }
}
