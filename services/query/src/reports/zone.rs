//! Whether an answer was read in the zone that it was planned for.
//!
//! ```text
//!   plan in the zone of the directory ──▶ read a snapshot of generation g ──▶ had the site this zone in g?
//!                                                                               no: the caller asks again
//! ```
//!
//! A change of zone moves rows first and is told to everybody a moment later: a report that was planned before and read
//! after would sort new days into old steps. But each change is a new generation, and in one generation a site has one
//! zone: so that is read once a generation and remembered, and costs nothing otherwise.

use super::Reports;
use crate::deadline::Deadline;
use crate::plan::Tenant;
use pistats_core::report::AsOf;
use pistats_core::{Generation, SiteId};
use pistats_store::{Cell, Statement};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tonic::Status;

/// The zone that each site has in the newest generation it was asked for.
#[derive(Default)]
pub(crate) struct Zones(Mutex<HashMap<SiteId, (Generation, String)>>);

impl Zones {
    fn lock(&self) -> MutexGuard<'_, HashMap<SiteId, (Generation, String)>> {
        // Entries are whole whenever the lock is free.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reports {
    /// Makes sure that the tenant's site had the tenant's zone in an answer's snapshot.
    ///
    /// Errors: UNAVAILABLE it had another one. Asked again, the answer is planned in that one.
    pub(crate) async fn check_zone(&self, tenant: &Tenant, as_of: &AsOf, deadline: Deadline) -> Result<(), Status> {
        let known = self.zones.lock().get(&tenant.site()).cloned();
        let (generation, zone) = match known {
            Some(known) if known.0 == as_of.generation => known,
            _ => self.read_zone(tenant, deadline).await?,
        };
        if generation == as_of.generation && zone == tenant.zone().name() {
            return Ok(());
        }
        Err(Status::unavailable("the site's time zone was changed meanwhile; ask again"))
    }

    async fn read_zone(&self, tenant: &Tenant, deadline: Deadline) -> Result<(Generation, String), Status> {
        let site = Cell::Int(i64::from(tenant.site().0));
        let statement = Statement::new("SELECT time_zone FROM site WHERE id = $1", vec![site]);
        let read = self.read(deadline, vec![statement]).await?;
        let row = read.results.first().and_then(|rows| rows.rows.first());
        // A warehouse that keeps no sites has one zone for ever.
        let zone = row.and_then(|row| row.first()).map_or(tenant.zone().name(), Cell::text).to_owned();
        let known = (read.as_of.generation, zone);
        self.zones.lock().insert(tenant.site(), known.clone());
        Ok(known)
    }
}
