//! Other processes of the mesh: their addresses, and channels to them.

use crate::client::MESSAGE_BYTES;
use crate::config::Config;
use pistats_proto::aggregate::v1::aggregate_service_client::AggregateServiceClient;
use pistats_proto::ingest::v1::resubmit_service_client::ResubmitServiceClient;
use pistats_rpc::mesh::{self, Channel};

/// One process, and a channel to it that carries the instance key. Cheap to clone.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) address: String,
    channel: Channel,
}

impl Peer {
    pub(super) fn aggregate(&self) -> AggregateServiceClient<Channel> {
        AggregateServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES)
    }
}

/// A client of any Ingest.
pub(super) type IngestClient = ResubmitServiceClient<Channel>;

/// Any of the Ingests. They need not be there yet.
pub(super) fn ingest(config: &Config, key: &str) -> Result<IngestClient, String> {
    let channel = mesh::channel(&config.mesh.ingest, key, config.mesh_tls().as_ref());
    let channel = channel.map_err(|error| format!("mesh.ingest: {error}"))?;
    Ok(ResubmitServiceClient::new(channel))
}

/// All Aggregates. They need not be there yet.
///
/// Each has a channel of its own: every one of them is asked, not any.
pub(super) fn aggregates(config: &Config, key: &str) -> Result<Vec<Peer>, String> {
    let tls = config.mesh_tls();
    let peer = |address: &String| {
        let channel = mesh::channel(std::slice::from_ref(address), key, tls.as_ref());
        Ok(Peer { address: address.clone(), channel: channel.map_err(|error| format!("mesh.aggregate: {error}"))? })
    };
    config.mesh.aggregate.iter().map(peer).collect()
}
