//! Authentication: a key becomes a principal, and a service asks the principal for what it needs.
//!
//! The site comes from the key alone (P-7). Health and reflection are open; every other call without a known key ends here.

use arc_swap::ArcSwap;
use pistats_core::{Directory, Scope, SiteId};
use std::sync::Arc;
use tonic::{Request, Status};

/// The directory that every service of the process sees; the admin service replaces it.
pub type SharedDirectory = Arc<ArcSwap<Directory>>;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub scope: Scope,
    /// `None` for the instance key only.
    pub site: Option<SiteId>,
}

impl Principal {
    /// Finds the principal of a request: `authorization: Bearer KEY`.
    ///
    /// Status: UNAUTHENTICATED without a key or with an unknown or revoked one.
    pub fn of<T>(directory: &SharedDirectory, request: &Request<T>) -> Result<Principal, Status> {
        Principal::with(directory, secret(request)?)
    }

    /// Finds the principal of a key.
    ///
    /// Status: UNAUTHENTICATED when it is unknown or revoked.
    pub fn with(directory: &SharedDirectory, secret: &str) -> Result<Principal, Status> {
        match directory.load().authenticate(secret.trim()) {
            Some(key) => Ok(Principal { scope: key.scope, site: key.site }),
            None => Err(Status::unauthenticated("this key is unknown or revoked; `pistats key create` makes one")),
        }
    }

    /// The site of a key with one of these scopes.
    ///
    /// Status: PERMISSION_DENIED naming the scopes that would do.
    pub fn site_with(&self, scopes: &[Scope]) -> Result<SiteId, Status> {
        match self.site {
            Some(site) if scopes.contains(&self.scope) => Ok(site),
            _ => Err(self.denied(scopes)),
        }
    }

    /// Only the instance key may go on.
    pub fn instance(&self) -> Result<(), Status> {
        if self.scope == Scope::Instance { Ok(()) } else { Err(self.denied(&[Scope::Instance])) }
    }

    /// What a call answers to a key of the wrong scope.
    pub fn denied(&self, scopes: &[Scope]) -> Status {
        let names: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
        Status::permission_denied(format!(
            "a {} key may not do this; use a {} key",
            self.scope.name(),
            names.join(" or ")
        ))
    }
}

/// The key that a request shows.
///
/// Status: UNAUTHENTICATED without one.
pub fn secret<T>(request: &Request<T>) -> Result<&str, Status> {
    let header = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    let secret = header.and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")));
    let secret = secret.map(str::trim);
    secret.ok_or_else(|| Status::unauthenticated("no key: send the metadata `authorization: Bearer KEY`"))
}
