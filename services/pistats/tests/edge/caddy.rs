//! A server in this process, and Caddy before it with certificates of its own authority.

use pistats::config::{Config, Overrides};
use pistats::serve::Running;
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::{CreateSiteRequest, Scope};
use pistats_testkit::require;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

const CADDYFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/edge/Caddyfile");

/// Adds a key to each call.
type WithKey = Box<dyn FnMut(Request<()>) -> Result<Request<()>, Status> + Send>;
pub(crate) type Caller = InterceptedService<Channel, WithKey>;

/// Caddy with our Caddyfile, before five services.
pub(crate) struct Caddy {
    pub(crate) url: String,
    folder: tempfile::TempDir,
    child: Child,
}

pub(crate) struct Edge {
    pub(crate) running: Running,
    pub(crate) write_key: String,
    pub(crate) read_key: String,
    caddy: Caddy,
    _data: tempfile::TempDir,
}

impl Caddy {
    /// Starts it and waits until it answers; `services` are where ingest, query, aggregate, admin and segment listen.
    pub(crate) async fn start(services: [SocketAddr; 5]) -> Caddy {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut caddy = Command::new("caddy");
        for (service, address) in ["INGEST", "QUERY", "AGGREGATE", "ADMIN", "SEGMENT"].into_iter().zip(services) {
            caddy.env(format!("PISTATS_{service}"), format!("h2c://{address}"));
        }
        let child = caddy
            .args(["run", "--adapter", "caddyfile", "--config", CADDYFILE])
            .env("PISTATS_SITE", format!("localhost:{port}"))
            .env("HOME", folder.path())
            .env("XDG_DATA_HOME", folder.path())
            .env("XDG_CONFIG_HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("caddy.log")).unwrap())
            .spawn()
            .unwrap();
        let mut caddy = Caddy { url: format!("https://localhost:{port}"), folder, child };
        caddy.wait().await;
        caddy
    }

    /// Waits until it has its certificate and hands on what it is asked.
    async fn wait(&mut self) {
        let begun = Instant::now();
        while !(self.authority().exists() && self.endpoint().connect().await.is_ok()) {
            let said = || std::fs::read_to_string(self.folder.path().join("caddy.log")).unwrap_or_default();
            assert!(self.child.try_wait().unwrap().is_none(), "Caddy ended: {}", said());
            assert!(begun.elapsed() < Duration::from_secs(60), "Caddy does not answer: {}", said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The certificate of Caddy's own authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("caddy/pki/authorities/local/root.crt")
    }

    /// The edge over TLS and HTTP/2.
    fn endpoint(&self) -> Endpoint {
        let authority = Certificate::from_pem(std::fs::read(self.authority()).unwrap());
        let tls = ClientTlsConfig::new().ca_certificate(authority).domain_name("localhost");
        Endpoint::from_shared(self.url.clone()).unwrap().tls_config(tls).unwrap()
    }
}

impl Drop for Caddy {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Edge {
    /// Both, and a site; nothing where there is no Caddy.
    pub(crate) async fn start() -> Option<Edge> {
        if !require::have("caddy") {
            return None;
        }
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::load(None, &Overrides::default()).unwrap();
        config.data = data.path().join("data");
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.log.segment_mib = 16;
        let running = Running::start(config).await.unwrap();
        let caddy = Caddy::start([running.address; 5]).await;
        let mut edge = Edge { running, write_key: String::new(), read_key: String::new(), caddy, _data: data };
        let mut admin = AdminServiceClient::new(edge.caller(&edge.running.secrets.instance_key).await);
        let request = CreateSiteRequest { name: "edge".to_owned(), ..Default::default() };
        let keys = admin.create_site(request).await.unwrap().into_inner().keys;
        let secret =
            |scope: Scope| keys.iter().find(|new| new.key.as_ref().unwrap().scope() == scope).unwrap().secret.clone();
        (edge.write_key, edge.read_key) = (secret(Scope::Server), secret(Scope::Read));
        Some(edge)
    }

    pub(crate) fn url(&self) -> &str {
        &self.caddy.url
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.caddy.authority()
    }

    /// Calls with a key.
    pub(crate) async fn caller(&self, key: &str) -> Caller {
        let value: tonic::metadata::MetadataValue<_> = format!("Bearer {key}").parse().unwrap();
        let add = move |mut request: Request<()>| {
            request.metadata_mut().insert("authorization", value.clone());
            Ok(request)
        };
        InterceptedService::new(self.caddy.endpoint().connect().await.unwrap(), Box::new(add))
    }
}
