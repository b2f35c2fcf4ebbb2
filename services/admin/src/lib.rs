//! Admin: sites, keys, refused events, and how a browser gets in.
//!
//! A change is durable in the registry before it is answered, and every service of the process sees it at once through the
//! shared directory. Secrets are told once and stored as hashes. It is not responsible for checking keys on other calls
//! (crate `rpc`) nor for judging a retried event (the collector does, as the first time).

mod folding;
mod keys;
mod message;
mod service;
mod sign_in;
mod sites;

pub use folding::{Folding, Work};
pub use keys::new_key;
pub use service::Admin;
pub use sign_in::{SignIns, TOKEN_LIFE};
