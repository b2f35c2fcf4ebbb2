//! Every rpc of the contract can be called by `make ghz`: it has a configuration, and each configuration has an rpc.

use prost::Message;
use prost_types::FileDescriptorSet;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a server has beside the contract's services, as reflection lists it.
const OPEN: [&str; 3] = [
    "grpc.health.v1.Health.Check",
    "grpc.health.v1.Health.Watch",
    "grpc.reflection.v1.ServerReflection.ServerReflectionInfo",
];

/// Every rpc, as ghz names it: `package.Service.Method`.
fn rpcs() -> BTreeSet<String> {
    let files = FileDescriptorSet::decode(pistats_proto::FILE_DESCRIPTOR_SET).unwrap().file;
    let of_file = |file: &prost_types::FileDescriptorProto| {
        let name = |service: &str, method: &str| format!("{}.{service}.{method}", file.package());
        let services = file.service.iter();
        services
            .flat_map(|service| {
                service.method.iter().map(|method| name(service.name(), method.name())).collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
    };
    files.iter().flat_map(of_file).chain(OPEN.map(str::to_owned)).collect()
}

/// The rpc of each configuration, by its file.
fn configurations() -> BTreeMap<String, serde_json::Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("ghz");
    let mut found = BTreeMap::new();
    for key in ["open", "instance", "server", "write", "read", "manage"] {
        for entry in std::fs::read_dir(root.join(key)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let config = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(found.insert(name, config).is_none(), "{} is configured twice", path.display());
        }
    }
    found
}

#[test]
fn every_rpc_has_a_configuration_and_every_configuration_an_rpc() {
    let configured: BTreeSet<String> = configurations().into_keys().collect();
    let rpcs = rpcs();
    assert!(rpcs.len() > 20, "{rpcs:?}");
    let without: Vec<_> = rpcs.difference(&configured).collect();
    assert!(without.is_empty(), "write loadtest/ghz/KEY/RPC.json for {without:?}");
    let strange: Vec<_> = configured.difference(&rpcs).collect();
    assert!(strange.is_empty(), "no such rpc: {strange:?}");
}

#[test]
fn each_configuration_calls_the_rpc_of_its_name_and_ends_soon() {
    for (name, config) in configurations() {
        assert_eq!(config["call"], name.as_str());
        let seconds = config["duration"].as_str().and_then(|text| text.strip_suffix('s')?.parse::<u32>().ok());
        let total = config["total"].as_u64();
        assert!(seconds.is_some_and(|seconds| seconds <= 5) != total.is_some_and(|total| total <= 100), "{name}");
        assert!(config["timeout"].is_string(), "{name}: a call that hangs ends");
    }
}
