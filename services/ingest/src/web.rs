//! Collecting from pages over plain HTTP: the beacon of a page that is left, and the pixel of one without scripts.
//!
//! ```text
//!   POST /collect?key=KEY        a pistats.ingest.v1.CollectRequest, as text/plain: no preflight, so it gets out at unload
//!   GET  /pixel.gif?key=KEY&url= one event from its parameters; a picture, whatever happened
//! ```
//!
//! Behind both is the code behind `Collect`: the same entry, collector, limits and outcomes; an answer comes after fdatasync
//! (I-1). Only the outcome is written differently: an HTTP status and a sentence, for nobody there reads a gRPC status.
//!
//! The key stands in the address, and addresses end up in other people's logs: only a write key, which is public, is taken here.

mod pixel;

use crate::Ingest;
use crate::entry::header;
use crate::service::{refused, rejections, wire_bytes};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{Extensions, HeaderMap, StatusCode, header as name};
use pistats_core::{Reason, Scope};
use pistats_proto::ingest::raw::CollectRequest;
use pistats_rpc::auth::Principal;
use pistats_rpc::origins::origin;
use prost::Message as _;
use std::net::SocketAddr;
use std::time::Duration;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// How long a body may take to arrive: a page that is being left sends it at once.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// What a beacon may be called: the types that need no preflight and say what it is, and those of other clients.
const TYPES: [&str; 3] = ["text/plain", "application/octet-stream", "application/x-protobuf"];

/// `/collect` and `/pixel.gif`, to be merged with what else is served on the port.
pub fn routes(ingest: Ingest) -> Router {
    Router::new().route("/collect", post(collect)).route("/pixel.gif", get(pixel::get)).with_state(ingest)
}

async fn collect(State(ingest): State<Ingest>, request: Request) -> Response {
    match beacon(&ingest, request).await {
        Ok(answer) => answer,
        Err(fault) => fault.into_response(),
    }
}

async fn beacon(ingest: &Ingest, request: Request) -> Result<Response, Fault> {
    let (head, body) = request.into_parts();
    let key = parameter(head.uri.query(), "key");
    let page = origin(&head.headers);
    // Who may not collect is told so before anything is read.
    let caller = {
        let (directory, principal) = (ingest.entry.directory.load(), write_key(ingest, key.as_deref())?);
        let site = ingest.entry.site(&directory, &principal, &[Scope::Write])?;
        ingest.entry.caller(site, principal.scope, &head.headers, page, peer(&head.extensions))?
    };
    of_a_known_type(&head.headers)?;
    let events = read(body, &head.headers, ingest.entry.collector.limits().batch_bytes).await?;
    let known = ingest.entry.known(caller.site).await?;
    let collected = ingest.entry.collector.collect(caller.sender(&known), &events, wire_bytes(&events));
    let collected = collected.await.map_err(refused)?;
    if collected.rejections.is_empty() {
        return Ok(plain(StatusCode::NO_CONTENT, String::new()));
    }
    let (accepted, duplicates) = (collected.accepted, collected.duplicates);
    let rejections: Vec<serde_json::Value> = rejections(collected)
        .into_iter()
        .map(|told| {
            let reason = Reason::from_number(told.reason as u32).map_or("unspecified", Reason::name);
            serde_json::json!({"index": told.index, "reason": reason, "field": told.field, "message": told.message})
        })
        .collect();
    let told = serde_json::json!({"accepted": accepted, "duplicates": duplicates, "rejections": rejections});
    let mut answer = plain(StatusCode::OK, told.to_string());
    answer.headers_mut().insert(name::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Ok(answer)
}

/// The principal of a key in an address.
fn write_key(ingest: &Ingest, key: Option<&str>) -> Result<Principal, Status> {
    let Some(key) = key else {
        return Err(Status::unauthenticated("no key: add ?key= and the site's write key to the address"));
    };
    let principal = Principal::with(&ingest.entry.directory, key)?;
    if principal.scope == Scope::Server {
        return Err(Status::permission_denied(
            "a server key is a secret and does not belong into an address; use the site's write key here",
        ));
    }
    Ok(principal)
}

fn of_a_known_type(headers: &HeaderMap) -> Result<(), Fault> {
    let sent = header(headers, "content-type").split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // A beacon of plain bytes has none.
    if !sent.is_empty() && !TYPES.contains(&sent.as_str()) {
        let told = format!("the body is a CollectRequest in Protobuf; send it as {}", TYPES.join(" or "));
        return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, told));
    }
    if headers.contains_key(name::CONTENT_ENCODING) {
        let told = "the body is taken as it is; send it without content-encoding";
        return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, told));
    }
    Ok(())
}

/// The events of a body of at most so many bytes: of a larger one no more is read.
async fn read(body: Body, headers: &HeaderMap, limit: usize) -> Result<Vec<Bytes>, Fault> {
    let too_large = || {
        let told = format!("the batch has more than the {limit} bytes that are accepted; send it in several batches");
        Fault::new(StatusCode::PAYLOAD_TOO_LARGE, told)
    };
    if header(headers, "content-length").parse::<usize>().is_ok_and(|bytes| bytes > limit) {
        return Err(too_large());
    }
    let read = tokio::time::timeout(BODY_WITHIN, to_bytes(body, limit)).await;
    let bytes = match read {
        Ok(Ok(bytes)) => bytes,
        // Of two reasons the connection's own ends the call anyway.
        Ok(Err(_)) => return Err(too_large()),
        Err(_) => {
            let told = format!("the body did not arrive within {} seconds; send it again", BODY_WITHIN.as_secs());
            return Err(Fault::new(StatusCode::REQUEST_TIMEOUT, told));
        }
    };
    let request = CollectRequest::decode(bytes).map_err(|error| {
        Fault::new(StatusCode::BAD_REQUEST, format!("the body is no pistats.ingest.v1.CollectRequest: {error}"))
    })?;
    Ok(request.events)
}

/// The first parameter of that name.
fn parameter(query: Option<&str>, wanted: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.into_iter().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
}

/// The other end of the connection, as the server noted it.
fn peer(extensions: &Extensions) -> Option<SocketAddr> {
    let tcp = extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
    let tls = || extensions.get::<TlsConnectInfo<TcpConnectInfo>>().and_then(|info| info.get_ref().remote_addr());
    tcp.or_else(tls)
}

/// An answer in text. What a page may read of another origin's answers is the server's to say, for all that it serves.
fn plain(code: StatusCode, text: String) -> Response {
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = code;
    let headers = answer.headers_mut();
    headers.insert(name::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    if code != StatusCode::NO_CONTENT {
        headers.insert(name::CONTENT_TYPE, http::HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    answer
}

/// Why nothing was collected: a status and one sentence.
#[derive(Debug)]
struct Fault {
    code: StatusCode,
    told: String,
    retry_after: Option<Duration>,
}

impl Fault {
    fn new(code: StatusCode, told: impl Into<String>) -> Fault {
        Fault { code, told: told.into(), retry_after: None }
    }

    fn into_response(self) -> Response {
        let mut answer = plain(self.code, self.told);
        if let Some(delay) = self.retry_after {
            let seconds = delay.as_secs_f64().ceil().max(1.0) as u64;
            answer.headers_mut().insert(name::RETRY_AFTER, seconds.into());
        }
        answer
    }
}

/// A status of gRPC as HTTP has it (google/rpc/code.proto, "HTTP Mapping").
impl From<Status> for Fault {
    fn from(status: Status) -> Fault {
        let code = match status.code() {
            Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => StatusCode::BAD_REQUEST,
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let retry_after = status.get_details_retry_info().and_then(|info| info.retry_delay);
        Fault { code, told: status.message().to_owned(), retry_after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_becomes_a_code_a_sentence_and_when_to_come_back() {
        let busy = pistats_rpc::status::exhausted("busy", Duration::from_millis(200));
        let answer = Fault::from(busy).into_response();
        assert_eq!(
            (answer.status(), &answer.headers()["retry-after"]),
            (StatusCode::TOO_MANY_REQUESTS, &"1".parse().unwrap())
        );
        let gone = pistats_rpc::status::unavailable("away", Duration::from_secs(5));
        let answer = Fault::from(gone).into_response();
        assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"5".parse().unwrap()));
        for (status, code) in [
            (Status::unauthenticated(""), 401),
            (Status::permission_denied(""), 403),
            (Status::invalid_argument(""), 400),
            (Status::internal(""), 500),
        ] {
            let answer = Fault::from(status).into_response();
            assert_eq!(answer.status().as_u16(), code);
            assert!(!answer.headers().contains_key("retry-after"));
        }
    }
}
