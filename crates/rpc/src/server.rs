//! One port for everything: gRPC and grpc-web, pages, health, reflection, and an orderly way down.
//!
//! The layers, from the outside in, and why each sits where it does:
//!
//! 1. **CORS**: a browser's preflight is no call and must be answered even by a busy server.
//! 2. **pages**: outside grpc-web, which refuses whatever is no call; what is none goes to the router of pages, behind the same
//!    panics and calls as below.
//! 3. **grpc-web**: everything further in speaks plain gRPC, so a status made there reaches browsers translated.
//! 4. **observed**: outside all that answers in a service's place, so that every answer is counted, and inside the translation,
//!    so that it sees statuses as gRPC has them.
//! 5. **panics**: inside the translation, so that even a panic is an answer; outside the rest, so that all of it is covered.
//! 6. **deadline**: outside the limit, so that time spent there counts.
//! 7. **calls**: next to the services: what it counts is work.
//!
//! While a process waits for what it needs, a server without services holds its port ([`Server::waiting`]); inside all of the
//! above, its last layer answers in their place.
//!
//! The way down: health says NOT_SERVING, no new connection, streams end after a grace, single calls have until the deadline,
//! and who is still there then is named and ended. tonic alone would wait for ever.

use crate::calls::Calls;
use crate::deadline::DeadlineLayer;
use crate::observed::ObservedLayer;
use crate::pages::PagesLayer;
use crate::panics::PanicLayer;
use crate::tls::ServerTls;
use crate::waiting::WaitingLayer;
use futures::future::BoxFuture;
use http::{HeaderName, Request, Response, StatusCode};
use pistats_telemetry::Meters;
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_web::GrpcWebLayer;
use tower::Service;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

/// How the server behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Calls worked on at once; one more is refused with RESOURCE_EXHAUSTED.
    pub calls: usize,
    /// On the way down, streams end after this.
    pub stream_grace: Duration,
    /// On the way down, every call ends after this.
    pub drain: Duration,
    /// Largest HTTP/2 frame a client may send, bytes. 64 KiB cost a collecting server 16 to 25 % less CPU than the
    /// protocol's 16 KiB; larger ones gain nothing more.
    pub frame_bytes: u32,
    /// None: connections are in plain text.
    pub tls: Option<ServerTls>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            calls: 4_096,
            stream_grace: Duration::from_secs(1),
            drain: Duration::from_secs(10),
            frame_bytes: 64 << 10,
            tls: None,
        }
    }
}

/// Why a server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the contract's descriptors cannot be reflected: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("server.tls: {0}")]
    Tls(#[from] crate::tls::Error),
    #[error("server.tls: key and certificates cannot be used: {}", crate::status::causes(.0))]
    Certificates(tonic::transport::Error),
    #[error("the server ended: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// How a server went down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Calls that were still open at the deadline and had to be ended: path and age, the oldest first.
    pub late: Vec<String>,
}

/// A server that is being put together.
pub struct Server {
    settings: Settings,
    routes: RoutesBuilder,
    pages: axum::Router,
    names: Vec<&'static str>,
    health: HealthReporter,
    meters: Meters,
    waiting: WaitingLayer,
    transport: tonic::transport::Server,
}

impl Server {
    /// A server with health and reflection only. Both are open: they tell nothing about any site.
    ///
    /// # Errors
    /// [`Error::Reflection`]; [`Error::Tls`] and [`Error::Certificates`] name what is wrong with `settings.tls`.
    pub fn new(settings: Settings) -> Result<Server, Error> {
        let (health, health_service) = tonic_health::server::health_reporter();
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pistats_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()?;
        let mut routes = RoutesBuilder::default();
        routes.add_service(health_service).add_service(reflection);
        let mut transport = tonic::transport::Server::builder();
        if let Some(tls) = &settings.tls {
            transport = transport.tls_config(tls.read()?).map_err(Error::Certificates)?;
        }
        let (pages, names, meters, waiting) = (axum::Router::new(), Vec::new(), Meters::off(), WaitingLayer::default());
        Ok(Server { settings, routes, pages, names, health, meters, waiting, transport })
    }

    /// Holds the port for services that cannot be served yet: health says NOT_SERVING, calls are answered UNAVAILABLE and pages
    /// 503, with the reason.
    pub fn waiting(mut self, reason: &str) -> Server {
        self.waiting.reason = Some(reason.into());
        let page = format!("{reason}\n");
        self.pages = axum::Router::new().fallback(move || std::future::ready((StatusCode::SERVICE_UNAVAILABLE, page)));
        self
    }

    /// Adds a service; see [`configured!`](crate::configured) for its settings.
    #[allow(clippy::should_implement_trait, reason = "it adds a service, and `+` would say nothing")]
    pub fn add<S>(mut self, service: S) -> Server
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.names.push(S::NAME);
        self.routes.add_service(service);
        self
    }

    /// Adds routes of plain HTTP; see [`pages`](crate::pages) for what reaches them. Only one router may have a fallback.
    pub fn pages(mut self, pages: axum::Router) -> Server {
        self.pages = self.pages.merge(pages);
        self
    }

    /// Counts its calls into these meters.
    pub fn measured(mut self, meters: &Meters) -> Server {
        self.meters = meters.clone();
        self
    }

    /// Tells the health of single services; each starts as SERVING.
    pub fn health(&self) -> HealthReporter {
        self.health.clone()
    }

    /// Serves until `shutdown` resolves, then goes down in order.
    ///
    /// # Errors
    /// [`Error::Transport`] when serving itself fails.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<Drained, Error> {
        let Server { settings, routes, pages, names, health, meters, waiting, transport } = self;
        let at_first = if waiting.reason.is_some() { ServingStatus::NotServing } else { ServingStatus::Serving };
        for name in names.iter().copied().chain([""]) {
            health.set_service_status(name, at_first).await;
        }
        let calls = Calls::new(settings.calls);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving: BoxFuture<'_, _> = Box::pin(
            transport
                .accept_http1(true)
                .max_frame_size(settings.frame_bytes)
                .http2_keepalive_interval(Some(Duration::from_secs(20)))
                .http2_keepalive_timeout(Some(Duration::from_secs(10)))
                .layer(cors())
                .layer(PagesLayer::new(pages, &calls))
                .layer(GrpcWebLayer::new())
                .layer(ObservedLayer::new(&meters))
                .layer(PanicLayer)
                .layer(DeadlineLayer)
                .layer(calls.layer())
                .layer(waiting)
                .add_routes(routes.routes())
                .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), async {
                    // A dropped sender is a stop, too.
                    _ = stopped.await;
                }),
        );
        tokio::pin!(serving);
        tokio::select! {
            ended = &mut serving => return ended.map(|()| Drained { late: Vec::new() }).map_err(Error::from),
            () = shutdown => {}
        }

        for name in names.iter().copied().chain([""]) {
            health.set_service_status(name, ServingStatus::NotServing).await;
        }
        _ = stop.send(());
        let grace = settings.stream_grace.min(settings.drain);
        if let Ok(ended) = tokio::time::timeout(grace, &mut serving).await {
            return ended.map(|()| Drained { late: Vec::new() }).map_err(Error::from);
        }
        calls.end_streams();
        if let Ok(ended) = tokio::time::timeout(settings.drain - grace, &mut serving).await {
            return ended.map(|()| Drained { late: Vec::new() }).map_err(Error::from);
        }
        let late = calls.open();
        calls.end_all();
        // The last answers get a moment to be written; a peer that does not read them is not waited for.
        _ = tokio::time::timeout(Duration::from_millis(200), &mut serving).await;
        Ok(Drained { late })
    }
}

/// Any page may call: who may do what is a matter of keys, and no cookie is ever sent.
fn cors() -> CorsLayer {
    const TOLD: [HeaderName; 3] = [
        HeaderName::from_static("grpc-status"),
        HeaderName::from_static("grpc-message"),
        HeaderName::from_static("grpc-status-details-bin"),
    ];
    CorsLayer::new()
        .allow_origin(Any)
        // `*` does not cover `authorization` (Fetch standard, "CORS non-wildcard request-header name").
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(TOLD)
        .max_age(Duration::from_secs(86_400))
}
