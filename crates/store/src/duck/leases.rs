//! Leases of a warehouse that one process holds: in memory, for nobody outlives the process that could be fenced.
//!
//! Several owners within the process share it as processes share a server. What changes an epoch runs on the writer's thread,
//! between two commits (E-3); extending does not, so that no long commit makes an owner late.

use super::DuckStore;
use crate::{Error, Fence, Held, Lease, LeaseEpoch, Leases, Leasing, Owner};
use async_trait::async_trait;
use pistats_core::PartitionId;
use pistats_core::ids::PARTITIONS;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Epochs and owners.
#[derive(Default)]
pub(super) struct Table {
    leases: [Row; PARTITIONS as usize],
    owners: BTreeMap<u128, (Owner, Instant)>,
}

#[derive(Clone, Default)]
struct Row {
    epoch: LeaseEpoch,
    /// Until when; kept past that, until somebody else takes it.
    owner: Option<(Owner, Instant)>,
}

impl Row {
    fn owner(&self, now: Instant) -> Option<&Owner> {
        self.owner.as_ref().filter(|(_, until)| *until > now).map(|(owner, _)| owner)
    }

    fn is_held(&self, by: &Owner, epoch: LeaseEpoch) -> bool {
        self.epoch == epoch && self.owner.as_ref().is_some_and(|(owner, _)| owner.id == by.id)
    }
}

impl Table {
    /// S-8, but for the generation.
    pub(super) fn check(&self, fence: &Fence) -> Result<(), Error> {
        for held in &fence.leases {
            let stored = self.leases.get(held.partition.index()).map_or(LeaseEpoch(0), |row| row.epoch);
            if stored != held.epoch {
                return Err(Error::Fenced { partition: held.partition, stored, given: held.epoch });
            }
        }
        Ok(())
    }

    fn acquire(&mut self, owner: &Owner, most: usize, ttl: Duration) -> Vec<Held> {
        let now = Instant::now();
        self.attend(owner, now + ttl);
        let mut taken = Vec::new();
        for (partition, row) in PartitionId::all().zip(&mut self.leases) {
            if taken.len() < most && row.owner(now).is_none() {
                row.epoch = LeaseEpoch(row.epoch.0 + 1);
                row.owner = Some((owner.clone(), now + ttl));
                taken.push(Held { partition, epoch: row.epoch });
            }
        }
        taken
    }

    fn extend(&mut self, owner: &Owner, held: &[Held], ttl: Duration) -> Vec<Held> {
        let until = Instant::now() + ttl;
        self.attend(owner, until);
        let mut kept = self.held(owner, held);
        kept.sort_by_key(|held| held.partition);
        for held in &kept {
            self.leases[held.partition.index()].owner = Some((owner.clone(), until));
        }
        kept
    }

    fn release(&mut self, owner: &Owner, held: &[Held]) {
        for held in self.held(owner, held) {
            self.leases[held.partition.index()].owner = None;
        }
    }

    fn leave(&mut self, owner: &Owner) {
        self.owners.remove(&owner.id);
        for row in &mut self.leases {
            if row.owner.as_ref().is_some_and(|(holds, _)| holds.id == owner.id) {
                row.owner = None;
            }
        }
    }

    fn list(&self) -> Leasing {
        let now = Instant::now();
        let lease = |(partition, row): (PartitionId, &Row)| Lease {
            partition,
            epoch: row.epoch,
            owner: row.owner(now).cloned(),
        };
        let known = self.owners.values().filter(|(_, until)| *until > now);
        Leasing {
            leases: PartitionId::all().zip(&self.leases).map(lease).collect(),
            owners: known.map(|(owner, _)| owner.clone()).collect(),
        }
    }

    fn attend(&mut self, owner: &Owner, until: Instant) {
        self.owners.insert(owner.id, (owner.clone(), until));
    }

    fn held(&self, owner: &Owner, held: &[Held]) -> Vec<Held> {
        let is_held =
            |held: &&Held| self.leases.get(held.partition.index()).is_some_and(|row| row.is_held(owner, held.epoch));
        held.iter().filter(is_held).copied().collect()
    }
}

#[async_trait]
impl Leases for DuckStore {
    async fn acquire(&self, owner: &Owner, most: usize, ttl: Duration) -> Result<Vec<Held>, Error> {
        let (table, owner) = (self.leases.clone(), owner.clone());
        self.writer.run(move |_| Ok(table.lock().acquire(&owner, most, ttl))).await
    }

    async fn extend(&self, owner: &Owner, held: &[Held], ttl: Duration) -> Result<Vec<Held>, Error> {
        Ok(self.leases.lock().extend(owner, held, ttl))
    }

    async fn release(&self, owner: &Owner, held: &[Held]) -> Result<(), Error> {
        self.leases.lock().release(owner, held);
        Ok(())
    }

    async fn leave(&self, owner: &Owner) -> Result<(), Error> {
        self.leases.lock().leave(owner);
        Ok(())
    }

    async fn list(&self) -> Result<Leasing, Error> {
        Ok(self.leases.lock().list())
    }
}
