//! Ingest: parse, refuse or accept; the answer comes after the event is on disk.
//!
//! ```text
//!   gRPC ─▶ service ─┐
//!                    ├─▶ entry ─▶ collector ─┬─▶ check   each event, on its wire bytes: Checked or Refusal
//!   HTTP ─▶ web ─────┘  key → site, whose    ├─▶ stamp   what only the collector knows or may say
//!                       address and page     ├─▶ pack    one packed record a partition
//!                                            └─▶ append to the event log ── durable ──▶ answer
//!
//!   rejected  refused events, kept within bounds     recent    ids seen lately (advisory)
//!   counters  what came, what was refused and why    log       the log, read over gRPC
//!   forward   ships the log to a stream that collectors share
//! ```
//!
//! # Promises
//! - **I-1** An event is answered as accepted only after the log said it is durable (P-1).
//! - **I-2** One refused event refuses no other; each refusal names field, reason and fix, is counted, and is kept (P-3).
//! - **I-3** Nothing is decoded and encoded again: the log holds the event's own bytes, then the stamps. Only an event that
//!   carries a client address (or an id that I-6 forbids) is written anew, without it: an address never reaches the log.
//! - **I-4** The site comes from the key; what a public key says about user agent, country and address is not believed.
//! - **I-5** A public key collects for pages of its site's origins only, as far as browsers tell where a page is from.
//! - **I-6** In a cookieless site a public key's visitor is derived, and no id that was sent reaches the log.
//!
//! It is not responsible for exact duplicates (Aggregate), for disks (`eventlog`), nor for making keys (`admin`).

mod check;
mod collector;
mod counters;
mod entry;
pub mod forward;
mod identity;
mod log;
mod pack;
mod recent;
mod rejected;
mod resubmit;
mod service;
mod stamp;
pub mod web;

pub use collector::{CollectError, Collected, Collector, Rejected, Sender, Trust, Visitors};
pub use counters::{Counts, IngestCounters};
pub use identity::NoRandomNumbers;
pub use log::{Log, State};
pub use resubmit::Again;
pub use service::Ingest;

/// The salts of days as they are now; the program that collects keeps them up to date ([`pistats_core::cookieless`]).
pub type SharedSalts = tokio::sync::watch::Receiver<std::sync::Arc<pistats_core::Salts>>;
