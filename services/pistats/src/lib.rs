//! The one binary: command line, configuration, roles, wiring, shutdown.
//!
//! ```text
//!   cli ──▶ commands ──gRPC──▶ a running server          import    files → events → Collect
//!       └─▶ serve: config → log, store, services, one port → drain          ingest_log    another process's log
//! ```
//!
//! Only this crate names backends and roles. Everything a command does to a server goes through the contract, as any other
//! client's calls do. The library exists so that tests can serve in their own process.

pub mod cli;
pub mod client;
pub mod commands;
pub mod config;
pub mod credentials;
pub mod demo;
pub mod import;
pub mod ingest_log;
pub mod roles;
pub mod serve;
mod table;
