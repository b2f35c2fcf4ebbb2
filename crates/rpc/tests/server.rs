//! The whole server over a real socket: health, reflection, browsers, deadlines, the way down.

use futures::StreamExt;
use futures::stream::BoxStream;
use pistats_proto::log::v1::log_service_client::LogServiceClient;
use pistats_proto::log::v1::log_service_server::{LogService, LogServiceServer};
use pistats_proto::log::v1::{
    BoundsRequest, BoundsResponse, ReadRequest, ReadResponse, StateRequest, StateResponse, TrimRequest, TrimResponse,
};
use pistats_rpc::server::{Drained, Error, Settings};
use pistats_rpc::{Server, client, configured};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// `Bounds` answers after a time that its caller's key names in milliseconds; `Read` gives one record and then waits for ever.
struct Slow;

#[tonic::async_trait]
impl LogService for Slow {
    type ReadStream = BoxStream<'static, Result<ReadResponse, Status>>;

    async fn read(&self, _: Request<ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let one = futures::stream::iter([Ok(ReadResponse { offset: 7, ..Default::default() })]);
        Ok(Response::new(one.chain(futures::stream::pending()).boxed()))
    }

    async fn bounds(&self, request: Request<BoundsRequest>) -> Result<Response<BoundsResponse>, Status> {
        let key = request.metadata().get("authorization").unwrap().to_str().unwrap();
        let ms = key.trim_start_matches("Bearer ").parse().unwrap();
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Ok(Response::new(BoundsResponse::default()))
    }

    async fn trim(&self, _: Request<TrimRequest>) -> Result<Response<TrimResponse>, Status> {
        Ok(Response::new(TrimResponse::default()))
    }

    async fn state(&self, _: Request<StateRequest>) -> Result<Response<StateResponse>, Status> {
        Ok(Response::new(StateResponse::default()))
    }
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<Drained, Error>>,
}

async fn start(settings: Settings) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let server = Server::new(settings).unwrap().add(configured!(LogServiceServer::new(Slow), 1 << 20));
    let server = tokio::spawn(server.serve(listener, async {
        stopped.await.unwrap();
    }));
    Running { address, stop, server }
}

impl Running {
    /// A client whose `Bounds` calls take that long.
    async fn client(&self, ms: u64) -> LogServiceClient<client::Channel> {
        let channel = client::connect(&format!("http://{}", self.address), &ms.to_string()).await.unwrap();
        LogServiceClient::new(channel)
    }
}

fn quick() -> Settings {
    Settings { stream_grace: Duration::from_millis(50), drain: Duration::from_millis(400), ..Settings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_waits_is_not_serving_says_why_and_gives_the_port_on() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (first, then) =
        [listener.try_clone().unwrap(), listener].map(|socket| TcpListener::from_std(socket).unwrap()).into();
    let (stop, stopped) = oneshot::channel();
    let waiting = Server::new(quick()).unwrap().waiting("the store is not there yet");
    let waiting = tokio::spawn(waiting.serve(first, async {
        stopped.await.unwrap();
    }));
    let running = Running { address, stop, server: waiting };
    let channel = client::connect_open(&format!("http://{address}")).await.unwrap();
    let health = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(health.status(), tonic_health::pb::health_check_response::ServingStatus::NotServing);
    let refused = running.client(1).await.bounds(BoundsRequest {}).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Unavailable, "the store is not there yet"));
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("the store is not there yet\n"), "{answer}");

    running.stop.send(()).unwrap();
    running.server.await.unwrap().unwrap();
    // Who comes in between waits in the socket's queue and is not refused.
    let early = tokio::spawn(async move { client::connect_open(&format!("http://{address}")).await.map(drop) });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (stop, stopped) = oneshot::channel();
    let server = Server::new(quick()).unwrap().add(configured!(LogServiceServer::new(Slow), 1 << 20));
    let server = tokio::spawn(server.serve(then, async {
        stopped.await.unwrap();
    }));
    early.await.unwrap().unwrap();
    let running = Running { address, stop, server };
    assert!(running.client(1).await.bounds(BoundsRequest {}).await.is_ok());
    running.stop.send(()).unwrap();
    running.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn health_and_reflection_are_open() {
    let running = start(quick()).await;
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", running.address))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "pistats.log.v1.LogService"] {
        let answer = health.check(HealthCheckRequest { service: service.to_owned() }).await.unwrap();
        assert_eq!(answer.into_inner().status, 1, "{service} is serving");
    }

    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = ServerReflectionClient::new(channel).server_reflection_info(futures::stream::iter([ask])).await;
    let answer = answers.unwrap().into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else { panic!("{answer:?}") };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    for wanted in ["pistats.log.v1.LogService", "pistats.ingest.v1.IngestService", "grpc.health.v1.Health"] {
        assert!(names.iter().any(|name| name == wanted), "{wanted} in {names:?}");
    }
}

#[tokio::test]
async fn a_panic_is_one_calls_internal() {
    let running = start(quick()).await;
    // No number as key: the service panics.
    let channel = client::connect(&format!("http://{}", running.address), "x").await.unwrap();
    let status = LogServiceClient::new(channel).bounds(BoundsRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal, "{status}");
    running.client(1).await.bounds(BoundsRequest {}).await.unwrap();
}

#[tokio::test]
async fn one_call_too_many_is_shed() {
    let running = start(Settings { calls: 1, ..quick() }).await;
    let mut slow = running.client(60_000).await;
    let first = tokio::spawn(async move { slow.bounds(BoundsRequest {}).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let status = running.client(1).await.bounds(BoundsRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    first.abort();
}

async fn http1(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).to_ascii_lowercase()
}

#[tokio::test]
async fn a_browser_gets_its_preflight_and_its_call_through_grpc_web() {
    let running = start(quick()).await;
    let path = "/pistats.log.v1.LogService/Bounds";
    let preflight = http1(
        running.address,
        &format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: x\r\nOrigin: https://shop.example\r\nAccess-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: authorization,x-grpc-web,content-type\r\nConnection: close\r\n\r\n"
        ),
    )
    .await;
    assert!(preflight.starts_with("http/1.1 200"), "{preflight}");
    assert!(preflight.contains("access-control-allow-origin: *"), "{preflight}");
    assert!(preflight.contains("access-control-allow-headers: authorization,x-grpc-web,content-type"), "{preflight}");

    let call = grpc_web(running.address, "1", "20S").await;
    assert!(call.starts_with("http/1.1 200"), "{call}");
    assert!(call.contains("access-control-expose-headers: grpc-status"), "{call}");
    assert!(call.contains("grpc-status:0"), "the trailers come in the body: {call}");
}

/// A `Bounds` call of a browser.
async fn grpc_web(address: SocketAddr, key: &str, timeout: &str) -> String {
    // The body: one empty message in grpc-web's frame, five bytes of zero.
    let call = format!(
        "POST /pistats.log.v1.LogService/Bounds HTTP/1.1\r\nHost: x\r\nOrigin: https://shop.example\r\n\
         Authorization: Bearer {key}\r\nGrpc-Timeout: {timeout}\r\nContent-Type: application/grpc-web+proto\r\n\
         X-Grpc-Web: 1\r\nContent-Length: 5\r\nConnection: close\r\n\r\n\0\0\0\0\0"
    );
    http1(address, &call).await
}

/// Through grpc-web, because tonic's own client watches the deadline too and would answer first.
#[tokio::test]
async fn a_deadline_is_honoured() {
    let running = start(quick()).await;
    let late = grpc_web(running.address, "60000", "50m").await;
    assert!(late.contains("grpc-status: 4") || late.contains("grpc-status:4"), "{late}");
    let in_time = grpc_web(running.address, "1", "20S").await;
    assert!(in_time.contains("grpc-status:0"), "{in_time}");
}

#[tokio::test]
async fn on_the_way_down_a_call_in_time_is_answered_and_a_stream_is_ended() {
    let running = start(quick()).await;
    let mut streaming = running.client(1).await;
    let mut stream = streaming.read(ReadRequest::default()).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().offset, 7);
    let mut single = running.client(150).await;
    let single = tokio::spawn(async move { single.bounds(BoundsRequest {}).await });
    tokio::time::sleep(Duration::from_millis(50)).await;

    running.stop.send(()).unwrap();
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
    assert!(single.await.unwrap().is_ok());
    assert_eq!(running.server.await.unwrap().unwrap(), Drained { late: vec![] });
}

#[tokio::test]
async fn the_late_call_is_named_and_ended_at_the_deadline() {
    let running = start(quick()).await;
    let mut stuck = running.client(60_000).await;
    let stuck = tokio::spawn(async move { stuck.bounds(BoundsRequest {}).await });
    tokio::time::sleep(Duration::from_millis(50)).await;

    running.stop.send(()).unwrap();
    let drained = running.server.await.unwrap().unwrap();
    assert_eq!(drained.late.len(), 1);
    assert!(drained.late[0].starts_with("/pistats.log.v1.LogService/Bounds ("), "{:?}", drained.late);
    assert_eq!(stuck.await.unwrap().unwrap_err().code(), Code::Unavailable);
}
