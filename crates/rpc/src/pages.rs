//! What is no call: files for browsers, and plain HTTP such as beacons, on the port of the services.
//!
//! ```text
//!   content type application/grpc…, or a path below /pistats.* or /grpc.*  ─▶ a call: an unknown one is UNIMPLEMENTED
//!   everything else                                                       ─▶ the router of pages: an unknown one is 404
//! ```
//!
//! Pages go through the same panics and calls as services do, so that the limit and the way down hold for both. What these
//! answer in a page's place is a gRPC status; here it becomes one of HTTP, with a sentence as its body.

use crate::calls::Calls;
use crate::panics::PanicLayer;
use futures::FutureExt;
use futures::future::{BoxFuture, Either};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use std::convert::Infallible;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt};

type Pages = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// Sends what is no call to a router of pages.
#[derive(Clone)]
pub struct PagesLayer {
    pages: Pages,
}

impl PagesLayer {
    /// Pages count among these calls.
    pub fn new(pages: axum::Router, calls: &Calls) -> PagesLayer {
        let pages = PanicLayer.layer(calls.layer().layer(Routes::from(pages).prepare()));
        PagesLayer { pages: BoxCloneSyncService::new(pages.map_response(plain)) }
    }
}

impl<S> Layer<S> for PagesLayer {
    type Service = Parted<S>;

    fn layer(&self, calls: S) -> Parted<S> {
        Parted { calls, pages: self.pages.clone() }
    }
}

/// See [`PagesLayer`].
#[derive(Clone)]
pub struct Parted<S> {
    calls: S,
    pages: Pages,
}

impl<S> Service<Request<Body>> for Parted<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // Pages are always ready: they wait for nothing.
        self.calls.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if is_call(&request) {
            return Either::Left(self.calls.call(request));
        }
        let page = self.pages.clone().oneshot(request).map(|answer| match answer {
            Ok(answer) => Ok(answer),
            Err(never) => match never {},
        });
        Either::Right(page.boxed())
    }
}

fn is_call<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let path = request.uri().path();
    kind.starts_with(b"application/grpc") || path.starts_with("/pistats.") || path.starts_with("/grpc.")
}

/// What was answered in a page's place, as HTTP has it.
fn plain(answer: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(answer.headers()) else { return answer };
    let code = match status.code() {
        Code::ResourceExhausted | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut plain = Response::new(Body::new(format!("{}\n", status.message())));
    *plain.status_mut() = code;
    plain.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if code == StatusCode::SERVICE_UNAVAILABLE {
        // In whole seconds (RFC 9110, section 10.2.3); the shortest there is.
        plain.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use http_body_util::BodyExt as _;
    use tower::service_fn;

    /// Calls answer UNIMPLEMENTED, pages their name.
    fn service(
        calls: &Calls,
    ) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + use<>
    {
        let pages = axum::Router::new()
            .route("/page", get(|| async { "a page" }))
            .route("/failing", get(|| async { std::hint::black_box(None::<&str>).expect("planned") }))
            .route("/stuck", get(|| async { futures::future::pending::<&str>().await }));
        let grpc = service_fn(|_| async { Ok::<_, Infallible>(Status::unimplemented("").into_http()) });
        PagesLayer::new(pages, calls).layer(grpc)
    }

    async fn get_from(
        service: impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>,
        path: &str,
        kind: &str,
    ) -> (StatusCode, bool, String) {
        let request = Request::builder().uri(path).header(CONTENT_TYPE, kind).body(Body::empty()).unwrap();
        let answer = service.oneshot(request).await.unwrap();
        let (status, is_grpc) = (answer.status(), answer.headers().contains_key("grpc-status"));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, is_grpc, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn calls_are_told_from_pages_by_their_kind_and_their_path() {
        let service = service(&Calls::new(10));
        for (path, kind) in [
            ("/some.Thing/Call", "application/grpc"),
            ("/some.Thing/Call", "application/grpc-web+proto"),
            ("/page", "application/grpc-web-text"),
            ("/pistats.ingest.v1.IngestService/Collect", "text/plain"),
            ("/grpc.health.v1.Health/Check", ""),
        ] {
            let (status, is_grpc, _) = get_from(service.clone(), path, kind).await;
            assert!(is_grpc && status == StatusCode::OK, "{path} {kind}");
        }
        for kind in ["", "text/plain", "application/json"] {
            let answer = get_from(service.clone(), "/page", kind).await;
            assert_eq!(answer, (StatusCode::OK, false, "a page".to_owned()));
        }
        assert_eq!(get_from(service, "/elsewhere", "").await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn a_panic_is_one_pages_failure_in_a_sentence() {
        let service = service(&Calls::new(10));
        let (status, is_grpc, said) = get_from(service.clone(), "/failing", "").await;
        assert_eq!((status, is_grpc), (StatusCode::INTERNAL_SERVER_ERROR, false));
        assert!(said.contains("the server failed"), "{said}");
        assert_eq!(get_from(service, "/page", "").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn pages_count_among_the_calls_and_one_too_many_comes_back_later() {
        let calls = Calls::new(1);
        let service = service(&calls);
        let stuck = tokio::spawn(get_from(service.clone(), "/stuck", ""));
        while calls.open().is_empty() {
            tokio::task::yield_now().await;
        }
        let (status, is_grpc, said) = get_from(service.clone(), "/page", "").await;
        assert_eq!((status, is_grpc), (StatusCode::SERVICE_UNAVAILABLE, false));
        assert!(said.contains("being worked on already"), "{said}");
        stuck.abort();
        while !calls.open().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(get_from(service, "/page", "").await.0, StatusCode::OK);
    }
}
