//! What a server tells of itself, seen by those it is told to.
//!
//! ```text
//!   way         one trace shows an event's whole way, at a collector's stand-in
//!   page        the page that Prometheus reads has every documented metric
//!   documents   docs/metrics.md and the dashboard name what there is
//! ```

mod collector;
mod documents;
mod page;
mod server;
mod way;
