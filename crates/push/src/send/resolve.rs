//! From a name to addresses.

use async_trait::async_trait;
use std::io;
use std::net::IpAddr;

/// Looks names up. What it answers is not believed: every address is checked, and the checked one is connected to.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// All addresses of a host, those to try first in front.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Looks names up as the machine is set up to.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        // The port is part of tokio's question, not of the answer.
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}
