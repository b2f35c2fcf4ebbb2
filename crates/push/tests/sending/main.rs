//! The sender against push services that do what they should not, names that lie, and connections that break.
//!
//! W-1 is tested where messages are sealed (`src/seal.rs`), and with somebody else's browser in `tests/receiver.rs`.

mod line;
mod names;
mod service;
mod shared;
mod tls;
