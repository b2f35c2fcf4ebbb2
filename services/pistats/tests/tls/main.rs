//! A mesh whose processes speak TLS only, and let in only who shows a certificate of their authority.
//!
//! ```text
//!   mesh      ingest, two aggregates, query and admin, with server.tls (client_ca) and mesh.tls
//!   served    with the right certificates everything works: events, reports, live parts, notices, a retry, commands
//!   refused   without them nothing does, at any process, and who calls is told what to look at
//! ```

mod mesh;
mod refused;
mod served;
