//! What processes are told of each other: settings that go together, and certificates.
//!
//! ```text
//!   settings    which roles, logs, stores and certificates go together, as a table
//!   processes   ingest, two aggregates, query and admin, with server.tls (client_ca) and mesh.tls
//!   served      with the right certificates everything works: events, reports, live parts, notices, a retry, commands
//!   refused     without them nothing does, at any process, and who calls is told what to look at
//! ```

mod processes;
mod refused;
mod served;
mod settings;
