//! Whether a connection has taken a byte of the request in flight: the line between "not sent" and "uncertain" (W-3).
//!
//! ```text
//!                  ┌──── would block: nothing was taken ────┐
//!                  ▼                                        │
//!   reset() ─▶  SHUT OUT?  no ─▶ OPEN ── before a write ─▶ TAKEN      stays until the next request
//!                                 │
//!                                 └── shut() ─▶ SHUT       no write passes any more
//! ```
//!
//! Why not a flag that is set after a write: the connection is driven by a task of its own. Between looking at a flag and giving up
//! it could still write. Shutting decides both in one step.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const OPEN: u8 = 0;
const TAKEN: u8 = 1;
const SHUT: u8 = 2;

/// Shared between a connection and whoever waits for its answer.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<AtomicU8>);

impl Gate {
    pub(super) fn new() -> Gate {
        Gate(Arc::new(AtomicU8::new(OPEN)))
    }

    /// The next request begins; nothing of it was taken yet.
    pub(super) fn reset(&self) {
        self.0.store(OPEN, Ordering::SeqCst);
    }

    /// Whether nothing was taken; if so nothing will be.
    pub(super) fn shut(&self) -> bool {
        let shut = self.0.compare_exchange(OPEN, SHUT, Ordering::SeqCst, Ordering::SeqCst);
        matches!(shut, Ok(_) | Err(SHUT))
    }

    /// Before a write: what the gate was. None: it is shut.
    fn pass(&self) -> Option<u8> {
        match self.0.compare_exchange(OPEN, TAKEN, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(before) => Some(before),
            Err(TAKEN) => Some(TAKEN),
            Err(_) => None,
        }
    }

    /// The write that passed first took nothing.
    fn take_back(&self, before: u8) {
        if before == OPEN {
            let _ = self.0.compare_exchange(TAKEN, OPEN, Ordering::SeqCst, Ordering::SeqCst);
        }
    }
}

/// A stream whose writes pass a gate.
pub(super) struct Gated<S> {
    stream: S,
    gate: Gate,
}

impl<S> Gated<S> {
    pub(super) fn new(stream: S, gate: Gate) -> Gated<S> {
        Gated { stream, gate }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gated<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gated<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(before) = self.gate.pass() else {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the deadline came before the request left",
            )));
        };
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        // An error is no such case: TLS may have written a part before it.
        if wrote.is_pending() {
            self.gate.take_back(before);
        }
        wrote
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt as _, duplex};

    #[tokio::test]
    async fn before_a_write_the_gate_can_be_shut_and_then_no_write_passes() {
        let (near, far) = duplex(64);
        let gate = Gate::new();
        let mut stream = Gated::new(near, gate.clone());
        assert!(gate.shut());
        assert!(gate.shut(), "shut is shut");
        assert!(stream.write_all(b"late").await.is_err());
        drop(stream);
        assert_eq!(read_all(far).await, b"");
    }

    #[tokio::test]
    async fn after_a_write_the_gate_cannot_be_shut_until_the_next_request() {
        let (near, far) = duplex(64);
        let gate = Gate::new();
        let mut stream = Gated::new(near, gate.clone());
        stream.write_all(b"one").await.expect("written");
        assert!(!gate.shut());
        stream.write_all(b"two").await.expect("written");
        gate.reset();
        assert!(gate.shut());
        drop(stream);
        assert_eq!(read_all(far).await, b"onetwo");
    }

    #[tokio::test]
    async fn a_write_that_would_block_took_nothing() {
        let (near, _far) = duplex(1);
        let gate = Gate::new();
        let mut stream = Gated::new(near, gate.clone());
        stream.write_all(b"a").await.expect("written");
        gate.reset();
        let blocked = tokio::time::timeout(std::time::Duration::from_millis(20), stream.write_all(b"b")).await;
        assert!(blocked.is_err());
        assert!(gate.shut());
    }

    async fn read_all(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
        let mut bytes = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes).await.expect("read");
        bytes
    }
}
