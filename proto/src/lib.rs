//! The typed contract of piStats: messages and services generated from `proto/`, and their meeting with the domain.
//!
//! ```text
//!   ingest    collect events            aggregate  partitions, replay, live state     record   what lies in the log
//!   log       read the event log        query      reports                            admin    sites, keys, refusals
//!   segment   segments: trees, counts, members            push       subscriptions and campaigns
//!   wire      an event's bytes, read in place         convert   messages as questions and answers of the domain
//! ```
//!
//! One module a package, named as in `proto/`. It is not responsible for transport or authentication (crate `rpc`), nor
//! for what the calls do (services).

/// Generated code is not ours to polish.
macro_rules! package {
    ($name:ident, $file:literal) => {
        #[allow(clippy::all, unreachable_pub, missing_docs)]
        pub mod $name {
            tonic::include_proto!($file);
        }
    };
}

pub mod ingest {
    package!(v1, "pistats.ingest.v1");
    pub mod raw;
}

pub mod record {
    package!(v1, "pistats.record.v1");
}

pub mod log {
    package!(v1, "pistats.log.v1");
}

pub mod aggregate {
    package!(v1, "pistats.aggregate.v1");
}

pub mod query {
    package!(v1, "pistats.query.v1");
}

pub mod admin {
    package!(v1, "pistats.admin.v1");
}

pub mod segment {
    package!(v1, "pistats.segment.v1");
}

pub mod push {
    package!(v1, "pistats.push.v1");
}

pub mod convert;
pub mod wire;

/// Descriptors of all files, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pistats.binpb"));
