//! Store and forward: what is in the spool comes to the stream, whatever the stream does, and a consumer sees each record once
//! and in order.
//!
//! ```text
//!   faults   random faults of the stream and crashes of the forwarder     outage   the stream away for long, the bound
//!   lost     a stream that lost what it had acknowledged        kill     the whole process, kill -9
//! ```

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod house;
mod kill;
mod lost;
mod outage;
