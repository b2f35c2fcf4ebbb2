//! Other processes of the mesh: their addresses, and channels to them.

use crate::client::MESSAGE_BYTES;
use crate::config::MeshConfig;
use pistats_proto::aggregate::v1::aggregate_service_client::AggregateServiceClient;
use pistats_proto::ingest::v1::resubmit_service_client::ResubmitServiceClient;
use pistats_rpc::client::{self, Channel};

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
pub(super) fn ingest(mesh: &MeshConfig, key: &str) -> Result<IngestClient, String> {
    let address = mesh.ingest.first().map_or("", String::as_str);
    let channel = client::lazy(address, key).map_err(|error| format!("mesh.ingest: {error}"))?;
    Ok(ResubmitServiceClient::new(channel))
}

/// All Aggregates. They need not be there yet.
pub(super) fn aggregates(mesh: &MeshConfig, key: &str) -> Result<Vec<Peer>, String> {
    let peer = |address: &String| {
        let channel = client::lazy(address, key).map_err(|error| format!("mesh.aggregate: {error}"))?;
        Ok(Peer { address: address.clone(), channel })
    };
    mesh.aggregate.iter().map(peer).collect()
}
