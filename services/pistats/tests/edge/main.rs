//! The edge of a mesh: the Caddyfile that compose.yaml mounts, run by a real Caddy before a real server, and the form of the
//! compose files.

mod caddy;
mod calls;
mod compose;
mod web;
