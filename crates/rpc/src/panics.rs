//! A panic ends one call with INTERNAL; the connection, with the calls of others on it, lives on.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// Turns panics of a call, and of the stream it answers with, into INTERNAL.
#[derive(Clone, Copy, Debug, Default)]
pub struct PanicLayer;

impl<S> Layer<S> for PanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> CatchPanic<S> {
        CatchPanic { inner }
    }
}

/// See [`PanicLayer`].
#[derive(Clone, Debug)]
pub struct CatchPanic<S> {
    inner: S,
}

impl<S> Service<http::Request<Body>> for CatchPanic<S>
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
        // A path is no secret and names the guilty call.
        let path = request.uri().path().to_owned();
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(call) => AssertUnwindSafe(call)
                .catch_unwind()
                .map(move |outcome| match outcome {
                    Ok(answer) => Ok(answer?.map(|body| Body::new(GuardedBody { inner: Some(body) }))),
                    Err(_) => Ok(internal(&path).into_http()),
                })
                .boxed(),
            Err(_) => futures::future::ready(Ok(internal(&path).into_http())).boxed(),
        }
    }
}

/// The panic itself was told by the panic hook, with its place.
fn internal(path: &str) -> Status {
    tracing::error!(path, "a call panicked");
    Status::internal("the server failed on this call; its log tells where")
}

struct GuardedBody {
    inner: Option<Body>,
}

impl http_body::Body for GuardedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(inner) = self.inner.as_mut() else { return Poll::Ready(None) };
        catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll_frame(cx))).unwrap_or_else(|_| {
            self.inner = None;
            let mut trailers = http::HeaderMap::new();
            Poll::Ready(Some(internal("a stream").add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map(http_body::Body::size_hint).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut::tests::drain;
    use http_body_util::StreamBody;
    use std::convert::Infallible;
    use tonic::Code;
    use tower::{ServiceExt, service_fn};

    fn request() -> http::Request<Body> {
        http::Request::new(Body::empty())
    }

    fn failing() -> bool {
        true
    }

    #[tokio::test]
    async fn a_panic_in_a_call_is_internal() {
        let inner = service_fn(|_| async {
            assert!(!failing(), "planned");
            Ok::<_, Infallible>(http::Response::new(Body::empty()))
        });
        let answer = PanicLayer.layer(inner).oneshot(request()).await.unwrap();
        assert_eq!(Status::from_header_map(answer.headers()).unwrap().code(), Code::Internal);
    }

    #[tokio::test]
    async fn a_panic_in_a_stream_ends_it_with_internal() {
        let inner = service_fn(|_| async {
            let frames = futures::stream::iter(0..3).map(|frame| {
                assert!(frame < 2, "planned");
                Ok::<_, Status>(Frame::data(Bytes::from_static(b"x")))
            });
            Ok::<_, Infallible>(http::Response::new(Body::new(StreamBody::new(frames))))
        });
        use futures::StreamExt;
        let answer = PanicLayer.layer(inner).oneshot(request()).await.unwrap();
        let (data, status) = drain(answer.into_body()).await;
        assert_eq!((data, status.unwrap().code()), (2, Code::Internal));
    }
}
