//! The topic: made if it is absent, compared if it is there; and the registration of an SPU, for clusters without an
//! installer.
//!
//! Partitions, segment size and retention are chosen when a topic is made and cannot be changed afterwards, so a topic
//! that does not fit is refused with what to change rather than used wrongly. A topic that was there before and is gone is
//! never made anew: its records still lie on the SPU, and the controller's metadata is what is damaged.

use std::future::Future;
use std::time::Duration;

use ::fluvio::dataplane::link::ErrorCode;
use ::fluvio::metadata::customspu::CustomSpuSpec;
use ::fluvio::metadata::partition::PartitionSpec;
use ::fluvio::metadata::topic::{CleanupPolicy, SegmentBasedPolicy, TopicSpec, TopicStorageConfig};
use ::fluvio::{Fluvio, FluvioClusterConfig};
use fluvio_sc_schema::ApiError;
use pistats_core::PartitionId;
use pistats_core::ids::PARTITIONS;

use super::config::Config;
use crate::Error;

/// How long a question to the controller may take. Measured: 0.5 ms in the middle, 42 ms at most.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(3);
/// The controller answers once the partitions of a new topic are served, 0.4 s later, or never: if a topic was deleted
/// before. The topic is there all the same, and is looked at in any case.
const CREATE_TIMEOUT: Duration = Duration::from_secs(10);
/// A new connection to the controller takes 10 ms.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Fluvio's own default, for a topic that names no size.
const DEFAULT_SEGMENT_BYTES: u32 = 1 << 30;

/// Connects to a cluster's controller.
pub(super) async fn connect(address: &str) -> Result<Fluvio, Error> {
    let config = FluvioClusterConfig::new(address);
    limited(address, "connecting", CONNECT_TIMEOUT, Fluvio::connect_with_config(&config)).await
}

/// Sees to it that the topic is there and fits.
///
/// Errors: `Config` (it does not fit), `MetadataLost` (it was there, and is not any more), `Unreachable`.
pub(super) async fn provide(fluvio: &Fluvio, config: &Config, was_there: bool) -> Result<(), Error> {
    let address = &config.address;
    let admin = fluvio.admin().await;
    let topics = limited(address, "listing topics", ADMIN_TIMEOUT, admin.all::<TopicSpec>()).await?;
    match topics.iter().find(|topic| topic.name == config.topic) {
        Some(topic) => fits(&topic.spec, config)?,
        None if was_there => {
            let reason = format!("the topic {} is gone, which was there before", config.topic);
            return Err(Error::MetadataLost { reason });
        }
        None => create(fluvio, config).await?,
    }
    let partitions = limited(address, "listing partitions", ADMIN_TIMEOUT, admin.all::<PartitionSpec>()).await?;
    let served = partitions.iter().filter(|partition| partition_of(&partition.name, &config.topic).is_some()).count();
    if served < usize::from(PARTITIONS) {
        let reason = format!("the topic {} is known, but only {served} of its {PARTITIONS} partitions", config.topic);
        return Err(Error::MetadataLost { reason });
    }
    Ok(())
}

/// Whether a partition is served, as the controller sees it: it may be so a moment too early, never too late for long.
pub(super) async fn is_online(fluvio: &Fluvio, config: &Config, partition: PartitionId) -> Result<bool, Error> {
    let admin = fluvio.admin().await;
    let all = admin.all::<PartitionSpec>();
    let partitions = limited(&config.address, "listing partitions", ADMIN_TIMEOUT, all).await?;
    let own = partitions.iter().find(|found| partition_of(&found.name, &config.topic) == Some(partition.0));
    Ok(own.is_some_and(|own| own.status.is_online()))
}

async fn create(fluvio: &Fluvio, config: &Config) -> Result<(), Error> {
    let mut spec = TopicSpec::new_computed(u32::from(PARTITIONS), 1, None);
    let time_in_seconds = u32::try_from(config.retain_for.as_secs()).unwrap_or(u32::MAX);
    spec.set_cleanup_policy(CleanupPolicy::Segment(SegmentBasedPolicy { time_in_seconds }));
    spec.set_storage(TopicStorageConfig { segment_size: Some(config.segment_bytes), max_partition_size: None });
    let admin = fluvio.admin().await;
    let create = admin.create(config.topic.clone(), false, spec);
    match tokio::time::timeout(CREATE_TIMEOUT, create).await.unwrap_or(Ok(())) {
        Ok(()) => {
            tracing::info!(topic = config.topic, partitions = PARTITIONS, "made the topic of the log");
            Ok(())
        }
        // Another process made it meanwhile, to the same settings as far as they matter: it is compared on the next start.
        Err(error) if code(&error) == Some(&ErrorCode::TopicAlreadyExists) => Ok(()),
        Err(error) => {
            let reason =
                format!("the topic {} cannot be made ({error:#}): check that an SPU is registered", config.topic);
            Err(unreachable(&config.address, reason))
        }
    }
}

fn fits(spec: &TopicSpec, config: &Config) -> Result<(), Error> {
    let refuse = |reason| Err(Error::Config { field: "log.url", reason });
    let (topic, partitions) = (&config.topic, spec.replicas().partitions());
    if partitions != u32::from(PARTITIONS) {
        return refuse(format!(
            "the topic {topic} has {partitions} partitions, and piStats needs {PARTITIONS}: name another topic in \
             log.url, it will be made"
        ));
    }
    let segment_bytes = spec.get_storage().and_then(|storage| storage.segment_size).unwrap_or(DEFAULT_SEGMENT_BYTES);
    if segment_bytes >= config.fetch_bytes {
        return refuse(format!(
            "the topic {topic} has segments of {segment_bytes} bytes, and records would be lost in reading unless they \
             are smaller than {}: name another topic in log.url, it will be made",
            config.fetch_bytes
        ));
    }
    let kept = u64::from(spec.retention_secs());
    if kept != config.retain_for.as_secs() {
        tracing::warn!(
            topic,
            kept_seconds = kept,
            set_seconds = config.retain_for.as_secs(),
            "the topic keeps records for another time than log.retain_hours says; what a topic was made with stays"
        );
    }
    Ok(())
}

/// `events-v1-3` → 3, of the topic `events-v1` only.
fn partition_of(name: &str, topic: &str) -> Option<u16> {
    name.strip_prefix(topic)?.strip_prefix('-')?.parse().ok()
}

/// An SPU (a server that stores partitions) to be made known to a cluster's controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spu {
    /// The number it is started with (`fluvio-run spu --id`).
    pub id: i32,
    /// `HOST:PORT` that clients reach it at.
    pub public: String,
    /// `HOST:PORT` that other SPUs reach it at.
    pub private: String,
}

/// Makes an SPU known to the controller at `address`; one that is known already is left as it is.
///
/// An unknown SPU is refused by the controller and asks again every three seconds, so the order of starts is free.
/// Returns whether it was new. Errors: `Unreachable`, `Config` naming the address that is none.
pub async fn register_spu(address: &str, spu: &Spu) -> Result<bool, Error> {
    let (host, port) = host_port("public", &spu.public)?;
    let (private_host, private_port) = host_port("private", &spu.private)?;
    let mut spec = CustomSpuSpec { id: spu.id, ..Default::default() };
    spec.public_endpoint.port = port;
    spec.public_endpoint.ingress = vec![Default::default()];
    spec.public_endpoint.ingress[0].hostname = Some(host);
    spec.private_endpoint.host = private_host;
    spec.private_endpoint.port = private_port;
    let fluvio = connect(address).await?;
    let admin = fluvio.admin().await;
    let create = admin.create::<CustomSpuSpec>(format!("custom-spu-{}", spu.id), false, spec);
    match tokio::time::timeout(ADMIN_TIMEOUT, create).await {
        Ok(Ok(())) => Ok(true),
        Ok(Err(error)) if code(&error) == Some(&ErrorCode::SpuAlreadyExists) => Ok(false),
        Ok(Err(error)) => Err(unreachable(address, format!("registering the SPU: {error:#}"))),
        Err(_) => Err(unreachable(address, "registering the SPU took too long".to_owned())),
    }
}

fn host_port(field: &'static str, text: &str) -> Result<(String, u16), Error> {
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    let refused = || Error::Config { field, reason: format!("{text:?} is no HOST:PORT") };
    parts.filter(|(host, _)| !host.is_empty()).ok_or_else(refused)
}

/// The controller's answer code in an error of the client, where it is one.
fn code(error: &(impl AsRef<dyn std::error::Error + Send + Sync> + ?Sized)) -> Option<&ErrorCode> {
    match error.as_ref().downcast_ref::<ApiError>() {
        Some(ApiError::Code(code, _)) => Some(code),
        _ => None,
    }
}

/// Does something that must not take longer; what goes wrong is `Unreachable`.
async fn limited<T, E: std::fmt::Display>(
    address: &str,
    doing: &str,
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(unreachable(address, format!("{doing}: {error:#}"))),
        Err(_) => Err(unreachable(address, format!("{doing} took longer than {} s", limit.as_secs()))),
    }
}

pub(super) fn unreachable(address: &str, reason: String) -> Error {
    Error::Unreachable { address: address.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(partitions: u32, segment_size: Option<u32>) -> TopicSpec {
        let mut spec = TopicSpec::new_computed(partitions, 1, None);
        if segment_size.is_some() {
            spec.set_storage(TopicStorageConfig { segment_size, max_partition_size: None });
        }
        spec
    }

    fn refusal(spec: &TopicSpec) -> String {
        match fits(spec, &Config::default()) {
            Err(Error::Config { field: "log.url", reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_topic_with_another_number_of_partitions_is_refused() {
        let fitting = spec(u32::from(PARTITIONS), Some(32 << 20));
        assert!(fits(&fitting, &Config::default()).is_ok());
        assert!(refusal(&spec(7, Some(32 << 20))).contains("7 partitions"));
        assert!(refusal(&spec(9, Some(32 << 20))).contains("9 partitions"));
    }

    #[test]
    fn a_topic_whose_segments_are_not_smaller_than_a_fetch_is_refused() {
        let limit = Config::default().fetch_bytes;
        assert!(fits(&spec(u32::from(PARTITIONS), Some(limit - 1)), &Config::default()).is_ok());
        assert!(refusal(&spec(u32::from(PARTITIONS), Some(limit))).contains("segments"));
        assert!(refusal(&spec(u32::from(PARTITIONS), None)).contains("segments"), "Fluvio's own size is 1 GiB");
    }

    #[test]
    fn a_partitions_name_tells_its_topic_and_number() {
        assert_eq!(partition_of("events-v1-3", "events-v1"), Some(3));
        assert_eq!(partition_of("events-v1-3", "events"), None);
        assert_eq!(partition_of("events-v1-2-3", "events-v1"), None);
    }

    #[test]
    fn an_address_without_a_port_is_refused() {
        assert_eq!(host_port("public", "spu:9010").expect("an address"), ("spu".to_owned(), 9010));
        for bad in ["spu", ":9010", "spu:", "spu:99999"] {
            assert!(matches!(host_port("public", bad), Err(Error::Config { field: "public", .. })), "{bad}");
        }
    }
}
