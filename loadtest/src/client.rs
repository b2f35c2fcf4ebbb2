//! Connections to a server, each call with a key.

use crate::Failure;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// Adds the key to every call.
#[derive(Clone)]
pub(crate) struct Authorized(MetadataValue<Ascii>);

impl Interceptor for Authorized {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// What a peer may send before it is read, bytes: the protocol's own default (RFC 9113, 6.9.2). This client's is 2 MiB, in
/// which a minute of messages to somebody who does not read would disappear.
const WINDOW_BYTES: u32 = 65_535;

/// A connection of its own with a key.
pub(crate) async fn connect(url: &str, key: &str) -> Result<InterceptedService<Channel, Authorized>, Failure> {
    let authorization = format!("Bearer {key}").parse().map_err(|_| "a key that cannot be sent".to_owned())?;
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|error| error.to_string())?.tcp_nodelay(true);
    let endpoint = endpoint.initial_stream_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
    let channel = endpoint.connect().await.map_err(|error| format!("{url}: {error}"))?;
    Ok(InterceptedService::new(channel, Authorized(authorization)))
}
