//! Who folds which partition: leases with an epoch, so that several processes share the partitions of one warehouse.
//!
//! ```text
//!   epoch      4          5                      6
//!   owner   ───A───┤   ├──B──────────┤ expires ├──A──▶      acquire: epoch + 1     extend, release: the epoch stays
//!                  released            (B is dead or late)
//!              a commit of A under 4 that comes here ▲ changes nothing: Error::Fenced
//! ```
//!
//! A lease alone protects nothing: a process that was asleep wakes up and believes in a lease that has run out. What
//! protects is the [`Fence`] of its commit, which the store compares with the epoch in the commit's own transaction. The time
//! of a lease only decides how soon another process may go on.
//!
//! Not responsible for who should own how much: the aggregators see all owners in [`Leases::list`] and share by themselves.

use crate::Error;
use async_trait::async_trait;
use pistats_core::{Generation, PartitionId};
use std::time::Duration;

/// How long a lease lasts that is not extended.
pub const LEASE_TTL: Duration = Duration::from_secs(6);
/// How often an owner extends its leases: two heartbeats may be lost.
pub const HEARTBEAT: Duration = Duration::from_secs(2);

/// Counts the owners of a partition: it grows by one with each [`Leases::acquire`] of it, and never shrinks. 0: nobody yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LeaseEpoch(pub u64);

/// A process that folds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Owner {
    /// Chosen at random when the process starts: a process that starts again is another owner.
    pub id: u128,
    /// For people: host and process, or address.
    pub name: String,
}

/// A partition that somebody owns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Held {
    pub partition: PartitionId,
    pub epoch: LeaseEpoch,
}

/// A row of the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    pub partition: PartitionId,
    /// Of the last owner.
    pub epoch: LeaseEpoch,
    /// None: free, released or run out.
    pub owner: Option<Owner>,
}

/// All partitions, and all who fold or would.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Leasing {
    /// All partitions, in order.
    pub leases: Vec<Lease>,
    /// Everyone whose last [`Leases::acquire`] or [`Leases::extend`] has not run out, by id; also those without partitions.
    pub owners: Vec<Owner>,
}

/// Under what a commit was folded. The store compares it in the commit's own transaction (S-8).
///
/// Empty (the default) is for tools and tests that own the whole warehouse; whoever folds beside others names every
/// partition whose rows it commits, also where no checkpoint moves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fence {
    pub leases: Vec<Held>,
    /// The generation whose time zones gave the rows their local days.
    pub generation: Option<Generation>,
}

/// Leases of partitions, in the warehouse itself.
///
/// The time that counts is the store's own clock: owners' clocks are never compared.
///
/// Implementations MUST promise:
/// - **E-1** A partition has at most one owner at a time; [`acquire`](Leases::acquire) takes none that another owner holds and
///   whose time has not run out.
/// - **E-2** Each acquire of a partition raises its epoch by one, durably before it returns, also for the owner before.
/// - **E-3** When acquire returns, no commit with an earlier epoch of the partition takes effect any more, and
///   [`checkpoints`](crate::Store::checkpoints) and lookups see all that did.
/// - **E-4** Who extends learns what it still holds: exactly the partitions that are still at its epochs.
/// - **E-5** Of two that acquire at the same time none waits for the other longer than for a commit, and none fails for it.
#[async_trait]
pub trait Leases: Send + Sync + 'static {
    /// Takes partitions that are free or whose lease has run out, at most so many, and holds them for `ttl`. Also
    /// makes the owner known for `ttl`; with `most` 0 only that. Returns what was taken now, in order.
    async fn acquire(&self, owner: &Owner, most: usize, ttl: Duration) -> Result<Vec<Held>, Error>;

    /// Holds partitions for `ttl` from now, as far as the owner still has them at these epochs (also where their time ran out
    /// and nobody took them), and makes the owner known for `ttl`. Returns what it holds of them, in order.
    async fn extend(&self, owner: &Owner, held: &[Held], ttl: Duration) -> Result<Vec<Held>, Error>;

    /// Gives partitions back: they are free at once. What the owner does not hold any more is left alone. Epochs stay.
    async fn release(&self, owner: &Owner, held: &[Held]) -> Result<(), Error>;

    /// Gives everything back, and is no longer known.
    async fn leave(&self, owner: &Owner) -> Result<(), Error>;

    /// Who holds what, now.
    async fn list(&self) -> Result<Leasing, Error>;
}
