//! Which partitions this process folds: leases that are held, extended, shared and given back.
//!
//! ```text
//!   beside folding                                        between two epochs
//!   beat ─▶ extend ─▶ fewer than before? ─▶ lost          settle ─▶ gives back what is above its share,
//!   look ─▶ list ─▶ more or fewer than its share?                    takes what is free below it
//!                         └─▶ unsettled
//!   late ─▶ no heartbeat came through in time ─▶ lost
//! ```
//!
//! Everyone knows all owners and so the share of each: eight partitions over three owners are 3, 3 and 2, the greater shares
//! to those that come first by id. What is lost ends the epoch at once; what is to be shared anew ends it in order, committed.
//!
//! Time is this process's own, and only decides when it stops by itself. That two never fold a partition into the warehouse is
//! the store's promise (S-8), not this file's.

use crate::Error;
use parking_lot::Mutex;
use pistats_core::PartitionId;
use pistats_core::ids::PARTITIONS;
use pistats_store::{Held, LeaseEpoch, Leases, Leasing, Owner};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often a heartbeat is looked at the others: what a dead one held is free as soon as its time has run out.
const LOOKS: u32 = 4;

/// What the supervisor must see to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// All is held that should be.
    Settled,
    /// The share changed, or what is missing became free.
    Unsettled,
    /// Somebody else owns a partition that is folded here, or no heartbeat came through in time.
    Lost,
}

/// The leases of this process.
pub(crate) struct Holding {
    leases: Arc<dyn Leases>,
    pub(crate) owner: Owner,
    ttl: Duration,
    heartbeat: Duration,
    state: Mutex<State>,
    /// One after the other: what is decided must be of what is held.
    turn: tokio::sync::Mutex<()>,
    news: watch::Sender<News>,
}

#[derive(Default)]
struct State {
    held: Vec<Held>,
    /// When the leases run out by this process's clock, which began to count before the store did.
    until: Option<Instant>,
}

/// An owner that no other process is, nor this one after its next start.
pub fn new_owner(name: String) -> Owner {
    // Each is keyed by randomness of the system.
    let random = || u128::from(RandomState::new().build_hasher().finish());
    Owner { id: random() << 64 | random(), name }
}

impl Holding {
    pub(crate) fn new(leases: Arc<dyn Leases>, owner: Owner, ttl: Duration, heartbeat: Duration) -> Holding {
        let (state, turn, news) = (Mutex::default(), tokio::sync::Mutex::default(), watch::Sender::new(News::Settled));
        Holding { leases, owner, ttl, heartbeat, state, turn, news }
    }

    /// All leases, also of others.
    pub(crate) fn leases(&self) -> &dyn Leases {
        self.leases.as_ref()
    }

    /// What is held now, in order.
    pub(crate) fn held(&self) -> Vec<Held> {
        self.state.lock().held.clone()
    }

    /// Whether a partition is held now.
    pub(crate) fn holds(&self, partition: PartitionId) -> bool {
        self.state.lock().held.iter().any(|held| held.partition == partition)
    }

    /// Waits until something must be seen to.
    pub(crate) async fn news(&self) -> News {
        let mut news = self.news.subscribe();
        // The sender lives as long as this: the wait cannot fail.
        news.wait_for(|news| *news != News::Settled).await.map_or(News::Lost, |news| *news)
    }

    /// Brings what is held to the share of this process. Nothing may be folded meanwhile; what was is committed, or lost.
    pub(crate) async fn settle(&self) -> Result<Vec<Held>, Error> {
        let _turn = self.turn.lock().await;
        let asked = Instant::now();
        let mut held = self.leases.extend(&self.owner, &self.held(), self.ttl).await?;
        let share = share(&self.leases.list().await?, &self.owner);
        if held.len() > share {
            let surplus = held.split_off(share);
            self.leases.release(&self.owner, &surplus).await?;
        } else if held.len() < share {
            held.extend(self.leases.acquire(&self.owner, share - held.len(), self.ttl).await?);
            held.sort_by_key(|held| held.partition);
        }
        *self.state.lock() = State { held: held.clone(), until: Some(asked + self.ttl) };
        self.news.send_replace(News::Settled);
        Ok(held)
    }

    /// Gives everything back.
    pub(crate) async fn leave(&self) {
        let _turn = self.turn.lock().await;
        self.state.lock().held.clear();
        if let Err(error) = self.leases.leave(&self.owner).await {
            tracing::warn!(%error, "leases could not be given back: they run out by themselves");
        }
    }

    /// Keeps the leases, for ever.
    pub(crate) async fn keep(&self) {
        tokio::join!(self.beats(), self.lateness());
    }

    async fn beats(&self) {
        let mut is_failing = false;
        let mut extended = Instant::now();
        loop {
            // Where something is missing it may become free at any moment.
            let is_whole = *self.news.borrow() == News::Settled && !self.held().is_empty();
            tokio::time::sleep(self.heartbeat / if is_whole { LOOKS } else { 2 * LOOKS }).await;
            let is_due = !is_whole || extended.elapsed() >= self.heartbeat - self.heartbeat / (2 * LOOKS);
            if is_due {
                extended = Instant::now();
            }
            match if is_due { self.beat().await } else { self.look().await } {
                Ok(()) => is_failing = false,
                Err(error) => {
                    if !is_failing {
                        tracing::warn!(%error, "leases could not be extended; trying again");
                    }
                    is_failing = true;
                }
            }
        }
    }

    /// Extends what is held, and looks.
    async fn beat(&self) -> Result<(), Error> {
        let is_lost = {
            let _turn = self.turn.lock().await;
            let (asked, held) = (Instant::now(), self.held());
            let kept = self.leases.extend(&self.owner, &held, self.ttl).await?;
            let is_lost = kept.len() < held.len();
            let mut state = self.state.lock();
            // Late in the meantime: what was given up is not taken up again.
            if state.held != held {
                return Ok(());
            }
            *state = State { held: kept, until: Some(asked + self.ttl) };
            is_lost
        };
        if is_lost {
            self.news.send_replace(News::Lost);
            return Ok(());
        }
        self.look().await
    }

    /// Whether all is shared as it should be.
    async fn look(&self) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let leasing = self.leases.list().await?;
        let (held, share) = (self.held().len(), share(&leasing, &self.owner));
        let is_free = leasing.leases.iter().any(|lease| lease.owner.is_none());
        if held > share || held < share && is_free {
            self.news.send_if_modified(|news| {
                let is_new = *news == News::Settled;
                if is_new {
                    *news = News::Unsettled;
                }
                is_new
            });
        }
        Ok(())
    }

    /// Gives up what is held when its time runs out, by this process's own clock.
    async fn lateness(&self) {
        loop {
            let left = {
                let mut state = self.state.lock();
                match state.until.map(|until| until.saturating_duration_since(Instant::now())) {
                    Some(Duration::ZERO) if !state.held.is_empty() => {
                        state.held.clear();
                        self.news.send_replace(News::Lost);
                        self.heartbeat
                    }
                    Some(Duration::ZERO) | None => self.heartbeat / 8,
                    Some(left) => left,
                }
            };
            tokio::time::sleep(left).await;
        }
    }
}

/// How many partitions an owner should have.
fn share(leasing: &Leasing, owner: &Owner) -> usize {
    let all = usize::from(PARTITIONS);
    let before = leasing.owners.iter().filter(|other| other.id < owner.id).count();
    let others = leasing.owners.iter().filter(|other| other.id != owner.id).count();
    all / (others + 1) + usize::from(before < all % (others + 1))
}

/// The epoch of a partition's lease, where it is among these.
pub(crate) fn epoch_of(held: &[Held], partition: PartitionId) -> Option<LeaseEpoch> {
    held.iter().find(|held| held.partition == partition).map(|held| held.epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_store::{DuckConfig, DuckStore};

    const LONG: Duration = Duration::from_secs(3_600);

    fn owner(id: u128) -> Owner {
        Owner { id, name: id.to_string() }
    }

    fn held(holding: &Holding) -> Vec<u16> {
        holding.held().iter().map(|held| held.partition.0).collect()
    }

    #[test]
    fn shares_add_up_to_all_partitions_however_many_share() {
        for owners in 1..=10u128 {
            let leasing = Leasing { leases: Vec::new(), owners: (1..=owners).map(owner).collect() };
            let shares: Vec<usize> = (1..=owners).map(|id| share(&leasing, &owner(id))).collect();
            assert_eq!(shares.iter().sum::<usize>(), 8, "{shares:?}");
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{shares:?}");
        }
        assert_eq!(share(&Leasing::default(), &owner(1)), 8, "who is not known yet has at least itself");
    }

    #[tokio::test]
    async fn two_share_and_the_one_that_is_left_takes_all() {
        let store = Arc::new(DuckStore::open(DuckConfig::memory()).unwrap());
        let hold = |id| Holding::new(store.clone(), owner(id), LONG, LONG);
        let (one, two) = (hold(1), hold(2));
        one.settle().await.unwrap();
        assert_eq!(held(&one), [0, 1, 2, 3, 4, 5, 6, 7]);
        two.settle().await.unwrap();
        assert_eq!(held(&two).len(), 0, "nothing is free");

        one.beat().await.unwrap();
        assert_eq!(one.news().await, News::Unsettled);
        one.settle().await.unwrap();
        two.beat().await.unwrap();
        assert_eq!(two.news().await, News::Unsettled);
        two.settle().await.unwrap();
        assert_eq!((held(&one), held(&two)), (vec![0, 1, 2, 3], vec![4, 5, 6, 7]));
        for holding in [&one, &two] {
            holding.beat().await.unwrap();
            assert_eq!(*holding.news.borrow(), News::Settled, "each has its share");
        }

        one.leave().await;
        two.beat().await.unwrap();
        assert_eq!(two.news().await, News::Unsettled);
        two.settle().await.unwrap();
        assert_eq!(held(&two).len(), 8);
    }

    #[tokio::test]
    async fn what_a_dead_owner_held_is_found_between_two_heartbeats() {
        let store = Arc::new(DuckStore::open(DuckConfig::memory()).unwrap());
        let one = Holding::new(store.clone(), owner(1), LONG, Duration::from_secs(2));
        let dead = Holding::new(store.clone(), owner(2), Duration::from_millis(50), LONG);
        one.settle().await.unwrap();
        dead.settle().await.unwrap();
        one.settle().await.unwrap();
        dead.settle().await.unwrap();
        assert_eq!((held(&one), held(&dead)), (vec![0, 1, 2, 3], vec![4, 5, 6, 7]));

        let until = one.state.lock().until;
        tokio::select! {
            () = one.beats() => {}
            news = one.news() => assert_eq!(news, News::Unsettled),
        }
        assert_eq!(one.state.lock().until, until, "nothing was extended: no heartbeat was due yet");
        one.settle().await.unwrap();
        assert_eq!(held(&one).len(), 8);
    }

    #[tokio::test]
    async fn what_another_took_is_lost_at_the_next_heartbeat() {
        let store = Arc::new(DuckStore::open(DuckConfig::memory()).unwrap());
        let one = Holding::new(store.clone(), owner(1), Duration::ZERO, LONG);
        one.settle().await.unwrap();
        store.acquire(&owner(2), 3, LONG).await.unwrap();
        one.beat().await.unwrap();
        assert_eq!((one.news().await, held(&one)), (News::Lost, vec![3, 4, 5, 6, 7]));
    }

    #[tokio::test]
    async fn who_is_late_stops_by_its_own_clock() {
        let store = Arc::new(DuckStore::open(DuckConfig::memory()).unwrap());
        let one = Holding::new(store.clone(), owner(1), Duration::from_millis(50), LONG);
        one.settle().await.unwrap();
        tokio::select! {
            () = one.lateness() => {}
            news = one.news() => assert_eq!(news, News::Lost),
        }
        assert_eq!(held(&one).len(), 0);
    }
}
