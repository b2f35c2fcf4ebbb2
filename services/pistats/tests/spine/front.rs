//! What stands at the edge where roles are apart: one address, calls passed on by the service in their path.
//!
//! In front of a real instance this is the work of a proxy; here it is just enough of one for every case to be written once.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::ServiceExt as _;

/// Which path goes where; the first that fits.
pub(crate) struct Routes(pub(crate) Vec<(&'static str, String)>);

impl Routes {
    /// Where the roles are apart: what is collected is Ingest's; reports, sites and keys are Query's, and so are Aggregate's calls,
    /// which it passes on to all of them.
    pub(crate) fn apart(ingest: String, query: String) -> Routes {
        let of_ingest = ["/pistats.ingest.", "/pistats.log.", "/js/", "/collect", "/pixel.gif"];
        let routes = of_ingest.into_iter().map(|path| (path, ingest.clone()));
        Routes(routes.chain([("/", query)]).collect())
    }
}

pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    listening: AbortHandle,
}

impl Front {
    pub(crate) async fn start(routes: Routes) -> Front {
        let channel = |url: String| Endpoint::from_shared(url).unwrap().tcp_nodelay(true).connect_lazy();
        let routes: Arc<Vec<(&'static str, Channel)>> =
            Arc::new(routes.0.into_iter().map(|(path, url)| (path, channel(url))).collect());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listening = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let routes = routes.clone();
                connections.spawn(async move {
                    let pass = service_fn(move |request| pass(request, routes.clone()));
                    // A client that goes away is no fault.
                    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), pass).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Front { address, listening: listening.abort_handle() }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn pass(
    request: http::Request<Incoming>,
    routes: Arc<Vec<(&'static str, Channel)>>,
) -> Result<http::Response<Body>, std::convert::Infallible> {
    let path = request.uri().path().to_owned();
    let Some((_, channel)) = routes.iter().find(|(prefix, _)| path.starts_with(prefix)) else {
        return Ok(tonic::Status::unimplemented(path).into_http());
    };
    let mut request =
        request.map(|body| Body::new(body.map_err(|error| tonic::Status::unavailable(error.to_string()))));
    // They tell of the connection to this proxy.
    for name in ["connection", "host", "transfer-encoding", "keep-alive", "upgrade"] {
        request.headers_mut().remove(name);
    }
    *request.version_mut() = http::Version::HTTP_2;
    match channel.clone().oneshot(request).await {
        Ok(answer) => Ok(answer),
        Err(error) => Ok(tonic::Status::unavailable(error.to_string()).into_http()),
    }
}
