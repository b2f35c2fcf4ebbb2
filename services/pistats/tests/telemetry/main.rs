//! What a server tells of itself, seen by those it is told to.
//!
//! ```text
//!   way         one trace shows an event's whole way, at a collector's stand-in
//!   apart       the same with a process a role: calls between services, and what links across the log
//!   late        a process that waits for its store says so: health, answers, and then it serves
//!   page        the page that Prometheus reads has every documented metric
//!   documents   docs/metrics.md and the dashboard name what there is
//! ```

mod apart;
mod collector;
mod documents;
mod late;
mod page;
mod processes;
mod server;
mod way;
