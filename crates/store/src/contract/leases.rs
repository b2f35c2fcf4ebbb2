//! E-1 to E-5, S-8: a partition has one owner, and only its commits take effect.
//!
//! No case waits for time to pass: a lease of no length has run out at once, one of an hour does not during a test.

use super::sample::{self, everything, number};
use crate::{Error, Fence, Held, LeaseEpoch, Leases, Owner, Registry, Store};
use pistats_core::directory::Site;
use pistats_core::ids::PARTITIONS;
use pistats_core::{Generation, PartitionId, Zone};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3_600);
const OVER: Duration = Duration::ZERO;
const ALL: usize = PARTITIONS as usize;

fn owner(id: u128) -> Owner {
    Owner { id, name: format!("owner {id}") }
}

fn held(partition: u16, epoch: u64) -> Held {
    Held { partition: PartitionId(partition), epoch: LeaseEpoch(epoch) }
}

async fn owners(store: &impl Leases) -> Result<Vec<Option<u128>>, Error> {
    Ok(store.list().await?.leases.into_iter().map(|lease| lease.owner.map(|owner| owner.id)).collect())
}

/// E-1, E-2
pub(super) async fn a_partition_has_one_owner_until_its_time_has_run_out(store: &impl Leases) -> Result<(), Error> {
    // The highest bit must survive every column type.
    let (one, two) = (owner(u128::MAX), owner(2));
    let fresh = store.list().await?;
    assert_eq!((fresh.leases.len(), fresh.owners.len()), (ALL, 0));
    assert!(fresh.leases.iter().all(|lease| lease.owner.is_none() && lease.epoch == LeaseEpoch(0)), "{fresh:?}");

    assert_eq!(store.acquire(&one, 3, LONG).await?, [held(0, 1), held(1, 1), held(2, 1)]);
    let rest: Vec<Held> = (3..PARTITIONS).map(|partition| held(partition, 1)).collect();
    assert_eq!(store.acquire(&two, ALL, OVER).await?, rest, "E-1: what is held is not taken");
    assert_eq!(store.acquire(&one, ALL, LONG).await?.len(), ALL - 3, "E-1: what has run out is taken");
    assert_eq!(store.acquire(&two, ALL, LONG).await?, [], "E-1");
    let all = store.list().await?;
    assert!(all.leases.iter().all(|lease| lease.owner.as_ref() == Some(&one)), "{all:?}");
    let epochs: Vec<u64> = all.leases.iter().map(|lease| lease.epoch.0).collect();
    assert_eq!(epochs, [1, 1, 1, 2, 2, 2, 2, 2], "E-2: each owner of a partition counts");
    assert_eq!(all.owners, [two, one], "by id; also who holds nothing");
    Ok(())
}

/// E-4
pub(super) async fn who_extends_learns_what_it_still_holds(store: &impl Leases) -> Result<(), Error> {
    let (one, two) = (owner(1), owner(2));
    let mine = store.acquire(&one, 4, OVER).await?;
    assert_eq!(owners(store).await?, [None; ALL], "a lease that has run out has no owner");
    assert_eq!(store.extend(&one, &mine, LONG).await?, mine, "run out, but nobody took it");
    assert_eq!(store.extend(&one, &mine, OVER).await?, mine);
    assert_eq!(store.acquire(&two, 2, LONG).await?, [held(0, 2), held(1, 2)]);
    assert_eq!(store.extend(&one, &mine, LONG).await?, [held(2, 1), held(3, 1)], "E-4: two are another's now");
    assert_eq!(store.extend(&two, &mine, LONG).await?, [], "E-4: not at these epochs");
    assert_eq!(store.extend(&one, &[], OVER).await?, []);
    assert_eq!(store.list().await?.owners, [two], "an owner that is late is not known");
    Ok(())
}

/// E-2: free at once, and the epoch goes on.
pub(super) async fn what_is_released_is_free_at_once(store: &impl Leases) -> Result<(), Error> {
    let (one, two) = (owner(1), owner(2));
    let mine = store.acquire(&one, ALL, LONG).await?;
    store.release(&two, &mine).await?;
    assert_eq!(owners(store).await?, [Some(1); ALL], "nobody releases what is another's");
    store.release(&one, &[mine[5], held(6, 7)]).await?;
    assert_eq!(store.acquire(&two, ALL, LONG).await?, [held(5, 2)]);
    store.leave(&one).await?;
    assert_eq!(owners(store).await?, [None, None, None, None, None, Some(2), None, None]);
    assert_eq!(store.list().await?.owners, [two]);
    assert_eq!(store.acquire(&one, 1, LONG).await?, [held(0, 2)], "E-2: also for the owner before");
    Ok(())
}

/// E-5
pub(super) async fn many_who_acquire_at_once_share_without_overlap(store: &impl Leases) -> Result<(), Error> {
    let (one, two, three) = (owner(1), owner(2), owner(3));
    let (first, second, third) =
        tokio::join!(store.acquire(&one, 3, LONG), store.acquire(&two, 3, LONG), store.acquire(&three, 3, LONG));
    let mut taken: Vec<Held> = [first?, second?, third?].concat();
    taken.sort_by_key(|held| held.partition);
    let expected: Vec<Held> = (0..PARTITIONS).map(|partition| held(partition, 1)).collect();
    // Who looked while another took may have gone away with less; the next time it gets the rest.
    taken.extend(store.acquire(&one, ALL, LONG).await?);
    taken.sort_by_key(|held| held.partition);
    assert_eq!(taken, expected, "E-1: each partition once");
    Ok(())
}

/// S-8
pub(super) async fn a_stale_owners_commit_changes_no_row<W: Store + Leases>(store: &W) -> Result<(), Error> {
    let (one, two) = (owner(1), owner(2));
    let mine = store.acquire(&one, ALL, OVER).await?;
    let fenced = |commit: crate::Commit, lease: Held| crate::Commit {
        fence: Fence { leases: vec![lease], generation: None },
        ..commit
    };
    store.commit(fenced(sample::commit(PartitionId(3), 0, 2, 4), mine[3])).await?;
    let taken = store.acquire(&two, ALL, LONG).await?;
    let before = everything(store).await?;

    match store.commit(fenced(sample::commit(PartitionId(3), 2, 3, 4), mine[3])).await {
        Err(Error::Fenced { partition, stored, given }) => {
            assert_eq!((partition, stored, given), (PartitionId(3), LeaseEpoch(2), LeaseEpoch(1)));
        }
        other => panic!("S-8: a stale owner's commit gave {other:?}"),
    }
    let mut repair = sample::commit(PartitionId(3), 2, 3, 1);
    repair.progress.clear();
    let repair = store.commit(fenced(repair, mine[3])).await;
    assert!(matches!(repair, Err(Error::Fenced { .. })), "S-8: a stale owner's repair gave {repair:?}");
    // One of two leases is stale: nothing of the commit stays.
    let mut both = fenced(sample::commit(PartitionId(3), 2, 3, 1), taken[3]);
    both.fence.leases.push(mine[4]);
    let both = store.commit(both).await;
    assert!(matches!(both, Err(Error::Fenced { .. })), "S-8: {both:?}");
    // It is out of step, too; that it is not the owner any more is what it must know.
    let replayed = store.commit(fenced(sample::commit(PartitionId(3), 0, 2, 4), mine[3])).await;
    assert!(matches!(replayed, Err(Error::Fenced { .. })), "S-8: {replayed:?}");
    assert_eq!(everything(store).await?, before);

    store.commit(fenced(sample::commit(PartitionId(3), 2, 3, 4), taken[3])).await?;
    assert_eq!(number(store, "SELECT count(*) FROM event").await?, 8);
    Ok(())
}

/// S-8: whoever folded with the zones of another generation has wrong days.
pub(super) async fn a_commit_of_another_generation_changes_no_row<W: Store + Registry>(store: &W) -> Result<(), Error> {
    let site = |zone: &str| {
        let zone = Zone::named(zone).unwrap_or_else(|_| Zone::utc());
        Site::new(sample::SITE, "example.com", zone, sample::START)
    };
    store.put_site(&site("UTC")).await?;
    let was = store.read(vec![]).await?.as_of.generation;
    let fenced = |from, generation: Generation| crate::Commit {
        fence: Fence { leases: vec![], generation: Some(generation) },
        ..sample::commit(PartitionId(0), from, from + 1, 2)
    };
    store.commit(fenced(0, was)).await?;
    store.change_zone(&site("Asia/Kathmandu")).await?;
    let before = everything(store).await?;
    match store.commit(fenced(1, was)).await {
        Err(Error::OtherGeneration { stored, given }) => {
            assert_eq!((stored, given), (Generation(was.0 + 1), was));
        }
        other => panic!("S-8: a commit of another generation gave {other:?}"),
    }
    assert_eq!(everything(store).await?, before);
    store.commit(fenced(1, Generation(was.0 + 1))).await?;
    assert_eq!(number(store, "SELECT count(*) FROM event").await?, 4);
    Ok(())
}
