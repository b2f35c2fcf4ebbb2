//! A response body that can be cut: it ends with a status of ours when something happens first.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;

/// A unary answer is one frame of data and one of trailers.
const UNARY_FRAMES: u32 = 2;

/// Passes the inner body on until it ends or `cut` resolves; then ends with that status. Holds `hold` as long.
///
/// An answer that is ready is given even if the cut has come: a unary call whose work was done just now is not thrown away.
/// Only a stream, that is a body of more frames than a unary answer has, is cut while it still has something to give.
pub(crate) struct CutBody<H> {
    inner: Option<Body>,
    cut: BoxFuture<'static, Status>,
    frames: u32,
    _hold: H,
}

impl<H> CutBody<H> {
    pub(crate) fn new(inner: Body, cut: BoxFuture<'static, Status>, hold: H) -> CutBody<H> {
        CutBody { inner: Some(inner), cut, frames: 0, _hold: hold }
    }

    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.cut.as_mut().poll(cx).map(|status| {
            self.inner = None;
            Some(trailers(status))
        })
    }
}

fn trailers(status: Status) -> Result<Frame<Bytes>, Status> {
    let mut headers = HeaderMap::new();
    status.add_header(&mut headers)?;
    Ok(Frame::trailers(headers))
}

impl<H: Unpin> http_body::Body for CutBody<H> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.inner.is_none() {
            return Poll::Ready(None);
        }
        if self.frames >= UNARY_FRAMES
            && let Poll::Ready(end) = self.poll_cut(cx)
        {
            return Poll::Ready(end);
        }
        let Some(inner) = self.inner.as_mut() else { return Poll::Ready(None) };
        match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.frames = self.frames.saturating_add(1);
                Poll::Ready(frame)
            }
            Poll::Pending => self.poll_cut(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map(http_body::Body::size_hint).unwrap_or_default()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use futures::{FutureExt, StreamExt};
    use http_body_util::{BodyExt, StreamBody};

    /// A body that gives `frames` frames of data and then nothing more, ever.
    pub(crate) fn endless(frames: usize) -> Body {
        let data = (0..frames).map(|_| Ok::<_, Status>(Frame::data(Bytes::from_static(b"x"))));
        Body::new(StreamBody::new(futures::stream::iter(data).chain(futures::stream::pending())))
    }

    /// How many frames of data came, and the status of the trailers.
    pub(crate) async fn drain(
        mut body: impl http_body::Body<Data = Bytes, Error = Status> + Unpin,
    ) -> (usize, Option<Status>) {
        let mut data = 0;
        while let Some(frame) = body.frame().await {
            match frame.unwrap().into_trailers() {
                Ok(trailers) => return (data, Status::from_header_map(&trailers)),
                Err(_) => data += 1,
            }
        }
        (data, None)
    }

    #[tokio::test]
    async fn a_waiting_body_ends_with_the_cuts_status() {
        let cut = async { Status::deadline_exceeded("late") }.boxed();
        let (data, status) = drain(CutBody::new(endless(1), cut, ())).await;
        assert_eq!((data, status.unwrap().code()), (1, tonic::Code::DeadlineExceeded));
    }

    #[tokio::test]
    async fn a_ready_answer_is_given_and_a_busy_stream_is_cut() {
        let cut = || async { Status::unavailable("down") }.boxed();
        let full = Body::new(http_body_util::Full::new(Bytes::from_static(b"answer")).map_err(|never| match never {}));
        assert_eq!(drain(CutBody::new(full, cut(), ())).await.0, 1);
        let (data, status) = drain(CutBody::new(endless(1_000), cut(), ())).await;
        assert_eq!((data, status.unwrap().code()), (2, tonic::Code::Unavailable));
    }
}
