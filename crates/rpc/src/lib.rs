//! How calls come in and go out: the tower layers in front of every service, and the server that carries them.
//!
//! ```text
//!   request ─▶ authentication (key → principal) ─▶ deadline ─▶ … ─▶ service
//! ```
//!
//! It is not responsible for what a call does, nor for which roles run (crate `pistats`).

pub mod auth;
