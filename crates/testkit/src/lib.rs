//! What tests share: the naive oracle, histories, a server in the process, real inputs.
//!
//! ```text
//!   oracle      the definitions as a program: sort and loop     histories  seeded random events and questions
//!   data        real inputs and the answers that come with them   require    what a test needs, or a printed skip
//!   postgres    a private server, a fresh database a test         authority  certificates, right ones and wrong ones
//!   push_receiver   a push service and its browsers
//! ```
//!
//! A dev-dependency only: nothing that is shipped depends on it.

pub mod authority;
pub mod data;
pub mod histories;
pub mod oracle;
#[cfg(unix)]
pub mod postgres;
pub mod push_receiver;
pub mod require;

pub use oracle::{Oracle, OracleEvent};
