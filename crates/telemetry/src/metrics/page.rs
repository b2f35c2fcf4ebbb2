//! The page that Prometheus reads: `GET /metrics`, text exposition format 0.0.4. Nothing else is served.
//!
//! It is a port of its own, so that whoever reads metrics need not reach the services, and a busy service still tells how busy
//! it is.

use crate::Error;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Encoder as _, Registry, TextEncoder};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// Readers at once; one more waits.
const READERS: usize = 16;
/// A reader that is silent for so long is let go.
const PATIENCE: Duration = Duration::from_secs(30);

/// A page that is being served.
#[derive(Debug)]
pub(super) struct Page {
    address: SocketAddr,
    serving: AbortHandle,
}

impl Page {
    /// # Errors
    /// [`Error::Prometheus`] when the address is taken.
    pub(super) async fn serve(address: SocketAddr, registry: Registry) -> Result<Page, Error> {
        let failed = |source| Error::Prometheus { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let serving = tokio::spawn(accept(listener, registry)).abort_handle();
        Ok(Page { address, serving })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn close(&self) {
        self.serving.abort();
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.close();
    }
}

async fn accept(listener: TcpListener, registry: Registry) {
    let room = Arc::new(Semaphore::new(READERS));
    loop {
        let Ok(room) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let registry = registry.clone();
                tokio::spawn(async move {
                    answer(stream, registry).await;
                    drop(room);
                });
            }
            // Out of file handles, most likely: some will be free soon.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn answer(stream: TcpStream, registry: Registry) {
    let service = service_fn(move |request| page(request, registry.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a reader of the metrics' page went away");
    }
}

async fn page(request: Request<Incoming>, registry: Registry) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != "/metrics" {
        return Ok(plain(StatusCode::NOT_FOUND, "the page is /metrics\n"));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "the page can be read, nothing else\n"));
    }
    // What is observed may look at files.
    let told = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).map(|()| text)
    });
    Ok(match told.await {
        Ok(Ok(text)) => {
            let mut answer = Response::new(Full::new(Bytes::from(text)));
            let kind = http::HeaderValue::from_static(prometheus::TEXT_FORMAT);
            answer.headers_mut().insert(header::CONTENT_TYPE, kind);
            answer
        }
        _ => plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be read; the log tells why\n"),
    })
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = status;
    answer
}
