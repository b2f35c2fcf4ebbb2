//! How calls come in and go out: the tower layers in front of every service, and the server that carries them.
//!
//! ```text
//!   request ─▶ CORS ─▶ pages? ─▶ grpc-web ─▶ observed ─▶ panics ─▶ deadline ─▶ calls (limit, drain) ─▶ service ─▶ key → principal
//!                         └────▶ panics ─▶ calls (limit, drain) ─▶ router of files and plain HTTP
//!
//!   server     one port, the layers in their order, the way down    auth      who calls
//!   deadline   grpc-timeout is honoured                             status    errors that tell what mends them
//!   calls      open calls: counted, limited, named when late        client    the same settings from the other side
//!   panics     a panic is one call's INTERNAL                       resubmit  refused events, once more
//!   observed   a span and counters a call                           mesh      channels between services
//!   tls        certificates of both sides                           pages     what is no call: files and plain HTTP
//!   proxies    whose address a request comes from
//!   traced     a span a call to another service                     waiting   a port with nothing behind it yet
//! ```
//!
//! It is not responsible for what a call does, nor for which roles run (crate `pistats`).

pub mod auth;
pub mod calls;
pub mod client;
mod cut;
pub mod deadline;
pub mod mesh;
pub mod observed;
pub mod origins;
pub mod pages;
pub mod panics;
pub mod proxies;
pub mod resubmit;
pub mod server;
pub mod status;
pub mod tls;
pub mod traced;
mod waiting;

pub use server::Server;

/// Puts a generated server into the house's settings: gzip and zstd are understood, and a message may have that many bytes.
///
/// A macro, because generated servers share methods but no trait.
#[macro_export]
macro_rules! configured {
    ($server:expr, $message_bytes:expr) => {
        $server
            .accept_compressed($crate::Encoding::Gzip)
            .accept_compressed($crate::Encoding::Zstd)
            .max_decoding_message_size($message_bytes)
    };
}

pub use tonic::codec::CompressionEncoding as Encoding;
