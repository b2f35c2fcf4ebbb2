//! Files for browsers: the dashboard, the tracker and, with `--demo`, a shop to click around in.
//!
//! | path | is | served where |
//! |---|---|---|
//! | `/`, any path that names no file | the dashboard's page, which reads the rest of its state from the address | `query` |
//! | `/assets/…` | its scripts and styles; the name holds a hash, so they are kept for ever | `query` |
//! | `/js/p.js`, `/js/p.extra.js`, `/js/pistats-sw.js` | the tracker | `ingest` |
//! | `/shop/…` | the demo's shop, its snippet filled in with the demo's write key | with `--demo` |
//!
//! Routes of other parts of the house (beacons, pixels) lie before these on the same port; gRPC never comes here
//! (`pistats_rpc::pages`). Not responsible for building the files: `build.rs` tells how they get in.

mod answer;
mod files;
mod shop;

pub(super) use shop::Shop;

use crate::roles::Role;
use axum::Router;
use axum::extract::Request;
use files::Files;
use std::sync::Arc;

/// Which parts of the files a process serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts {
    dashboard: bool,
    tracker: bool,
}

/// The files that go with the roles of a process. It answers all paths that nobody else does.
pub(super) fn routes(roles: &[Role], shop: &Shop) -> Router {
    let parts = Parts { dashboard: roles.contains(&Role::Query), tracker: roles.contains(&Role::Ingest) };
    let (files, shop) = (Arc::new(Files::built()), shop.clone());
    Router::new().fallback(move |request: Request| {
        let answer = answer::to(&files, &shop, parts, request.method(), request.uri().path(), request.headers());
        std::future::ready(answer)
    })
}
