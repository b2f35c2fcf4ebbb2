//! Domain ↔ messages of admin.v1.

use pistats_core::directory::{Key, Site};
use pistats_core::{Reason, Scope};
use pistats_proto::admin::v1;
use pistats_store::{Error, RejectedRow};
use tonic::{Code, Status};

pub(crate) fn site(site: &Site) -> v1::Site {
    v1::Site {
        id: site.id.0,
        name: site.name.clone(),
        time_zone: site.zone.name().to_owned(),
        created_us: site.created.0,
        origins: site.origins.iter().map(ToString::to_string).collect(),
        cookieless: site.cookieless,
    }
}

pub(crate) fn key(key: &Key) -> v1::Key {
    v1::Key {
        id: key.id.clone(),
        site_id: key.site.map_or(0, |site| site.0),
        scope: scope_number(key.scope).into(),
        name: key.name.clone(),
        created_us: key.created.0,
        revoked: key.revoked,
    }
}

fn scope_number(scope: Scope) -> v1::Scope {
    match scope {
        Scope::Instance => v1::Scope::Instance,
        Scope::Write => v1::Scope::Write,
        Scope::Server => v1::Scope::Server,
        Scope::Read => v1::Scope::Read,
        Scope::Manage => v1::Scope::Manage,
    }
}

/// The scope of a key that a site may get.
pub(crate) fn site_scope(scope: v1::Scope) -> Option<Scope> {
    match scope {
        v1::Scope::Write => Some(Scope::Write),
        v1::Scope::Server => Some(Scope::Server),
        v1::Scope::Read => Some(Scope::Read),
        v1::Scope::Manage => Some(Scope::Manage),
        v1::Scope::Unspecified | v1::Scope::Instance => None,
    }
}

pub(crate) fn rejected(row: RejectedRow) -> v1::RejectedEvent {
    v1::RejectedEvent {
        id: row.id.to_vec().into(),
        received_us: row.received.0,
        reason: row.reason as i32,
        field: row.field,
        message: row.message,
        retryable: row.payload.len() == row.payload_bytes as usize,
        payload: row.payload.into(),
        payload_bytes: row.payload_bytes,
    }
}

pub(crate) fn reason_count((reason, count): (Reason, u64)) -> v1::ReasonCount {
    v1::ReasonCount { reason: reason as i32, count }
}

/// A faulty request, with the field's path in the details.
pub(crate) fn invalid(field: &str, fix: &str) -> Status {
    use tonic_types::{ErrorDetails, StatusExt as _};
    let details = ErrorDetails::with_bad_request_violation(field, fix);
    Status::with_error_details(Code::InvalidArgument, format!("{field}: {fix}"), details)
}

pub(crate) fn store_failed(error: Error) -> Status {
    if error.is_retryable() { Status::unavailable(error.to_string()) } else { Status::internal(error.to_string()) }
}
