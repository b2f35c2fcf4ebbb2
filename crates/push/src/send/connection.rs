//! One connection to a push service, and one request on it at a time.
//!
//! HTTP/1.1 on purpose: the bytes after [`Gate::reset`] are those of this request and of no other, so that it is known whether any
//! left. docs/adr/0028.

use super::gate::{Gate, Gated};
use crate::outcome::{Doubt, NotSent};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

/// Bytes of an answer's head. Push services send a tenth of it.
const MOST_HEAD_BYTES: usize = 16 * 1024;

/// How long a connection that was just used may take until it can be used again.
const READY_WITHIN: std::time::Duration = std::time::Duration::from_millis(50);

/// An open connection. Dropping it closes it.
pub(super) struct Connection {
    requests: SendRequest<Full<Bytes>>,
    gate: Gate,
    driver: AbortHandle,
    pub(super) opened: Instant,
}

/// Why there is no answer, and on which side of the line.
#[derive(Debug)]
pub(super) enum Failure {
    /// No byte of the request was taken, and none will be.
    BeforeTaken(NotSent),
    AfterTaken(Doubt),
}

impl Connection {
    /// Puts HTTP on a stream.
    pub(super) async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Connection, NotSent> {
        let gate = Gate::new();
        let stream = TokioIo::new(Gated::new(stream, gate.clone()));
        let (requests, connection) = Builder::new()
            .max_buf_size(MOST_HEAD_BYTES)
            .handshake(stream)
            .await
            .map_err(|error| NotSent::Connect(error.to_string()))?;
        // How it ends is seen by the request that waits; without one it is no news.
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Connection { requests, gate, driver: driver.abort_handle(), opened: Instant::now() })
    }

    /// Whether the other side still holds the connection, and it waits for a request.
    pub(super) async fn is_usable(&mut self) -> bool {
        !self.requests.is_closed() && matches!(timeout(READY_WITHIN, self.requests.ready()).await, Ok(Ok(())))
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<Response<Incoming>, Failure> {
        self.gate.reset();
        match timeout_at(deadline, self.requests.try_send_request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) if self.gate.shut() => Err(Failure::BeforeTaken(NotSent::Closed)),
            Ok(Err(failure)) if failure.error().is_parse() => Err(Failure::AfterTaken(Doubt::Unreadable)),
            Ok(Err(_)) => Err(Failure::AfterTaken(Doubt::Broken)),
            Err(_) if self.gate.shut() => Err(Failure::BeforeTaken(NotSent::Deadline)),
            Err(_) => Err(Failure::AfterTaken(Doubt::Deadline)),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
